# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do an approved takeover: backups, starters, and then one swap after the other, each with its way back.

A swap: the old container's restart policy goes, it is stopped and renamed, data that cannot stay is copied, the new one is made from
the same image and passes the gate. Whatever fails on the way, the old one is back before the run ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils import (
    backup,
    container_data,
    container_io,
    host_ports,
    starters,
    starters_disable,
    tree,
)
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Container
from ansible_collections.auren.stack.plugins.module_utils.project import Observed, read_declared
from ansible_collections.auren.stack.plugins.module_utils.project_apply import Apply
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.project_plan import Work, plan_present
from ansible_collections.auren.stack.plugins.module_utils.redis_keys import redis_keys, save_or_end, save_redis
from ansible_collections.auren.stack.plugins.module_utils.takeover import Choices, Copy, Doing, Swap, Takeover
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import LABEL_COPIED, linked_to, refuse_other_image
from ansible_collections.auren.stack.plugins.module_utils.takeover_host import taken_by_others
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import KEPT, kept_name, starter_subject
from ansible_collections.auren.stack.plugins.module_utils.takeover_restore import Place, put_back
from ansible_collections.auren.stack.plugins.module_utils.topology import Step

VANISHING = 60.0  # seconds until the Engine has removed what was started with --rm
POLL = 0.25
Journalled = Callable[[str, str, Callable[[], None]], None]


@dataclass(frozen=True)
class Site:
    """What every swap of a run works with. observed: of the plan; its values of secrets hold for the whole run."""

    engine: Engine
    compose: Compose
    lock: Lock
    observed: Observed
    choices: Choices
    stamp: str
    run_command: Callable[[Sequence[str]], tuple[int, str]]


