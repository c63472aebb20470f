# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do the moves of a plan for networks: each step journalled before it is done, names proved before anything is taken away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ansible_collections.auren.stack.plugins.module_utils import connections, netns, resolution
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.topology import (
    Attachment,
    Move,
    NetworkSpec,
    Step,
    Topology,
    applied,
    topology_of,
)

CLOSING = 10.0  # seconds for closing connections in a namespace
STARTING = 70.0  # seconds until a container that crashes is up again; Docker waits for at most a minute between two starts


def announced(operations: Sequence[Operation]) -> str:
    """What people may notice, and of whom: a clause for every notice."""
    of: dict[str, list[str]] = {}
    for operation in operations:
        if operation.notice:
            of.setdefault(operation.notice, []).append(operation.target)
    return "; ".join(f"{', '.join(targets)}: {notice}" for notice, targets in of.items())


class NetworkApply:
    """One application of one plan. done: a line per operation with its seconds. notes: what people have to know afterwards."""

    def __init__(self, engine: Engine, state: HostState, plan: Plan, moves: Sequence[Move], journal: Journal | None) -> None:
        self.engine, self.state, self.plan, self.moves, self.journal = engine, state, plan, moves, journal
        self.topology: Topology = topology_of(state.containers, state.networks)
        self.done: list[str] = []
        self.notes: list[str] = []
        self.provers: dict[str, resolution.Prover] = {}
        self.proved = 0  # answers that were right
        self.refusal: StackError | None = None  # of an address, after which the rest of a move was still done

    def run(self) -> None:
        """Raises StackError: what was done until then stays, is journalled, and a second run or a rollback goes on from it."""
        try:
            self._run()
        finally:
            self._end_proof()

    def felt(self) -> str:
        """As it was announced."""
        return announced(self.plan.operations)

    def verified(self) -> str:
        return f"{self.proved} names resolve from inside every container that is concerned" if self.proved else "no name had to be proved"

    def _run(self) -> None:
        for operation, move in zip(self.plan.operations, self.moves):
            if move.kind in ("reconnect", "disconnect", "remove network"):
                self.prove()
            begin = time.monotonic()
            for step in move.steps:
                self._step(step)
            if move.kind in ("reconnect", "disconnect"):
                self._close_old(move)
            if move.kind in ("reconnect", "connect"):
                self._joined(move.target, move.network)
            self.done.append(f"{operation.text()} ({time.monotonic() - begin:.1f} s)")
            if self.refusal:
                raise self.refusal
        self.prove()

    def _step(self, step: Step) -> None:
        if self.journal:
            self.journal.begin(step)
        begin = time.monotonic()
        place, spec = step.attachment or Attachment(), step.spec or NetworkSpec()
        calls = {
            "create network": lambda: self.engine.create_network(step.target, spec),
            "remove network": lambda: self.engine.remove_network(step.target),
            "connect": lambda: self._connect(step, place),
            "disconnect": lambda: self._disconnect(step),
            "set policy": lambda: self.engine.set_restart_policy(step.target, step.policy),
            "stop": lambda: self.engine.stop(step.target),
            "start": lambda: self.engine.start(step.target),
        }
        calls[step.verb]()
        self.topology = applied(self.topology, step)
        if self.journal:
            self.journal.done(time.monotonic() - begin)

    def _connect(self, step: Step, place: Attachment) -> None:
        """With an address that the Engine refuses, a running container keeps an entry that does not let it start again, and that no
        disconnect takes away; joining with another address does. Then it is where it should be, and the run ends after this move."""
        try:
            self.engine.connect(step.target, step.network, place)
        except StackError as error:
            if not place.ipv4:
                raise
            self.engine.connect(step.target, step.network, replace(place, ipv4=""))
            said = f"{error.message}. It is on {step.network} with an address that the Engine chose; choose a free one and run again"
            self.refusal = StackError(said, error.kind, error.target, error.detail)

    def _disconnect(self, step: Step) -> None:
        """A container that crashes again and again has no endpoint while Docker waits with its next start: it is taken when it is up."""
        deadline = time.monotonic() + STARTING
        while True:
            try:
                return self.engine.disconnect(step.target, step.network)
            except StackError as error:
                if "is not connected to" not in error.message or time.monotonic() > deadline:
                    raise
            container = self.engine.container(step.target)
            if container is None or (container.running and container.endpoint(step.network) is None):
                return None  # somebody else did it
            time.sleep(0.05)

    # --- proof ------------------------------------------------------------------------------------------------------

    def _joined(self, container: str, network: str) -> None:
        """From now on its names are asked for, and it asks for those of all others; the first brings in those who were there before."""
        if network == "bridge":  # Docker's own bridge has no names
            return
        if network not in self.provers:
            self.provers[network] = resolution.Prover(network)
            for other in self.topology.members(network):
                self._asks(other, network)
        self._asks(container, network)

    def _asks(self, name: str, network: str) -> None:
        container, place = self.state.container(name), self.topology.attachments[name, network]
        if container is not None and container.running:
            self.provers[network].add(resolution.Member(name, (name, *place.aliases), container.pid))

    def prove(self) -> None:
        """Every name of every network that somebody joined leads to its container, from inside every running one on it."""
        for network, prover in sorted(self.provers.items()):
            wrong = prover.wrong(partial(self.engine.members, network))
            self.proved += prover.pairs
            if wrong:
                told = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
                said = f"after joining {network} not every name resolves: {told}. Nothing was taken away; what was joined stays"
                raise StackError(f"{said}. Look into it and run again, or take it back with rollback", "resolve", network, "\n".join(wrong))
        self._end_proof()

    def _end_proof(self) -> None:
        for prover in self.provers.values():
            prover.close()
        self.provers.clear()

    # --- connections that lost their network ---------------------------------------------------------------------------

    def _close_old(self, move: Move) -> None:
        container = self.state.container(move.target)
        endpoint = container.endpoint(move.network) if container else None
        if container is not None and endpoint is not None and container.running and endpoint.ipv4:
            self._close(container, endpoint.network, endpoint.ipv4)

    def _close(self, container: Container, network: str, address: str) -> None:
        """On both sides, so that pools notice at once and open new ones by name."""
        peers = [c for c in self.state.containers if c.running and c.name != container.name and c.endpoint(network)]
        jobs = [netns.Job(container.name, container.pid, lambda: {"closed": connections.close(address, remote=False)})]
        jobs += [netns.Job(c.name, c.pid, lambda: {"closed": connections.close(address, remote=True)}) for c in peers]
        try:
            netns.run(jobs, CLOSING)
        except StackError as error:
            if error.kind == "gone":  # and its connections with it
                return
            said = f"connections over {network} could not be closed ({error.message}): restart needed, or wait for their time-outs"
            self.notes.append(f"{container.name}: {said}")
