# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back of takeovers: from the journals and the host as it is to the old containers in their places. The planning is pure.

Everything is found by container id, so a run that was cut off, and a rollback that was, need no special case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import starters, starters_disable
from ansible_collections.auren.stack.plugins.module_utils.container_checks import moment
from ansible_collections.auren.stack.plugins.module_utils.data_places import holder, mounts
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal, Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation
from ansible_collections.auren.stack.plugins.module_utils.project import read_declared
from ansible_collections.auren.stack.plugins.module_utils.project_remove import Leaving
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Copy, Doing, before_of, restored
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import linked_to
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import meant, there, untouched
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND, swaps_in
from ansible_collections.auren.stack.plugins.module_utils.takeover_restore import Place, copied_to, put_back
from ansible_collections.auren.stack.plugins.module_utils.topology import Move, Step


@dataclass(frozen=True)
class Return:
    """One service that gets its old container back. known: the id that journals call it by, also where a copy of it is left alone.

    successor: the project's container that goes; None where there is none. copies: what goes back into it from there. kept: the name that
    it has, or was to get, meanwhile. leaves: the networks that it was not on, before it starts.
    """

    name: str
    known: str
    old: Container
    successor: Container | None
    before: Before
    copies: tuple[Copy, ...] = ()
    project: str = ""
    kept: str = ""
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a plan has to ask the host for beside the state of its Engine. disabled: whether a starter is still as a run left it.

    copied: whether anything is where a copy went. data: the directory on the host that holds a path of a container; empty for one in its
    own layer. declared: services that the project has on the disk.
    """

    disabled: Callable[[starters.Starter], bool]
    copied: Callable[[Copy], bool]
    data: Callable[[Container, str], str]
    declared: Collection[str] = ()


def asked(engine: Engine, project: Path) -> Asked:
    """The questions put to this host."""

    def data(container: Container, path: str) -> str:
        raw = engine.inspect(container.id)
        if raw is None:
            raise StackError(f"{container.name} disappeared while it was being looked at; run again", "disappeared", container.name)
        mount = holder(mounts(raw), path)
        return mount.source if mount else ""

    return Asked(starters_disable.is_disabled, lambda copy: bool(copied_to(engine, copy)), data, read_declared(project))


@dataclass
class Returning:
    """The lines of the plan that come before those of the networks, and what is behind them."""

    returns: list[Return] = field(default_factory=list)
    starters: list[starters.Starter] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    doings: list[Doing] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    conflicts: list[StackError] = field(default_factory=list)


def plan_return(state: HostState, runs: Sequence[Run], host: Asked) -> Returning:
    """runs: newest first."""
    back, missing, taken = Returning(), set(), meant(runs, state)
    for swap in [*taken.values(), *untouched(runs, state, taken).values()]:
        old, present = there(swap, state), state.container(swap["name"])
        if old is None:
            missing.add(swap["name"])
            back.warnings.append(f"left as it is: {swap['name']}: what it replaced is gone")
            continue
        before = replace(before_of(swap), stopping=swap["stopping"])
        successor = present if present is not None and present.id != old.id else None
        left = swap["name"] in host.declared and successor is None
        held = old.auto_remove and state.container(swap["kept"]) is not None  # one was made to hold its volumes, and it did not stop
        if successor is not None and not successor.belongs(swap["project"]):
            missing.add(swap["name"])
            back.warnings.append(f"left as it is: {swap['name']}: a container that somebody else made has its name")
        elif successor is not None or old.name != swap["name"] or left or held or not restored(old, before):
            moved = [Copy(**copy) for copy in swap["copies"]] if old.name != swap["name"] else []
            copies = _still_there(back, moved, swap["name"], host)
            one = Return(swap["name"], swap["id"], old, successor, before, copies, swap["project"], swap["kept"])
            back.returns.append(one)
            back.conflicts += [*_beside(state, one, host), *_written_since(one, swap["made"])]
    back.returns = _linked_first(back.returns)
    found = {
        starter: None for run in runs if run.kind == KIND for starter in map(starters.starter_from_data, run.record.get("starters", []))
    }
    _switch_on(back, [starter for starter in found if host.disabled(starter)], missing)
    _lines(back)
    return back


def data_of(state: HostState, runs: Sequence[Run], host: Asked) -> dict[str, frozenset[str]]:
    """By id, the directories on the host that hold what the containers serve which takeovers are or were about: they are not the project's,
    and nothing may be started beside them. The ids are those of now and those of the journals (`as_known`).

    runs: all, for a container stays back when its takeover was taken back before.
    """
    found: dict[str, frozenset[str]] = {}
    for _run, swap in swaps_in(runs):
        now = there(swap, state)
        if now is not None and not {now.id, swap["id"]} <= set(found):
            found[now.id] = found[swap["id"]] = frozenset(host.data(now, place) for place in swap["places"]) - {""}
    return found


def _linked_first(returns: Sequence[Return]) -> list[Return]:
    """In their order, but for one that is linked to another: it does not start while that one is stopped."""
    left, found = list(returns), list[Return]()
    while left:
        waiting = {name for other in left for name in (other.name, other.old.name)}
        free = next((one for one in left if not waiting & set(linked_to(one.old))), left[0])
        found.append(free)
        left.remove(free)
    return found


def _still_there(back: Returning, copies: Sequence[Copy], name: str, host: Asked) -> tuple[Copy, ...]:
    """The copies that can go back; without one, the old container keeps the data that it has."""
    for copy in copies:
        if not host.copied(copy):
            said = f"nothing is in {copy.volume} any more, where its data was copied to: it has what it had when it was taken over"
            back.warnings.append(f"{name}: {said}")
    return tuple(copy for copy in copies if host.copied(copy))


def _beside(state: HostState, one: Return, host: Asked) -> Iterator[StackError]:
    """Two containers never run on one writable mount."""
    data = {host.data(one.old, place) for place in one.before.places} - {""} if one.before.ran else set()
    known = {one.old.id, one.successor.id if one.successor else ""}
    for other in state.containers:
        if other.alive and other.id not in known and any(other.writes_to(place) for place in data):
            said = f"{other.name} runs on the data of {one.name}, and two must never write there"
            yield StackError(f"{said}. Stop it first (docker stop {other.name}). {UNTOUCHED}", "shared_data", other.name)


def _written_since(one: Return, made: float) -> Iterator[StackError]:
    """What an old container wrote since somebody started it by hand is nowhere else, so no copy goes over it.

    made: when the new one was begun that may have written to the copies.
    """
    if one.copies and (one.old.alive or moment(one.old.started_at) > made):
        old, volumes = one.old.name, ", ".join(copy.volume for copy in one.copies)
        said = f"{old} was started again after its data had been copied to {volumes}, and what it wrote since would be replaced by that"
        out = f"docker stop {one.name}; docker rm {one.name}; " if one.successor else ""
        remedy = f"If what it has is what counts, give it its place ({out}docker rename {old} {one.name}) and run again"
        other = f"if what is in {volumes} is, remove it (docker rm -f {old}), and {one.name} stays the project's"
        yield StackError(f"{said}. {remedy}; {other}. {UNTOUCHED}", "written_since", old)


def _switch_on(back: Returning, disabled: Sequence[starters.Starter], missing: Collection[str]) -> None:
    """What starts one of the missing would make it anew beside the project's, on the same data: a boot unit with `compose up`, say."""
    for starter in disabled:
        if names := [name for name in starter.containers if name in missing]:
            said = f"the old container of {', '.join(names)} does not come back, and it could start another one on the same data"
            back.warnings.append(f"stays disabled: {starter.place}: {said}")
        else:
            back.starters.append(starter)


