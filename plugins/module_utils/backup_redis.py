# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backup of a Redis server: a snapshot that it makes itself (BGSAVE), copied out of its container.

Proof: Redis' own redis-check-rdb reads the copy, and the number of its keys is the server's but for what has changed since. Where the
container has no such tool: beginning, end and checksum of the copy.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import container_io, tree, tree_archive
from ansible_collections.auren.stack.plugins.module_utils.backup_files import Backup, chunks, count, failed, taken
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.redis_client import Redis, reach

PATIENCE = 3600.0  # seconds that a snapshot may take
COPIES = 5  # how often a copy is taken again because the server has replaced its file meanwhile
KEYS = re.compile(r"^\[info\] (\d+) keys read$", re.MULTILINE)
CHECK = "redis-check-rdb"
COPY = "dump.rdb"
END = 0xFF  # opcode at the end of an RDB file, before eight bytes of checksum (rdb.h, rdb.c)
POLYNOMIAL = 0x95AC9329AC4BC9B5  # of Redis' CRC-64 (crc64.c: "Jones", 0xad93d23594c935a9), reflected


@dataclass(frozen=True)
class State:
    """What INFO says at one moment. changed: keys that were changed since the last snapshot began. gone: expired or evicted, ever."""

    saving: bool
    rewriting: bool
    saved: bool
    saved_at: int
    changed: int
    keys: int
    gone: int
    memory: int


def state(info: Mapping[str, str]) -> State:
    """From the fields of INFO (Redis documentation, INFO)."""
    counts = [dict(pair.split("=") for pair in value.split(",")) for name, value in info.items() if re.fullmatch(r"db\d+", name)]
    return State(
        saving=info.get("rdb_bgsave_in_progress") == "1",
        rewriting=info.get("aof_rewrite_in_progress") == "1",
        saved=info.get("rdb_last_bgsave_status") == "ok",
        saved_at=int(info.get("rdb_last_save_time", 0)),
        changed=int(info.get("rdb_changes_since_last_save", 0)),
        keys=sum(int(one["keys"]) for one in counts),
        gone=int(info.get("expired_keys", 0)) + int(info.get("evicted_keys", 0)),
        memory=int(info.get("used_memory", 0)),
    )


