"""The planner of networks on hosts that fit on a line: every operation with its words, every refusal, every warning."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.host_state import Flow, HostState, Listed, Text, Wish
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Binding, Network
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation
from ansible_collections.auren.stack.plugins.module_utils.rollback import plan_rollback
from ansible_collections.auren.stack.plugins.module_utils.topology import LABEL_TEMPORARY, Move, NetworkSpec, Step

from tests.unit.network_builders import box, host, identity, net, on, operations, plan, wish

TARGET, OLD = net("target", "10.9.0.0/24"), net("old", "10.1.0.0/24")
PORTS = (Binding("", 80, "80/tcp"), Binding("", 443, "443/tcp"))
CUT_OFF = "a run that was cut off left it so"


def words(state: HostState, wanted: Wish) -> list[str]:
    return [operation.text() for operation in operations(state, wanted)]


# --- operations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("subnet", "after"), [("", "a free subnet"), ("10.9.0.0/24", "10.9.0.0/24")])
def test_a_missing_target_is_made(subnet: str, after: str) -> None:
    made = plan(host(), wish(subnet=subnet))
    assert made.plan.operations == [Operation("create network", "target", "it is not there", after=after)]
    assert made.moves[0].steps[0].spec == made.wanted.networks["target"]
    assert made.wanted.networks["target"].labels == ((LABEL_SERVICE, "target"),)
    assert [pool.subnet for pool in made.wanted.networks["target"].pools] == ([subnet] if subnet else [])


def test_a_listed_container_joins_with_all_its_names() -> None:
    state = host(TARGET, OLD, net("older", "10.2.0.0/24"), box("one", on("old", "db", "one"), on("older", "pg")))
    assert operations(state, wish(Listed("one", ("postgres",)))) == [
        Operation(
            "connect",
            "one to target",
            "it is not on it; names one, db, pg, postgres",
            after="on target, names one, db, pg, postgres, address automatic",
        )
    ]


@pytest.mark.parametrize("state", ["exited", "created", "paused", "restarting", "running"])
def test_a_container_joins_in_any_state(state: str) -> None:
    assert words(host(TARGET, OLD, box("one", on("old"), state=state)), wish("one")) == [
        "connect one to target: it is not on it; names one"
    ]


def test_a_fixed_address_on_the_target_is_asked_for() -> None:
    (found,) = operations(host(TARGET, OLD, box("one", on("old"))), wish(Listed("one", ipv4="10.9.0.9")))
    assert found.after == "on target, names one, address 10.9.0.9"


@pytest.mark.parametrize(("detach", "said"), [(False, "stays on old"), (True, "will change")])
def test_what_becomes_of_a_fixed_address_elsewhere_is_told(detach: bool, said: str) -> None:
    state = host(TARGET, OLD, box("one", on("old", fixed_ipv4="10.1.0.9")))
    assert words(state, wish("one", detach=detach))[0] == f"connect one to target: it is not on it; names one; its address 10.1.0.9 {said}"


def test_options_of_the_driver_come_along() -> None:
    state = host(TARGET, OLD, box("one", on("old", driver_opts={"b": "2", "a": "1"})))
    assert plan(state, wish("one")).wanted.attachments["one", "target"].driver_opts == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize(
    ("target", "api", "more", "notice"),
    [
        ("a-target", (1, 45), {}, "its published ports 443, 80 refuse for about 0.1 s, because a-target becomes its gateway"),
        ("z-target", (1, 45), {}, ""),
        ("a-target", (1, 48), {}, ""),
        ("a-target", (1, 45), {"bindings": ()}, ""),
        ("a-target", (1, 45), {"state": "exited"}, ""),
    ],
)
def test_published_ports_that_move_to_the_target_are_told(target: str, api: tuple[int, int], more: dict[str, Any], notice: str) -> None:
    state = host(net(target, "10.9.0.0/24"), OLD, box("one", on("old"), **{"bindings": PORTS, **more}), api_version=api)
    assert operations(state, wish("one", target=target))[0].notice == notice


def test_who_joins_those_that_it_reached_elsewhere_is_told_that_a_question_may_be_early() -> None:
    """Their names lead to the new network some moments before there is a way."""
    there, else_ = box("db", on("target"), on("old")), box("web", on("target"))
    state = host(net("target", "10.9.0.0/24"), net("old", "10.1.0.0/24"), there, else_, box("one", on("old")))
    [line] = operations(state, wish("one"))
    assert line.notice == "a first question for db may find no way for a moment"
    stopped = host(net("target", "10.9.0.0/24"), net("old", "10.1.0.0/24"), there, box("one", on("old"), state="exited"))
    assert operations(stopped, wish("one"))[0].notice == ""


def test_from_the_api_on_that_knows_it_the_target_does_not_become_the_gateway() -> None:
    alone = box("alone", network_mode="old")
    found = plan(host(TARGET, OLD, box("one", on("old")), alone, api_version=(1, 48)), wish("one", "alone")).wanted.attachments
    assert (found["one", "target"].gateway_priority, found["alone", "target"].gateway_priority) == (-100, 0)


def test_a_missing_alias_makes_the_endpoint_anew() -> None:
    state = host(TARGET, OLD, box("one", on("target", "own"), on("old", "db")))
    assert operations(state, wish(Listed("one", ("pg",)))) == [
        Operation(
            "reconnect",
            "one on target",
            "it lacks the alias db and it lacks the alias pg; a temporary network holds it meanwhile",
            before="names one, own",
            after="names one, db, own, pg",
            notice="it is off the network for about 0.3 s, and its connections there are closed",
        )
    ]


@pytest.mark.parametrize(("had", "said"), [("", "that the Engine chose"), ("10.9.0.8", "10.9.0.8")])
def test_another_address_makes_the_endpoint_anew(had: str, said: str) -> None:
    state = host(TARGET, box("one", on("target", ipv4="10.9.0.8", fixed_ipv4=had)))
    cause = f"it has the address {said} and 10.9.0.9 is asked for; a temporary network holds it meanwhile"
    assert [found.cause for found in operations(state, wish(Listed("one", ipv4="10.9.0.9")))] == [cause]


def test_an_address_that_it_has_there_already_stays() -> None:
    state = host(TARGET, OLD, box("one", on("target", fixed_ipv4="10.9.0.8", ipv4="10.9.0.8"), on("old", "db")))
    assert plan(state, wish("one")).wanted.attachments["one", "target"].ipv4 == "10.9.0.8"


def test_a_container_leaves_what_it_was_on_and_is_told_who_talks_to_it() -> None:
    flows = (Flow("old", "two", "one", 5), Flow("old", "one", "three", 1), Flow("target", "two", "one", 9), Flow("old", "x", "y", 3))
    state = host(TARGET, OLD, box("one", on("target"), on("old"), bindings=PORTS), flows=flows)
    cause = "its names on it leave with it, and stay on target; one holds 1 to three, two holds 5 to one: these are closed"
    notice = "names may fail for moments, and its published ports 443, 80 refuse for about 0.1 s"
    assert operations(state, wish("one", detach=True)) == [Operation("disconnect", "one from old", cause, before="on old", notice=notice)]


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({}, ["one from old", "one from older"]),
        ({"keep": ("old",)}, ["one from older"]),
        ({"sources": ("old",)}, ["one from old"]),
        ({"sources": ("bridge",)}, ["one from bridge"]),
        ({"sources": ("lan",)}, ["one from lan"]),
        ({"sources": ("target",)}, []),
        ({"detach": False, "sources": ("old",)}, []),
    ],
)
def test_which_networks_a_container_leaves(more: dict[str, Any], left: list[str]) -> None:
    networks = [TARGET, OLD, net("older", "10.2.0.0/24"), net("lan", "10.3.0.0/24", driver="macvlan")]
    state = host(*networks, box("one", on("target"), on("old"), on("older"), on("lan"), on("bridge")))
    assert plan(state, wish("one", **{"detach": True, **more})).plan.targets("disconnect") == left


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ({"restart_policy": "no"}, True),
        ({"restart_policy": ""}, True),
        ({"restart_policy": "on-failure:5"}, False),
        ({"restart_policy": "no", "auto_remove": True}, False),
        ({"restart_policy": "no", "state": "exited"}, False),
    ],
)
def test_a_running_container_without_a_restart_policy_gets_one(more: dict[str, Any], changed: bool) -> None:
    cause = "it has none, so it would not come back after a crash or a reboot; it is not restarted for this"
    expected = [Operation("set restart policy of", "one", cause, before="no", after="unless-stopped")] if changed else []
    assert operations(host(TARGET, box("one", on("target"), **more)), wish("one")) == expected


@pytest.mark.parametrize(("policy", "said"), [("no", ""), ("", ""), ("always", "; its restart policy always becomes no")])
def test_a_container_is_stopped_for_good(policy: str, said: str) -> None:
    state = host(TARGET, OLD, box("one", on("target")), box("two", on("old"), restart_policy=policy))
    cause = f"named in auren_streamline_stop{said}"
    assert operations(state, wish("one", stop=("two",))) == [Operation("stop", "two", cause, "running", "stopped", "it ends")]


def test_a_stopped_container_that_shall_stay_so_loses_its_restart_policy() -> None:
    (found,) = operations(host(TARGET, box("one", on("target")), box("two", state="exited")), wish("one", stop=("two",)))
    assert (found.kind, found.target, found.before, found.after) == ("set restart policy of", "two", "always", "no")
    assert found.cause.startswith("named in auren_streamline_stop")


def test_a_stopped_one_is_not_moved() -> None:
    assert words(host(TARGET, OLD, box("one", on("old"))), wish("one", stop=("one",), detach=True)) == [
        "stop one: named in auren_streamline_stop; its restart policy always becomes no (it ends)"
    ]


@pytest.mark.parametrize("gone", ["gone", identity("gone")])
def test_a_network_that_containers_were_created_on_is_made_again(gone: str) -> None:
    lost = [box(name, on("old"), network_mode=gone) for name in ("two", "three")]
    found = operations(host(TARGET, OLD, box("one", on("target")), *lost), wish("one"))
    assert found == [Operation("create network", gone, "two and three cannot start without it, and it is gone", after="empty")]


def test_a_target_that_containers_were_created_on_gets_its_subnet() -> None:
    made = plan(host(OLD, box("one", on("old"), network_mode="target")), wish("one", subnet="10.9.0.0/24"))
    assert [pool.subnet for pool in made.wanted.networks["target"].pools] == ["10.9.0.0/24"]


def test_a_network_is_removed_when_nothing_needs_it() -> None:
    state = host(TARGET, OLD, box("one", on("target"), on("old"), network_mode="target"))
    assert operations(state, wish("one", detach=True, remove_sources=True))[1:] == [
        Operation("remove network", "old", "nothing is on it, and nothing needs it to start", before="10.1.0.0/24")
    ]


ONE = box("one", on("target"), on("old"), network_mode="target")


@pytest.mark.parametrize(
    ("things", "more", "said"),
    [
        ([ONE, box("two", on("old"), network_mode="bridge")], {}, "two is on it"),
        ([ONE, box("two", on("old"), state="exited")], {}, "two is on it"),
        ([ONE], {"detach": False}, "one is on it"),
        ([ONE, box("two", on("old"))], {"detach": False}, "one, two are on it"),
        ([box("one", on("target"), network_mode="old")], {}, "one cannot start without it"),
        ([ONE, box("two", on("bridge"), network_mode=OLD.id), box("x", network_mode="old")], {}, "two and x cannot start without it"),
        ([ONE], {"texts": (Text("one", "environment key HOST of one", "tcp://10.1.0.7:1"),)}, "an address of it stands in {}"),
        (
            [ONE],
            {"texts": (Text("p", "/etc/p.yml:7 of p", "      - targets: ['10.1.0.200:9100', 'x:1']"),)},
            "an address of it stands in {}",
        ),
    ],
)
def test_a_network_that_is_needed_stays_and_who_needs_it_is_told(things: list[Any], more: dict[str, Any], said: str) -> None:
    texts = more.pop("texts", ())
    state = host(TARGET, OLD, *things, texts=texts)
    made = plan(state, wish("one", **{"detach": True, "remove_sources": True, "sources": ("old",), **more}))
    assert made.plan.targets("remove network") == []
    assert f"kept: the network old: {said.format(*(text.where for text in texts))}" in made.plan.warnings


@pytest.mark.parametrize("text", ["110.1.0.7", "10.1.0.7.8", "10.1.0.0/24", "10.1.1.7", "10.1.0.777"])
def test_what_is_no_address_of_a_network_keeps_it_from_nothing(text: str) -> None:
    state = host(TARGET, OLD, ONE, texts=(Text("one", "command of one", text),))
    assert plan(state, wish("one", detach=True, remove_sources=True)).plan.targets("remove network") == ["old"]


@pytest.mark.parametrize(
    ("network", "more", "removed"),
    [
        (OLD, {"keep": ("old",)}, []),
        (OLD, {"sources": ("other",)}, ["other"]),
        (net("old", scope="swarm"), {}, []),
        (OLD, {"remove_sources": False}, []),
    ],
)
def test_which_networks_are_removed(network: Network, more: dict[str, Any], removed: list[str]) -> None:
    state = host(TARGET, network, net("other", "10.3.0.0/24"), box("one", on("target"), on("old"), network_mode="bridge"))
    assert plan(state, wish("one", **{"detach": True, "remove_sources": True, **more})).plan.targets("remove network") == removed


def test_what_a_killed_run_left_is_tidied_up() -> None:
    label = '{"attachment": {"aliases": ["db"]}, "container": "two", "network": "old"}'
    held = net("auren-temporary-two", "10.5.0.0/24", labels={LABEL_TEMPORARY: label})
    state = host(TARGET, OLD, held, box("one", on("target")), box("two", on("auren-temporary-two"), network_mode="old"))
    assert words(state, wish("one", remove_sources=True)) == [
        f"connect two to old: {CUT_OFF}",
        f"disconnect two from auren-temporary-two: {CUT_OFF}",
        f"remove network auren-temporary-two: {CUT_OFF}",
    ]
    assert plan(state, wish("one")).wanted.attachments["two", "old"].aliases == ("db",)


def test_without_a_run_to_take_back_nothing_of_another_project_is_tidied_up() -> None:
    held = net(
        "auren-temporary-one", "10.5.0.0/24", labels={LABEL_TEMPORARY: '{"attachment": {}, "container": "one", "network": "target"}'}
    )
    assert plan_rollback(host(TARGET, held, box("one", on("target"), on("auren-temporary-one"))), []).moves == []


def test_a_temporary_network_is_no_source() -> None:
    label = '{"attachment": {}, "container": "one", "network": "target"}'
    held = net("auren-temporary-one", "10.5.0.0/24", labels={LABEL_TEMPORARY: label})
    state = host(TARGET, held, box("one", on("target"), on("auren-temporary-one")))
    found = plan(state, wish("one", detach=True, remove_sources=True)).plan
    assert [operation.kind for operation in found.operations] == ["disconnect", "remove network"]


def test_names_outlive_a_prune_of_the_network_after_a_killed_run() -> None:
    label = '{"attachment": {"aliases": ["db"], "ipv4": "10.9.0.9"}, "container": "one", "network": "target"}'
    held = net("auren-temporary-one", "10.5.0.0/24", labels={LABEL_TEMPORARY: label})
    state = host(held, OLD, box("one", on("auren-temporary-one"), network_mode="old"))
    assert plan(state, wish("one", subnet="10.9.0.0/24")).wanted.attachments["one", "target"].aliases == ("db",)


def test_operations_and_moves_go_together() -> None:
    made = plan(host(OLD, box("one", on("old"), restart_policy="no")), wish("one", detach=True))
    assert [(operation.kind.split()[0], move.kind.split()[0]) for operation, move in zip(made.plan.operations, made.moves)] == [
        ("create", "create"), ("set", "set"), ("connect", "connect"), ("disconnect", "disconnect"),
    ]  # fmt: skip
    spec = NetworkSpec(labels=((LABEL_SERVICE, "target"),))
    assert made.moves[0] == Move("create network", "target", "", (Step("create network", "target", spec=spec),))
