"""An Engine without an Engine: containers and networks that change one step at a time, and refuse what the real one refuses.

Where the real one leaves something to chance it is as unlucky as can be: an address that somebody covets is the first that it gives away.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Text, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED, Attachment, NetworkSpec, Step, Topology, topology_of

from tests.unit.network_builders import identity

PRIORITIES = (1, 48)  # the first API with a priority as a gateway


class RefusedError(Exception):
    """What the real Engine would answer with an error."""


def _refuse(condition: object, said: str) -> None:
    if condition:
        raise RefusedError(said)


class SimulatedEngine:
    """containers, networks: by name. chosen: the networks whose subnet nobody gave, so that no address can be asked for there.

    coveted: addresses that it likes to give to somebody who asked for none.
    """

    def __init__(self, api_version: tuple[int, ...] = (1, 45), coveted: Iterable[str] = (), texts: Iterable[Text] = ()) -> None:
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, Network] = {}
        self.chosen: set[str] = set()
        self.api_version = api_version
        self.coveted = tuple(coveted)
        self.texts = tuple(texts)
        self._made = 0
        for name, driver, pools in (
            ("bridge", "bridge", (Pool("172.17.0.0/24", "172.17.0.1"),)),
            ("host", "host", ()),
            ("none", "null", ()),
        ):
            self._add(name, NetworkSpec(driver, pools))
        self.chosen.add("bridge")

    def __repr__(self) -> str:
        """The whole host, for a property that does not hold."""
        nets = [f"{n.name}: {n.driver} {n.id[:6]} {n.subnets} {n.labels or ''}" for n in self.networks.values()]
        boxes = [f"{c.name}: {c.state}, {c.network_mode[:32]!r}, {c.restart_policy!r}, {c.endpoints}" for c in self.containers.values()]
        return "\n  ".join(["", *nets, *boxes, *(f"{text}: {text.text}" for text in self.texts), f"coveted {self.coveted}"])

    def copy(self) -> SimulatedEngine:
        other = SimulatedEngine(self.api_version, self.coveted, self.texts)
        other.containers, other.networks, other.chosen = dict(self.containers), dict(self.networks), set(self.chosen)
        other._made = self._made
        return other

    def state(self) -> HostState:
        return HostState(tuple(self.containers.values()), tuple(self.networks.values()), self.api_version, (), self.texts)

    def topology(self) -> Topology:
        return topology_of(self.containers.values(), self.networks.values())

    # --- questions ----------------------------------------------------------------------------------------------------

    def can_start(self, name: str) -> bool:
        """Whether `docker start` would work: after a crash, after a reboot."""
        container = self.containers[name]
        mode = container.network_mode
        if mode.startswith("container:"):
            return any(c.alive and c.id == mode.partition(":")[2] for c in self.containers.values())
        if mode not in ("", "default", *PREDEFINED) and not any(mode in (n.name, n.id) for n in self.networks.values()):
            return False
        return all(e.network in self.networks and not self._holder(e.network, e.fixed_ipv4, but=name) for e in container.endpoints)

    def names_of(self, name: str) -> set[str]:
        """The aliases of a container on all its networks."""
        return {alias for endpoint in self.containers[name].endpoints for alias in endpoint.aliases}

    def answers(self, network: str, word: str) -> list[str]:
        """Who Docker's resolver may name on a network when it is asked for a word."""
        there = [(c.name, c.endpoint(network)) for c in self.containers.values() if c.alive]
        return sorted(name for name, endpoint in there if endpoint and word in (name, *endpoint.aliases))

    def members(self, network: str) -> list[str]:
        return sorted(c.name for c in self.containers.values() if c.endpoint(network))

    # --- what is asked of it ------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """One step, or RefusedError and nothing is changed."""
        words = {
            "create network": self._create_network, "remove network": self._remove_network, "connect": self._connect,
            "disconnect": self._disconnect, "set policy": self._set_policy, "stop": self._stop, "start": self._start,
        }  # fmt: skip
        words[step.verb](step)

    def add_network(self, name: str, spec: NetworkSpec, scope: str = "local") -> None:
        self._create_network(Step("create network", name, spec=spec))
        self.networks[name] = replace(self.networks[name], scope=scope)

    def add_container(self, container: Container) -> None:
        """One without endpoints; `do` connects it."""
        self.containers[container.name] = container

    def _create_network(self, step: Step) -> None:
        spec = step.spec or NetworkSpec()
        _refuse(step.target in self.networks, f"network with name {step.target} already exists")
        for subnet in (ipaddress.ip_network(pool.subnet) for pool in spec.pools):
            taken = [other for n in self.networks.values() for other in n.subnets if subnet.overlaps(ipaddress.ip_network(other))]
            _refuse(taken, "Pool overlaps with other one on this address space")
        self._add(step.target, spec)

    def _add(self, name: str, spec: NetworkSpec) -> None:
        self._made += 1
        pools = tuple(replace(pool, gateway=pool.gateway or _nth(pool.subnet, 1)) for pool in spec.pools)
        if not pools and name not in PREDEFINED:
            self.chosen.add(name)
            pools = (Pool(f"10.{self._made}.0.0/24", f"10.{self._made}.0.1"),)
        subnets = tuple(pool.subnet for pool in pools)
        new = Network(identity(f"{name} {self._made}"), name, spec.driver, subnets, dict(spec.labels), pools, dict(spec.options))
        self.networks[name] = replace(new, internal=spec.internal, attachable=spec.attachable, ipv6=spec.ipv6)

    def _remove_network(self, step: Step) -> None:
        self._network(step.target)
        _refuse(step.target in PREDEFINED, f"{step.target} is a pre-defined network and cannot be removed")
        _refuse(self.members(step.target), f"network {step.target} has active endpoints")
        del self.networks[step.target]
        self.chosen.discard(step.target)

    def _connect(self, step: Step) -> None:
        container, network, asked = self._joinable(step), self._network(step.network), step.attachment or Attachment()
        _refuse(container.endpoint(network.name), f"endpoint with name {container.name} already exists in network {network.name}")
        plain = network.name == "bridge"
        _refuse(plain and asked.aliases, "network-scoped aliases are only supported for user-defined networks")
        _refuse(asked.gateway_priority and self.api_version < PRIORITIES, f"API {self.api_version} knows no gateway priority")
        if asked.ipv4:
            self._check_address(network, asked.ipv4)
        address = (asked.ipv4 or self._free(network)) if container.alive else ""
        options = dict(asked.driver_opts)
        new = Endpoint(network.name, network.id, address, asked.aliases, asked.ipv4, options, asked.links, asked.gateway_priority)
        self.containers[container.name] = replace(container, endpoints=(*container.endpoints, new))

    def _disconnect(self, step: Step) -> None:
        container = self._joinable(step)
        _refuse(not container.endpoint(step.network), f"container {container.name} is not connected to network {step.network}")
        rest = tuple(e for e in container.endpoints if e.network != step.network)
        self.containers[container.name] = replace(container, endpoints=rest)

    def _set_policy(self, step: Step) -> None:
        container = self._container(step.target)
        _refuse(container.auto_remove and step.policy != "no", "cannot update restart policy because AutoRemove is enabled")
        _refuse((container.restart_policy or "no") != step.before, f"it is {container.restart_policy!r}, the step says {step.before!r}")
        _refuse(step.policy == step.before, "the step changes nothing")
        self.containers[container.name] = replace(container, restart_policy=step.policy)

    def _stop(self, step: Step) -> None:
        container = self._container(step.target)
        _refuse(not container.alive, f"container {container.name} does not run")
        ended = replace(container, state="exited", endpoints=tuple(replace(e, ipv4="") for e in container.endpoints))
        self.containers[container.name] = ended
        if container.auto_remove:
            del self.containers[container.name]

    def _start(self, step: Step) -> None:
        container = self._container(step.target)
        _refuse(container.alive, f"container {container.name} runs already")
        _refuse(not self.can_start(container.name), f"container {container.name} cannot start")
        places = tuple(replace(e, ipv4=e.fixed_ipv4 or self._free(self.networks[e.network])) for e in container.endpoints)
        self.containers[container.name] = replace(container, state="running", endpoints=places)

    def _container(self, name: str) -> Container:
        _refuse(name not in self.containers, f"No such container: {name}")
        return self.containers[name]

    def _network(self, name: str) -> Network:
        _refuse(name not in self.networks, f"network {name} not found")
        return self.networks[name]

    def _joinable(self, step: Step) -> Container:
        container = self._container(step.target)
        _refuse(outside_networks(container), f"{container.name} shares another network namespace ({container.network_mode})")
        _refuse(step.network in ("host", "none"), f"container cannot be connected to or disconnected from {step.network}")
        return container

    # --- addresses ----------------------------------------------------------------------------------------------------

    def _holder(self, network: str, address: str, but: str = "") -> str:
        """Who has an address on a network, or waits for it stopped; empty for nobody."""
        others = [(c.name, c.endpoint(network)) for c in self.containers.values() if c.name != but]
        return next((name for name, e in others if e and address and address in (e.ipv4, e.fixed_ipv4)), "")

    def _check_address(self, network: Network, address: str) -> None:
        wanted = ipaddress.ip_address(address)
        _refuse(network.name in self.chosen, "user specified IP address is supported only with user configured subnets")
        around = [ipaddress.ip_network(pool.subnet) for pool in network.pools if wanted in ipaddress.ip_network(pool.subnet)]
        _refuse(not around, f"no configured subnet of {network.name} contains IP address {address}")
        edges = {str(edge) for subnet in around for edge in (subnet.network_address, subnet.broadcast_address)}
        reserved = edges | {pool.gateway for pool in network.pools}
        _refuse(address in reserved or self._holder(network.name, address), f"Address already in use: {address}")

    def _free(self, network: Network) -> str:
        subnet = network.subnets[0]
        base = ipaddress.ip_network(subnet)
        liked = [
            a for a in self.coveted if ipaddress.ip_address(a) in base and a not in (_nth(subnet, 0), _nth(subnet, 1), _nth(subnet, 255))
        ]
        return next(a for a in (*liked, *(_nth(subnet, n) for n in range(2, 255))) if not self._holder(network.name, a))


def _nth(subnet: str, number: int) -> str:
    """An address of a /24."""
    return f"{subnet.rpartition('.')[0]}.{number}"
