# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names as a container sees them: its /etc/hosts, then the nameservers of its /etc/resolv.conf (Docker's own is 127.0.0.11).

The C library of this process would read the host's files instead. Sources: RFC 1035 (messages), resolv.conf(5), hosts(5).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError

A, AAAA, CNAME = 1, 28, 5
NO_ERROR, NO_SUCH_NAME = 0, 3
DOCKER = "127.0.0.11"


@dataclass(frozen=True)
class Names:
    """How one container resolves. hosts: name in lower case → addresses. servers, search: in order. ndots: see resolv.conf(5)."""

    hosts: dict[str, list[str]]
    servers: tuple[str, ...] = (DOCKER,)
    search: tuple[str, ...] = ()
    ndots: int = 1

    def resolve(self, name: str, timeout: float) -> list[str]:
        """Addresses of a name, IPv4 first. timeout: seconds for all of it. Raises ProbeError of kind dns."""
        if _is_address(name):
            return [name]
        if name.lower() in self.hosts:
            return self.hosts[name.lower()]
        until = time.monotonic() + timeout
        for candidate in self._candidates(name):
            found = self._look_up(name, candidate, until)
            if found:
                return found
        raise ProbeError("dns", f"{name} does not resolve: {', '.join(self.servers)} knows no such name")

    def _candidates(self, name: str) -> list[str]:
        if name.endswith("."):
            return [name[:-1]]
        searched = [f"{name}.{domain}" for domain in self.search]
        return [name, *searched] if name.count(".") >= self.ndots else [*searched, name]

    def _look_up(self, name: str, candidate: str, until: float) -> list[str]:
        for kind in (A, AAAA):
            code, addresses = self._ask_all(name, candidate, kind, until)
            if addresses or code == NO_SUCH_NAME:
                return addresses
        return []

    def _ask_all(self, name: str, candidate: str, kind: int, until: float) -> tuple[int, list[str]]:
        """The first nameserver that gives an answer decides."""
        trouble = "no nameserver is configured"
        for server in self.servers:
            try:
                code, addresses = ask(server, candidate, kind, max(until - time.monotonic(), 0.05))
            except (OSError, ValueError) as error:
                trouble = f"{server} gives no answer: {error}"
                continue
            if code in (NO_ERROR, NO_SUCH_NAME):
                return code, addresses
            trouble = f"{server} answers with error {code}"
        raise ProbeError("dns", f"{name} does not resolve: {trouble}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def parse(hosts: str, resolv: str) -> Names:
    """From the texts of /etc/hosts and /etc/resolv.conf."""
    known: dict[str, list[str]] = {}
    for line in hosts.splitlines():
        address, *names = line.split("#")[0].split() or [""]
        for name in names:
            known.setdefault(name.lower(), []).append(address)
    servers, search, ndots = [], [], 1
    for line in resolv.splitlines():
        key, *values = line.split("#")[0].split() or [""]
        if key == "nameserver" and values:
            servers.append(values[0])
        elif key in ("search", "domain"):
            search = values  # the last one counts
        elif key == "options":
            given = [value[6:] for value in values if value.startswith("ndots:") and value[6:].isdigit()]
            ndots = int(given[-1]) if given else ndots
    return Names(known, tuple(servers) or (DOCKER,), tuple(search), ndots)


def of_container(pid: int) -> Names:
    """The names of the container whose first process is ``pid``. Raises OSError."""
    texts = []
    for path in ("hosts", "resolv.conf"):
        try:
            with open(f"/proc/{pid}/root/etc/{path}", encoding="utf-8", errors="replace") as file:
                texts.append(file.read(1 << 20))
        except FileNotFoundError:
            texts.append("")
    return parse(*texts)


def ask(server: str, name: str, kind: int, timeout: float) -> tuple[int, list[str]]:
    """One question over UDP: response code and addresses. Raises OSError, and ValueError for what is no answer to it."""
    number = struct.unpack("!H", os.urandom(2))[0]
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.settimeout(timeout)
        connection.connect((server, 53))
        connection.send(question(number, name, kind))
        return answer(number, connection.recv(4096), kind)


def question(number: int, name: str, kind: int) -> bytes:
    """A query with recursion desired. Raises ValueError for what cannot be a name."""
    labels = [label.encode("idna") if not label.isascii() else label.encode() for label in name.split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no name")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!2H", kind, 1)


def _skip_name(data: bytes, at: int) -> int:
    """Where the name that begins at ``at`` ends; a pointer is its end."""
    while data[at] and data[at] < 0xC0:
        at += data[at] + 1
    return at + (2 if data[at] else 1)


def answer(number: int, data: bytes, kind: int) -> tuple[int, list[str]]:
    """Response code, and the addresses of a reply; what a CNAME leads to is in the same reply. Raises ValueError."""
    try:
        received, flags, questions, answers = struct.unpack_from("!4H", data)
        if received != number or not flags & 0x8000:
            raise ValueError("a reply to another question")
        at, found = 12, []
        for _question in range(questions):
            at = _skip_name(data, at) + 4
        for _answer in range(answers):
            at = _skip_name(data, at)
            record, _class, _ttl, length = struct.unpack_from("!HHIH", data, at)
            content = data[at + 10 : at + 10 + length]
            if record == kind:
                found.append(str(ipaddress.ip_address(content)))
            at += 10 + length
    except (IndexError, struct.error) as error:
        raise ValueError("a damaged reply") from error
    return flags & 0xF, found
