"""The planners of images and network, and what they share: from what was observed to operations with causes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_case, image_plan, live_map, model, network_plan
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.image_plan import Planner, Questions, Recipe, Wanted, bases_digest
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Image, Network
from ansible_collections.auren.stack.plugins.module_utils.network_plan import Route
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan, digest
from ansible_collections.auren.stack.plugins.module_utils.report import table

from tests.unit.builders import image

# --- images -----------------------------------------------------------------------------------------------------------

BASE = Recipe("base:1", "/c/base", how="base")
RECIPES = [BASE, Recipe("redis:7", "/c/redis", needs=("base:1",), stands_in="Debian's"), Recipe("pg:17", "/c/pg", substitutes="pg:16")]
REGISTRIES: dict[str, Any] = {
    "answers": lambda ref: "sha256:abcdef",
    "lacks it": StackError("not there", "not_found", detail="manifest unknown"),
    "is not there": StackError("nobody", "no_registry", detail="no such host"),
}


def plan(
    source: str, present: dict[str, Image], registry: str, *wanted: Wanted, update: bool = False, fits: bool = False
) -> image_plan.ImagePlan:
    asked: list[str] = []

    def remote(ref: str) -> str:
        asked.append(ref)
        answer = REGISTRIES[registry]
        if isinstance(answer, StackError):
            raise answer
        return str(answer(ref))

    found = Planner(source, "/a.tar", update, RECIPES, Questions(present.get, remote, lambda *_: fits)).run(wanted)
    assert registry != "is not there" or len(asked) <= 1, "a registry that is not there is asked once"
    return found


REDIS = Wanted("redis:7", "auren-redis", "redis")
OTHER = Wanted("own:1", "auren-own", "own")
PG = Wanted("pg:16", "auren-pg", "postgres")
PG_DATA = Wanted("pg:16", "auren-pg", "postgres", data="/v/pg")

PULL, LOAD = "pull {}: it is not on this host", "load /a.tar: {} is not on this host"
MISSING = "the image {} of {} is not on this host and {}. Load it by hand, or set {}_image to one that can be had. Nothing was changed"
LOCAL = "auren_image_source is local, which never pulls or builds"
NO_RECIPE = "no registry offers it, and the offline set has no recipe for it"
AUTO = ["base base:1: other images are built on it", "build redis:7: no registry can be reached"]
BUILD = ["base base:1: other images are built on it", "build redis:7: it is not on this host"]
SUBSTITUTE = ["build pg:17: no registry can be reached; it is used instead of pg:16"]


def missing(wanted: Wanted, why: str) -> str:
    return MISSING.format(wanted.image, wanted.service, why, wanted.role)


@pytest.mark.parametrize(
    ("source", "registry", "wanted", "said"),
    [
        *[("local", registry, wanted, missing(wanted, LOCAL)) for registry in REGISTRIES for wanted in (REDIS, OTHER, PG)],
        *[("archive", registry, wanted, [LOAD.format(wanted.image)]) for registry in REGISTRIES for wanted in (REDIS, OTHER, PG)],
        *[("registry", "answers", wanted, [PULL.format(wanted.image)]) for wanted in (REDIS, OTHER, PG)],
        *[("registry", "lacks it", wanted, missing(wanted, "it cannot be pulled: manifest unknown")) for wanted in (REDIS, OTHER, PG)],
        *[("registry", "is not there", wanted, missing(wanted, "it cannot be pulled: no such host")) for wanted in (REDIS, OTHER, PG)],
        *[("auto", "answers", wanted, [PULL.format(wanted.image)]) for wanted in (REDIS, OTHER, PG, PG_DATA)],
        *[("auto", registry, REDIS, AUTO) for registry in ("lacks it", "is not there")],
        *[("auto", registry, OTHER, missing(OTHER, NO_RECIPE)) for registry in ("lacks it", "is not there")],
        *[("auto", registry, PG, SUBSTITUTE) for registry in ("lacks it", "is not there")],
        *[("build", registry, REDIS, BUILD) for registry in REGISTRIES],
        *[("build", registry, OTHER, missing(OTHER, NO_RECIPE)) for registry in REGISTRIES],
        *[("build", registry, PG, SUBSTITUTE) for registry in REGISTRIES],
        *[
            (
                source,
                "lacks it",
                PG_DATA,
                missing(PG_DATA, "no registry offers it, and pg:17 of the offline set cannot be used on the data that is already in /v/pg"),
            )
            for source in ("auto", "build")
        ],
    ],
)
def test_an_image_that_is_not_there(source: str, registry: str, wanted: Wanted, said: Any) -> None:
    found = plan(source, {}, registry, wanted)
    if isinstance(said, list):
        assert ([step.text() for step in found.steps], found.conflicts) == (said, [])
    else:
        assert ([c.message for c in found.conflicts], found.steps) == ([said], [])
    assert found.images == ({"pg:16": "pg:17"} if said == SUBSTITUTE else {})


@pytest.mark.parametrize(("source", "registry"), list(itertools.product(["local", "archive", "registry", "auto", "build"], REGISTRIES)))
def test_an_image_that_is_there_is_left_alone(source: str, registry: str) -> None:
    for wanted in (REDIS, OTHER, PG, PG_DATA):
        found = plan(source, {wanted.image: image()}, registry, wanted)
        assert (found.steps, found.conflicts, found.images) == ([], [], {})


@pytest.mark.parametrize(
    ("source", "registry", "digests", "steps"),
    [
        ("auto", "answers", (), ["pull own:1: the registry has another one behind this tag (sha256:abcdef)"]),
        ("registry", "answers", ("own@sha256:old",), ["pull own:1: the registry has another one behind this tag (sha256:abcdef)"]),
        ("auto", "answers", ("own@sha256:abcdef",), []),
        ("auto", "lacks it", (), []),
        ("auto", "is not there", (), []),
        ("local", "answers", (), []),
        ("archive", "answers", (), []),
        ("build", "answers", (), []),
    ],
)
def test_a_newer_image_only_when_updates_are_asked_for(source: str, registry: str, digests: tuple[str, ...], steps: list[str]) -> None:
    found = plan(source, {"own:1": image(digests=digests)}, registry, OTHER, update=True)
    assert ([step.text() for step in found.steps], found.conflicts) == (steps, [])


def test_an_offline_image_whose_recipe_changed_is_built_anew_only_when_asked() -> None:
    recipe = Recipe("redis:7", "/c/redis", digest="new")
    old = image(labels={model.LABEL_OFFLINE: "true", model.LABEL_CONTEXT: "old"})
    for update, steps in ((True, ["build redis:7: its recipe changed"]), (False, [])):
        ask = Questions({"redis:7": old}.get, lambda ref: "", lambda *_: False)
        found = Planner("build", "", update, [recipe], ask).run([REDIS])
        assert [step.text() for step in found.steps] == steps


@pytest.mark.parametrize(("fits", "data", "used"), [(True, "/v/pg", True), (False, "/v/pg", False), (True, "", False)])
def test_data_of_the_stand_in_stays_with_the_stand_in_when_the_registry_answers_again(fits: bool, data: str, used: bool) -> None:
    found = plan("auto", {"pg:17": image()}, "answers", Wanted("pg:16", "auren-pg", "postgres", data=data), fits=fits)
    assert found.images == ({"pg:16": "pg:17"} if used else {})
    assert [step.text() for step in found.steps] == ([] if used else [PULL.format("pg:16")])


ON_ANOTHER = {model.LABEL_CONTEXT: "abc", model.LABEL_BASES: "older"}
ON_THIS = {**ON_ANOTHER, model.LABEL_BASES: bases_digest(["redis:7"], {"redis:7": image()}.get)}


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        ({}, [*BUILD[:1], "build redis:7: no registry can be reached", "build app:1: it is not on this host"]),
        ({"redis:7": image()}, ["build app:1: it is not on this host"]),
        ({"redis:7": image(), "app:1": image()}, ["build app:1: its files changed"]),
        ({"redis:7": image(), "app:1": image(labels={model.LABEL_CONTEXT: "other"})}, ["build app:1: its files changed"]),
        ({"app:1": image(labels={model.LABEL_CONTEXT: "abc"})}, []),
        ({"redis:7": image(), "app:1": image(labels=ON_ANOTHER)}, ["build app:1: redis:7 that it is built on changes"]),
        ({"redis:7": image(), "app:1": image(labels=ON_THIS)}, []),
        ({"app:1": image(labels=ON_ANOTHER)}, []),
    ],
)
def test_an_image_of_our_own_is_built_when_its_files_changed(present: dict[str, Image], steps: list[str]) -> None:
    wanted = Wanted("app:1", "app", "app", build={"context": "/c/app"}, digest="abc", bases=("redis:7",))
    assert [step.text() for step in plan("auto", present, "is not there", wanted).steps] == steps


def test_a_base_that_cannot_be_had_names_the_dockerfile() -> None:
    wanted = Wanted("app:1", "app", "app", build={"context": "/c/app"}, digest="abc", bases=("theirs:1",))
    [conflict] = plan("auto", {}, "is not there", wanted).conflicts
    assert conflict.message.startswith(
        "app:1 of app is built on theirs:1, which is not on this host and cannot be had: no registry offers it"
    )
    assert "let the Dockerfile in /c/app start from another image" in conflict.message


def test_no_earlier_version_is_said_so() -> None:
    [conflict] = plan("auto", {}, "is not there", Wanted("app:previous", "app", "app")).conflicts
    assert conflict.message == "there is no earlier version of app on this host to go back to (app:previous). Nothing was changed"


def test_each_image_is_obtained_once_and_a_bad_reference_is_told() -> None:
    twice = plan("auto", {}, "is not there", REDIS, Wanted("redis:7", "b", "b"), Wanted("Bad Ref", "c", "c"))
    assert [step.text() for step in twice.steps] == AUTO
    assert [c.kind for c in twice.conflicts] == ["bad_value"]
    assert twice.steps[1].offline
    assert twice.steps[1].stands_in == "Debian's"


# --- the network ------------------------------------------------------------------------------------------------------

DOCKERS = [Network("1", "bridge", "bridge", ("172.17.0.0/16",)), Network("2", "six", "bridge", ("fd00::/64", "10.1.0.0/24"))]
ROUTES = [Route("192.0.2.0/24", "eth0")]


@pytest.mark.parametrize(
    ("name", "subnet", "actions", "kind"),
    [
        ("net", "", ["create network net: it is not there"], ""),
        ("net", "10.2.0.0/28", ["create network net: it is not there"], ""),
        ("six", "", [], ""),
        ("six", "10.1.0.0/24", [], ""),
        ("six", "10.1.0.0/25", [], "subnet_differs"),
        ("net", "10.1.0.128/25", [], "subnet_overlap"),
        ("net", "10.0.0.0/8", [], "subnet_overlap"),
        ("net", "192.0.0.0/16", [], "subnet_overlap"),
        ("net", "10.2.0.0/29", [], "bad_subnet"),
        ("net", "10.2.0.1/24", [], "bad_subnet"),
        ("net", "fd01::/64", [], "bad_subnet"),
        ("net", "wide", [], "bad_subnet"),
        ("bridge", "", [], "predefined_network"),
        ("host", "", [], "predefined_network"),
    ],
)
def test_the_network(name: str, subnet: str, actions: list[str], kind: str) -> None:
    found = network_plan.plan_target(name, subnet, DOCKERS, ROUTES)
    assert (found.actions(), [c.kind for c in found.conflicts]) == (actions, [kind] if kind else [])


def test_routes_are_read_as_the_kernel_writes_them() -> None:
    text = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert network_plan.parse_routes(text) == [Route("192.0.2.0/24", "eth0"), Route("172.17.0.0/16", "docker0")]
    assert network_plan.parse_routes("") == []


# --- plan, errors, model, report --------------------------------------------------------------------------------------


def test_a_plan_is_actions_and_diff() -> None:
    made = Plan([Operation("create", "a", "it is not there", after="img"), Operation("stop", "b", "asked for", "running", "exited")])
    made.operations.append(Operation("note", "c", "nothing"))
    assert made.changed
    assert made.actions() == ["create a: it is not there", "stop b: asked for", "note c: nothing"]
    assert made.targets("create", "note") == ["a", "c"]
    assert made.diff() == {"before": "b: running\n", "after": "a: img\nb: exited\n"}
    assert (Plan().changed, Plan().diff()) == (False, {"before": "", "after": ""})
    Plan().refuse_conflicts()


def test_problems_are_told_together() -> None:
    one, two = StackError("one is bad", "kind1", "a", "x"), StackError("two is bad", "kind2", "b", "y")
    with pytest.raises(StackError) as told:
        Plan(conflicts=[one, two]).refuse_conflicts()
    assert told.value.message == "one is bad\ntwo is bad"
    assert told.value.failure() == {"kind": "kind1", "object": "a, b", "detail": "x\ny"}
    with pytest.raises(StackError) as alone:
        raise_together([one])
    assert alone.value is one


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest(json.loads('{"b": [1, 2], "a": 1}')) != digest({"a": 1, "b": [2, 1]})
    assert len(digest("é", 8)) == 8


@pytest.mark.parametrize(
    ("one", "other", "collides"),
    [
        (("127.0.0.1", 80, "80/tcp"), ("127.0.0.1", 80, "8080/tcp"), True),
        (("0.0.0.0", 80, "80/tcp"), ("127.0.0.1", 80, "80/tcp"), True),
        (("", 80, "80/tcp"), ("10.0.0.1", 80, "80/tcp"), True),
        (("::", 80, "80/tcp"), ("10.0.0.1", 80, "80/tcp"), True),
        (("127.0.0.1", 80, "80/tcp"), ("127.0.0.2", 80, "80/tcp"), False),
        (("127.0.0.1", 80, "80/tcp"), ("127.0.0.1", 81, "80/tcp"), False),
        (("127.0.0.1", 80, "80/tcp"), ("127.0.0.1", 80, "80/udp"), False),
    ],
)
def test_bindings_that_cannot_both_be(one: Any, other: Any, collides: bool) -> None:
    assert Binding(*one).collides(Binding(*other)) is collides
    assert Binding(*other).collides(Binding(*one)) is collides


INSPECTED = {
    "Id": "abc",
    "Name": "/one",
    "Image": "sha256:1",
    "RestartCount": 2,
    "State": {"Status": "running", "Health": {"Status": "starting"}, "StartedAt": "then", "Pid": 7, "ExitCode": 0},
    "Config": {"Image": "img:1", "Labels": None, "Env": ["A=1=2", "B="]},
    "HostConfig": {
        "RestartPolicy": {"Name": "always"},
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": None},
    },
    "NetworkSettings": {"Networks": {"net": {"EndpointID": "e", "NetworkID": "n", "IPAddress": "10.0.0.2", "Aliases": None}}},
    "Mounts": [{"Type": "volume", "Name": "v"}, {"Type": "bind", "Source": "/x"}],
}


def test_a_container_as_the_engine_describes_it() -> None:
    found = model.container_from_inspect(INSPECTED)
    assert (found.name, found.health, found.serving, found.running, found.ours) == ("one", "starting", False, True, False)
    assert (found.env, found.volumes, found.restart_policy) == ({"A": "1=2", "B": ""}, ("v",), "always")
    assert found.bindings == (Binding("127.0.0.1", 8080, "80/tcp"),)
    assert found.endpoint("net") == model.Endpoint("net", "n", "10.0.0.2", ())
    assert found.endpoint("other") is None
    assert found.origin() == "by hand"


BOTH = [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}]
SIX = [{"HostIp": "::1", "HostPort": "81"}, {"HostIp": "::", "HostPort": "82"}]


@pytest.mark.parametrize(
    ("state", "asked", "open_now", "ports"),
    [
        ("running", {}, {"80/tcp": BOTH, "90/tcp": None}, ["0.0.0.0:32768 → 80/tcp"]),
        ("paused", {"80/tcp": [{"HostIp": "", "HostPort": "0"}]}, {"80/tcp": BOTH}, ["0.0.0.0:32768 → 80/tcp"]),
        ("running", {}, {"80/tcp": SIX}, ["[::1]:81 → 80/tcp", "[::]:82 → 80/tcp"]),
        ("running", {"80/tcp": BOTH}, {}, []),
        ("exited", {"80/tcp": [{"HostIp": "", "HostPort": "0"}]}, {}, ["0.0.0.0:a free port → 80/tcp"]),
        ("exited", {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8003"}]}, {}, ["127.0.0.1:8000-8003 → 80/tcp"]),
        ("exited", {"80/tcp": [{"HostPort": "80"}, {"HostPort": "8080"}]}, {}, ["0.0.0.0:80 → 80/tcp", "0.0.0.0:8080 → 80/tcp"]),
    ],
)
def test_one_that_runs_publishes_what_the_engine_does(state: str, asked: Any, open_now: Any, ports: list[str]) -> None:
    """The planner compares what it was told to all the same."""
    networks = {**INSPECTED["NetworkSettings"], "Ports": open_now}
    raw = {**INSPECTED, "State": {"Status": state}, "HostConfig": {"PortBindings": asked}, "NetworkSettings": networks}
    found = model.container_from_inspect(raw)
    assert sorted(live_map.told_ports(found)) == ports
    assert found.bindings == model.container_from_inspect({**raw, "State": {"Status": "exited"}}).bindings
    if found.running:
        assert audit_case.publishes(found) == (", ".join(ports) or "nothing"), "an audit goes by the same"


def test_what_of_the_host_is_mounted_says_where() -> None:
    mounts = [
        {"Type": "bind", "Source": "/x", "Destination": "/data", "RW": True},
        {"Type": "bind", "Source": "/y", "Destination": "/y.conf", "RW": False},
    ]
    found = model.container_from_inspect({**INSPECTED, "Mounts": mounts})
    assert [str(one) for one in found.mounts] == ["/x → /data", "/y → /y.conf (read-only)"]


@pytest.mark.parametrize(
    ("state", "health", "serving", "alive"),
    [
        ("running", "", True, True),
        ("running", "healthy", True, True),
        ("running", "unhealthy", False, True),
        ("restarting", "", False, True),
        ("paused", "healthy", False, True),
        ("exited", "healthy", False, False),
        ("created", "", False, False),
    ],
)
def test_what_serves_and_what_is_alive(state: str, health: str, serving: bool, alive: bool) -> None:
    found = model.Container("id", "one", "img", "sha", state, health)
    assert (found.serving, found.alive) == (serving, alive)


@pytest.mark.parametrize(
    ("labels", "belongs"),
    [
        ({model.LABEL_SERVICE: "one", model.LABEL_COMPOSE_PROJECT: "stack"}, True),
        ({model.LABEL_SERVICE: "one", model.LABEL_COMPOSE_PROJECT: "other"}, False),
        ({model.LABEL_SERVICE: "one"}, False),
        ({model.LABEL_COMPOSE_PROJECT: "stack"}, False),
        ({}, False),
    ],
)
def test_whose_a_container_is(labels: dict[str, str], belongs: bool) -> None:
    assert model.Container("id", "one", "img", "sha", "running", labels=labels).belongs("stack") is belongs


def test_a_table_has_aligned_columns() -> None:
    assert table([{"a": "1", "b": "x"}, {"a": "333"}], ("a", "b")) == ["A    B", "1    x", "333"]
    assert table([], ("a", "b")) == ["A  B"]