def without_networks(back: Returning, moves: Sequence[Move]) -> Returning:
    """Whoever comes back is started on the networks that it is going to have.

    moves: of the rollback, for the host as it is `afterwards`. A program may remember for good what a name meant when it started (nginx
    an upstream, Kafka its controller), and one of these networks goes with the same rollback.
    """
    found = Returning(starters=back.starters, warnings=back.warnings, conflicts=back.conflicts)
    for one in back.returns:
        goes = {move.network for move in moves if move.kind == "disconnect" and move.target == one.name}
        stays = {endpoint.network for endpoint in one.old.endpoints} - goes
        found.returns.append(replace(one, leaves=tuple(sorted(goes))) if stays and not one.old.alive else one)
    _lines(found)
    return found


def _lines(back: Returning) -> None:
    for one in back.returns:
        goes = f"; the project's {one.name} is stopped and removed, its volumes stay" if one.successor else ""
        copied = "".join(f"; what is in {copy.volume} replaces what it has at {copy.path}" for copy in one.copies)
        notice = "it is away from the stop of the one until the other is healthy, usually some seconds" if one.before.ran else ""
        if one.leaves:
            goes += f"; it is not on {', '.join(one.leaves)} any more"
            notice += ", and for those that come back after it until they do" if notice else ""
        back.operations.append(
            Operation(
                "put back", one.name, f"it was {one.old.image}, made {one.old.origin()}{goes}{copied}", "the project's", "as it was", notice
            )
        )
        back.doings.append(Doing("put back", one.name, {"id": one.old.id, "successor": one.successor.id if one.successor else ""}))
    for starter in back.starters:
        target = starter.place
        back.operations.append(Operation("enable", target, "a takeover had disabled it", before="disabled", after="enabled"))
        back.doings.append(Doing("enable", target, starter.to_data()))


