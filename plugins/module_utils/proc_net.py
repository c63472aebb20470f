# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TCP sockets of a network namespace, as /proc/PID/net/tcp and tcp6 list them (proc(5))."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ESTABLISHED, LISTEN = "01", "0A"
MAPPED = b"\0" * 10 + b"\xff\xff"  # an IPv4 address in a socket of family IPv6


@dataclass(frozen=True)
class Socket:
    """local, remote: (address, port), also an IPv4 address of an IPv6 socket in dots."""

    state: str
    local: tuple[str, int]
    remote: tuple[str, int]
    inode: str


def _packed(text: str) -> bytes:
    """32-bit words in host byte order, hexadecimal."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return b"".join(struct.pack("=I", word) for word in words)


def shown(packed: bytes) -> str:
    plain = packed[-4:] if packed.startswith(MAPPED) else packed
    return socket.inet_ntop(socket.AF_INET if len(plain) == 4 else socket.AF_INET6, plain)


def parse(text: str) -> Iterator[Socket]:
    """The sockets of one file's text."""
    for columns in (line.split() for line in text.splitlines()[1:]):
        (here, port), (there, other) = columns[1].split(":"), columns[2].split(":")
        yield Socket(columns[3], (shown(_packed(here)), int(port, 16)), (shown(_packed(there)), int(other, 16)), columns[9])


def listening(pid: int) -> frozenset[int]:
    """The TCP ports that somebody listens on in the network of a process."""
    return frozenset(one.local[1] for one in sockets(Path(f"/proc/{pid}/net")) if one.state == LISTEN)


def sockets(net: Path) -> list[Socket]:
    """All of a namespace. net: /proc/PID/net; nothing of a process that has ended."""
    found: list[Socket] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            found += parse((net / name).read_text())
    return found
