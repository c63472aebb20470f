# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of a run that changed the Compose project: what it replaced, and where the previous definition is kept.

Written after the run, for people who want to go back by hand: `rollback` shows it, and does nothing of it. Only files that hold
placeholders in the place of secrets are kept; of a file with values only the name is recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import Before, WantedFile, make_directory, write
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal, journal_directory
from ansible_collections.auren.stack.plugins.module_utils.model import Image, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.project import declared_path

KIND = "site"


def record(
    engine: Engine, project: Path, snapshot: Snapshot, replaced: list[str], before: Mapping[str, Before], about: Mapping[str, Any]
) -> str:
    """Write the record; a warning when that is not possible, for the run itself is done. Empty when all is well.

    snapshot: from before the run. replaced: the services that were made anew. before: the files as they were. about: further keys.
    """
    journal = Journal(project, KIND, {})
    try:
        journal.open()
        lines = [line for name in replaced for line in _image(engine, snapshot, name)]
        lines += _kept(project, journal.id, before)
        journal.end("done", replaced=lines, **about)
    except StackError as error:
        return f"the run is done, and there is no record of what it replaced: {error.message}"
    return ""


def record_refusal(engine: Engine, project: Path, snapshot: Snapshot, service: Service, tried: Image | None, reason: str) -> None:
    """Write down which image was tried, which one goes on, and why. The refusal itself is told anyway, so nothing is raised."""
    journal = Journal(project, KIND, {})
    old = snapshot.container(service.name)
    lines = [f"{service.name}: its image is {old.image}, {_known(engine, old.image_id)} (it goes on)"] if old else []
    lines += [f"{service.name}: {service.image}, {_digest(tried, tried.id)} was tried and refused"] if tried else []
    with contextlib.suppress(StackError):
        journal.open()
        journal.end("failed", error=reason, refused=lines)


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
