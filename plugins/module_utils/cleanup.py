# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a takeover kept and nobody needs any more: the old containers, and then the networks that nothing refers to. Planning is pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import STAMP, Journal, Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.takeover_kept import old_containers
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import KEPT
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import swaps_in, touched
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED, Move, Step, spec_of

KIND = "cleanup"
DAY = 86400.0
FINAL = "a removed container does not come back: after this, rollback cannot take the takeover back (networks it can)"


@dataclass(frozen=True)
class Wish:
    """target: the network of the stack. window: days for which old containers are kept. sources: networks that may go; keep: that stay."""

    target: str
    window: float
    sources: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass
class Cleanup:
    """A plan and the moves behind its lines, in the same order."""

    plan: Plan = field(default_factory=Plan)
    moves: list[Move] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)


def plan_cleanup(state: HostState, runs: Sequence[Run], wish: Wish, now: float) -> Cleanup:
    """runs: of the journal that are not taken back. now: seconds since 1970."""
    found = Cleanup()
    swaps = [swap for run, swap in swaps_in(runs) if touched(run, swap)]
    kept = [(match["service"], match["stamp"], c) for c in old_containers(state, swaps) if (match := KEPT.fullmatch(c.name))]
    for service, stamp, container in kept:
        successor, days = state.container(service), age(container, stamp, runs, now)
        if days < wish.window:
            found.plan.warnings.append(f"kept: {container.name}, for {wish.window - days:.1f} more days (auren_rollback_window)")
        elif container.alive:
            said = f"{container.name} is {container.state} beside its successor; stop it (docker stop), or take the takeover back"
            found.plan.conflicts.append(StackError(f"{said}. Nothing was changed", "still_running", container.name))
        elif successor is None or not successor.ours or not successor.serving:
            said = f"{service} does not serve, and {container.name} is its way back: make it serve (site), or go back (rollback)"
            found.plan.conflicts.append(StackError(f"{said}. Nothing was changed", "not_serving", service))
        else:
            volumes = f"; its volumes stay ({', '.join(sorted(container.volumes))})" if container.volumes else ""
            found.containers.append(container)
            found.moves.append(Move("remove container", container.name, "", (Step("remove container", container.name),)))
            found.plan.operations.append(
                Operation(
                    "remove container",
                    container.name,
                    f"{service} has been taken over {days:.1f} days ago{volumes}",
                    before=container.state,
                )
            )
    _networks(found, state, {network for swap in swaps for network in swap["networks"]}, wish)
    return found


def age(container: Container, stamp: str, runs: Sequence[Run], now: float) -> float:
    """Days since the successor of a kept container was begun.

    stamp: in its name, of the run that moved it away. A later run may have made the successor, so that counts only where none did.
    """
    about = [(run, swap) for run, swap in swaps_in(runs) if container.id == swap["id"] or container.name == swap["kept"]]
    made = [run.when("make", swap["name"]) for run, swap in about if run.did("make", swap["name"], completed=False)]
    named = datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc).timestamp()
    return max(0.0, (now - max(made, default=named)) / DAY)


def _networks(found: Cleanup, state: HostState, old: set[str], wish: Wish) -> None:
    """Those that the old containers were on and that, without them, nothing in any state is on or was created on."""
    going = {container.id for container in found.containers}
    left = [container for container in state.containers if container.id not in going]
    on = {endpoint.network for container in found.containers for endpoint in container.endpoints}
    born = {network.name for network in state.networks for c in found.containers if c.network_mode in (network.name, network.id)}
    wanted = (old | on | born | set(wish.sources)) - {wish.target, *wish.keep, *PREDEFINED}
    for network in sorted((n for n in state.networks if n.name in wanted and n.scope == "local"), key=lambda n: n.name):
        members = sorted(c.name for c in left if c.endpoint(network.name))
        needing = sorted(c.name for c in left if c.network_mode in (network.name, network.id))
        if members or needing:
            who = (
                f"{', '.join(members)} {'is' if len(members) == 1 else 'are'} on it"
                if members
                else f"{', '.join(needing)} cannot start without it"
            )
            found.plan.warnings.append(f"kept: the network {network.name}: {who}")
            continue
        found.moves.append(Move("remove network", network.name, "", (Step("remove network", network.name, spec=spec_of(network)),)))
        found.plan.operations.append(Operation("remove network", network.name, "nothing is on it or was created on it", before="there"))


class CleanupRun:
    """One application of one plan."""

    def __init__(self, engine: Engine, cleanup: Cleanup, journal: Journal) -> None:
        self.engine, self.cleanup, self.journal = engine, cleanup, journal
        self.ids = {container.name: container.id for container in cleanup.containers}
        self.done: list[str] = []
        self.notes: list[str] = []

    def run(self) -> None:
        """Raises StackError; what was removed until then is gone, and a second run goes on."""
        for operation, move in zip(self.cleanup.plan.operations, self.cleanup.moves):
            begin, step = time.monotonic(), move.steps[0]
            self.journal.begin(step)
            if step.verb == "remove container":
                self.engine.remove_container(self.ids[step.target])
            else:
                self.engine.remove_network(step.target)
            self.journal.done(time.monotonic() - begin)
            self.done.append(f"{operation.text()} ({time.monotonic() - begin:.1f} s)")

    def felt(self) -> str:
        """Nobody is on what goes."""
        return ""

    def verified(self) -> str:
        return f"{len(self.done)} objects are gone"
