# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the journals of runs to the plan that takes them back, newest first. Pure.

Each step that was begun is reversed on paper, on the topology of now; what is left between that and now is the plan. So a run that
was cut off, and a rollback that was, need no special case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import reduce

from ansible_collections.auren.stack.plugins.module_utils.host_state import (
    RECONNECT_NOTICE,
    HostState,
    detach_notice,
    gateway_notice,
    summary,
)
from ansible_collections.auren.stack.plugins.module_utils.journal import ROLLBACK, Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.references import clients_first
from ansible_collections.auren.stack.plugins.module_utils.topology import (
    INVERSE,
    Move,
    Step,
    Topology,
    applied,
    inverse,
    route,
    settled,
    topology_of,
)

KIND = ROLLBACK
Data = Mapping[str, Collection[str]]  # container id → directories on the host that hold what it serves


@dataclass
class Undoing:
    """runs: what is taken back, newest first. plan and moves: as for a consolidation. data: as `plan_rollback` was given it."""

    runs: list[Run] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    moves: list[Move] = field(default_factory=list)
    data: Data = field(default_factory=dict)


def plan_rollback(state: HostState, runs: Sequence[Run], data: Data | None = None) -> Undoing:
    """runs: newest first, as `undoable` gives them. Without one nothing is moved, whatever else a run of another project has left.

    data: of containers that are not of the project, and that nothing is started beside all the same: see `takeover_back.data_of`.
    """
    if not runs:
        return Undoing()
    now = topology_of(state.containers, state.networks)
    warnings: list[str] = []
    steps = [inverse(step) for run in runs for step in reversed(_still_true(state, run, warnings))]
    wanted = _possible(state, now, settled(reduce(applied, steps, now)), data or {}, warnings)
    moves = route(now, wanted, clients_first(state))
    plan = Plan([_operation(state, move) for move in moves], warnings=list(dict.fromkeys(warnings)))
    return Undoing(list(runs), plan, moves, data or {})


def _still_true(state: HostState, run: Run, warnings: list[str]) -> list[Step]:
    """The run's steps without those of containers that are no longer the same."""
    kept = []
    for step in (one for one in run.steps if one.verb in INVERSE):
        known, container = run.containers.get(step.target), state.container(step.target)
        if known is None or step.spec is not None or (container is not None and container.id == known):
            kept.append(step)
        else:
            what = "was made anew" if container else "is gone"
            warnings.append(f"left as it is: {step.target} {what} since {day(run)}")
    return kept


def _possible(state: HostState, now: Topology, wanted: Topology, data: Data, warnings: list[str]) -> Topology:
    """Without what the Engine or common sense forbids: places on networks that are gone, a container on no network, a network in use."""
    networks, attachments = dict(wanted.networks), dict(wanted.attachments)
    for name, network in sorted(key for key in attachments if key[1] not in networks):
        if network in now.networks:  # others are on it, or came since
            continue
        del attachments[name, network]
        warnings.append(f"{name} cannot go back to {network}: the network is gone, and no journal tells how it was")
    for (name, network), place in sorted(settled(now).attachments.items()):
        if not any(container == name for container, _network in attachments):
            attachments[name, network] = place
            warnings.append(f"kept: {name} stays on {network}: it would be on no network")
    for network in sorted(set(now.networks) - set(networks)):
        users = [name for name, place in attachments if place == network] + state.created_on(network)
        if users:
            networks[network] = now.networks[network]
            warnings.append(f"kept: the network {network}, which {', '.join(sorted(set(users)))} needs")
    kept = _on_others_data(state, now, wanted, data, warnings)
    policies = {**wanted.policies, **{name: now.policies[name] for name in kept}}  # one would start it with the Engine
    return Topology(networks, attachments, policies, wanted.stopped | kept)


def _on_others_data(state: HostState, now: Topology, wanted: Topology, data: Data, warnings: list[str]) -> frozenset[str]:
    """What would be started on directories that a container of the project writes to, or that hold what an old one serves: two servers
    on one volume ruin it, also where both ran before."""
    kept = set()
    for name in sorted(now.stopped - wanted.stopped):
        mine = state.container(name)
        for other in state.containers:
            if mine and other.name != name and other.alive and _on_data(mine, other, data):
                kept.add(name)
                warnings.append(f"kept: {name} stays stopped: {other.name} runs on its data; where both ran there before, one does now")
    return frozenset(kept)


def _on_data(mine: Container, other: Container, data: Data) -> bool:
    shared = other.ours and bool(set(mine.writes) & set(other.writes))
    return shared or any(mine.writes_to(directory) for directory in data.get(other.id, ()))


def day(run: Run) -> str:
    """When a run began, for people."""
    return f"{datetime.fromtimestamp(run.began, timezone.utc):%Y-%m-%d %H:%M} UTC"


def taken_back(run: Run) -> str:
    """A run that is taken back, in a line."""
    return f"{run.kind} of {day(run)}{f' by {run.who}' if run.who else ''}: {len(run.steps)} steps ({run.outcome})"


def records(runs: Sequence[Run], since: float) -> list[str]:
    """What runs of other kinds in the window replaced: nothing of it is taken back by itself."""
    return [f"{run.kind} of {day(run)}: {line}" for run in reversed(runs) if run.began >= since for line in run.record.get("replaced", [])]


# --- the words of the plan -------------------------------------------------------------------------------------------


def _operation(state: HostState, move: Move) -> Operation:
    step = move.steps[0]
    if move.kind == "connect":
        place = move.attachment("connect")
        cause = f"it was on it; names {', '.join((move.target, *place.aliases))}"
        container = state.container(move.target)
        notice = gateway_notice(state, container, move.network) if container else ""
        return Operation("connect", f"{move.target} to {move.network}", cause, after=f"address {place.ipv4 or 'automatic'}", notice=notice)
    if move.kind == "disconnect":
        flows = [flow for flow in state.flows if flow.network == move.network and move.target in (flow.client, flow.server)]
        held = f"; {summary(flows)}: these are closed" if flows else ""
        notice = detach_notice(state.container(move.target))
        return Operation("disconnect", f"{move.target} from {move.network}", f"it was not on it{held}", before="connected", notice=notice)
    if move.kind == "reconnect":
        old, new = move.attachment("disconnect"), move.attachment("connect")
        before, after = (", ".join((move.target, *place.aliases)) for place in (old, new))
        return Operation("reconnect", f"{move.target} on {move.network}", "its endpoint was another one", before, after, RECONNECT_NOTICE)
    if move.kind == "set policy":
        return Operation("set restart policy of", move.target, f"it was {step.policy}", before=step.before, after=step.policy)
    cause = {"start": "it ran", "create network": "it was there", "remove network": "it was not there"}.get(move.kind, "it was so")
    return Operation(move.kind, move.target, cause)
