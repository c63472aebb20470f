# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is on which network, as data, and the safe way from one such state to another. Pure: streamline and rollback both plan with it.

A topology holds what was asked of the Engine, not what it chose by itself (addresses, ids). `route` gives the moves from one
topology to another in an order in which no container is ever without a network and no alias is lost; `applied` says what one
step makes of a topology, `inverse` which step takes it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.plan import digest

LABEL_TEMPORARY = "auren.stack.temporary"  # on a network that holds a container while its real endpoint is made anew
TEMPORARY = "auren-temporary-"  # how the name of such a network begins
PREDEFINED = ("bridge", "host", "none")  # Docker's own: never created, changed or removed


@dataclass(frozen=True)
class Attachment:
    """What was asked for a container on a network. ipv4: a fixed address; empty when the Engine chooses. driver_opts: sorted pairs."""

    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    driver_opts: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    gateway_priority: int = 0

    def to_data(self) -> dict[str, Any]:
        """Plain data without what is empty."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to make a network again. options, labels: sorted pairs."""

    driver: str = "bridge"
    pools: tuple[Pool, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    internal: bool = False
    attachable: bool = False
    ipv6: bool = False

    def to_data(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


Key = tuple[str, str]  # container, network


@dataclass(frozen=True)
class Topology:
    """networks by name; attachments by (container, network); policies: restart policy by container; stopped: what does not run."""

    networks: Mapping[str, NetworkSpec] = field(default_factory=dict)
    attachments: Mapping[Key, Attachment] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()

    def networks_of(self, container: str) -> list[str]:
        return self._by_container.get(container, [])

    @cached_property
    def _by_container(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for container, network in sorted(self.attachments):
            found.setdefault(container, []).append(network)
        return found

    def members(self, network: str) -> list[str]:
        return sorted(name for name, place in self.attachments if place == network)


@dataclass(frozen=True)
class Step:
    """One change by one call to the Engine.

    verb: create network, remove network, connect, disconnect, set policy, stop or start.
    target: the container, or the network that is created or removed. network: the one a container is connected to or leaves.
    attachment: as it will be (connect) or was (disconnect). spec: of the network. policy, before: the restart policy, new and old.
    """

    verb: str
    target: str
    network: str = ""
    attachment: Attachment | None = None
    spec: NetworkSpec | None = None
    policy: str = ""
    before: str = ""

    def to_data(self) -> dict[str, Any]:
        """Plain data without what is empty, for the journal and for a plan's digest."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Move:
    """One line of a plan: the steps that change one thing. kind: a step's verb, or ``reconnect``."""

    kind: str
    target: str
    network: str
    steps: tuple[Step, ...]

    def attachment(self, verb: str) -> Attachment:
        """What the step of this verb has on the move's own network."""
        return next((s.attachment for s in self.steps if s.verb == verb and s.network == self.network and s.attachment), Attachment())


INVERSE = {"connect": "disconnect", "create network": "remove network", "set policy": "set policy", "stop": "start"}
INVERSE.update({after: before for before, after in INVERSE.items()})


# What a takeover does beside: it has a way back of its own, see `takeover_back`.
FURTHER = ("back up", "disable", "enable", "snapshot", "hold", "hand over", "rename", "copy", "make", "put back", "remove container")


def inverse(step: Step) -> Step:
    """The step that takes this one back."""
    return replace(step, verb=INVERSE[step.verb], policy=step.before, before=step.policy)


def step_from_data(data: Mapping[str, Any]) -> Step:
    """The reverse of `Step.to_data`. Raises KeyError, TypeError or ValueError for what is none."""
    given = dict(data)
    if given.get("attachment"):
        given["attachment"] = attachment_from_data(given["attachment"])
    if given.get("spec"):
        spec = dict(given["spec"])
        spec["pools"] = tuple(Pool(**pool) for pool in spec["pools"])
        spec.update({key: tuple((str(k), str(v)) for k, v in spec[key]) for key in ("options", "labels")})
        given["spec"] = NetworkSpec(**spec)
    if given["verb"] not in (*INVERSE, *FURTHER):
        raise ValueError(f"no such verb: {given['verb']}")
    return Step(**given)


def attachment_from_data(data: Mapping[str, Any]) -> Attachment:
    given = dict(data)
    given["driver_opts"] = tuple((str(k), str(v)) for k, v in given.get("driver_opts") or ())
    given.update({key: tuple(given.get(key) or ()) for key in ("aliases", "links")})
    return Attachment(**given)


def applied(topology: Topology, step: Step) -> Topology:
    """The topology after a step. Lenient, so that it can also take back what was only begun: what is already so stays so, a policy that
    somebody else has set meanwhile too."""
    networks, attachments = dict(topology.networks), dict(topology.attachments)
    policies, stopped = dict(topology.policies), set(topology.stopped)
    if step.verb == "create network":
        networks.setdefault(step.target, step.spec or NetworkSpec())
    elif step.verb == "remove network":
        networks.pop(step.target, None)
    elif step.verb == "connect":
        attachments[step.target, step.network] = step.attachment or Attachment()
    elif step.verb == "disconnect":
        attachments.pop((step.target, step.network), None)
    elif step.verb == "set policy" and policies.get(step.target) == step.before:
        policies[step.target] = step.policy
    elif step.verb == "stop":
        stopped.add(step.target)
    elif step.verb == "start":
        stopped.discard(step.target)
    return Topology(networks, attachments, policies, frozenset(stopped))


def temporary_name(container: str, network: str) -> str:
    """One for every endpoint: what a killed run left for another one must stay until that one is there again."""
    return f"{TEMPORARY}{container}-{digest([container, network])}"


def pending(topology: Topology) -> dict[Key, Attachment]:
    """The endpoints that temporary networks of a killed run stand for."""
    found = {}
    for network, spec in topology.networks.items():
        meant = json.loads(dict(spec.labels).get(LABEL_TEMPORARY, "{}"))
        if meant and (meant["container"], network) in topology.attachments:
            found[meant["container"], meant["network"]] = attachment_from_data(meant["attachment"])
    return found


def settled(topology: Topology, coming: Sequence[str] = ()) -> Topology:
    """Without the temporary networks that a killed run left, and with the endpoints that they stand for where these are missing, on
    networks that are there or coming. A fixed address is kept where it fits: somebody may have removed the network meanwhile."""
    meant = {}
    for key, one in pending(topology).items():
        if key[1] in (*topology.networks, *coming):
            pools = topology.networks[key[1]].pools if key[1] in topology.networks else ()
            fits = one.ipv4 and any(ip_address(one.ipv4) in ip_network(pool.subnet) for pool in pools)
            meant[key] = one if fits else replace(one, ipv4="")
    return _lasting(replace(topology, attachments={**meant, **topology.attachments}))


def _lasting(topology: Topology) -> Topology:
    """Without temporary networks, but for one that holds a container which would be on no network without it."""
    placed = {container for container, network in topology.attachments if not network.startswith(TEMPORARY)}
    attachments = {key: one for key, one in topology.attachments.items() if not key[1].startswith(TEMPORARY) or key[0] not in placed}
    used = {network for _container, network in attachments}
    networks = {name: spec for name, spec in topology.networks.items() if not name.startswith(TEMPORARY) or name in used}
    return replace(topology, networks=networks, attachments=attachments)


def route(now: Topology, wanted: Topology, order: Mapping[str, int] | None = None) -> list[Move]:
    """The moves from one to the other: first what adds (networks, policies, stops, connects), then what makes an endpoint anew, then
    what takes away (disconnects, networks). Both know the same containers.

    order: container → its turn among those that join a network; by name where it says nothing.
    """
    wanted = _lasting(wanted)
    changed = [key for key, one in wanted.attachments.items() if now.attachments.get(key, one) != one]
    busy = {temporary_name(*key) for key in changed}  # of a run that was cut off, and used again
    created = sorted(set(wanted.networks) - set(now.networks))
    removed = sorted(set(now.networks) - set(wanted.networks) - busy)
    left = sorted(key for key in set(now.attachments) - set(wanted.attachments) if key[1] not in busy)
    moves = [_one(Step("create network", name, spec=wanted.networks[name])) for name in created]
    moves += [_policy(now, wanted, name) for name in sorted(wanted.policies) if _policy_differs(now, wanted, name)]
    moves += [_stop(now, wanted, name) for name in sorted(wanted.stopped - now.stopped)]
    turns = order or {}
    made = [*changed, *(set(wanted.attachments) - set(now.attachments))]
    for key in sorted(
        made, key=lambda key: (not _urgent(now.attachments.get(key), wanted.attachments[key]), key in changed, turns.get(key[0], 0), key)
    ):
        new = wanted.attachments[key]
        moves.append(_reconnect(now, *key, new) if key in changed else _one(Step("connect", *key, new)))
    moves += [_one(Step("disconnect", *key, now.attachments[key])) for key in left]
    moves += [_one(Step("start", name)) for name in sorted(now.stopped - wanted.stopped)]
    return moves + [_one(Step("remove network", name, spec=now.networks[name])) for name in removed]


def _urgent(old: Attachment | None, new: Attachment) -> bool:
    """A fixed address is asked for before the Engine gives it to somebody else, unless a name would have to wait for that."""
    return bool(new.ipv4) and (old is None or (old.ipv4 != new.ipv4 and set(old.aliases) <= set(new.aliases)))


def _one(step: Step) -> Move:
    return Move(step.verb, step.target, step.network, (step,))


def _policy_differs(now: Topology, wanted: Topology, name: str) -> bool:
    return wanted.policies[name] != now.policies.get(name) and name not in wanted.stopped - now.stopped


def _policy(now: Topology, wanted: Topology, name: str) -> Move:
    return _one(Step("set policy", name, policy=wanted.policies[name], before=now.policies.get(name, "")))


def _stop(now: Topology, wanted: Topology, name: str) -> Move:
    """The policy goes first: a stopped container with a policy comes back when the Engine starts."""
    policy = _policy(now, wanted, name).steps if wanted.policies.get(name) != now.policies.get(name) else ()
    return Move("stop", name, "", (*policy, Step("stop", name)))


def _reconnect(now: Topology, container: str, network: str, new: Attachment) -> Move:
    """Docker cannot change an endpoint: it is made anew, while a temporary network holds the container. What it stands for is in the
    network's label, so that whoever comes after a killed run can finish."""
    temporary, old = temporary_name(container, network), now.attachments[container, network]
    meant = json.dumps({"container": container, "network": network, "attachment": asdict(new)}, sort_keys=True)
    spec = NetworkSpec(labels=((LABEL_TEMPORARY, meant),))
    held = Attachment(gateway_priority=new.gateway_priority)
    left, inside = now.networks.get(temporary), now.attachments.get((container, temporary))
    steps = []
    if left and (LABEL_TEMPORARY, meant) not in left.labels:  # it stands for something else
        steps = [Step("disconnect", container, temporary, inside)] if inside else []
        steps.append(Step("remove network", temporary, spec=left))
        left = inside = None
    steps += [] if left else [Step("create network", temporary, spec=spec)]
    steps += [] if inside else [Step("connect", container, temporary, held)]
    held, spec = inside or held, left or spec
    steps += [
        Step("disconnect", container, network, old),
        Step("connect", container, network, new),
        Step("disconnect", container, temporary, held),
        Step("remove network", temporary, spec=spec),
    ]
    return Move("reconnect", container, network, tuple(steps))


def spec_of(network: Network) -> NetworkSpec:
    """What a network of the Engine was made with."""
    options, labels = tuple(sorted(network.options.items())), tuple(sorted(network.labels.items()))
    return NetworkSpec(network.driver, network.pools, options, labels, network.internal, network.attachable, network.ipv6)


def attachment_of(endpoint: Endpoint) -> Attachment:
    opts = tuple(sorted(endpoint.driver_opts.items()))
    return Attachment(endpoint.aliases, endpoint.fixed_ipv4, opts, endpoint.links, endpoint.gateway_priority)


def topology_of(containers: Iterable[Container], networks: Iterable[Network]) -> Topology:
    """The Engine's state. Containers that share another network namespace (host, none, container:…) have no place in it."""
    found = list(containers)
    places = {(c.name, e.network): attachment_of(e) for c in found for e in c.endpoints if e.network not in ("host", "none")}
    return Topology(
        {network.name: spec_of(network) for network in networks},
        places,
        {c.name: c.restart_policy or "no" for c in found},
        frozenset(c.name for c in found if not c.alive),
    )