class Server:
    """A Redis that is told to save."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.ask = redis, redis.ask

    def state(self) -> State:
        return state(self.redis.info())

    def file(self) -> str:
        """The path of its snapshots in the container."""
        folder, name = (self.ask("CONFIG", "GET", key).split("\n")[-1] for key in ("dir", "dbfilename"))
        return posixpath.join(folder, name)

    def save(self) -> State:
        """Make a snapshot; what is known when it is done. Waits for one, or for a rewrite of the log, that is under way."""
        until = time.monotonic() + PATIENCE
        while True:
            self.settled(until)
            said, _why = self.redis.said("BGSAVE")
            if "started" in said:
                break
            if ("in progress" not in said and "child process" not in said) or time.monotonic() > until:
                raise failed(self.redis.name, f"BGSAVE is answered with {said!r}")
            time.sleep(0.1)
        done = self.settled(until)
        if not done.saved:
            raise failed(self.redis.name, "Redis could not write its snapshot; docker logs says why")
        return done

    def settled(self, until: float) -> State:
        """Wait until nothing is being saved."""
        pause = 0.02
        while True:
            now = self.state()
            if not now.saving and not now.rewriting:
                return now
            if time.monotonic() > until:
                raise failed(self.redis.name, f"a snapshot takes longer than {PATIENCE:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, 1.0)


def redis(engine: Engine, container: Container, folder: Path, password: str) -> Backup:
    """Let the server make a snapshot and copy it: ``dump.rdb``. Also of a server that keeps a log (AOF): the snapshot holds everything.

    password: as for ``reach``. Raises StackError of kind ``backup``; then nothing is left that looks like a backup.
    """

    def fill(part: Path) -> str:
        server = Server(reach(engine, container.id, password))
        before = server.state()
        now = _copied(server, server.save(), part)
        return count(prove(server, part / COPY, before, now), "key")

    return taken(container.name, folder, fill)


def needed(engine: Engine, container: Container, password: str) -> int:
    """Bytes of memory that the data takes: a snapshot is smaller."""
    return state(reach(engine, container.id, password).info()).memory


def _copied(server: Server, now: State, part: Path) -> State:
    """Copy the snapshot to ``part``; what was known when it was made. The server may replace its file meanwhile: then once more."""
    path = server.file()
    for _time in range(COPIES):
        error = None
        try:
            tree_archive.unpack(container_io.archive(server.redis.engine, server.redis.id, path), str(part))
        except StackError as told:
            error = told
        if server.state().saved_at == now.saved_at:
            if error:
                raise error
            return _settle(server, part / posixpath.basename(path), part / COPY, now)
        tree.clear(str(part))
        now = server.settled(time.monotonic() + PATIENCE)
    raise failed(server.redis.name, "Redis makes snapshots faster than they can be copied")


def _settle(server: Server, found: Path, path: Path, now: State) -> State:
    if found.is_symlink() or not found.is_file():
        raise failed(server.redis.name, f"its snapshot {found.name} is no file")
    os.chown(found, 0, 0)
    found.chmod(0o600)
    found.rename(path)
    return now


# --- proof --------------------------------------------------------------------------------------------------------------


def prove(server: Server, path: Path, before: State, now: State) -> int:
    """The number of keys in a copy. now: when the snapshot was made, before: some time earlier.

    Raises StackError when the copy is not whole, or has other keys than can be explained: from the beginning of the snapshot to ``now``
    each change of the number was counted by the server, as a change or as an expired or evicted key.
    """
    found = _checked(server, path)
    if found is None:
        problem = damage(path)
        if problem:
            raise failed(server.redis.name, f"the copy of the snapshot is not whole: {problem}")
        return now.keys
    if abs(found - now.keys) > now.changed + now.gone - before.gone:
        raise failed(server.redis.name, f"the copy of the snapshot holds {found} keys, Redis has {now.keys}")
    return found


def _checked(server: Server, path: Path) -> int | None:
    """The number of keys that redis-check-rdb reads; None where there is no such tool. Raises StackError when it finds fault."""
    said = io.BytesIO()
    try:
        with open(path, "rb") as source:  # root: the pipe that it opens by name belongs to root
            status, more = container_io.execute(server.redis.engine, server.redis.id, [CHECK, "/dev/stdin"], {}, said, source, "0")
    except StackError as error:
        if "executable file not found" in error.detail:
            return None
        raise
    text = said.getvalue().decode(errors="replace") + more
    if "executable file not found" in text:
        return None
    keys = KEYS.search(text)
    if status or not keys:
        wrong = re.findall(r"^(?:--- RDB ERROR DETECTED ---\n)?\[offset \d+\] (.*)$", text, re.MULTILINE)
        raise failed(server.redis.name, f"the copy of the snapshot is not whole: {wrong[-1] if wrong else CHECK + ' fails'}", text)
    return int(keys[1])


def damage(path: Path) -> str:
    """What is wrong with an RDB file from the outside: beginning, end and checksum; empty when nothing is. Reads some MB in a second."""
    size = path.stat().st_size
    if size < 18:
        return "it is too short"
    with open(path, "rb") as found:
        if found.read(5) != b"REDIS":
            return "it does not begin as a snapshot"
        found.seek(size - 9)
        end, wanted = struct.unpack("<BQ", found.read(9))
    if end != END:
        return "it does not end as a snapshot"
    if wanted and wanted != checksum(_without_last(path, size - 8)):  # 0: the server was told to write none
        return "its checksum is wrong"
    return ""


def _without_last(path: Path, left: int) -> Iterator[bytes]:
    for chunk in chunks(path):
        yield chunk[:left]
        left -= len(chunk[:left])


def _table() -> list[int]:
    found = []
    for byte in range(256):
        value = byte
        for _bit in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


def checksum(stream: Iterable[bytes]) -> int:
    """Redis' CRC-64 (crc64.c)."""
    table, found = _table(), 0
    for chunk in stream:
        for byte in chunk:
            found = table[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found
