# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on the host, and where its routes lead: /proc/net/tcp, the processes behind its inodes, /proc/net/route (proc(5))."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import proc_net
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Binding
from ansible_collections.auren.stack.plugins.module_utils.network_plan import Route, parse_routes


@dataclass(frozen=True)
class Listener:
    binding: Binding
    inode: str


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Every listening TCP socket of this network namespace."""
    here = proc_net.sockets(proc / "net")
    return [Listener(Binding(*one.local, "/tcp"), one.inode) for one in here if one.state == proc_net.LISTEN]


def routes() -> list[Route]:
    """The IPv4 routes of this network namespace without the default route."""
    return parse_routes(read_text(Path("/proc/net/route")) or "")


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
