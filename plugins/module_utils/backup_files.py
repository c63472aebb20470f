# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where backups are written: a directory that has its name only when all that is in it was read back; root only."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Callable

from ansible_collections.auren.stack.plugins.module_utils import files, tree
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

PART = ".part"


@dataclass(frozen=True)
class Backup:
    """path: the directory. bytes: of all its files. what: a sentence."""

    path: Path
    bytes: int
    what: str


def failed(container: str, why: str, detail: str = "") -> StackError:
    """The error of a backup. why: a clause, without a secret."""
    return StackError(
        f"the backup of {container} failed: {why}; nothing was changed. Put that right and run again, or, if there is a backup already, "
        "say so with auren_backup=done",
        "backup",
        container,
        detail,
    )


def taken(container: str, folder: Path, fill: Callable[[Path], str]) -> Backup:
    """Make a backup below ``folder``. fill: writes into an empty directory, proves what it wrote, and says what that is.

    What was cut off is called ``.part`` and is removed by the next one; a finished backup is never replaced. Raises StackError.
    """
    part = folder / f"{container}{PART}"
    try:
        files.make_directory(folder, 0o700)
        if part.exists():
            shutil.rmtree(part)
        part.mkdir(mode=0o700)
        what = fill(part)
        size = tree.size(str(part)).bytes
        for path in sorted(part.rglob("*")):
            _sync(path)
        _sync(part)
        place = _free(folder, container)
        part.rename(place)
        _sync(folder)
    except StackError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise error if error.kind == "backup" else failed(container, error.message, error.detail) from error
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise failed(container, f"{error.filename or folder}: {error.strerror or error}", str(error)) from error
    return Backup(place, size, f"{what} of {container}, {size / 1e6:.1f} MB, read back")


def _free(folder: Path, container: str) -> Path:
    """A name that no other backup in the folder has."""
    place, number = folder / container, 1
    while place.exists():
        number += 1
        place = folder / f"{container}-{number}"
    return place


def _sync(path: Path) -> None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file that only root reads."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out


def chunks(path: Path) -> Iterator[bytes]:
    """A file's content."""
    with open(path, "rb") as source:
        yield from iter(lambda: source.read(tree.CHUNK), b"")


def count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
