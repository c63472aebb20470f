# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What looks superfluous on a host, with the evidence and with who still refers to it. Pure; nothing follows from it by itself.

A second bridge or a blue NEUROS looks like a duplicate and is none: only an operator knows, and names what shall stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Wish
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.references import mentions
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED


@dataclass(frozen=True)
class Finding:
    """kind: container or network. evidence: why it looks superfluous. protected: who refers to it; empty when nobody does."""

    kind: str
    target: str
    evidence: tuple[str, ...]
    protected: tuple[str, ...] = ()

    def text(self) -> str:
        held = f"; protected: {'; '.join(self.protected)}" if self.protected else ""
        return f"{self.kind} {self.target}: {'; '.join(self.evidence)}{held}"


def findings(state: HostState, wish: Wish) -> list[Finding]:
    """Containers beside the listed ones that share a port or an image with one, stopped leftovers, and networks that nobody needs."""
    listed = {one.name for one in wish.containers}
    known = [container for name in sorted(listed) if (container := state.container(name)) is not None]
    found = []
    for container in sorted(state.containers, key=lambda c: c.name):
        evidence = () if container.name in listed or container.ours else tuple(_container(container, known))
        if evidence:
            found.append(Finding("container", container.name, evidence, tuple(mentions(state, container))))
    return found + [Finding("network", name, ("nothing is on it, and nothing needs it to start",)) for name in _networks(state, wish)]


def _container(container: Container, listed: Sequence[Container]) -> list[str]:
    told = []
    for port in sorted({binding.host_port for binding in container.bindings}):
        mine = [binding for binding in container.bindings if binding.host_port == port]
        told += _shared(f"publishes port {port}", [o for o in listed if any(m.collides(b) for m in mine for b in o.bindings)])
    told += _shared(
        f"runs the image {container.image}", [o for o in listed if _name(o) == _name(container) or o.image_id == container.image_id]
    )
    return told if container.alive else [*told, f"is {container.state}"]


def _name(container: Container) -> str:
    """Its image without tag and digest."""
    path, slash, last = container.image.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]  # a registry's port is no tag


def _shared(what: str, others: Sequence[Container]) -> list[str]:
    return [f"{what}, as {' and '.join(c.name for c in others)} {'does' if len(others) == 1 else 'do'}"] if others else []


def _networks(state: HostState, wish: Wish) -> list[str]:
    used = {e.network for c in state.containers for e in c.endpoints} | {wish.target, *PREDEFINED}
    return sorted(n.name for n in state.networks if n.name not in used and not state.created_on(n.name) and n.scope == "local")
