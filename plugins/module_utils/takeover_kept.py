# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a takeover kept, and cleanup has not removed yet: the old containers, and the networks that nobody else needs. Pure.

They are the way back, so they are neither superfluous nor unknown. One that runs beside its successor is no such thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import KEPT
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import swaps_in
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED


def kept_containers(state: HostState, runs: Sequence[Run]) -> list[Container]:
    """By name. runs: of the journal that are not taken back."""
    known = {word for _run, swap in swaps_in(runs) for word in (swap["id"], swap["kept"])}
    found = [c for c in state.containers if known & {c.id, c.name} and KEPT.fullmatch(c.name) and not c.alive]
    return sorted(found, key=lambda one: one.name)


def kept_networks(state: HostState, containers: Collection[str]) -> list[str]:
    """Those that only these containers are on or were created on, in any state."""
    holders = {n.name: {*state.created_on(n.name), *(c.name for c in state.containers if c.endpoint(n.name))} for n in state.networks}
    return sorted(name for name, who in holders.items() if who and who <= set(containers) and name not in PREDEFINED)
