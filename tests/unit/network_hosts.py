"""Hosts as Hypothesis draws them, on a simulated Engine, and what an operator may wish of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ansible_collections.auren.stack.plugins.module_utils.consolidation import Consolidation, plan_consolidation
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import Listed, Text, Wish, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Pool
from ansible_collections.auren.stack.plugins.module_utils.topology import Attachment, Move, NetworkSpec, Step, route
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from tests.unit.network_builders import identity
from tests.unit.simulated_engine import SimulatedEngine

set_hypothesis_home_dir(".cache/hypothesis")

EXAMPLES = int(os.environ.get("AUREN_EXAMPLES", "0"))  # of every property; 0: a few hundred, the same in every run


def examples(count: int) -> settings:
    """Settings for a property that is tried so many times, or as often as the environment says."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=EXAMPLES or count, derandomize=not EXAMPLES, deadline=None, database=None, suppress_health_check=checks)


T = TypeVar("T")
CONTAINERS = tuple(f"c{number}" for number in range(1, 9))
NETWORKS = ("target", "net-a", "net-b", "net-c", "net-d")
WORDS = ("db", "cache", "web", "c1", "c2")  # aliases: some are names of containers
NEW_SUBNET = "172.30.0.0/24"


def subnet_of(network: str) -> str:
    """What somebody gave to a network that was made with a subnet."""
    return f"172.20.{NETWORKS.index(network)}.0/24"


def address(subnet: str, last: int) -> str:
    return f"{subnet.rpartition('.')[0]}.{last}"


# --- what is drawn ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    name: str
    given: bool  # somebody gave it a subnet
    driver: str
    internal: bool


@dataclass(frozen=True)
class Place:
    network: str
    aliases: tuple[str, ...]
    extra: str


@dataclass(frozen=True)
class Make:
    """How a container was made. mode: what of; its own network namespace on `own`, on a network called by name or id, or on none."""

    mode: str
    state: str
    policy: str


@dataclass(frozen=True)
class Leftover:
    """A run was killed after so many steps of making an endpoint anew. pruned: then somebody ran `docker network prune`."""

    container: int
    place: int
    word: str
    steps: int
    pruned: bool


def few(words: Iterable[str], most: int = 2) -> list[tuple[str, ...]]:
    """Every choice of up to so many."""
    return [some for count in range(most + 1) for some in itertools.combinations(words, count)]


def any_of(make: Callable[..., T], *choices: Iterable[Any]) -> st.SearchStrategy[T]:
    """One of everything that can be made of these choices, by a single draw: much faster than a draw for each."""
    return st.sampled_from([make(*chosen) for chosen in itertools.product(*choices)])


nets = any_of(Net, NETWORKS, (False, True), ("bridge", "bridge", "bridge", "macvlan", "overlay"), (False, True))
places = any_of(Place, (*NETWORKS, "bridge"), few(WORDS), ("", "", "", "fixed", "options", "links", "priority"))
makes = any_of(
    Make,
    (*["name"] * 6, *["id"] * 3, *["own"] * 3, "gone", "gone id", "host", "none", "container"),
    ("running", "running", "running", "exited", "created", "paused", "restarting"),
    ("", "no", "always", "unless-stopped", "on-failure:5", "rm"),
)
boxes = st.tuples(makes, st.lists(places, max_size=4))
leftovers = any_of(Leftover, range(8), range(3), WORDS, range(1, 6), (False, True))
texts = any_of(
    lambda owner, word: Text(owner, f"environment key X of {owner}", f"tcp://{word}:1"),
    CONTAINERS,
    (*WORDS, "c3", "172.20.1.9", "172.20.2.200", "10.3.4.5"),
)
listed = any_of(Listed, (*CONTAINERS, *CONTAINERS, "nobody"), few(WORDS), ("", "", "", "1", "2", "3", "10", "11", "255"), (False, True))
wishes = st.builds(
    Wish,
    target=st.sampled_from(("target", "target", *["net-a"] * 3, "gone")),
    subnet=st.sampled_from(("", "", NEW_SUBNET)),
    containers=st.lists(listed, max_size=8).map(tuple),
    sources=st.sampled_from([*[()] * 20, *few((*NETWORKS, "bridge"))]),
    detach=st.sampled_from((True, True, False)),
    remove_sources=st.booleans(),
    keep=st.sampled_from([*[()] * 5, *few(NETWORKS)]),
    stop=st.sampled_from(few(CONTAINERS[:4])),
)
kills = st.integers(0, 40)

# --- made of it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A host and a wish. Copy the engine before changing it."""

    engine: SimulatedEngine
    wish: Wish


def _box(engine: SimulatedEngine, number: int, made: Make, places: Sequence[Place]) -> None:
    """A container as it was once created, and then connected."""
    there = list({place.network: place for place in places if place.network in engine.networks}.values())
    name, home = CONTAINERS[number], engine.networks[there[0].network if there else list(engine.networks)[-1]]
    modes = {"name": home.name, "id": home.id, "own": "bridge", "gone id": identity("gone")}
    modes["container"] = f"container:{identity(CONTAINERS[number - 1])}" if number else home.name  # the first one is alone
    rm = made.policy == "rm" and made.state in ("running", "paused", "created")
    policy = "no" if made.policy == "rm" else made.policy
    new = Container(identity(name), name, "img:1", "sha256:1", made.state, restart_policy=policy, auto_remove=rm)
    engine.add_container(replace(new, network_mode=modes.get(made.mode, made.mode)))
    if not outside_networks(engine.containers[name]):
        for place in there:
            engine.do(Step("connect", name, place.network, _attachment(engine, number, place)))


