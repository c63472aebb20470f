# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stop or remove services of the project, by name. Data goes only when it is named."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils import changes, definition, files, site_record
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.foreign_files import begun, is_ours
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal, Run, journal_directory
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.module import planned
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.project import (
    Declared,
    declared_file,
    declared_path,
    images_file,
    images_path,
    read_declared,
)
from ansible_collections.auren.stack.plugins.module_utils.project_plan import forgotten
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

WAY_BACK = "ansible-playbook auren.stack.site starts it again; data that was not removed by name is still there"


def _unknown(names: list[str], declared: dict[str, Declared]) -> list[StackError]:
    known = ", ".join(sorted(declared)) or "none"
    return [
        StackError(f"there is no service {name} in the project; its services are: {known}", "unknown_service", name)
        for name in names
        if name not in declared
    ]


def _container_operations(house: House, services: dict[str, Service], snapshot: Snapshot, state: str) -> list[Operation]:
    """Those that need others go first, then what runs that were cut off left behind."""
    operations: list[Operation] = []
    found = [snapshot.container(n) for wave in reversed(definition.start_order(services)) for n in wave]
    found += [c for c in snapshot.containers if c.for_the_moment and c.labels.get(LABEL_SERVICE) in services]
    operations += forgotten(services, snapshot)
    for container in (c for c in found if c and c.belongs(house.project)):
        if container.alive:
            operations.append(Operation("stop", container.name, "asked for", before=container.state, after="exited"))
        if state == "absent":
            operations.append(Operation("remove container", container.name, "asked for", before=container.state))
    return operations


def _volume_conflicts(volumes: list[str], snapshot: Snapshot, going: list[str]) -> list[StackError]:
    found: list[StackError] = []
    for volume in volumes:
        users = [c.name for c in snapshot.containers if volume in c.volumes and c.name not in going]
        if users:
            found.append(
                StackError(f"volume {volume} is used by {', '.join(users)}; it stays. Remove that container first", "volume_in_use", volume)
            )
    return found


@dataclass(frozen=True)
class Leave:
    """What is asked: the state, the services (all when empty), the volumes to remove, the volumes that remember secrets."""

    state: str
    names: list[str]
    volumes: list[str]
    remembering: list[str]


def kept_volumes(declared: Mapping[str, Declared], snapshot: Snapshot, asked: Leave) -> list[str]:
    """Volumes of the stack that will still be there."""
    known = {d["volume"] for record in declared.values() for d in record.service.data} | set(asked.remembering)
    return sorted(v for v in known if v in snapshot.volumes and v not in asked.volumes)


def plan_leave(house: House, declared: dict[str, Declared], snapshot: Snapshot, asked: Leave) -> Plan:
    """Pure but for a look whether the project's directory exists: what stopping or removing these services takes."""
    plan = Plan(conflicts=_unknown(asked.names, declared))
    services = {n: d.service for n, d in declared.items() if not asked.names or n in asked.names}
    plan.operations = _container_operations(house, services, snapshot, asked.state)
    if asked.state != "absent":
        return plan
    plan.operations += [Operation("remove definition", n, "asked for", before="declared") for n in services]
    going = plan.targets("remove container")
    plan.conflicts += _volume_conflicts(asked.volumes, snapshot, going)
    present = [v for v in asked.volumes if v in snapshot.volumes]
    plan.operations += [Operation("remove volume", v, "asked for by name, with its data", before="there") for v in present]
    directory = house.directory
    if len(services) == len(declared) and _record_entries(directory):
        plan.operations.append(Operation("remove files of", str(directory), "no service is left", before="there"))
    remembered = [v for v in kept_volumes(declared, snapshot, asked) if v in asked.remembering]
    if len(services) == len(declared) and not remembered and (directory / "secrets").exists():
        plan.operations.append(Operation("remove secrets of", str(directory), "no data is left that needs one", before="there"))
    return plan


def _record_entries(directory: Path) -> list[Path]:
    """What the project wrote about itself: all below .auren but the journals that a rollback needs, whosever containers they are about."""
    journal = journal_directory(directory)
    found = [path for path in (directory / ".auren").glob("*") if path != journal]
    return found + [path for path in journal.glob("*") if f"-{site_record.KIND}" in path.name]


