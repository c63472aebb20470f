# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a takeover kept, and cleanup has not removed yet: the old containers, and the networks that nobody else needs. Pure.

They are the way back, so they are neither superfluous nor unknown. One that runs beside its successor is no such thing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import KEPT
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import swaps_in
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED


def old_containers(state: HostState, swaps: Iterable[Mapping[str, Any]]) -> list[Container]:
    """By name, in any state, those that have the name of a kept one. A host may have another project, with kept ones of its own."""
    known = {word for swap in swaps for word in (swap["id"], swap["kept"])}
    return sorted((c for c in state.containers if known & {c.id, c.name} and KEPT.fullmatch(c.name)), key=lambda one: one.name)


def kept_containers(state: HostState, runs: Sequence[Run]) -> list[Container]:
    """By name. runs: of the journal that are not taken back."""
    return [container for container in old_containers(state, (swap for _run, swap in swaps_in(runs))) if not container.alive]


def kept_networks(state: HostState, containers: Collection[str]) -> list[str]:
    """Those that only these containers are on or were created on, in any state."""
    holders = {n.name: {*state.created_on(n.name), *(c.name for c in state.containers if c.endpoint(n.name))} for n in state.networks}
    return sorted(name for name, who in holders.items() if who and who <= set(containers) and name not in PREDEFINED)
