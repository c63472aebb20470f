# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do an approved rollback: containers that were taken over come back first, then networks and their members are as they were."""

from __future__ import annotations

from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.network_apply import NetworkApply
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.rollback import Undoing, plan_rollback
from ansible_collections.auren.stack.plugins.module_utils.takeover_back import Returning, ReturnRun, as_known


class RollbackRun:
    """One application of one plan. returning: what comes first; undoing: what is planned for the host as it is then (state)."""

    def __init__(self, engine: Engine, state: HostState, undoing: Undoing, returning: Returning, back: ReturnRun, journal: Journal) -> None:
        self.engine, self.state, self.undoing, self.back, self.journal = engine, state, undoing, back, journal
        self.returning, self.returned = returning, bool(returning.operations)
        self.done: list[str] = []
        self.notes: list[str] = []
        self.networks: NetworkApply | None = None

    def run(self) -> None:
        """Raises StackError; a second rollback goes on from there."""
        try:
            if self.returned:
                self.back.run()
            state, undoing = self.state, self.undoing
            if self.returned:
                state = as_known(observe(self.engine, files=False), self.returning)
                undoing = plan_rollback(state, undoing.runs, undoing.data)
            if [move.steps for move in undoing.moves] != [move.steps for move in self.undoing.moves]:
                said = "the containers are back, and their networks are not as they were expected to be: run rollback again"
                raise StackError(said, "changed", "networks")
            self.networks = NetworkApply(self.engine, state, undoing.plan, undoing.moves, self.journal)
            self.networks.run()
        finally:
            more = self.networks
            self.done = [*self.back.done, *(more.done if more else [])]
            self.notes = [*self.back.notes, *(more.notes if more else [])]

    def felt(self) -> str:
        away = [f"{name} away for {seconds:.1f} s" for name, seconds in self.back.away.items()]
        return "; ".join([*away, *filter(None, [self.networks.felt() if self.networks else ""])])

    def verified(self) -> str:
        names = self.networks.verified() if self.networks else "no name had to be proved"
        return f"{len(self.back.away)} containers run again; {names}" if self.back.away else names
