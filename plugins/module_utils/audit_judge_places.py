# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges claims about where things are reached: ports, addresses, networks, URLs. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from ansible_collections.auren.stack.plugins.module_utils.audit_case import (
    EVERYWHERE,
    LOOPBACK,
    Case,
    Verdict,
    decided,
    false,
    inside,
    publishes,
    several,
    true,
    unprovable,
)
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Container

PORTS = {
    "https": 443,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "kafka": 9092,
}
_REACHED = re.compile(r"\b(internet|reachable|accessible|available|world|outside|anywhere|everywhere|everybody|everyone)\b", re.I)
_BOUND = re.compile(r"\b(published|bound|binds) (only )?(on|to)\b", re.I)  # not only reached there


def port(case: Case) -> Verdict:
    one, number = case.container, int(case.claim.value)
    out = [b for b in one.ports if b.host_port == number]
    within = [b for b in one.ports if _inner(b) == number]
    if case.claim.other == "public":
        return _public(case, one, out)
    if case.claim.other == "published":
        return decided(bool(out), f"{one.name} publishes {publishes(one)}")
    if out and case.claim.other != "inner":
        return true(f"{one.name} publishes {publishes(one)}")
    return _within(case, one, number, bool(within))


def _public(case: Case, one: Container, out: list[Binding]) -> Verdict:
    """Published for everybody. Whether a firewall stands before it is not seen."""
    if not any(b.host_ip in EVERYWHERE for b in out):
        known = not any(b.host_ip not in LOOPBACK for b in out)
        return (false if known else unprovable)(f"{one.name} publishes {publishes(one)}")
    if _REACHED.search(case.claim.text):
        return unprovable(f"{one.name} publishes {publishes(one)}; what lies between it and the internet was not seen")
    return true(f"{one.name} publishes {publishes(one)}")


def _inner(binding: Binding) -> int:
    return int(binding.container_port.partition("/")[0] or 0)


def _within(case: Case, one: Container, number: int, bound: bool) -> Verdict:
    """A port inside a container."""
    listening = inside(case, one)
    if listening is not None and number in listening:
        return true(f"{one.name} listens on {number} inside" + (f", and publishes {publishes(one)}" if one.ports else ""))
    if listening is not None:
        ports = several(str(found) for found in sorted(listening) if found < 32768)
        return false(f"{one.name} listens on {ports} inside, and publishes {publishes(one)}")
    if bound or number in case.facts.exposed.get(one.name, ()):
        return true(f"{number} is a port of {one.name}" + ("" if one.running else f", which is {one.state}"))
    return unprovable(f"{one.name} publishes {publishes(one)}; what it listens on inside could not be seen")


def mapping(case: Case) -> Verdict:
    """Host port and container port."""
    one = case.container
    address, host, inner = case.claim.value.rsplit(":", 2)
    right = [b for b in one.ports if (b.host_port, _inner(b)) == (int(host), int(inner))]
    if right and _at(address, right):
        return true(f"{one.name} publishes {publishes(one)}")
    if any((b.host_port, _inner(b)) == (int(inner), int(host)) for b in one.ports):
        return false(f"it is the other way round: {one.name} publishes {publishes(one)}")
    return false(f"{one.name} publishes {publishes(one)}")


def _at(address: str, found: list[Binding]) -> bool:
    """Whether one of these is published at the address that a document names; without one it means any."""
    if not address:
        return True
    wanted = {*EVERYWHERE} if address in EVERYWHERE else {*LOOPBACK} if address in LOOPBACK else {address}
    return any(b.host_ip in wanted for b in found)


def published(case: Case) -> Verdict:
    address, _colon, number = case.claim.value.rpartition(":")
    if not case.claim.subject:
        return on_host(case, address, int(number))
    one = case.container
    out = [b for b in one.ports if b.host_port == int(number)]
    if address in LOOPBACK and out and not (address == "127.0.0.1" and _BOUND.search(case.claim.text)):
        return true(f"{one.name} publishes {publishes(one)}")
    return decided(_at(address, out) and bool(out), f"{one.name} publishes {publishes(one)}")


