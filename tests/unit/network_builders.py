"""Small hosts, written down in a line, for the examples of the planner of networks."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.consolidation import Consolidation, plan_consolidation
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Wish
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation

DOCKERS_OWN = ("bridge", "host", "none")


def identity(word: str) -> str:
    """64 hexadecimal digits, as the Engine's ids have."""
    return hashlib.sha256(word.encode()).hexdigest()


def net(name: str, subnet: str = "10.1.0.0/24", **more: Any) -> Network:
    """A network made by hand."""
    pool = Pool(subnet, f"{subnet.rpartition('.')[0]}.1")
    return Network(**{"id": identity(name), "name": name, "driver": "bridge", "subnets": (subnet,), "pools": (pool,), **more})


def on(network: str, *aliases: str, ipv4: str = "", **more: Any) -> Endpoint:
    """A place on a network."""
    return Endpoint(network, identity(network), ipv4, aliases, **more)


def box(name: str, *places: Endpoint, **more: Any) -> Container:
    """A container made by hand: it runs, with a restart policy, and was created on the first of its networks."""
    known = {"image": "img:1", "image_id": "sha256:1", "state": "running", "restart_policy": "always"}
    known["network_mode"] = places[0].network if places else "bridge"
    return Container(**{"id": identity(name), "name": name, "endpoints": places, **known, **more})


def host(*things: Container | Network, **more: Any) -> HostState:
    """A host with these containers and networks, and Docker's own networks."""
    own = [
        net("bridge", "172.17.0.0/16"),
        net("host", driver="host", subnets=(), pools=()),
        net("none", driver="null", subnets=(), pools=()),
    ]
    networks = [*own, *(one for one in things if isinstance(one, Network))]
    return HostState(tuple(one for one in things if isinstance(one, Container)), tuple(networks), **more)


def wish(*containers: str | Listed, target: str = "target", **more: Any) -> Wish:
    listed = tuple(one if isinstance(one, Listed) else Listed(one) for one in containers)
    return Wish(**{"target": target, "containers": listed, **more})


def plan(state: HostState, wanted: Wish) -> Consolidation:
    """A plan that nothing forbids."""
    made = plan_consolidation(state, wanted)
    assert [refusal.message for refusal in made.plan.conflicts] == []
    return made


def operations(state: HostState, wanted: Wish) -> list[Operation]:
    return plan(state, wanted).plan.operations


def refusals(state: HostState, wanted: Wish) -> list[tuple[str, str]]:
    """Kind and sentence of all that forbids a plan."""
    return [(refusal.kind, refusal.message) for refusal in plan_consolidation(state, wanted).plan.conflicts]


def warnings(state: HostState, wanted: Wish) -> list[str]:
    return plan(state, wanted).plan.warnings
