# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a host for the planners of networks: the Engine's containers and networks, routes, what configures what, who talks to whom."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import connections, host_ports, references
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Text
from ansible_collections.auren.stack.plugins.module_utils.model import Container


def observe(engine: Engine, files: bool = True, flows_over: Iterable[str] | None = None) -> HostState:
    """One reading. files: also what is written in mounted and Compose files. flows_over: networks whose connections are counted; None
    for all of them, none for an empty list."""
    containers, networks = tuple(engine.containers()), tuple(engine.networks())
    over = [network.name for network in networks] if flows_over is None else list(flows_over)
    return HostState(
        containers,
        networks,
        engine.version,
        tuple(host_ports.routes()),
        _texts(containers, files),
        connections.flows(containers, over) if over else (),
        host_identity(),
    )


def _texts(containers: tuple[Container, ...], files: bool) -> tuple[Text, ...]:
    found = [text for container in containers for text in references.texts_of(container)]
    if files:
        found += [text for container in containers for text in references.mounted_texts(container)]
        found += references.compose_texts(containers)
    return tuple(found)


def host_identity() -> tuple[str, str]:
    """What tells this host from others (machine-id(5) and its name: copies of one machine share the first), and its name."""
    name = os.uname().nodename
    return f"{(read_text(Path('/etc/machine-id')) or '').strip()} {name}", name
