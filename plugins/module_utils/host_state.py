# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One reading of a host for the planners of networks, and what an operator wishes of it. Frozen data and questions to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.auren.stack.plugins.module_utils.model import Container, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.network_plan import Route
from ansible_collections.auren.stack.plugins.module_utils.topology import LABEL_TEMPORARY, Attachment, Key, pending, topology_of

ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]|/\d)")
GATEWAY_API = (1, 48)  # from here on an endpoint says itself how much it wants to be the gateway
LINE = re.compile(r":\d+(?=( of \S+)?$)")
OWN_NAMESPACE = ("", "default", "bridge")


@dataclass(frozen=True)
class Listed:
    """A container that shall be on the target network. aliases: further names it must have there. ipv4: a fixed address that is
    asked for there. optional: no mistake when there is none of this name."""

    name: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Wish:
    """What is asked for; see the options of network_consolidation. stop: containers that shall not run any more."""

    target: str
    subnet: str = ""
    containers: tuple[Listed, ...] = ()
    sources: tuple[str, ...] = ()
    detach: bool = False
    remove_sources: bool = False
    keep: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Flow:
    """Established TCP connections from one container to another over a network, at the moment of the reading."""

    network: str
    client: str
    server: str
    count: int


def summary(found: Iterable[Flow]) -> str:
    """For every pair, as in: neuros-advanced holds 5 to auren-postgres."""
    return ", ".join(f"{flow.client} holds {flow.count} to {flow.server}" for flow in sorted(found))


@dataclass(frozen=True)
class Text:
    """Something that configures a container: an environment value, a command, a label, a line of a file. where: for people, never the
    value itself, which may be a secret. owner: the container that it configures; empty for the file of a Compose project."""

    owner: str
    where: str
    text: str

    @property
    def place(self) -> str:
        """``where`` without the number of a line, which is another one after an edit above it."""
        return LINE.sub("", self.where)

    def __repr__(self) -> str:
        return f"Text({self.owner}, {self.where})"


@dataclass(frozen=True)
class HostState:
    """One reading. Every container with all that an inspect knows. host: what tells this host from others, and its name."""

    containers: tuple[Container, ...]
    networks: tuple[Network, ...]
    api_version: tuple[int, ...] = (1, 45)
    routes: tuple[Route, ...] = ()
    texts: tuple[Text, ...] = ()
    flows: tuple[Flow, ...] = ()
    host: tuple[str, str] = ("", "")
    by_name: dict[str, Container] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.by_name.update({container.name: container for container in self.containers})

    @cached_property
    def pending(self) -> dict[Key, Attachment]:
        """The endpoints that temporary networks of a killed run stand for."""
        return pending(topology_of(self.containers, self.networks))

    def container(self, name: str) -> Container | None:
        return self.by_name.get(name)

    def network(self, name: str) -> Network | None:
        return next((network for network in self.networks if network.name == name), None)

    def temporary(self, name: str) -> bool:
        """A network that a run of the collection made for moments, and that outlived it."""
        network = self.network(name)
        return network is not None and LABEL_TEMPORARY in network.labels

    def creation_network_gone(self, container: Container) -> bool:
        """Docker keeps the name or the id of the network that a container was created on; without it it cannot start again."""
        mode = container.network_mode
        if mode in OWN_NAMESPACE or outside_networks(container):
            return False
        return all(mode not in (network.name, network.id) for network in self.networks)

    def created_on(self, name: str) -> list[str]:
        """The containers, in any state, that cannot start without this network."""
        network = self.network(name)
        return sorted(c.name for c in self.containers if network and c.network_mode in (network.name, network.id))

    def address_users(self, name: str) -> list[str]:
        """Where an address of this network is written down; also that of its gateway, which is the host's: it goes with the network."""
        return [text.where for text in self._addressing(name)]

    def container_address_users(self, name: str) -> list[str]:
        """The places, sorted, where an address is written down that a container has or may get on this network."""
        network = self.network(name)
        gateways = {_gateway(pool) for pool in network.pools} if network else set()
        return sorted({text.place for text in self._addressing(name, gateways)})

    def _addressing(self, name: str, without: Collection[str] = ()) -> Iterator[Text]:
        network = self.network(name)
        subnets = [ipaddress.ip_network(subnet) for subnet in network.subnets] if network else []
        for text in self.texts:
            if any(address not in without and _within(address, subnets) for address in ADDRESS.findall(text.text)):
                yield text


def _gateway(pool: Pool) -> str:
    """Where nobody gave one, the Engine takes the first address of the range, and its list of networks does not tell of it (Docker 26)."""
    if pool.gateway:
        return pool.gateway.partition("/")[0]
    subnet, first = ipaddress.ip_network(pool.subnet), ipaddress.ip_network(pool.ip_range or pool.subnet)[0]
    return str(first + (first == subnet.network_address))


def _within(address: str, subnets: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in subnet for subnet in subnets)
    except ValueError:
        return False


def outside_networks(container: Container) -> bool:
    """It shares the host's network or another container's, or has none: it takes part in no Docker network."""
    return container.network_mode in ("host", "none") or container.network_mode.startswith("container:")


def listed(state: HostState, wish: Wish) -> list[Container]:
    """The listed containers that are there and can be on a network of their own."""
    found = [state.container(one.name) for one in wish.containers]
    return [c for c in found if c is not None and not outside_networks(c) and c.name not in wish.stop]


def detach_notice(container: Container | None) -> str:
    """What may be felt when a container leaves a network."""
    ports = ", ".join(sorted({str(binding.host_port) for binding in container.bindings})) if container and container.running else ""
    return "names may fail for moments" + (f", and its published ports {ports} refuse for about 0.1 s" if ports else "")


def gateway_notice(state: HostState, container: Container, network: str) -> str:
    """Before Engine 28 the network whose name sorts first is a container's gateway, and its published ports move there."""
    others = [e.network for e in container.endpoints if e.network != network]
    if state.api_version >= GATEWAY_API or not container.running or not container.bindings or not others or network > min(others):
        return ""
    ports = ", ".join(sorted({str(binding.host_port) for binding in container.bindings}))
    return f"its published ports {ports} refuse for about 0.1 s, because {network} becomes its gateway"


RECONNECT_NOTICE = "it is off the network for about 0.3 s, and its connections there are closed"
