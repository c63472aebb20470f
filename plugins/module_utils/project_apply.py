# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do what a plan for the Compose project says; when the gate fails, put the previous state back."""

from __future__ import annotations

import time
import urllib.error
from dataclasses import replace
from typing import Callable

from ansible.module_utils.urls import open_url
from ansible_collections.auren.stack.plugins.module_utils import definition, files, validate
from ansible_collections.auren.stack.plugins.module_utils.candidate import Trial, internal_names
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.door import Door
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import Before
from ansible_collections.auren.stack.plugins.module_utils.gate import POLL, Gate, evidence
from ansible_collections.auren.stack.plugins.module_utils.hand_edits import declared_policy
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE
from ansible_collections.auren.stack.plugins.module_utils.network_plan import target_spec
from ansible_collections.auren.stack.plugins.module_utils.project import Declared, Observed, declared_file
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.project_plan import Work, record_files
from ansible_collections.auren.stack.plugins.module_utils.rotation import Rotator


class Apply:
    """One application of one plan. ``done``: a line per operation with its seconds, in the order they were done."""

    def __init__(self, engine: Engine, compose: Compose, observed: Observed, work: Work, lock: Lock) -> None:
        self.engine, self.compose, self.observed, self.work, self.lock = engine, compose, observed, work, lock
        self.house = compose.house
        self.gate = Gate(engine, work.called)
        self.done: list[str] = []
        self.before: dict[str, Before] = {}
        self.touched: list[str] = []
        self.tried: dict[str, str] = {}  # whose new version passed, or is being tried → the id of its image
        self.kept: dict[str, str] = {}  # name under which an image is kept → the id that had this name before
        self.replaced: list[str] = []  # images that may be needed no more when all is well
        self.doors: dict[str, Door] = {}
        self.absent: dict[str, float] = {}  # who was made anew → seconds without an answer, or until it was healthy where nobody asked
        self.warnings: list[str] = []
        self.rotator = Rotator(engine, self.house.directory, self.house.network, observed.rotations)

    # --- the way forward --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises StackError; whatever had a previous state is then back in it, and the error says so."""
        replaced = self.work.plan.targets("create", "recreate")
        self._private_directories()
        self._timed("create network", self.work.plan.targets("create network"), self._create_network)
        try:
            self._timed("rotate", self.work.plan.targets("rotate"), self.rotator.forward)
            self._write_files(bool(replaced))
        except StackError:
            self.rotator.back()
            raise
        self._timed("create volume", self.work.plan.targets("create volume"), self._create_volume)
        try:
            self._timed("remove candidate", self.work.plan.targets("remove candidate"), self.engine.discard)
            self._timed("remove container", self.work.plan.targets("remove container"), self.engine.remove_container)
            self._timed("set restart policy of", self.work.plan.targets("set restart policy of"), self._set_policy)
            self._containers()
            self._reloads()
        except StackError as error:
            raise self._put_back(error) from error
        unknown = [name for name in self.work.called if not self.work.merged[name].made]
        self._record(self._made(self.work.merged, [*replaced, *unknown]))
        self.rotator.finish()
        for image in self.replaced:
            self.engine.drop_image(image)

    def _line(self, kind: str, target: str, seconds: float, also: str = "") -> None:
        cause = next(op.cause for op in self.work.plan.operations if (op.kind, op.target) == (kind, target))
        self.done.append(f"{kind} {target}: {cause} ({seconds:.1f} s{also})")

    def _timed(self, kind: str, targets: list[str], change: Callable[[str], None]) -> None:
        for target in targets:
            start = time.monotonic()
            change(target)
            self._line(kind, target, time.monotonic() - start)

    def _create_network(self, name: str) -> None:
        self.engine.create_network(name, target_spec(name, self.observed.subnet))

    def _create_volume(self, name: str) -> None:
        self.engine.create_volume(name, {LABEL_SERVICE: self.house.project})

    def _set_policy(self, name: str) -> None:
        self.engine.set_restart_policy(name, declared_policy(self.work.called[name]))

    def _write_files(self, compose_reads_them: bool) -> None:
        start = time.monotonic()
        wanted = [file.wanted for file in self.work.files]
        record = declared_file(self.house.directory, self._not_yet_done())
        for path in [record.path, *(w.path for w in wanted), *self.work.stale]:
            self.before[str(path)] = files.remember(path)
        try:
            if self.work.plan.targets("recreate"):  # first of all: why one is due may go with the first file
                files.write(declared_file(self.house.directory, self._due(self.observed.declared)))
            for file in wanted:
                files.write(record if file.path == record.path else file)
            for path in self.work.stale:
                path.unlink()
            if compose_reads_them:
                self.compose.check_files()
        except StackError:
            for before in self.before.values():
                before.restore()
            raise
        for kind in ("write", "remove file"):
            for target in self.work.plan.targets(kind):
                self._line(kind, target, time.monotonic() - start)

    def _private_directories(self) -> None:
        directory = self.house.directory
        files.make_directory(directory)
        for name in ("secrets", ".auren"):
            files.make_directory(directory / name, 0o700)
        self.lock.take()
        self.compose.keeps = self.lock.handles

    def _not_yet_done(self) -> dict[str, Declared]:
        """The record until all is done: what a run that is cut off has not reloaded and replaced by then, the next one does."""
        reloaded = {n: d.reloaded for n, d in self.observed.declared.items()}
        return self._due({n: replace(d, reloaded=reloaded.get(n, "")) for n, d in self.work.merged.items()})

    def _due(self, declared: dict[str, Declared]) -> dict[str, Declared]:
        replaced = {n: c.id for n in self.work.plan.targets("recreate") if (c := self.observed.snapshot.container(n))}
        return {n: replace(d, replaces=replaced.get(n, d.replaces)) for n, d in declared.items()}

    def _made(self, declared: dict[str, Declared], names: list[str]) -> dict[str, Declared]:
        """With what Compose says of these services' containers. From here on another one is somebody else's."""
        live = {name: self.engine.container(name) for name in names}
        return {n: replace(d, made=c.made, replaces="") if (c := live.get(n)) else d for n, d in declared.items()}

    def _containers(self) -> None:
        """New ones are made all at once. Each starts as soon as what it needs is healthy, not later: the slowest holds up only those that
        need it."""
        created, recreated = self.work.plan.targets("create"), self.work.plan.targets("recreate")
        if created:
            self.compose.create(created)
        due = [*created, *recreated, *self.work.plan.targets("start")]
        pending = [name for wave in definition.start_order(self.work.called) for name in wave if name in due]
        waiting: list[str] = []
        while pending or waiting:
            ready = definition.ready(self.work.called, pending, [*pending, *waiting]) or (pending if not waiting else [])
            if ready:
                self._begin(ready, [name for name in ready if name in recreated])
                pending = [name for name in pending if name not in ready]
            else:
                time.sleep(POLL)
            waiting = self.gate.waiting([*waiting, *ready])
        self.gate.hold(due)
        for kind in ("create", "recreate", "start"):
            for name in self.work.plan.targets(kind):
                self._line(kind, name, self.gate.seconds(name), self._closed(name))
                if kind == "recreate" and self._had_run(name):
                    self.absent.setdefault(name, self.gate.seconds(name))

    def _begin(self, names: list[str], recreated: list[str]) -> None:
        for name in names:
            if name in self.work.plan.targets("try"):
                self._try(name)
        self.touched += [name for name in names if name not in self.work.plan.targets("start")]
        self.gate.began.update(dict.fromkeys(names, time.monotonic()))
        for name in (name for name in names if name not in recreated):
            self.engine.start(name)
        for name in (name for name in recreated if name in self.tried):
            self._keep_present(name)
        if recreated:
            self.doors.update(self._watched(recreated))
            self.compose.recreate(recreated)

    # --- a candidate first ------------------------------------------------------------------------------------------

    def _try(self, name: str) -> None:
        """Its files are written already: the candidate reads what the service will read, and the present one has read its own."""
        start, service = time.monotonic(), self.work.called[name]
        self.tried[name] = ""
        others = [container.name for container in self.observed.snapshot.containers]
        trial = Trial(self.engine, self.compose, service, internal_names([d.service for d in self.work.merged.values()], others))
        try:
            self.tried[name] = trial.run()
        finally:
            self.warnings += trial.warnings
        self._line("try", name, time.monotonic() - start)

    def _watched(self, names: list[str]) -> dict[str, Door]:
        """The published ports of those that were tried."""
        found = {}
        for name in (name for name in names if name in self.tried):
            service = self.work.called[name]
            where = validate.published(service, int(service.candidate["http_port"]))
            if where:
                found[name] = Door(*where, service.candidate["ready"])
        return found

    def _closed(self, name: str) -> str:
        door = self.doors.pop(name, None)
        refused = door.close() if door else 0.0
        if door and door.was_open:
            self.absent[name] = refused
        return f"; new connections were refused for {refused:.2f} s" if door and door.was_open else ""

    def _keep_present(self, name: str) -> None:
        """Just before it is replaced: the image that runs gets the name by which a rollback finds it, so that needs no build. And what is
        about to take its place has to be what was tried."""
        service, before = self.work.called[name], self.observed.snapshot.container(name)
        now = self.engine.image(service.image)
        if now is None or now.id != self.tried[name]:
            raise StackError(f"{service.image} became another image while it was tried; run again", "candidate", name)
        kept = service.candidate.get("previous") or ""
        if not kept or before is None or before.image_id == now.id or service.image == kept:
            return
        known = self.engine.image(kept)
        self.kept[kept] = known.id if known else ""
        self.engine.tag_image(before.image_id, kept)
        self.replaced += [known.id] if known and known.id != before.image_id else []

    # --- reload -----------------------------------------------------------------------------------------------------

    def _reloads(self) -> None:
        self._timed("reload", self.work.plan.targets("reload"), lambda name: self._reload(self.work.called[name]))

    def _reload(self, service: Service) -> None:
        """POST to the service's reload address, from the host over the stack's network; 2xx is its confirmation."""
        container = self.engine.container(service.name)
        endpoint = container.endpoint(self.house.network) if container else None
        if endpoint is None or not endpoint.ipv4:
            raise StackError(f"cannot reload {service.name}: it has no address on {self.house.network}", "reload", service.name)
        url = f"http://{endpoint.ipv4}:{service.reload['port']}{service.reload['path']}"
        refused = self._post(url)
        if refused:
            raise StackError(
                f"{service.name} refused its new files: {refused}", "reload", service.name, evidence(self.engine, service.name)
            )

    def _post(self, url: str) -> str:
        """Empty when the service answered 2xx, else what it said."""
        try:
            open_url(url, method="POST", data=b"", timeout=30, use_proxy=False).close()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode(errors='replace').strip()}"
        except OSError as error:
            return str(error)
        return ""

    # --- the way back -----------------------------------------------------------------------------------------------

    def _put_back(self, error: StackError) -> StackError:
        """Restore the previous files and containers; returns the error to raise, which says what the state is now."""
        for name in list(self.doors):
            self._closed(name)
        back = [n for n in self.touched if n in self.observed.declared and self._had_container(n)]
        never = [n for n in self.tried if n not in self.touched and not self._had_container(n)]
        try:
            for name in never:  # made and not started: a start of it later would be a start of what was refused
                if self.engine.container(name):
                    self.engine.discard(name)
            renamed = self._restore_files()
            restored = {**self._not_yet_done(), **{n: self.observed.declared[n] for n in self._previous()}}
            self._record(restored)
            if back:
                self.compose.recreate(back)
                self._record(self._made(restored, renamed))
            self.rotator.back()
            if back:
                gate = Gate(self.engine, {n: self.observed.declared[n].service for n in back})
                gate.wait(back)
            self._reload_previous()
            self._restore_names()
        except StackError as second:
            state = f"The previous state did not come back: {second.message}"
        else:
            state = f"The previous state serves again: {', '.join(back)}." if back else "No other container was touched."
        left = [n for n in self.touched if n not in back]
        if left:
            state += f" New and left for you to look at: {', '.join(left)}."
        return StackError(f"{error.message}. {state}\n{error.detail}".strip(), error.kind, error.target, error.detail)

    def _previous(self) -> list[str]:
        """Services of this run that had a declaration before it."""
        return [n for n in self.work.called if n in self.observed.declared]

    def _had_container(self, name: str) -> bool:
        return self.observed.snapshot.container(name) is not None

    def _had_run(self, name: str) -> bool:
        container = self.observed.snapshot.container(name)
        return container is not None and container.running

    def felt(self) -> str:
        """Who was away for how long; empty for nobody."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.absent.items())

    def _restore_files(self) -> list[str]:
        """Files that had a previous version; a new one stays, for a service that is left to be looked at may hold on to it. Returns whose
        definition is not what it was all the same."""
        for before in self.before.values():
            if before.wanted is not None:
                before.restore()
        return [name for name in self._previous() if self._keep_old_image(name)]

    def _keep_old_image(self, name: str) -> bool:
        """When the tag has moved on, it moves back, or the previous container's image is named by its id; True for that."""
        container = self.observed.snapshot.container(name)
        service = self.observed.declared[name].service
        now = self.engine.image(service.image)
        if name not in (*self.touched, *self.tried) or container is None or (now and now.id == container.image_id):
            return False
        if name in self.tried:  # its image is built here: the tag is what is deployed, not what was refused
            self.engine.tag_image(container.image_id, service.image)
            self.observed.images[service.image] = self.engine.image(service.image)
            self.replaced += [now.id] if now else []
            return False
        content = definition.fragment(service, self.observed.declared[name].spec, self.observed.snapshot.api_version)
        files.write(definition.fragment_file(service, definition.with_image(content, name, container.image_id)))
        return True

    def _restore_names(self) -> None:
        """Of images that were kept for a rollback; and nobody needs those that were refused."""
        for kept, image in self.kept.items():
            if image:
                self.engine.tag_image(image, kept)
        for image in set(self.replaced) - set(self.kept.values()):
            self.engine.drop_image(image)

    def _reload_previous(self) -> None:
        for name in self.work.plan.targets("reload"):
            before: Declared | None = self.observed.declared.get(name)
            if before and before.reloaded:
                self._reload(before.service)

    def _record(self, declared: dict[str, Declared]) -> None:
        for wanted in record_files(self.house, self.observed, declared):
            if files.difference(wanted):
                files.write(wanted)