def unpublished(case: Case) -> Verdict:
    one = case.container
    return decided(not one.ports, f"{one.name} publishes {publishes(one)}")


def on_host(case: Case, address: str, number: int) -> Verdict:
    """Whether somebody listens on the host at an address and a port. Loopback is reached by what listens everywhere, too."""
    holders = [one.name for one in case.facts.containers if one.running for b in one.ports if _reached(b, address, number)]
    if holders:
        return true(f"{several(holders)} publishes it")
    listening = case.facts.host_ports
    if listening is None:
        return unprovable(f"no container publishes {number}; who else listens on the host could not be seen")
    if any(_reached(b, address, number) for b in listening):
        return true(f"a process of the host listens on {number}")
    others = sorted({b.host_ip or "0.0.0.0" for b in listening if b.host_port == number})
    return false(f"nobody listens on {number} of this host" if not others else f"{number} is only open at {several(others)}")


def _reached(binding: Binding, address: str, number: int) -> bool:
    if binding.host_port != number or binding.container_port.endswith("/udp"):
        return False
    return binding.host_ip in EVERYWHERE or binding.host_ip == address or (address in LOOPBACK and binding.host_ip in LOOPBACK)


def reach(case: Case) -> Verdict:
    """``auren-redis:6379``, as other containers would ask for it."""
    one, number = case.find(case.claim.other), int(case.claim.value)
    verdict, evidence = _within(case, one, number, any(_inner(b) == number for b in one.ports))
    outside = [b for b in one.ports if b.host_port == number and _inner(b) != number]
    if verdict == "false" and outside:
        return false(f"{number} is the published port of {one.name}; between containers it is {_inner(outside[0])}")
    return verdict, evidence


# --- addresses and networks ----------------------------------------------------------------------------------------------


def address(case: Case) -> Verdict:
    said = case.claim.value
    holders = [one.name for one in case.facts.containers if any(e.ipv4 == said for e in one.endpoints)]
    if case.claim.subject and case.names.resolve(case.claim.subject) and case.facts.container(case.names.resolve(case.claim.subject)):
        one = case.container
        own = several(f"{e.ipv4} on {e.network}" for e in one.endpoints if e.ipv4)
        if said in case.facts.addresses and said not in [e.ipv4 for e in one.endpoints]:
            return unprovable(f"{said} is an address of the host; {one.name} has {own}")
        if not _docker(case, said) and said not in [e.ipv4 for e in one.endpoints] and not ipaddress.ip_address(said).is_private:
            return unprovable(f"{said} is in no network of Docker; {one.name} has {own}")
        return decided(one.name in holders, f"{one.name} has {own} now", f"{one.name} has {own}")
    if holders:
        return true(f"{several(holders)} has it now")
    gateways = [network.name for network in case.facts.networks if any(pool.gateway == said for pool in network.pools)]
    if gateways:
        return true(f"it is the gateway of {several(gateways)}")
    if said in case.facts.addresses:
        return true("it is an address of this host")
    where = _docker(case, said)
    return false(f"nobody has this address on {where} now") if where else unprovable(f"{said} is in no network of Docker on this host")


def _docker(case: Case, said: str) -> str:
    """The Docker network that an address is in; empty for none."""
    for network in case.facts.networks:
        for subnet in network.subnets:
            if ipaddress.ip_address(said) in ipaddress.ip_network(subnet, strict=False):
                return network.name
    return ""


