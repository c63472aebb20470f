# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directory trees on the host: measured, summed, copied, emptied. As root; their tar streams are in ``tree_archive``.

A checksum is a SHA-256 over one record for each path, sorted by path: the path from the root of the tree, its type, permissions, uid, gid,
and the digest of a file's content, the target of a symbolic link or the numbers of a device. Left out is what a tar stream of the Engine
does not have either, or what is no content: times, extended attributes, whether two names are one file, and sockets.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import legible

CHUNK = 1 << 20
# How it is told that what was listed a moment ago is not there, or no directory, any more; the last of them by /proc.
GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)
KINDS = {stat.S_IFREG: b"f", stat.S_IFDIR: b"d", stat.S_IFLNK: b"l", stat.S_IFIFO: b"p", stat.S_IFCHR: b"c", stat.S_IFBLK: b"b"}


class Readable(Protocol):
    """What content can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, none at the end."""


@dataclass(frozen=True)
class Size:
    """bytes: of the content of all files, a file with two names once. files: names of files."""

    bytes: int
    files: int


@dataclass(frozen=True)
class Owner:
    """Permission bits, uid and gid of one path."""

    mode: int
    uid: int
    gid: int


Entry = tuple[bytes, os.stat_result]  # the path from the root of the tree, b"." for the root itself


def entries(path: str, passed: tuple[type[OSError], ...] = ()) -> Iterator[Entry]:
    """Everything in a tree but its sockets, a directory before what is in it, sorted within it. Symbolic links are not followed.

    passed: errors over which what is in the tree is passed. Raises StackError when it cannot be read.
    """
    root = os.fsencode(path)
    try:
        yield b".", os.lstat(root)
        yield from _below(root, b"", passed)
    except OSError as error:
        raise StackError(f"cannot read the directory {path}: {error.strerror or error}", "read", path, str(error)) from error


def _below(root: bytes, inner: bytes, passed: tuple[type[OSError], ...]) -> Iterator[Entry]:
    names: list[bytes] = []
    with contextlib.suppress(*passed):
        names = sorted(os.listdir(os.path.join(root, inner)))
    for name in names:
        one = os.path.join(inner, name)
        try:
            found = os.lstat(os.path.join(root, one))
        except passed:
            continue
        if stat.S_ISSOCK(found.st_mode):
            continue
        yield one, found
        if stat.S_ISDIR(found.st_mode):
            yield from _below(root, one, passed)


def size(path: str) -> Size:
    """How much is in a tree that may be at work: what goes meanwhile does not count. Raises StackError when it cannot be read."""
    seen: dict[tuple[int, int], int] = {}
    files = 0
    for _name, found in entries(path, GONE):
        if stat.S_ISREG(found.st_mode):
            files += 1
            seen[found.st_dev, found.st_ino] = found.st_size
    return Size(sum(seen.values()), files)


def room(path: str) -> int:
    """Bytes that are free on the file system of a directory, or of the first of its parents that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path.rstrip("/")) or "/"
    return shutil.disk_usage(path).free


def content_digest(source: Readable) -> bytes:
    """SHA-256 of all that is left to read."""
    found = hashlib.sha256()
    for chunk in iter(lambda: source.read(CHUNK), b""):
        found.update(chunk)
    return found.hexdigest().encode()


def record(kind: bytes, owner: Owner, detail: bytes) -> bytes:
    """What the checksum holds of one path. A symbolic link has no permissions of its own, and of a pipe only the name counts."""
    if kind == b"p":
        return kind
    mode = 0 if kind == b"l" else owner.mode
    return b"%s %o %d %d %s" % (kind, mode, owner.uid, owner.gid, detail)


def digest(records: Mapping[bytes, bytes]) -> str:
    """The checksum of a tree: path → record."""
    found = hashlib.sha256()
    for path in sorted(records):
        found.update(b"%s\0%d %s\n" % (path, len(records[path]), records[path]))
    return found.hexdigest()


def checksum(path: str) -> str:
    """The checksum of a tree on the host. Raises StackError when it cannot be read."""
    root = os.fsencode(path)
    seen: dict[tuple[int, int], bytes] = {}
    records = {}
    for name, found in entries(path):
        key = (found.st_dev, found.st_ino)
        detail = seen.get(key) if found.st_nlink > 1 else None
        if detail is None:
            detail = _detail(os.path.join(root, name), found)
            if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
                seen[key] = detail
        owner = Owner(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
        records[name] = record(KINDS[stat.S_IFMT(found.st_mode)], owner, detail)
    return digest(records)


def _detail(path: bytes, found: os.stat_result) -> bytes:
    if stat.S_ISREG(found.st_mode):
        try:
            with open(path, "rb") as source:
                return content_digest(source)
        except OSError as error:
            name = legible(path)
            raise StackError(f"cannot read {name}: {error.strerror}", "read", name, str(error)) from error
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(path)
    if stat.S_ISDIR(found.st_mode) or stat.S_ISFIFO(found.st_mode):
        return b""
    return b"%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev))


def copy(source: str, target: str) -> None:
    """Copy what is in a directory into another one that is there, which gets the same owner, permissions and times as well.

    Hard links, extended attributes and holes are kept. What is in the target already stays. Raises StackError.
    """
    command = ["cp", "--archive", "--reflink=auto", "--sparse=auto", "--", f"{source.rstrip('/')}/.", target]
    try:
        os.stat(source)  # before the target is touched
        os.chmod(target, 0o700)  # a set-group-id bit would be inherited, and cp leaves it there
        # A module is not at hand here, whose run_command would be asked for.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, capture_output=True, text=True, errors="replace", check=False
        )
        said: str | None = done.stderr.strip() if done.returncode else None
    except OSError as error:
        said = str(error)
    if said is not None:
        raise StackError(f"cannot copy {source} to {target}: {said.splitlines()[0] if said else 'cp failed'}", "write", target, said)


def clear(path: str) -> None:
    """Remove everything in a directory; the directory stays. Symbolic links are not followed. Raises StackError."""
    try:
        with os.scandir(path) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    shutil.rmtree(one.path)
                else:
                    os.unlink(one.path)
    except OSError as error:
        raise StackError(f"cannot empty {path}: {error.strerror or error}", "write", path, str(error)) from error