class Leaving:
    """Applies a plan of ``plan_leave``."""

    def __init__(self, engine: Engine, house: House, declared: dict[str, Declared]) -> None:
        self.house, self.engine, self.declared = house, engine, declared
        self.change: dict[str, Callable[[str], None]] = {
            "stop": engine.stop,
            "remove candidate": engine.discard,
            "remove container": engine.remove_container,
            "remove definition": self.remove_definition,
            "remove volume": engine.remove_volume,
            "remove files of": self._remove_directory,
            "remove secrets of": self._remove_secrets,
        }

    def run(self, plan: Plan) -> list[str]:
        done = []
        for operation in plan.operations:
            start = time.monotonic()
            self.change[operation.kind](operation.target)
            done.append(f"{operation.text()} ({time.monotonic() - start:.1f} s)")
        return done

    def remove_definition(self, name: str) -> None:
        """Everything the project wrote for a service; values of secrets stay, for data may remember them."""
        service = self.declared.pop(name).service
        for path in (service.fragment_path, service.env_path):
            if path.exists():
                path.unlink()
        for directory in (service.mount_path, service.config_path("")):
            shutil.rmtree(directory, ignore_errors=True)
        self._record()

    def _remove_directory(self, _target: str) -> None:
        """What is left of an empty project; the values of secrets stay as long as a volume remembers one of them."""
        secrets = self.house.directory / "secrets"
        self._remove_half_done()
        for path in _record_entries(self.house.directory):
            (shutil.rmtree if path.is_dir() else os.unlink)(path)
        for directory in (journal_directory(self.house.directory), self.house.directory / ".auren"):
            with contextlib.suppress(OSError):  # not empty: a journal of something that `clean` does not take back
                directory.rmdir()
        for directory in (secrets / "mounts", secrets / "env"):
            shutil.rmtree(directory, ignore_errors=True)

    def _remove_half_done(self) -> None:
        """What a run that was cut off wrote for services that were never declared; what else lies there is somebody else's and stays."""
        definitions, configuration = self.house.directory / "services", self.house.directory / "config"
        ours = [path for path in definitions.glob("*.yml") if is_ours(path)]
        for name in {*begun(self.house.directory), *(path.stem for path in ours)}:
            shutil.rmtree(configuration / name, ignore_errors=True)
        for path in [*ours, *definitions.glob(".new-*")]:
            path.unlink()
        for directory in (definitions, configuration):
            with contextlib.suppress(OSError):  # not there, or not empty
                directory.rmdir()

    def _remove_secrets(self, _target: str) -> None:
        shutil.rmtree(self.house.directory / "secrets", ignore_errors=True)
        with contextlib.suppress(OSError):  # an operator's own file keeps it
            self.house.directory.rmdir()

    def _record(self) -> None:
        """The project without what is gone; an empty one leaves no definition behind."""
        if not self.declared:
            for path in (
                self.house.directory / "docker-compose.yml",
                declared_path(self.house.directory),
                images_path(self.house.directory),
            ):
                if path.exists():
                    path.unlink()
            return
        used = {d.service.image for d in self.declared.values()}
        known = json.loads(files.read_text(images_path(self.house.directory)) or "{}")
        files.write(images_file(self.house.directory, {ref: about for ref, about in known.items() if ref in used}))
        files.write(definition.master_file(self.house, sorted(self.declared)))
        files.write(declared_file(self.house.directory, self.declared))


def leave(engine: Engine, house: House, asked: Leave, who: str, check_mode: bool) -> dict[str, Any]:
    """Stop or remove; the module's result. who: for the record, which goes along when all of the project goes."""
    declared = read_declared(house.directory)
    snapshot = engine.snapshot(list(declared))
    plan = plan_leave(house, declared, snapshot, asked)
    plan.refuse_conflicts()
    result = {**planned(plan), "kept_volumes": kept_volumes(declared, snapshot, asked), "record": {}}
    if asked.state == "absent":
        result["records"] = [*changes.read(house.directory), *changes.missing(house.directory, {})]
    if not check_mode and plan.changed:
        result.update(_left(engine, house, declared, plan, {"who": who, "host": os.uname().nodename}))
    return result


def _left(engine: Engine, house: House, declared: dict[str, Declared], plan: Plan, about: Mapping[str, str]) -> dict[str, Any]:
    begin, operations, leaving = time.time(), [operation.to_data() for operation in plan.operations], Leaving(engine, house, declared)
    heading: dict[str, Any] = {**about, "operations": operations}
    journal = Journal(house.directory, site_record.KIND, heading)
    known = declared_path(house.directory).parent.is_dir()  # else there is nothing of the project, and nothing of it shall be left
    if known:
        journal.open()
    away = ", ".join(plan.targets("stop"))
    end: dict[str, Any] = {"seconds": 0.0, "downtime": f"{away} until the next site" if away else "", "way_back": WAY_BACK}
    try:
        end["operations"] = leaving.run(plan)
    except StackError as error:
        if known:
            journal.fail(error.message, [])
            changes.close(house.directory)
            error.run = journal.id
        raise
    end["seconds"] = round(time.time() - begin, 2)
    if known:
        journal.end("done", **end)
    if declared_path(house.directory).exists():  # else the records went along
        changes.close(house.directory)
    run = Run(journal.id, site_record.KIND, begin, about["who"], outcome="done", planned=tuple(operations))
    told = {**heading, **end, "version": VERSION, "ended": time.time()}
    return {"operations": end["operations"], "record": changes.record_of(replace(run, record=told))}
