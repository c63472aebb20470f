"""Networks as data: the way from one state to another, what a step makes of it, what takes it back, what a journal holds of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import topology
from ansible_collections.auren.stack.plugins.module_utils.model import Pool
from ansible_collections.auren.stack.plugins.module_utils.topology import (
    LABEL_TEMPORARY,
    Attachment,
    Move,
    NetworkSpec,
    Step,
    Topology,
    applied,
    inverse,
    route,
    settled,
)

from tests.unit.network_builders import box, net, on

PLAIN, DB = Attachment(), Attachment(("db",))
FIXED = Attachment(("db",), "10.1.0.9", (("option", "1"),), ("other:o",), 5)
SPEC = NetworkSpec(
    "macvlan", (Pool("10.1.0.0/24", "10.1.0.1", "10.1.0.128/25"),), (("parent", "eth0"),), (("who", "me"),), True, True, True
)


def hosts(*networks: str, places: dict[tuple[str, str], Attachment] | None = None, **more: Any) -> Topology:
    return Topology({name: NetworkSpec(pools=(Pool("10.1.0.0/24"),)) for name in networks}, places or {}, **more)


def kinds(moves: list[Move]) -> list[str]:
    return [" ".join(filter(None, (move.kind, move.target, move.network))) for move in moves]


def after(state: Topology, steps: list[Step]) -> Topology:
    for step in steps:
        state = applied(state, step)
    return state


def steps_of(moves: list[Move]) -> list[Step]:
    return [step for move in moves for step in move.steps]


# --- the way ----------------------------------------------------------------------------------------------------------


def test_what_adds_comes_first_and_what_takes_away_last() -> None:
    now = hosts("old", "both", places={("a", "old"): PLAIN, ("a", "both"): PLAIN}, policies={"a": "no", "b": "no", "c": "always"})
    wanted = hosts("both", "new", places={("a", "both"): DB, ("a", "new"): PLAIN}, policies={"a": "always", "b": "no", "c": "no"})
    wanted = Topology(wanted.networks, wanted.attachments, wanted.policies, frozenset("c"))
    assert kinds(route(now, wanted)) == [
        "create network new",
        "set policy a",
        "stop c",
        "connect a new",
        "reconnect a both",
        "disconnect a old",
        "remove network old",
    ]


def test_nothing_leads_from_a_state_to_itself() -> None:
    now = hosts("net", places={("a", "net"): FIXED}, policies={"a": "no"}, stopped=frozenset("a"))
    assert route(now, now) == []


def test_who_asks_for_an_address_joins_before_the_engine_gives_it_away() -> None:
    wanted = hosts("net", places={("a", "net"): PLAIN, ("b", "net"): FIXED, ("c", "net"): PLAIN})
    assert kinds(route(hosts("net"), wanted)) == ["connect b net", "connect a net", "connect c net"]


def test_a_container_gets_the_address_that_is_asked_for_before_others_join() -> None:
    now = hosts("net", places={("b", "net"): DB})
    wanted = hosts("net", places={("a", "net"): PLAIN, ("b", "net"): FIXED})
    assert kinds(route(now, wanted)) == ["reconnect b net", "connect a net"]


def test_a_container_is_stopped_after_its_policy_and_started_before_its_network_goes() -> None:
    now = hosts("old", policies={"a": "always", "b": "no"}, stopped=frozenset("b"))
    wanted = hosts(policies={"a": "no", "b": "no"}, stopped=frozenset("a"))
    moves = route(now, wanted)
    assert kinds(moves) == ["stop a", "start b", "remove network old"]
    assert moves[0].steps == (Step("set policy", "a", policy="no", before="always"), Step("stop", "a"))


def test_an_endpoint_is_made_anew_while_a_temporary_network_holds_the_container() -> None:
    now, wanted = hosts("net", places={("a", "net"): DB}), hosts("net", places={("a", "net"): FIXED})
    (move,) = route(now, wanted)
    create, join, leave, again, out, remove = move.steps
    temporary = create.target
    assert (create.verb, remove.verb, remove.target) == ("create network", "remove network", temporary)
    assert (leave, again) == (Step("disconnect", "a", "net", DB), Step("connect", "a", "net", FIXED))
    assert [(step.verb, step.target, step.network) for step in (join, out)] == [("connect", "a", temporary), ("disconnect", "a", temporary)]
    assert join.attachment == out.attachment == Attachment(gateway_priority=5)
    assert create.spec is not None
    meant = json.loads(dict(create.spec.labels)[LABEL_TEMPORARY])
    assert (meant["container"], meant["network"], meant["attachment"]["ipv4"]) == ("a", "net", "10.1.0.9")
    assert (move.attachment("disconnect"), move.attachment("connect"), move.attachment("stop")) == (DB, FIXED, PLAIN)
    assert after(now, list(move.steps)) == wanted


@pytest.mark.parametrize("done", range(7))
def test_a_reconnect_that_was_cut_off_is_finished(done: int) -> None:
    now, wanted = hosts("net", places={("a", "net"): DB}), hosts("net", places={("a", "net"): FIXED})
    cut = after(now, steps_of(route(now, wanted))[:done])
    assert after(cut, steps_of(route(cut, wanted))) == wanted
    assert settled(cut).networks == now.networks
    assert settled(cut).attachments == {("a", "net"): DB if done < 3 else FIXED}


@pytest.mark.parametrize("done", range(7))
def test_a_reconnect_that_was_cut_off_is_taken_back(done: int) -> None:
    now, wanted = hosts("net", places={("a", "net"): DB}), hosts("net", places={("a", "net"): FIXED})
    steps = steps_of(route(now, wanted))
    for begun in (steps[:done], steps[: done + 1]):
        cut = after(now, steps[:done])
        back = after(settled(cut), [inverse(step) for step in reversed(begun)])
        assert after(cut, steps_of(route(cut, back))) == now


def test_two_endpoints_of_one_container_are_made_anew_one_after_the_other() -> None:
    now = hosts("one", "two", places={("a", "one"): PLAIN, ("a", "two"): PLAIN})
    wanted = hosts("one", "two", places={("a", "one"): DB, ("a", "two"): DB})
    for done in range(12):
        cut = after(now, steps_of(route(now, wanted))[:done])
        state = cut
        for step in steps_of(route(cut, wanted)):
            there = {"connect": (step.target, step.network) in state.attachments, "create network": step.target in state.networks}
            assert not there.get(step.verb, False), f"{step} after {done} steps"
            gone = {"disconnect": (step.target, step.network) in state.attachments, "remove network": step.target in state.networks}
            assert gone.get(step.verb, True), f"{step} after {done} steps"
            state = applied(state, step)
        assert state == wanted


# --- steps ------------------------------------------------------------------------------------------------------------

STEPS = [
    Step("create network", "net", spec=SPEC),
    Step("remove network", "net", spec=SPEC),
    Step("create network", "net", spec=NetworkSpec()),
    Step("connect", "a", "net", FIXED),
    Step("disconnect", "a", "net", FIXED),
    Step("connect", "a", "net", PLAIN),
    Step("set policy", "a", policy="unless-stopped", before="no"),
    Step("stop", "a"),
    Step("start", "a"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.verb)
def test_a_step_survives_the_journal(step: Step) -> None:
    assert topology.step_from_data(json.loads(json.dumps(step.to_data()))) == step


def test_the_journal_holds_nothing_empty() -> None:
    assert Step("stop", "a").to_data() == {"verb": "stop", "target": "a"}


@pytest.mark.parametrize(
    ("data", "error"),
    [({"verb": "burn", "target": "a"}, ValueError), ({"target": "a"}, KeyError), ({"verb": "stop", "who": "a"}, TypeError)],
)
def test_what_is_no_step_is_refused(data: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        topology.step_from_data(data)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.verb)
def test_the_inverse_of_the_inverse_is_the_step(step: Step) -> None:
    assert inverse(step) != step
    assert inverse(inverse(step)) == step


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.verb)
@pytest.mark.parametrize("happened", [True, False])
def test_a_step_is_taken_back_whether_it_happened_or_not(step: Step, happened: bool) -> None:
    there = Topology({"net": SPEC}, {("a", "net"): FIXED}, {"a": "no"}, frozenset())
    missing = Topology({}, {}, {"a": "no"}, frozenset("a"))
    before = there if step.verb in ("remove network", "disconnect", "stop", "set policy") else missing
    now = applied(before, step) if happened else before
    assert applied(now, inverse(step)) == before


def test_a_policy_that_somebody_else_has_set_stays() -> None:
    state = applied(Topology(policies={"a": "on-failure"}), Step("set policy", "a", policy="always", before="no"))
    assert state.policies == {"a": "on-failure"}


# --- from what the Engine tells ---------------------------------------------------------------------------------------


def test_a_topology_is_what_was_asked_of_the_engine() -> None:
    options = {"b": "2", "a": "1"}
    place = on("net", "db", ipv4="10.1.0.9", fixed_ipv4="10.1.0.9", driver_opts=options, links=("o:p",), gateway_priority=3)
    one = box("one", place, on("auto", ipv4="10.2.0.7"), restart_policy="")
    alone = box("alone", on("host"), network_mode="host", state="exited")
    network = net("net", options={"z": "1", "y": "2"}, labels={"l": "1"}, internal=True, attachable=True, ipv6=True)
    found = topology.topology_of([one, alone], [network, net("auto", "10.2.0.0/24")])
    spec = NetworkSpec("bridge", (Pool("10.1.0.0/24", "10.1.0.1"),), (("y", "2"), ("z", "1")), (("l", "1"),), True, True, True)
    assert found.networks == {"net": spec, "auto": NetworkSpec(pools=(Pool("10.2.0.0/24", "10.2.0.1"),))}
    asked = Attachment(("db",), "10.1.0.9", (("a", "1"), ("b", "2")), ("o:p",), 3)
    assert found.attachments == {("one", "net"): asked, ("one", "auto"): PLAIN}
    assert (found.policies, found.stopped) == ({"one": "no", "alone": "always"}, frozenset(["alone"]))
    assert (found.networks_of("one"), found.networks_of("alone"), found.members("net")) == (["auto", "net"], [], ["one"])


def test_a_fixed_address_is_not_asked_for_on_a_network_that_was_made_anew_with_another_subnet() -> None:
    now, wanted = hosts("net", places={("a", "net"): DB}), hosts("net", places={("a", "net"): FIXED})
    cut = after(now, steps_of(route(now, wanted))[:3])
    anew = Topology({**cut.networks, "net": NetworkSpec(pools=(Pool("10.7.0.0/24"),))}, cut.attachments)
    assert settled(anew).attachments == {("a", "net"): replace(FIXED, ipv4="")}


def test_without_what_a_killed_run_left_nothing_is_settled() -> None:
    now = hosts("net", places={("a", "net"): DB}, policies={"a": "no"}, stopped=frozenset("a"))
    assert settled(now) == now
