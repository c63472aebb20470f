# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on the host: /proc/net/tcp and the processes behind its inodes (proc(5))."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.model import Binding

LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    binding: Binding
    inode: str


def _address(text: str) -> str:
    """An address of /proc/net/tcp{,6}: 32-bit words in host byte order, hexadecimal."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Every listening TCP socket of this network namespace."""
    found: list[Listener] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTEN:
                    address, port = columns[1].split(":")
                    found.append(Listener(Binding(_address(address), int(port, 16), "/tcp"), columns[9]))
    return found


def owner(inode: str, proc: Path = Path("/proc")) -> str:
    """``redis-server (pid 812)``; "another process" when it cannot be seen."""
    for pid in (entry for entry in os.listdir(proc) if entry.isdigit()):
        with contextlib.suppress(OSError):
            for descriptor in (proc / pid / "fd").iterdir():
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return f"{(proc / pid / 'comm').read_text().strip()} (pid {pid})"
    return "another process"


def taken_by(wanted: Binding, present: list[Listener]) -> str:
    """Who holds the port that ``wanted`` needs; empty when nobody does."""
    cache: dict[str, str] = {}
    for listener in present:
        if wanted.container_port.endswith("/tcp") and listener.binding.collides(wanted):
            return cache.setdefault(listener.inode, owner(listener.inode))
    return ""
