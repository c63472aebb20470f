# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The target network: created only when it is missing, never with an address range that is in use. Pure."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Container, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED, NetworkSpec


@dataclass(frozen=True)
class Route:
    """A route of the host: ``10.0.0.0/8`` and the interface it leaves by."""

    subnet: str
    interface: str


def parse_routes(text: str) -> list[Route]:
    """The IPv4 routes of /proc/net/route (proc(5)) without the default route: addresses are hexadecimal in host byte order."""
    found = []
    for columns in (line.split() for line in text.splitlines()[1:]):
        address, mask = (socket.inet_ntoa(struct.pack("=I", int(columns[i], 16))) for i in (1, 7))
        subnet = ipaddress.ip_network(f"{address}/{mask}")
        if subnet.prefixlen:
            found.append(Route(str(subnet), columns[0]))
    return found


def _parse(name: str, subnet: str) -> ipaddress.IPv4Network:
    try:
        parsed = ipaddress.ip_network(subnet)
    except ValueError as error:
        raise StackError(
            f"auren_subnet is {subnet!r}, which is no subnet for {name} ({error}); set it to one such as 172.28.0.0/16, or leave it empty",
            "bad_subnet",
            subnet,
            str(error),
        ) from error
    if not isinstance(parsed, ipaddress.IPv4Network) or parsed.prefixlen > 28:
        raise StackError(
            f"auren_subnet is {subnet}, which has no room for the stack; set it to an IPv4 subnet of /28 or larger, or leave it empty",
            "bad_subnet",
            subnet,
        )
    return parsed


def _overlap(wanted: ipaddress.IPv4Network, networks: Sequence[Network], routes: Sequence[Route]) -> str:
    """What already uses a part of the range; empty when nothing does."""
    for network in networks:
        for subnet in network.subnets:
            other = ipaddress.ip_network(subnet)
            if other.version == 4 and wanted.overlaps(other):
                return f"the Docker network {network.name} ({subnet})"
    for route in routes:
        if wanted.overlaps(ipaddress.ip_network(route.subnet)):
            return f"the host's route to {route.subnet} by {route.interface}"
    return ""


def target_spec(name: str, subnet: str) -> NetworkSpec:
    """A network as it is made when it is missing."""
    return NetworkSpec(pools=(Pool(subnet),) if subnet else (), labels=((LABEL_SERVICE, name),))


def plan_target(name: str, subnet: str, networks: Sequence[Network], routes: Sequence[Route]) -> Plan:
    """Create the network ``name`` when it is missing. An empty subnet lets the Engine choose a free one."""
    if name in PREDEFINED:
        problem = StackError(f"auren_network is {name}, which belongs to Docker; name another one", "predefined_network", name)
        return Plan(conflicts=[problem])
    present = [network for network in networks if network.name == name]
    try:
        wanted = _parse(name, subnet) if subnet else None
    except StackError as problem:
        return Plan(conflicts=[problem])
    if present:
        return _existing(present[0], wanted)
    used = _overlap(wanted, networks, routes) if wanted else ""
    if used:
        remedy = "set it to a free one, or leave it empty and the Engine chooses. Nothing was changed"
        return Plan(conflicts=[StackError(f"auren_subnet {subnet} overlaps {used}; {remedy}", "subnet_overlap", subnet)])
    return Plan([Operation("create network", name, "it is not there", after=subnet or "a free subnet")])


def _existing(network: Network, wanted: ipaddress.IPv4Network | None) -> Plan:
    if wanted is None or str(wanted) in network.subnets:
        return Plan()
    has = ", ".join(network.subnets) or "no subnet"
    return Plan(
        conflicts=[
            StackError(
                f"the network {network.name} has {has} and auren_subnet asks for {wanted}; the subnet of a network cannot be changed while "
                f"containers need it. Set auren_subnet to {has}, or leave it empty. Nothing was changed",
                "subnet_differs",
                network.name,
            )
        ]
    )


def plan_removal(name: str, networks: Sequence[Network], containers: Sequence[Container]) -> Plan:
    """Remove the network, if the collection made it and no container in any state has an endpoint on it or was created on it.

    A container whose creation network is gone can never start again; Docker keeps its name or its full id as NetworkMode.
    """
    present = next((network for network in networks if network.name == name and LABEL_SERVICE in network.labels), None)
    if present is None:
        return Plan()
    users = [c.name for c in containers if c.endpoint(name) or c.network_mode in (name, present.id)]
    if users:
        return Plan(warnings=[f"kept: the network {name}, which {', '.join(users)} cannot start without"])
    return Plan([Operation("remove network", name, "asked for", before=", ".join(present.subnets))])