def network(case: Case) -> Verdict:
    name = case.claim.value
    found = case.facts.named_network(name)
    if found is None:
        own = several(one.name for one in case.facts.networks if one.name not in ("bridge", "host", "none"))
        return false(f"there is no network {name}; there are {own}")
    if not case.claim.subject:
        return true(f"there is a network {name}")
    if case.claim.subject == "*":
        away = [one for one in case.declared() if not _on(case, one, name)]
        return decided(not away, f"all {len(case.declared())} services are on {name}", f"{several(away)} not on {name}")
    one = case.container
    on = several(e.network for e in one.endpoints)
    return decided(one.endpoint(name) is not None, f"{one.name} is on {on}", f"{one.name} is not on {name}; it is on {on}")


def _on(case: Case, name: str, wanted: str) -> bool:
    one = case.facts.container(name)
    return one is not None and one.endpoint(wanted) is not None


def subnet(case: Case) -> Verdict:
    said = case.claim.value
    holders = [one.name for one in case.facts.networks if said in one.subnets]
    if case.claim.subject:
        found = case.facts.named_network(case.claim.subject)
        if found is None:
            return unprovable(f"there is no network {case.claim.subject}")
        return decided(said in found.subnets, f"{found.name} has {several(found.subnets)}")
    if holders:
        return true(f"{several(holders)} has it")
    return unprovable(f"no network of Docker on this host has {said}")


def driver(case: Case) -> Verdict:
    found = case.facts.named_network(case.claim.subject)
    if found is None:
        return unprovable(f"there is no network {case.claim.subject}")
    return decided(found.driver == case.claim.value, f"{found.name} is a {found.driver} network")


# --- URLs ----------------------------------------------------------------------------------------------------------------


def url(case: Case) -> Verdict:
    try:
        parts = urlsplit(case.claim.value)
        host, number = (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme.partition("+")[0], 80)
    except ValueError:
        return unprovable("it is no URL that can be read")
    if not host or "*" in host or any(sign in case.claim.value for sign in "<>{}$"):
        return unprovable("it stands for another URL")
    if case.claim.other.startswith("in:"):
        return _from_inside(case, host, number)
    if host in (*LOOPBACK, "0.0.0.0"):
        return on_host(case, "127.0.0.1", number)
    if case.names.called(host):
        return _internal(case, host, number)
    return _elsewhere(case, host, number, parts)


def _from_inside(case: Case, host: str, number: int) -> Verdict:
    """As a process inside a container would ask for it."""
    if host in LOOPBACK:
        one = case.find(case.claim.other[3:])
        return _within(case, one, number, any(_inner(b) == number for b in one.ports))
    if not case.names.called(host):
        return unprovable(f"no container is called {host}")
    one = case.find(host)
    return _within(case, one, number, any(_inner(b) == number for b in one.ports))


def _internal(case: Case, host: str, number: int) -> Verdict:
    """A name that only Docker's resolver knows."""
    one = case.find(host)
    audience = case.claim.other
    if audience in ("browser", "host"):
        who = "a browser on a user's machine" if audience == "browser" else "the host"
        way = f"use what it publishes ({publishes(one)})" if one.ports else "it publishes nothing: use the proxy's path"
        return false(f"{who} cannot resolve {host}, which is a name inside Docker's networks; {way}")
    verdict, evidence = _within(case, one, number, any(_inner(b) == number for b in one.ports))
    return verdict, f"{evidence}; only containers on its network resolve {host}, no browser does"


def _elsewhere(case: Case, host: str, number: int, parts: SplitResult) -> Verdict:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        if "." not in host and case.claim.other == "container":
            return false(f"no container answers to {host} on this host's networks")
        return unprovable(f"{host} is outside this host")
    holders = [one for one in case.facts.containers if any(e.ipv4 == host for e in one.endpoints)]
    if holders:
        if case.claim.other == "browser":
            return false(f"{host} is the address of {holders[0].name} inside Docker: no other machine has a way to it")
        return _within(case, holders[0], number, any(_inner(b) == number for b in holders[0].ports))
    if host in case.facts.addresses:
        return on_host(case, host, number)
    where = _docker(case, host)
    return false(f"nobody has {host} on {where} now") if where else unprovable(f"{host} is not on this host")
