"""What is wrong with a declaration, each in its exact words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import validate
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Binding

from tests.unit.builders import service


def said(*called: Any, others: tuple[Any, ...] = ()) -> list[str]:
    services = {s.name: s for s in called}
    return [problem.message for problem in validate.problems(services, {**{s.name: s for s in others}, **services})]


IMAGE = "which is not an image reference such as redis:7-alpine"
SIZE = "which is not a size such as {}m"
RESTART = "which is not one of no, always, unless-stopped, on-failure"
PORT = "which is not a published port such as 127.0.0.1:6379:6379 (built from its bind and port variables)"


@pytest.mark.parametrize(
    ("key", "variable", "value", "what"),
    [
        ("image", "image", "", IMAGE),
        ("image", "image", "Redis:7", IMAGE),
        ("image", "image", "redis:7 alpine", IMAGE),
        ("image", "image", "{{ x }}", IMAGE),
        ("mem_limit", "memory", "12parsecs", SIZE.format(256)),
        ("mem_limit", "memory", "", SIZE.format(256)),
        ("mem_limit", "memory", "-1m", SIZE.format(256)),
        ("shm_size", "shm_size", "much", SIZE.format(128)),
        ("restart", "restart", "sometimes", RESTART),
    ],
)
def test_a_bad_value(key: str, variable: str, value: str, what: str) -> None:
    assert said(service(role="redis", compose={key: value})) == [
        f"one: redis_{variable} is {value!r}, {what}; correct redis_{variable}",
    ]


@pytest.mark.parametrize(
    "port", ["80", "a:80", "127.0.0.1:80", "0:80", "70000:80", "80:70000", "256.0.0.1:80:80", "80-90:80-90", "80:80/sctp", {"t": 1}]
)
def test_a_bad_port(port: Any) -> None:
    assert said(service(role="redis", compose={"ports": [port]})) == [f"one: redis_port is {str(port)!r}, {PORT}; correct redis_port"]


@pytest.mark.parametrize("runs_as", ["redis", "redis:redis", "1:2:3", "-1"])
def test_a_bad_owner(runs_as: str) -> None:
    assert said(service(runs_as=runs_as)) == [
        f"one: one_runs_as is {runs_as!r}, which is not a numeric uid:gid such as 999:999; correct one_runs_as",
    ]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("image", ["redis", "redis:7-alpine", "a/b/c:1.2_3", "localhost:5000/x:y", "r.example/a@sha256:" + "0" * 64, "sha256:" + "a" * 64]),
        ("mem_limit", ["256m", "1g", "0.5G", "1024", 1024, "64mb", "1 g"]),
        ("restart", ["no", "always", "unless-stopped", "on-failure", "on-failure:3"]),
        ("ports", [["80:80"], ["127.0.0.1:80:80"], ["[::1]:80:80/tcp"], ["53:53/udp"], []]),
    ],
)
def test_good_values(key: str, values: list[Any]) -> None:
    assert [said(service(compose={key: value})) for value in values] == [[] for _ in values]


@pytest.mark.parametrize(
    ("text", "binding"),
    [
        ("80:8080", Binding("", 80, "8080/tcp")),
        ("127.0.0.1:080:8080/udp", Binding("127.0.0.1", 80, "8080/udp")),
        ("[::1]:80:8080", Binding("::1", 80, "8080/tcp")),
        ("8080", None),
        ("host:80:80", None),
    ],
)
def test_a_port(text: str, binding: Binding | None) -> None:
    assert validate.parse_port(text) == binding


@pytest.mark.parametrize("where", [{"compose": {"environment": {"X": "<<secret:A>>"}}}, {"files": {"X": {"content": "<<secret:A>>"}}}])
def test_a_misspelt_placeholder(where: dict[str, Any]) -> None:
    kind = "environment key" if "compose" in where else "file"
    assert said(service(**where)) == [
        f"one: {kind} X holds <<secret:A>>, which is no placeholder; write <<secret:NAME>> or <<secret:NAME:ENCODING>> "
        "with one of url, json, pgpass"
    ]


def test_a_port_twice_also_with_a_service_of_an_earlier_run() -> None:
    one, two = (service(n, compose={"ports": [f"{ip}:80:80"]}) for n, ip in (("one", "127.0.0.1"), ("two", "0.0.0.0")))
    elsewhere = service("three", compose={"ports": ["127.0.0.2:81:80", "127.0.0.1:80:80/udp"]})
    assert said(one, two) == ["two and one both publish port 80; change two_port"]
    assert said(two, others=(one,)) == ["two and one both publish port 80; change two_port"]
    assert said(one, elsewhere) == []


@pytest.mark.parametrize(
    ("name", "needs", "message"),
    [
        ("a b", [], "'a b' is no name that Docker takes for a container; correct the service's name"),
        ("-a", [], "'-a' is no name that Docker takes for a container; correct the service's name"),
        ("one", ["one"], "one needs 'one', which cannot be; known services are one"),
        ("one", [""], "one needs '', which cannot be; known services are one"),
    ],
)
def test_names(name: str, needs: list[str], message: str) -> None:
    assert said(service(name, needs=needs)) == [message]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([True, False], []),
        ([None, None], []),
        ([True], []),
        ([False], []),
        (
            [True, True, False],
            [
                "stores_events is true for s0 (s0_stores_events), s1 (s1_stores_events): every event would be "
                "stored twice; leave it true for one of them"
            ],
        ),
        (
            [False, False, None],
            [
                "stores_events is true for none of s0 (s0_stores_events), s1 (s1_stores_events): no event would "
                "be stored; set it to true for one of them"
            ],
        ),
    ],
)
def test_exactly_one_stores_events(facts: list[bool | None], message: list[str]) -> None:
    services = [service(f"s{i}", facts={} if fact is None else {"stores_events": fact}) for i, fact in enumerate(facts)]
    assert said(*services) == message


def test_everything_is_told_at_once() -> None:
    assert len(said(service("one", compose={"image": "X", "mem_limit": "x", "ports": ["x"]}), service("two", runs_as="x"))) == 4


@pytest.mark.parametrize(("image", "good"), [("redis:7", True), ("Redis", False), ("", False)])
def test_a_reference_on_its_own(image: str, good: bool) -> None:
    if good:
        return validate.check_reference("one", "redis", image)
    with pytest.raises(StackError, match=f"^one: redis_image is '{image}', {IMAGE}; correct redis_image$"):
        validate.check_reference("one", "redis", image)
    return None
