"""What must hold of the planner of networks on every host, tried on many that nobody thought of.

A few hundred hosts a property, the same in every run. `AUREN_EXAMPLES=20000 pytest tests/unit/test_consolidation_properties.py` tries as
many for each property, others in every run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from ansible_collections.auren.stack.plugins.module_utils.consolidation import Consolidation, plan_consolidation
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import Listed, Wish, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Network
from ansible_collections.auren.stack.plugins.module_utils.rollback import plan_rollback
from ansible_collections.auren.stack.plugins.module_utils.topology import (
    LABEL_TEMPORARY,
    PREDEFINED,
    Attachment,
    Key,
    Move,
    Step,
    applied,
    attachment_from_data,
    inverse,
    route,
    settled,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.network_hosts import NETWORKS, Case, accepted, cases, examples, kills, remedied, steps_of
from tests.unit.simulated_engine import SimulatedEngine

# --- what a run does, step by step ------------------------------------------------------------------------------------


def run(
    engine: SimulatedEngine, moves: Sequence[Move], owned: SimulatedEngine | None = None, ending: Sequence[str] = (), most: int = 999
) -> list[Step]:
    """The moves on the Engine, which refuses what is not legal at that moment. No step may take from a container its last network or
    its way to start, no move a name.

    owned: an Engine with what containers may not lose, if that is less than what they have. ending: containers that shall not run.
    most: the run is killed after so many steps. Returns the steps that were done.
    """
    owned, done = (owned or engine).copy(), steps_of(moves)[:most]
    placed = [c.name for c in engine.containers.values() if c.endpoints and owned.containers[c.name].endpoints]
    startable = [name for name in engine.containers if engine.can_start(name) and owned.can_start(name) and name not in ending]
    named = {name: engine.names_of(name) & owned.names_of(name) for name in engine.containers}
    ends = set(itertools.accumulate(len(move.steps) for move in moves))
    for number, step in enumerate(done, 1):
        engine.do(step)
        assert [name for name in placed if not engine.containers[name].endpoints] == [], f"without a network after {step}"
        assert [name for name in startable if not engine.can_start(name)] == [], f"cannot start after {step}"
        lost = [name for name, words in named.items() if words - engine.names_of(name)] if number in ends else []
        assert lost == [], f"names are lost after {step}"
    return done


def cut_off(
    engine: SimulatedEngine, moves: Sequence[Move], moment: int, owned: SimulatedEngine | None = None, ending: Sequence[str] = ()
) -> list[Step]:
    """A run that is killed at some moment, before its first step, or after its last."""
    return run(engine, moves, owned, ending, moment % (len(steps_of(moves)) + 1))


def planned(engine: SimulatedEngine, wish: Wish) -> Consolidation:
    made = plan_consolidation(engine.state(), wish)
    assert [refusal.message for refusal in made.plan.conflicts] == []
    return made


def nothing_to_do(engine: SimulatedEngine, wish: Wish) -> None:
    assert planned(engine, wish).plan.actions() == []


# --- what was asked for, worked out without the planner ---------------------------------------------------------------


def intended(engine: SimulatedEngine, coming: Iterable[str] = ()) -> dict[Key, Attachment]:
    """What is on which network, with the endpoints that a killed run left unmade, where their network is there or coming."""
    held = {n.name: json.loads(n.labels[LABEL_TEMPORARY]) for n in engine.networks.values() if LABEL_TEMPORARY in n.labels}
    there = engine.topology().attachments
    found = {key: place for key, place in there.items() if key[1] not in held}
    for name, meant in held.items():
        key = (meant["container"], meant["network"])
        if (key[0], name) in there and key[1] in (*engine.networks, *coming):
            place = attachment_from_data(meant["attachment"])
            start = place.ipv4.rpartition(".")[0]  # of another subnet, if somebody has removed the network meanwhile
            fits = key[1] in engine.networks and engine.networks[key[1]].subnets[0].startswith(f"{start}.")
            found.setdefault(key, place if fits else replace(place, ipv4=""))
    alone = {key: place for key, place in there.items() if key[0] not in {name for name, _ in found}}
    return {**found, **alone}


def known_words(engine: SimulatedEngine, name: str) -> set[str]:
    """The aliases of a container anywhere, also those that only the label of a temporary network knows."""
    return engine.names_of(name) | {word for (who, _), place in intended(engine, NETWORKS).items() if who == name for word in place.aliases}


def movable(engine: SimulatedEngine, wish: Wish) -> list[Container]:
    """The listed containers that shall be on the target."""
    found = [engine.containers[one.name] for one in wish.containers if one.name in engine.containers]
    return [c for c in found if not outside_networks(c) and c.name not in wish.stop]


def user_networks(engine: SimulatedEngine) -> list[Network]:
    return [n for n in engine.networks.values() if n.name not in PREDEFINED and LABEL_TEMPORARY not in n.labels]


def left_behind(engine: SimulatedEngine, wish: Wish) -> set[str]:
    """The networks that listed containers shall not be on any more."""
    bridges = {n.name for n in user_networks(engine) if n.driver == "bridge"}
    return (set(wish.sources) or bridges | mended(engine, wish)) - {wish.target, *wish.keep} if wish.detach else set()


def asked_to_go(engine: SimulatedEngine, wish: Wish) -> list[Network]:
    """The networks that shall be removed unless somebody needs them."""
    listed, meant = movable(engine, wish), intended(engine)
    used = {n.name for n in user_networks(engine) for c in listed if (c.name, n.name) in meant or c.network_mode in (n.name, n.id)}
    names = (set(wish.sources) or used) - {wish.target, *wish.keep} if wish.remove_sources else set()
    return [n for n in user_networks(engine) if n.name in names and n.scope == "local"]


def needed(engine: SimulatedEngine, network: Network) -> bool:
    """Somebody is on it, was created on it, or has one of its addresses (all of them /24) written down."""
    born = [c for c in engine.containers.values() if c.network_mode in (network.name, network.id)]
    start = network.subnets[0].rpartition(".")[0]
    written = [text for text in engine.texts if f"//{start}." in text.text]
    return bool(engine.members(network.name) or born or written)


def mended(engine: SimulatedEngine, wish: Wish) -> set[str]:
    """The networks that containers were created on, and that are gone."""
    if not wish.containers:
        return set()
    modes = {c.network_mode for c in engine.containers.values() if not c.network_mode.startswith("container:")}
    return modes - {"default", *PREDEFINED, *engine.networks, *(n.id for n in engine.networks.values())}


def check_places(before: SimulatedEngine, after: SimulatedEngine, wish: Wish) -> None:
    """Every listed container is on the target with all its names and what else it had or shall have, and on nothing that it shall leave."""
    meant = intended(before, (wish.target, *mended(before, wish)))
    temporary = {n.name for n in before.networks.values() if LABEL_TEMPORARY in n.labels}
    for container in movable(before, wish):
        name, new = container.name, after.containers[container.name].endpoint(wish.target)
        asked = next(one for one in wish.containers if one.name == name)
        assert new is not None
        assert set(new.aliases) == (known_words(before, name) | set(asked.aliases)) - {name}
        old = meant.get((name, wish.target))
        assert new.fixed_ipv4 == (asked.ipv4 or (old.ipv4 if old else ""))
        options = [old] if old else [place for (who, _), place in meant.items() if who == name]
        assert set(new.driver_opts) >= {key for place in options for key, _ in place.driver_opts}
        assert (new.links, new.gateway_priority) == (old.links, old.gateway_priority) if old else not new.links
        places = {network for who, network in meant if who == name and network not in temporary}
        assert {e.network for e in after.containers[name].endpoints} == places - left_behind(before, wish) | {wish.target}


def check_the_rest(before: SimulatedEngine, after: SimulatedEngine, wish: Wish) -> None:
    """Containers keep all that was not asked to change."""
    assert list(after.containers) == list(before.containers)
    listed, meant, got = [c.name for c in movable(before, wish)], intended(before, (wish.target, *mended(before, wish))), after.topology()
    for old, new in zip(before.containers.values(), after.containers.values()):
        policy, stopped = old.restart_policy or "no", old.name in wish.stop
        if stopped or (old.name in listed and old.running and policy == "no" and not old.auto_remove):
            policy = "no" if stopped else "unless-stopped"
        assert (new.restart_policy or "no") == policy
        assert new.state == ("exited" if stopped and old.alive else old.state)
        if old.name not in listed:
            assert {k: v for k, v in got.attachments.items() if k[0] == old.name} == {k: v for k, v in meant.items() if k[0] == old.name}
        if old.name not in (*listed, *wish.stop, *held(before)):
            assert new == old


def held(engine: SimulatedEngine) -> set[str]:
    """The containers that a killed run left on a temporary network."""
    return {json.loads(n.labels[LABEL_TEMPORARY])["container"] for n in engine.networks.values() if LABEL_TEMPORARY in n.labels}


def check_networks(before: SimulatedEngine, after: SimulatedEngine, wish: Wish) -> None:
    """The target is there, what containers need to start is there, and of the rest only what was asked to go is gone."""
    going = {n.name for n in asked_to_go(before, wish) if not needed(after, n)}
    kept = {n.name: n for n in user_networks(before) if n.name not in going}
    lonely = {n.name for n in before.networks.values() if LABEL_TEMPORARY in n.labels and after.members(n.name)}
    assert set(after.networks) == {*kept, *PREDEFINED, wish.target, *mended(before, wish), *lonely}
    assert all(after.networks[name] == network for name, network in kept.items())
    assert not wish.subnet or after.networks[wish.target].subnets == (wish.subnet,)
    for container in after.containers.values() if wish.containers else ():
        assert container.network_mode.startswith("container:") or after.can_start(container.name)


def check_names(after: SimulatedEngine, wish: Wish) -> None:
    """A name of a listed container that runs leads to it and to nobody else."""
    for container in movable(after, wish):
        endpoint = after.containers[container.name].endpoint(wish.target)
        for word in (container.name, *(endpoint.aliases if endpoint else ())) if container.alive else ():
            assert after.answers(wish.target, word) == [container.name]


# --- properties -------------------------------------------------------------------------------------------------------


@examples(500)
@given(cases())
def test_a_run_is_legal_at_every_step_and_reaches_what_was_asked_for(case: Case) -> None:
    wish, made = accepted(case.engine, case.wish)
    before, after = case.engine, case.engine.copy()
    assert len(made.plan.operations) == len(made.moves)
    run(after, made.moves, ending=wish.stop)
    check_places(before, after, wish)
    check_the_rest(before, after, wish)
    check_networks(before, after, wish)
    check_names(after, wish)
    nothing_to_do(after, wish)


@examples(500)
@given(cases(), st.lists(kills, min_size=1, max_size=3))
def test_killed_anywhere_the_next_run_finishes(case: Case, moments: list[int]) -> None:
    """However often it is killed. One thing is not made up for: a source network that was asked to go only by being left is forgotten."""
    wish, made = accepted(case.engine, case.wish)
    whole, engine = case.engine.copy(), case.engine.copy()
    run(whole, made.moves, ending=wish.stop)
    for moment in moments:
        cut_off(engine, planned(engine, wish).moves, moment, ending=wish.stop)
    run(engine, planned(engine, wish).moves, ending=wish.stop)
    nothing_to_do(engine, wish)
    check_names(engine, wish)
    got, meant = engine.topology(), whole.topology()
    assert got.attachments == meant.attachments
    assert (got.policies, got.stopped) == (meant.policies, meant.stopped)
    assert not set(meant.networks) - set(got.networks)
    assert [n for n in set(got.networks) - set(meant.networks) if got.members(n) or wish.sources or n not in case.engine.networks] == []
    assert all(engine.can_start(name) or not whole.can_start(name) for name in engine.containers)


def taken_back(engine: SimulatedEngine, begun: Sequence[Step]) -> list[Move]:
    """The way back from where the Engine is to where it was before these steps."""
    wanted = reduce(applied, [inverse(step) for step in reversed(begun)], settled(engine.topology()))
    return route(engine.topology(), wanted)


def alike(got: SimulatedEngine, was: SimulatedEngine) -> None:
    """The same host again, without the temporary networks that a killed run had left."""
    now, then = got.topology(), was.topology()
    assert intended(got) == intended(was)
    assert (now.policies, now.stopped) == (then.policies, then.stopped)
    assert {n.name: now.networks[n.name] for n in user_networks(got)} == {n.name: then.networks[n.name] for n in user_networks(was)}


@examples(400)
@given(cases(left=False), kills, st.booleans(), kills)
def test_any_part_of_a_run_can_be_taken_back(case: Case, moment: int, begun: bool, second: int) -> None:
    """begun: the journal has one step more than was done. The way back is killed once as well."""
    wish, made = accepted(case.engine, case.wish)
    engine = case.engine.copy()
    done = cut_off(engine, made.moves, moment, ending=wish.stop)
    known = steps_of(made.moves)[: len(done) + begun]
    other = engine.copy()
    run(engine, taken_back(engine, known), case.engine)
    alike(engine, case.engine)
    cut_off(other, taken_back(other, known), second, case.engine)
    run(other, taken_back(other, known), case.engine)
    alike(other, case.engine)


@examples(400)
@given(cases(), st.lists(kills, min_size=1, max_size=3), kills)
def test_a_rollback_takes_back_all_runs_of_a_window(case: Case, moments: list[int], second: int) -> None:
    """Runs that were cut off, one after the other, and a rollback that is cut off too. What containers need to start stays, and the only
    network of a container."""
    wish, _ = accepted(case.engine, case.wish)
    engine = case.engine.copy()
    runs: list[Run] = []
    for moment in moments:
        moves = planned(engine, wish).moves
        done = cut_off(engine, moves, moment, ending=wish.stop)
        runs.insert(0, Run(f"run-{len(runs)}", "streamline", float(len(runs)), steps=tuple(steps_of(moves)[: len(done) + 1])))
    if not held(case.engine):  # with what a run before the window had left, the way back is only once known
        cut_off(engine, plan_rollback(engine.state(), runs).moves, second, case.engine)
    run(engine, plan_rollback(engine.state(), runs).moves, case.engine)
    assert held(case.engine) or plan_rollback(engine.state(), runs).plan.actions() == []
    placed, stays = {name for name, _ in intended(case.engine)}, mended(case.engine, replace(wish, containers=(Listed(""),)))
    for container in [c for c in engine.containers.values() if c.name not in placed]:
        stays |= {endpoint.network for endpoint in container.endpoints}
        engine.containers[container.name] = replace(container, endpoints=())
    for name in stays - set(case.engine.networks):
        engine.networks.pop(name, None)
    alike(engine, case.engine)


@examples(200)
@given(cases())
def test_a_name_is_refused_exactly_when_two_that_run_would_answer_to_it(case: Case) -> None:
    engine, (wish, refusals) = case.engine, accepted_but_for(case, "alias_collision")
    joining = [c.name for c in movable(engine, wish)]
    holders: dict[str, set[str]] = {}
    for (name, network), place in intended(engine, (wish.target,)).items():
        if network == wish.target:
            holders.update({word: {*holders.get(word, ()), name} for word in (name, *place.aliases)})
    for one in wish.containers:
        if one.name in joining:
            words = {one.name, *one.aliases, *known_words(engine, one.name)}
            holders.update({word: {*holders.get(word, ()), one.name} for word in words})
    run_then = {c.name for c in engine.containers.values() if c.alive} - set(wish.stop)
    listed = {one.name for one in wish.containers}
    doubled = {word for word, names in holders.items() if len(names & run_then) > 1 and names & run_then & listed}
    assert {refusal.detail for refusal in refusals} == doubled


def accepted_but_for(case: Case, kind: str) -> tuple[Wish, list[StackError]]:
    """The wish without what is refused for another reason, and the refusals that are left."""
    wish = case.wish
    while True:
        refusals = plan_consolidation(case.engine.state(), wish).plan.conflicts
        others = [refusal for refusal in refusals if refusal.kind != kind]
        if not others:
            return wish, refusals
        wish = remedied(wish, others[0])