class TakeoverRun:
    """One application of one plan. done: a line per operation with its seconds. notes: what people have to know afterwards."""

    def __init__(self, site: Site, work: Takeover, services: Mapping[str, Service], journal: Journal) -> None:
        self.site, self.work, self.services, self.journal = site, work, services, journal
        self.done: list[str] = []
        self.notes: list[str] = []
        self.downtimes: dict[str, float] = {}
        self.disabled: list[starters.Starter] = []
        self.looked = False

    def run(self) -> None:
        """Raises StackError: what was taken over until then stays so, the one that failed is what it was."""
        self.site.lock.take()
        try:
            self._each()
        except StackError as error:
            left = [starter.place for starter in self.disabled if not self._enabled(starter)]
            if not left:
                raise
            first, line, rest = error.message.partition("\n")
            said = f"{first.rstrip('.')}. Still disabled, as others are taken over: {', '.join(left)} (rollback enables it){line}{rest}"
            raise StackError(said, error.kind, error.target, error.detail) from error

    def _each(self) -> None:
        work = {
            "back up": self._back_up,
            "disable": self._disable,
            "snapshot": self._snapshot,
            "take over": self._take_over,
        }
        for operation, doing in zip(self.work.plan.operations, self.work.doings):
            begin = time.monotonic()
            if doing.verb in work:
                also = work[doing.verb](doing)
                self.done.append(f"{operation.text()} ({time.monotonic() - begin:.1f} s{also})")
            else:  # a part of the swap that follows
                self.done.append(operation.text())

    def felt(self) -> str:
        """Who was away for how long."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.downtimes.items()) or "none"

    def verified(self) -> str:
        return f"{len(self.downtimes)} services passed their gates"

    def journalled(self, verb: str, target: str, change: Callable[[], None]) -> None:
        """On the disk before it is done."""
        self.journal.begin(Step(verb, target))
        begin = time.monotonic()
        change()
        self.journal.done(time.monotonic() - begin)

    def _swap(self, name: str) -> Swap:
        return next(swap for swap in self.work.swaps if swap.name == name)

    def _back_up(self, doing: Doing) -> str:
        swap, folder = self._swap(doing.target), Path(self.site.choices.backup_dir) / self.site.stamp
        made: list[backup.Backup] = []
        self.journalled("back up", swap.name, lambda: made.append(back_up(self.site, swap, folder)))
        self.notes.append(f"backup: {made[0].what}, in {made[0].path}")
        return ""

    def _disable(self, doing: Doing) -> str:
        starter = starters.starter_from_data(doing.data)
        self.journalled("disable", doing.target, lambda: starters_disable.disable(starter, run=self.site.run_command))
        self.disabled.append(starter)
        return ""

    def _enabled(self, starter: starters.Starter) -> bool:
        """Switched on again, if all that it starts is what it was: a host may rely on it at its next boot."""
        try:
            present = [(self.site.engine.container(name), self._swap(name).old.container.id) for name in starter.containers]
            if any(now is None or now.id != known for now, known in present):
                return False
            done: list[bool] = []
            run = self.site.run_command
            self.journalled("enable", starter.place, lambda: done.append(starters_disable.enable(starter, run=run)))
            return done[0]
        except StackError:
            return False

    def _snapshot(self, doing: Doing) -> str:
        swap = self._swap(doing.target)
        settings = (swap.old.image or {}).get("Config") or {}  # of the image: nothing of the container's environment and command gets in
        commit = container_io.commit
        self.journalled(
            "snapshot", swap.name, lambda: _ignored(commit(self.site.engine, swap.old.container.id, swap.snapshot, settings=settings))
        )
        self.site.observed.images[swap.snapshot] = self.site.engine.image(swap.snapshot)
        return ""

    def _look_again(self) -> None:
        """Before the first stop: what would start an old container and could not be switched off, or came since, ends the run here."""
        if not self.looked:
            left = starters.find([starter_subject(swap.old) for swap in self.work.swaps])
            if left:
                said = f"{left[0].what}; it was to be disabled and is still there"
                raise StackError(f"{said}. No container was touched; take it out by hand, then run again", "starter", left[0].path)
            self.looked = True

    def _take_over(self, doing: Doing) -> str:
        self._look_again()
        swap, begin = self._swap(doing.target), time.monotonic()
        apply = swap_apply(self.site, swap, self.services, self.journalled)
        apply.run()
        self.site.observed.images.update(apply.observed.images)
        away = apply.away or time.monotonic() - begin
        self.downtimes[swap.name] = away
        return f", away for {away:.1f} s"


def _ignored(_value: object) -> None:
    """For a call whose answer nobody needs."""


def back_up(site: Site, swap: Swap, folder: Path) -> backup.Backup:
    """By the kind of service."""
    return backup.take(site.engine, swap.old.container, swap.service.role, folder, site.observed.values.get("redis_password", ""))


# --- one swap ------------------------------------------------------------------------------------------------------------------


def swap_apply(site: Site, swap: Swap, services: Mapping[str, Service], journalled: Journalled) -> SwapApply:
    """The plan of one service as the host is now, with its old container out of the way."""
    engine, house = site.engine, site.compose.house
    declared = read_declared(house.directory)
    names = [*declared, *services]
    old, service = swap.old.container, services[swap.name]
    snapshot = engine.snapshot(names)
    others = tuple(c for c in snapshot.containers if c.id != old.id and (c.belongs(house.project) or c.name not in services))
    images = {**site.observed.images, service.image: engine.image(service.image)}
    refuse_other_image(swap, images[service.image])
    observed = Observed(replace(snapshot, containers=others), images, declared, site.observed.values, site.observed.sources)
    listening = host_ports.listeners()

    work = plan_present(house, {swap.name: service}, observed, taken_by_others(listening, [old]))
    work.plan.refuse_conflicts()
    return SwapApply(site, observed, work, swap, journalled)


class SwapApply(Apply):
    """An application of the project's plan for one service that first moves the old container out of the way.

    away: seconds from the stop of the old container until the new one was healthy.
    """

    def __init__(self, site: Site, observed: Observed, work: Work, swap: Swap, journalled: Journalled) -> None:
        super().__init__(site.engine, site.compose, observed, work, site.lock)
        self.swap, self.journalled = swap, journalled
        self.away, self.stopped_at, self.keys = 0.0, 0.0, 0
        self.making, self.stopping = bool(swap.before.made and swap.before.copied), swap.before.stopping
        self.left = ""  # what people have to know of the way back
        self.old_name = swap.old.container.name if swap.old.kept else kept_name(swap.name, site.stamp)

    def _create_volume(self, name: str) -> None:
        copied = {LABEL_COPIED: self.swap.old.container.id} if name in {copy.volume for copy in self.swap.copies} else {}
        self.engine.create_volume(name, {LABEL_SERVICE: self.house.project, **copied})

    def _containers(self) -> None:
        try:
            if not self.swap.old.successor:
                self._out()
            self.journalled("make", self.swap.name, self._make)
        except OSError as error:  # of a copy
            said = f"{self.swap.name} could not be taken over: {error.strerror} ({error.filename})"
            raise StackError(said, "takeover", self.swap.name, str(error)) from error
        passed = self.gate.passed.get(self.swap.name)
        self.away = passed.at - self.stopped_at if passed and self.stopped_at else 0.0

    def _make(self) -> None:
        """Also one that a run which was cut off has started has to pass the gate."""
        self.making = True  # not before the line is on the disk: what was never begun has written nothing that would go back
        super()._containers()
        if self.swap.name not in self.gate.passed:
            self.gate.wait([self.swap.name])
            self.gate.hold([self.swap.name])
        if self.keys and redis_keys(self.engine, self.swap.name, self.observed.values) == 0:
            said = f"{self.swap.name} had {self.keys} keys, and the new one has none"
            raise StackError(said, "redis", self.swap.name)

    def _out(self) -> None:
        """The old one is stopped and has another name, and data that has to move has moved."""
        old, name = self.swap.old.container, self.swap.name
        if old.auto_remove and not self.swap.old.kept:
            self.journalled("hold", name, self._hold)
        elif (old.restart_policy or "no") != "no":
            self.journalled("set policy", name, lambda: self.engine.set_restart_policy(old.id, "no"))
        if old.running and self.swap.service.role == "redis":
            self.journalled("hand over", name, self._hand_over)
        if old.alive:
            self.stopped_at = time.monotonic()
            self.journalled("stop", name, self._stop)
        if not self.swap.old.kept and not old.auto_remove:
            self.journalled("rename", name, lambda: self.engine.rename(old.id, self.old_name))
        for copy in self.swap.copies if not self.swap.before.copied else ():
            self.journalled("copy", name, lambda one=copy: copy_out(self.engine, old, one))  # type: ignore[misc]

    def _hand_over(self) -> None:
        """Its keys are on the disk in each of the two ways in which the one or the other reads them at its start."""
        self.keys = save_redis(self.engine, self.swap.old.container.id, self.observed.values.get("redis_password", ""))

    def _hold(self) -> None:
        """What was started with --rm vanishes at its stop: one like it, never started, holds its volumes and is the way back."""
        container_io.clone(self.engine, self.swap.old.raw, self.old_name, self.swap.snapshot)

    def _stop(self) -> None:
        old, self.stopping = self.swap.old.container, True
        self.engine.stop(old.id)
        deadline = time.monotonic() + VANISHING
        while (now := self.engine.container(old.id)) is not None and (old.auto_remove or now.alive):
            if time.monotonic() > deadline:
                raise StackError(f"{old.name} was told to stop and is {now.state} after {VANISHING:.0f} s", "stop", old.name)
            time.sleep(POLL)
        self.stopping = False

    # --- the way back -----------------------------------------------------------------------------------------------------------

    def _put_back(self, error: StackError) -> StackError:
        begin, told = time.monotonic(), ""
        try:
            self._returned()
            if self.swap.before.ran:
                told = f"The old {self.swap.name} runs again, as it was, after {time.monotonic() - (self.stopped_at or begin):.1f} s"
            else:
                told = f"The old {self.swap.name} is as it was"
            told += f". {self.left}" if self.left else ""
        except StackError as second:
            told = f"The old {self.swap.name} did not come back: {second.message}{self._linked()}"
        return StackError(f"{error.message}. {told}.\n{error.detail}".strip(), error.kind, error.target, error.detail)

    def _linked(self) -> str:
        """What to do where it is linked to one that was taken over before it, and so is stopped."""
        now = {name: self.observed.snapshot.container(name) for name in linked_to(self.swap.old.container)}
        away = [name for name, one in now.items() if KEPT.fullmatch(name) or (one and one.belongs(self.house.project))]
        said = f"It starts only while the old {', '.join(away)} runs, which it is linked to (--link)"
        return f". {said}: run rollback, which brings both back" if away else ""

    def _returned(self) -> None:
        """Also without a journal: on a full disk, a service that is back is worth more than a line about it. Its definition goes where no
        container of the project has its place, however the old one is."""
        try:
            self.journalled("put back", self.swap.name, self._old_back)
        except StackError as error:
            if error.kind != "journal":
                raise
            self._old_back()
        finally:
            present = self.engine.container(self.swap.name)
            if present is None or not present.belongs(self.house.project):
                self._files_back()

    def _files_back(self) -> None:
        """On a full disk this fails as well, and the old container runs all the same."""
        try:
            for before in reversed(list(self.before.values())):
                before.restore()
        except StackError as error:
            said = f"Files of the project are not what they were ({error.message}); the next takeover writes them"
            self.left = f"{self.left}. {said}" if self.left else said

    def _old_back(self) -> None:
        """What a new Redis was told in its few seconds is saved if it can be; that it cannot keeps nobody from coming back."""
        name, before = self.swap.name, replace(self.swap.before, stopping=self.stopping)
        present = self.engine.container(name)
        if before.redis and present and present.alive and present.belongs(self.house.project):
            save_or_end(self.engine, present.id, self.observed.values.get("redis_password", ""))
        place = Place(name, self.house.project, self.old_name)
        self.left = put_back(self.engine, place, self.swap.old.container, before, self.swap.copies if self.making else ())


def copy_out(engine: Engine, old: Container, copy: Copy) -> None:
    """Into a volume that remembers whose data it has; verified by a checksum of the tree. What a run that was cut off left there goes."""
    place = _place(engine, old, copy)
    place.mkdir(parents=True, exist_ok=True)
    tree.clear(str(place))
    if copy.source:
        tree.copy(copy.source, str(place))
        wanted = tree.checksum(copy.source)
    else:
        wanted = container_data.take_out(engine, old, copy.path, str(place))
    if tree.checksum(str(place)) != wanted:
        said = f"the copy of {copy.path} of {old.name} in {copy.volume} is not what was copied: their checksums differ"
        raise StackError(said, "copy", copy.volume)


def _place(engine: Engine, old: Container, copy: Copy) -> Path:
    """Where data is copied to: in a volume, which is made when it is missing, or in a directory of the host."""
    root = copy.volume if copy.volume.startswith("/") else engine.create_volume(copy.volume, {LABEL_COPIED: old.id})
    return Path(root) / copy.below
