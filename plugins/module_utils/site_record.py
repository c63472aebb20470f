# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of a run that changed the Compose project: what it replaced, and where the previous definition is kept.

For people who want to go back by hand: `rollback` shows it, and does nothing of it. Only files that hold
placeholders in the place of secrets are kept; of a file with values only the name is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils import changes
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import Before, WantedFile, make_directory, write
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal, journal_directory
from ansible_collections.auren.stack.plugins.module_utils.model import Image, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.project import declared_path

KIND = "site"
FIRST = "nothing was there before: ansible-playbook auren.stack.clean removes what was made"
BACK = "what had a previous state was put back into it"


class SiteRecord:
    """The journal of one run. It is begun before the first change, so that a run that was killed is known; whatever goes wrong with it
    is a warning, for it takes nothing back.

    warning: empty when all is well.
    """

    def __init__(self, engine: Engine, project: Path, snapshot: Snapshot, heading: Mapping[str, Any]) -> None:
        """snapshot: from before the run. heading: who, and the operations as data."""
        self.engine, self.project, self.snapshot, self.warning = engine, project, snapshot, ""
        self.journal = Journal(project, KIND, {"host": os.uname().nodename, **heading})
        self._safely(self.journal.open)

    def done(self, replaced: list[str], before: Mapping[str, Before], about: Mapping[str, Any]) -> None:
        """replaced: the services that were made anew. before: the files as they were. about: further keys."""

        def end() -> None:
            lines = [line for name in replaced for line in _image(self.engine, self.snapshot, name)]
            lines += _kept(self.project, self.journal.id, before)
            kept = journal_directory(self.project) / self.journal.id
            way_back = f"set the inventory back and run site; the previous definitions are in {kept}" if kept.exists() else FIRST
            self.journal.end("done", replaced=lines, **{"way_back": way_back, **about})

        self._safely(end)

    def failed(self, error: StackError, done: list[str], service: Service | None = None, tried: Image | None = None) -> None:
        """Write down what failed; of a candidate also which image was tried, which one goes on. The failure itself is told anyway."""
        old = self.snapshot.container(service.name) if service else None
        lines = [f"{old.name}: its image is {old.image}, {_known(self.engine, old.image_id)} (it goes on)"] if old else []
        if service and tried:
            lines.append(f"{service.name}: {service.image}, {_digest(tried, tried.id)} was tried and refused")
        self._safely(lambda: self.journal.failed(error.message, done, refused=lines, way_back=BACK))
        changes.close(self.project)

    def _safely(self, write: Callable[[], None]) -> None:
        if self.warning:
            return
        try:
            write()
        except StackError as error:
            self.warning = f"there is no record of this run and of what it replaced: {error.message}"


def _known(engine: Engine, image_id: str) -> str:
    return _digest(engine.image(image_id), image_id)


def _digest(image: Image | None, image_id: str) -> str:
    """By digest where a registry gave one, else by id."""
    return image.digests[0] if image and image.digests else image_id


def _image(engine: Engine, snapshot: Snapshot, name: str) -> list[str]:
    """What the previous container of a service ran, and what it runs now."""
    old, new = snapshot.container(name), engine.container(name)
    if old is None or new is None:
        return []
    changed = f"replaced by {_known(engine, new.image_id)}" if old.image_id != new.image_id else "the same as now"
    return [f"{name}: its image was {old.image}, {_known(engine, old.image_id)} ({changed})"]


def _kept(project: Path, run: str, before: Mapping[str, Before]) -> list[str]:
    """Copies of the previous definition, and a line for every file that had a previous version."""
    lines, folder = [], journal_directory(project) / run
    plain = {project / "docker-compose.yml", declared_path(project)}
    for path, was in sorted((Path(path), was) for path, was in before.items()):
        if was.wanted is None:
            continue
        name = path.relative_to(project)
        if path in plain or path.parent == project / "services":
            make_directory((folder / name).parent, 0o700)
            write(WantedFile(folder / name, was.wanted.content, 0o600))
            lines.append(f"file {name}: the previous one is kept as {folder / name}")
        else:
            lines.append(f"file {name}: changed; the previous declaration in {folder} says what it was made from")
    return lines
