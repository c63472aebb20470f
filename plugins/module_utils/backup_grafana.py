# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backup of Grafana's data directory: its SQLite databases by SQLite's own backup, consistent while they are written to, and the rest.

Proof: SQLite checks every page of the copies (``PRAGMA integrity_check``); the archive is read again and has the checksum of what went in.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, TypeVar
from urllib.parse import quote

from ansible_collections.auren.stack.plugins.module_utils import container_io, tree, tree_archive
from ansible_collections.auren.stack.plugins.module_utils.backup_files import Backup, chunks, count, failed, taken, written
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine, told
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container

MAGIC = b"SQLite format 3\0"  # how every database begins (SQLite documentation, "Database File Format")
BESIDE = (b"-wal", b"-shm", b"-journal")  # belong to a database; what they hold is in the copy
ATTEMPTS = 5  # how often a directory is packed again in which files come, go or shrink meanwhile
WORK = "work"
T = TypeVar("T")


def directory(container: Container) -> str:
    """Where it keeps its data, as the container sees it (Grafana documentation, paths)."""
    return container.env.get("GF_PATHS_DATA") or "/var/lib/grafana"


def grafana(engine: Engine, container: Container, data_dir_on_host: str | None, folder: Path) -> Backup:
    """Copy the data directory: databases under ``databases/``, everything else in ``files.tar``.

    data_dir_on_host: where it is on the host, if that is known. A directory that cannot be read there is copied through the Engine, a
    running container pauses meanwhile. Raises StackError of kind ``backup``; then nothing is left that looks like a backup.
    """

    def fill(part: Path) -> str:
        live = _on_host(engine, container, data_dir_on_host) if container.running else ""
        if live:
            return _filled(container, live, part, "ro")
        work = part / WORK
        work.mkdir(mode=0o700)
        with _frozen(engine, container):
            tree_archive.unpack(container_io.archive(engine, container.id, f"{directory(container)}/."), str(work))
        what = _filled(container, str(work), part, "rw")  # our own copy: what a writer had not finished in it is undone
        tree.clear(str(work))
        work.rmdir()
        return what

    return taken(container.name, folder, fill)


def needed(engine: Engine, container: Container, data_dir_on_host: str | None) -> int:
    """Bytes of the data directory; twice as many where it has to be copied first."""
    live = _on_host(engine, container, data_dir_on_host) if container.running else ""
    if live:
        return tree.size(live).bytes
    return 2 * sum(len(chunk) for chunk in container_io.archive(engine, container.id, f"{directory(container)}/."))


def _on_host(engine: Engine, container: Container, known: str | None) -> str:
    """The data directory of a running container on the host: in a mount, or where its layers are mounted. Empty when it is not there."""
    path = directory(container)
    if known is not None:
        return known if os.path.isdir(known) else ""
    raw: dict[str, Any] = engine.inspect(container.id) or {}
    base, inner = str(((raw.get("GraphDriver") or {}).get("Data") or {}).get("MergedDir", "")), path
    for mount in sorted(raw.get("Mounts") or [], key=lambda one: len(one["Destination"])):
        if f"{path}/".startswith(f"{mount['Destination'].rstrip('/')}/"):
            base, inner = str(mount.get("Source", "")), path[len(mount["Destination"].rstrip("/")) :]
    place = base
    for part in inner.split("/"):
        place = os.path.join(place, part) if part else place
        if not place or os.path.islink(place) or not os.path.isdir(place):  # a link leads elsewhere on the host than in the container
            return ""
    return place


@contextlib.contextmanager
def _frozen(engine: Engine, container: Container) -> Iterator[None]:
    """Nothing is written meanwhile: what is copied is what a power cut would leave, and SQLite recovers from that."""
    if not container.running:
        yield
        return
    with told("pause", container.name):
        engine.api.pause(container.id)
    try:
        yield
    finally:
        with told("unpause", container.name):
            engine.api.unpause(container.id)


def _filled(container: Container, source: str, part: Path, mode: str) -> str:
    found = _patiently(lambda: _databases(source))
    for name in found:
        _database(container, os.path.join(source, os.fsdecode(name)), part / "databases" / os.fsdecode(name), mode)
    without = {name + end for name in found for end in (b"", *BESIDE)}
    files = _rest(container, source, part / "files.tar", without)
    return f"{count(len(found), 'SQLite database')} and {count(files, 'other file')}"


def _databases(source: str) -> list[bytes]:
    """Paths of the SQLite databases, from the root of the tree."""
    found = []
    for name, facts in tree.entries(source):
        if stat.S_ISREG(facts.st_mode) and facts.st_size >= len(MAGIC):
            with contextlib.suppress(FileNotFoundError), open(os.path.join(os.fsencode(source), name), "rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    found.append(name)
    return found


def _database(container: Container, source: str, target: Path, mode: str) -> None:
    """One consistent copy. mode: ro where a program works with it, SQLite takes its locks and changes nothing; rw lets it recover first."""
    for parent in (*reversed(target.parents), target.parent):
        if not parent.is_dir():
            parent.mkdir(mode=0o700)
    with written(target):
        pass  # made here, so that only root may read it
    try:
        live = sqlite3.connect(f"file:{quote(source)}?mode={mode}", uri=True, timeout=60)
        with contextlib.closing(live), contextlib.closing(sqlite3.connect(target)) as copy:
            live.backup(copy, pages=-1)
            [said] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise failed(container.name, f"the database {source} cannot be copied: {error}", str(error)) from error
    if said != "ok":
        raise failed(container.name, f"the copy of the database {source} is damaged: {said}", said)


def _patiently(work: Callable[[], T]) -> T:
    """Again when a file goes or shrinks while a directory is read that is being written to. Raises the last StackError."""
    for _attempt in range(ATTEMPTS - 1):
        try:
            return work()
        except StackError as error:
            if error.kind != "read":
                raise
    return work()


def _rest(container: Container, source: str, target: Path, without: set[bytes]) -> int:
    """Pack everything else; the number of files. Raises StackError when the archive does not read back as what went in."""

    def pack() -> tuple[int, str]:
        target.unlink(missing_ok=True)
        files = sum(stat.S_ISREG(facts.st_mode) and name not in without for name, facts in tree.entries(source))
        return files, tree_archive.checksum_of_archive(_kept(tree_archive.pack(source, ".", without), target), "")

    files, wanted = _patiently(pack)
    if tree_archive.checksum_of_archive(chunks(target), "") != wanted:
        raise failed(container.name, f"{target.name} does not read back as it was written")
    return files


def _kept(stream: Iterator[bytes], target: Path) -> Iterator[bytes]:
    """Write a stream to a file on its way."""
    with written(target) as out:
        for chunk in stream:
            out.write(chunk)
            yield chunk