def afterwards(state: HostState, back: Returning) -> HostState:
    """The host as it will be when the old containers are in their places: what the plan for the networks starts from."""
    gone = {one.successor.id for one in back.returns if one.successor}
    old = {one.old.id: one for one in back.returns}
    containers = []
    for container in (c for c in state.containers if c.id not in gone):
        one = old.get(container.id)
        ran = "running" if one and one.before.ran else container.state
        left = tuple(endpoint for endpoint in container.endpoints if one and endpoint.network not in one.leaves)
        there = replace(container, name=one.name, state=ran, restart_policy=one.before.policy, endpoints=left) if one else container
        containers.append(there)
    return as_known(replace(state, containers=tuple(containers), by_name={}), back)


def as_known(state: HostState, back: Returning) -> HostState:
    """With the ids that journals have: what runs before a takeover did to a container holds for the copy that takes its place, too."""
    known = {one.old.id: one.known for one in back.returns}
    containers = tuple(replace(c, id=known[c.id]) if c.id in known else c for c in state.containers)
    return replace(state, containers=containers, by_name={})


class ReturnRun:
    """Does the lines of a `Returning`."""

    def __init__(
        self, engine: Engine, project: Path, back: Returning, journal: Journal, run_command: Callable[[Sequence[str]], tuple[int, str]]
    ) -> None:
        self.engine, self.project, self.back, self.journal, self.run_command = engine, project, back, journal, run_command
        self.done: list[str] = []
        self.notes: list[str] = []
        self.away: dict[str, float] = {}

    def run(self) -> None:
        """Raises StackError; whoever runs it again goes on from there."""
        changes: list[Callable[[], None]] = [lambda one=one: self._return(one) for one in self.back.returns]  # type: ignore[misc]
        changes += [lambda one=one: self._enable(one) for one in self.back.starters]  # type: ignore[misc]
        for operation, doing, change in zip(self.back.operations, self.back.doings, changes):
            begin = time.monotonic()
            self.journal.begin(Step(doing.verb, doing.target))
            change()
            self.journal.done(time.monotonic() - begin)
            self.done.append(f"{operation.text()} ({time.monotonic() - begin:.1f} s)")

    def _return(self, one: Return) -> None:
        begin = time.monotonic()
        password = read_text(self.project / "secrets" / "redis_password") or ""
        try:
            place = Place(one.name, one.project, one.kept, one.leaves)
            left = put_back(self.engine, place, one.old, one.before, one.copies, password if one.before.redis else None)
            self.notes += filter(None, [left])
        finally:  # also one that is not healthy yet is no service of the project any more
            declared, present = read_declared(self.project), self.engine.container(one.name)
            if one.name in declared and not (present and present.belongs(one.project)):
                Leaving(self.engine, declared[one.name].service.house, declared).remove_definition(one.name)
        if one.before.ran:
            self.away[one.name] = time.monotonic() - begin

    def _enable(self, starter: starters.Starter) -> None:
        if not starters_disable.enable(starter, run=self.run_command):
            self.notes.append(f"{starter.path} was changed since, so what was disabled in it stays so")