def _attachment(engine: SimulatedEngine, number: int, place: Place) -> Attachment:
    if place.network == "bridge":
        return Attachment()
    fixed = address(subnet_of(place.network), 10 + number) if place.extra == "fixed" and place.network not in engine.chosen else ""
    options = (("com.docker.network.endpoint.sysctls", place.network),) if place.extra == "options" else ()
    links = ("c9:other",) if place.extra == "links" else ()
    priority = 5 if place.extra == "priority" and engine.api_version >= (1, 48) else 0
    return Attachment(tuple(word for word in place.aliases if word != CONTAINERS[number]), fixed, options, links, priority)


def _left_over(engine: SimulatedEngine, left: Leftover) -> None:
    now = engine.topology()
    mine = [key for key in sorted(now.attachments) if key[0] == CONTAINERS[left.container] and key[1] in NETWORKS]
    if not mine:
        return
    key = mine[left.place % len(mine)]
    old = now.attachments[key]
    new = replace(old, aliases=tuple(sorted({*old.aliases, left.word} - {key[0]})))
    for step in steps_of(route(now, replace(now, attachments={**now.attachments, key: new})))[: left.steps]:
        engine.do(step)
    if left.pruned:
        for name in [n.name for n in engine.networks.values() if n.name in NETWORKS and not engine.members(n.name)]:
            engine.do(Step("remove network", name))


def _fitting(engine: SimulatedEngine, wish: Wish) -> Wish:
    """The wish with names of this host, but for `nobody` and perhaps net-d; fixed addresses only where the Engine could give them."""
    here, around = list(engine.containers), [name for name in engine.networks if name in NETWORKS]
    names = {name: here[number % len(here)] for number, name in enumerate(CONTAINERS)}
    known = {name: name if name in (*around, "bridge", "net-d") else (*around, "bridge")[0] for name in (*NETWORKS, "bridge")}
    if wish.target == "net-a":
        wish = replace(wish, target=next(iter(around), "net-a"))
    subnet = (engine.networks[wish.target].subnets if wish.target in engine.networks else (wish.subnet,))[0]
    fixed = subnet and wish.target not in engine.chosen  # nobody is told that the Engine chose a subnet, so nobody can refuse it
    asked: dict[str, Listed] = {}
    for one in wish.containers:
        name = names.get(one.name, one.name)
        asked.setdefault(name, replace(one, name=name, ipv4=address(subnet, int(one.ipv4)) if fixed and one.ipv4 else ""))
    sources = tuple(dict.fromkeys(known[name] for name in wish.sources))
    stop = tuple(dict.fromkeys(names[name] for name in wish.stop)) if asked else ()  # without a list nothing is stopped
    return replace(wish, containers=tuple(asked.values()), sources=sources, stop=stop)


@st.composite
def cases(draw: st.DrawFn, left: bool = True) -> Case:
    """left: perhaps with what a killed run left there."""
    engine = SimulatedEngine(draw(st.sampled_from(((1, 45), (1, 48)))), texts=draw(st.lists(texts, max_size=2)))
    for net in {net.name: net for net in draw(st.lists(nets, min_size=1, max_size=5))}.values():
        pools = (Pool(subnet_of(net.name)),) if net.given else ()
        engine.add_network(net.name, NetworkSpec(net.driver, pools, internal=net.internal), "swarm" if net.driver == "overlay" else "local")
    for number, (make, around) in enumerate(draw(st.lists(boxes, min_size=1, max_size=8))):
        _box(engine, number, make, around)
    for one in draw(st.lists(leftovers, max_size=2)) if left else ():
        _left_over(engine, one)
    wish = _fitting(engine, draw(wishes))
    return Case(engine, wish)


def steps_of(moves: Sequence[Move]) -> list[Step]:
    return [step for move in moves for step in move.steps]


# --- an operator who takes away what is refused -----------------------------------------------------------------------


def _unlist(wish: Wish, target: str) -> Wish:
    first = next(name for name in target.split(", ") if name in {one.name for one in wish.containers})
    return replace(wish, containers=tuple(one for one in wish.containers if one.name != first))


def _anywhere(wish: Wish, target: str) -> Wish:
    kept = tuple(one for one in wish.containers if one.name != target or one.optional)
    return replace(wish, containers=kept, stop=tuple(name for name in wish.stop if name != target))


def _automatic(wish: Wish, target: str) -> Wish:
    return replace(wish, containers=tuple(replace(one, ipv4="") if one.name == target else one for one in wish.containers))


def _running(wish: Wish, target: str) -> Wish:
    assert target in wish.stop
    return replace(wish, stop=tuple(name for name in wish.stop if name != target))


REMEDIES: dict[str, Callable[[Wish, str], Wish]] = {
    "subnet_overlap": lambda wish, _: replace(wish, subnet=""),
    "subnet_differs": lambda wish, _: replace(wish, subnet=""),
    "missing_container": _anywhere,
    "missing_network": lambda wish, target: replace(wish, sources=tuple(name for name in wish.sources if name != target)),
    "network_mode": _unlist,
    "bad_address": _automatic,
    "address_taken": _automatic,
    "alias_collision": _unlist,
}


def remedied(wish: Wish, refusal: StackError) -> Wish:
    return REMEDIES.get(refusal.kind, _running)(wish, refusal.target)


def accepted(engine: SimulatedEngine, wish: Wish) -> tuple[Wish, Consolidation]:
    """The wish without what is refused, and its plan. From then on the Engine covets the addresses that are asked for."""
    while True:
        wish = wish if wish.containers else replace(wish, stop=())
        made = plan_consolidation(engine.state(), wish)
        if not made.plan.conflicts:
            engine.coveted = tuple(one.ipv4 for one in wish.containers if one.ipv4)
            return wish, made
        wish = remedied(wish, made.plan.conflicts[0])
