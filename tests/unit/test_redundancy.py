"""What looks superfluous on a host, with the evidence and with who still refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Text, Wish
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Binding, Container, Endpoint, Network
from ansible_collections.auren.stack.plugins.module_utils.redundancy import findings
from ansible_collections.auren.stack.plugins.module_utils.references import COMPOSE, mentions

PORT = (Binding("127.0.0.1", 8888, "8888/tcp"),)
COMPOSED = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.service": "cache",
    "com.docker.compose.project.config_files": "/srv/shop/compose.yml",
}


def box(name: str, *networks: str, image: str = "app:1", **more: Any) -> Container:
    places = tuple(Endpoint(network, f"id-{network}", "10.0.0.2", ()) for network in networks)
    known = {"state": "running", "endpoints": places, "network_mode": networks[0] if networks else "bridge", **more}
    return Container(f"id-{name}", name, image, f"sha256:{image}", **known)


def net(name: str, **more: Any) -> Network:
    return Network(f"id-{name}", name, "bridge", ("10.0.0.0/24",), **more)


def found(containers: Sequence[Container], networks: Sequence[Network] = (), texts: Sequence[Text] = (), listed: str = "app") -> list[str]:
    state = HostState(tuple(containers), tuple(networks), texts=tuple(texts))
    return [one.text() for one in findings(state, Wish("target", containers=tuple(Listed(name) for name in listed.split())))]


@pytest.mark.parametrize(
    ("other", "evidence"),
    [
        (box("b", bindings=PORT, image="b:1"), "publishes port 8888, as app does"),
        (box("b", image="app:2"), "runs the image app:2, as app does"),
        (box("b", image="app@sha256:12"), "runs the image app@sha256:12, as app does"),
        (
            box("b", image="app:1", bindings=PORT, state="exited"),
            "publishes port 8888, as app does; runs the image app:1, as app does; is exited",
        ),
        (box("b", image="other:1", state="created"), "is created"),
        (box("b", image="other:1"), None),
        (box("b", image="other:1", bindings=(Binding("127.0.0.1", 8888, "8888/udp"),)), None),
        (box("b", image="other:1", bindings=(Binding("10.0.0.9", 8888, "8888/tcp"),)), None),
        (box("b", image="app:1", labels={LABEL_SERVICE: "b"}), None),
    ],
    ids=["port", "other tag", "digest", "all", "stopped", "nothing", "other protocol", "other address", "ours"],
)
def test_what_looks_like_a_listed_container(other: Container, evidence: str | None) -> None:
    told = found([box("app", bindings=PORT), other])
    assert told == ([f"container b: {evidence}"] if evidence else [])


def test_an_image_of_a_registry_with_a_port_is_not_cut_at_it() -> None:
    assert found([box("app", image="registry:5000/app"), box("b", image="registry:5000/other")]) == []
    assert found([box("app", image="registry:5000/app:1"), box("b", image="registry:5000/app:2")]) == [
        "container b: runs the image registry:5000/app:2, as app does"
    ]


def test_several_that_it_is_like_are_named_together() -> None:
    assert found([box("app"), box("app-blue"), box("b")], listed="app app-blue") == [
        "container b: runs the image app:1, as app and app-blue do"
    ]


def test_one_that_others_refer_to_is_told_to_be_protected() -> None:
    texts = [
        Text("web", "environment key CACHE of web", "redis://b:6379"),
        Text("web", "environment key OTHER of web", "b-2, ab, a.b, http://x"),
        Text("b", "command of b", "serve b"),
    ]
    assert found([box("app"), box("b"), box("web", image="web:1")], texts=texts) == [
        "container b: runs the image app:1, as app does; protected: environment key CACHE of web"
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("b", True),
        ("redis://b:6379/0", True),
        ("http://b/x", True),
        ("x,b", True),
        ("B", False),
        ("b-2", False),
        ("ab", False),
        ("a.b", False),
        ("b://x", False),
    ],
)
def test_a_name_counts_as_a_whole_word(text: str, named: bool) -> None:
    state = HostState((box("b"), box("web")), (), texts=(Text("web", "command of web", text),))
    assert (mentions(state, state.containers[0]) != []) is named


def test_a_name_that_another_one_answers_to_protects_nobody() -> None:
    other = box("blue", endpoints=(Endpoint("net", "id", "", ("api",)),))
    mine = box("green", endpoints=(Endpoint("net", "id", "", ("api",)),))
    state = HostState((mine, other), (), texts=(Text("web", "command of web", "http://api:80"),))
    assert mentions(state, mine) == []


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        (["services:", "  web:", "    depends_on:", "      - cache", "    image: web"], [4]),
        (["services:", "  web:", "    depends_on:", "    - cache"], [4]),
        (["services:", "  web:", "    depends_on: [db, cache]"], [3]),
        (["services:", "  web:", "    depends_on:", "      cache: # comment", "        condition: service_healthy"], [4]),
        (["services:", "  web:", "    depends_on:", "      - cached", "  cache:", "    image: redis"], []),
        (["services:", "  cache:", "    image: cache"], []),
    ],
    ids=["list", "list without indent", "flow", "dictionary", "another one", "none"],
)
def test_the_services_of_its_compose_file_that_depend_on_it(file: list[str], lines: list[int]) -> None:
    path = "/srv/shop/compose.yml"
    texts = tuple(Text("", f"{COMPOSE}{path}:{number}", line) for number, line in enumerate(file, 1))
    state = HostState((box("shop-cache-1", labels=COMPOSED),), (), texts=texts)
    assert mentions(state, state.containers[0]) == [f"depends_on in {path}:{number}" for number in lines]


def test_networks_that_nothing_is_on_and_nothing_needs() -> None:
    networks = [net(name) for name in ("used", "born", "by-id", "free", "target", "bridge")] + [net("swarm", scope="swarm")]
    boxes = [box("app", "used"), box("b", image="b:1", network_mode="born"), box("c", image="c:1", network_mode="id-by-id")]
    assert found(boxes, networks) == ["network free: nothing is on it, and nothing needs it to start"]
