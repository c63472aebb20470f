# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on the target: wanted content with owner and mode, compared and written in one atomic step."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError


@dataclass(frozen=True)
class WantedFile:
    """A file as it has to be. path: absolute. uid, gid: numeric. mode: permission bits. content: bytes, perhaps secret."""

    path: Path
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:  # the content may hold a secret
        return f"WantedFile({self.path}, {self.mode:o}, {self.uid}:{self.gid})"


def difference(wanted: WantedFile) -> str:
    """Why the file on disk is not the wanted one ("missing", "content", "mode", "owner"); empty when it is."""
    try:
        found = os.lstat(wanted.path)
    except FileNotFoundError:
        return "missing"
    if not stat.S_ISREG(found.st_mode):
        return "not a file"
    if wanted.path.read_bytes() != wanted.content:
        return "content"
    if stat.S_IMODE(found.st_mode) != wanted.mode:
        return "mode"
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
        return "owner"
    return ""


def legible(path: str | bytes | os.PathLike[str]) -> str:
    """A path as text for people and records: what of a name is no UTF-8 cannot be written there. It need not lead to the file any more."""
    return os.fsencode(path).decode(errors="replace")


def read_text(path: Path) -> str | None:
    """The file's text, or None when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Create a directory with ``mode`` and its missing parents with 0755. An existing one is left as it is.

    Raises StackError naming the path.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        os.mkdir(path, mode)
        os.chmod(path, mode)  # the umask does not decide
    except OSError as error:
        raise StackError(f"cannot make the directory {path}: {error.strerror}", "write", str(path), str(error)) from error


def write(wanted: WantedFile) -> None:
    """Put the file there with owner and mode in the same step: it never exists half-written or readable by others.

    Raises StackError naming the path when the disk is full or the directory cannot be written.
    """
    make_directory(wanted.path.parent)
    try:
        handle, name = tempfile.mkstemp(dir=str(wanted.path.parent), prefix=".new-")  # mode 0600 from the start
    except OSError as error:
        raise StackError(f"cannot write {wanted.path}: {error.strerror}", "write", str(wanted.path), str(error)) from error
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(wanted.content)
            out.flush()
            os.fchown(out.fileno(), wanted.uid, wanted.gid)
            os.fchmod(out.fileno(), wanted.mode)
            os.fsync(out.fileno())
        os.replace(name, wanted.path)
    except OSError as error:
        os.unlink(name)
        raise StackError(f"cannot write {wanted.path}: {error.strerror}", "write", str(wanted.path), str(error)) from error


@dataclass(frozen=True)
class Before:
    """A file as it was, to put it back: ``wanted`` is None when there was none."""

    path: Path
    wanted: WantedFile | None

    def restore(self) -> None:
        if self.wanted is not None:
            write(self.wanted)
        elif self.path.exists():
            self.path.unlink()


def remember(path: Path) -> Before:
    """What is at ``path`` now."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Before(path, None)
    return Before(path, WantedFile(path, path.read_bytes(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid))
