# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log in to Redis and ask it for a sign of life.

Source: Redis documentation, "Redis serialization protocol specification" (RESP2), AUTH, PING, INFO.
Options: user, password (what the client holds; none: PING without a login); writable: true when clients write there, so that a replica,
and a server that stopped taking writes because it cannot save, is a failure; write: a key that is written, read and deleted again where
clients write, and that would end by itself.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LONGEST = 4096  # bytes of a one-line answer
LIFETIME = "60"  # seconds of a key that nobody deletes
LONGEST_TEXT = 1 << 20  # bytes of a bulk string


def command(*words: str) -> bytes:
    """A command as RESP wants it: an array of strings with their lengths in bytes, so any character may be in them."""
    parts = [word.encode(errors="surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


@contextlib.contextmanager
def opened(target: Target, options: Mapping[str, Any], timeout: float) -> Iterator[socket.socket]:
    """A connection that is logged in and was answered. options: user, password. Raises ProbeError."""
    password, user = str(options.get("password") or ""), str(options.get("user") or "")
    with target.connect(timeout) as connection:
        if password:
            said = _ask(connection, target, *(["AUTH", user, password] if user else ["AUTH", password]))
            if said != "+OK":
                raise _refused(target, said)
        said = _ask(connection, target, "PING")
        if said != "+PONG":
            raise _refused(target, said)
        yield connection


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    with opened(target, options, timeout) as connection:
        if options.get("writable"):
            _takes_writes(target, _info(connection, target))
        wrote = bool(options.get("writable") and options.get("write"))
        if wrote:
            _round_trip(connection, target, f"{options['write']}-{os.getpid()}")  # others do the same at the same time
    how = "answers PING after a login" if options.get("password") else "answers PING and asks for no password"
    return f"{target} {how}" + (", and gave back a key that was written" if wrote else "")


def _round_trip(connection: socket.socket, target: Target, key: str) -> None:
    """Write a key, read it, delete it. Raises ProbeError when it does not come back."""
    said = _ask(connection, target, "SET", key, key, "EX", LIFETIME)
    if said != "+OK":
        raise ProbeError("readonly", f"{target} takes no writes: {said[1:]}")
    connection.sendall(command("GET", key) + command("DEL", key))
    if (_bulk(connection, target), _line(connection, target)) != (key, ":1"):
        raise ProbeError("status", f"{target} does not give back a key that it took")


def remove(target: Target, options: Mapping[str, Any], pattern: str, wanted: Callable[[str], bool], timeout: float) -> int:
    """Delete the keys that match and are wanted, and say how many; SCAN goes over all without holding the server up. Raises ProbeError."""
    removed, cursor = 0, "0"
    with opened(target, options, timeout) as connection:
        while True:
            cursor, keys = _scanned(connection, target, cursor, pattern)
            for key in filter(wanted, keys):
                connection.sendall(command("DEL", key))
                removed += int(_line(connection, target)[1:])
            if cursor == "0":
                return removed


def _scanned(connection: socket.socket, target: Target, cursor: str, pattern: str) -> tuple[str, list[str]]:
    """One step of SCAN: where to go on, and the keys that it found."""
    connection.sendall(command("SCAN", cursor, "MATCH", pattern, "COUNT", "1000"))
    if _line(connection, target) != "*2":
        raise ProbeError("status", f"{target} does not let the client look through its keys")
    following = _bulk(connection, target)
    return following, [_bulk(connection, target) for _key in range(int(_line(connection, target)[1:]))]


def _exactly(connection: socket.socket, target: Target, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ProbeError("protocol", f"{target} closed the connection in the middle of an answer")
        data += chunk
    return data


def _head(connection: socket.socket, target: Target) -> str:
    """The first line of an answer, byte by byte: what follows it is not of this line. An error is one as well."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += _exactly(connection, target, 1)
        if len(line) > LONGEST:
            raise ProbeError("protocol", f"{target} does not speak the protocol of Redis")
    return line[:-2].decode(errors="replace")


def _line(connection: socket.socket, target: Target) -> str:
    """The same, an error raised as a ProbeError."""
    head = _head(connection, target)
    if head.startswith("-"):
        raise _refused(target, head)
    return head


def _text(connection: socket.socket, target: Target, head: str) -> str:
    """The rest of a bulk string. Raises ProbeError when its first line is none of one."""
    if not head.startswith("$") or not head[1:].isdigit() or int(head[1:]) > LONGEST_TEXT:
        raise ProbeError("protocol", f"{target} does not speak the protocol of Redis")
    return _exactly(connection, target, int(head[1:]) + 2)[:-2].decode(errors="surrogateescape")


def _bulk(connection: socket.socket, target: Target) -> str:
    return _text(connection, target, _line(connection, target))


def _info(connection: socket.socket, target: Target) -> dict[str, str]:
    """The answer to INFO: lines ``key:value``; none for a user without the right to ask. Raises ProbeError."""
    connection.sendall(command("INFO"))
    head = _head(connection, target)
    lines = [] if head.startswith("-") else _text(connection, target, head).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _takes_writes(target: Target, info: Mapping[str, str]) -> None:
    if info.get("role", "master") != "master":
        master = f"{info.get('master_host')}:{info.get('master_port')}"
        raise ProbeError("readonly", f"{target} takes no writes: it is a replica of {master}; REPLICAOF NO ONE ends that")
    for job in ("rdb_last_bgsave_status", "aof_last_write_status"):
        if info.get(job, "ok") != "ok":
            raise ProbeError("readonly", f"{target} takes no writes: it cannot save ({job} {info[job]}); look at its disk")


def _ask(connection: socket.socket, target: Target, *words: str) -> str:
    """Send a command, return its one-line answer. Raises ProbeError when what comes back is none."""
    connection.sendall(command(*words))
    line = b""
    while not line.endswith(b"\r\n"):
        chunk = connection.recv(LONGEST)
        line += chunk
        if not chunk or len(line) > LONGEST or line[:1] not in (b"+", b"-"):
            raise ProbeError("protocol", f"{target} does not speak the protocol of Redis")
    return line[:-2].decode(errors="replace")


def _refused(target: Target, said: str) -> ProbeError:
    """An error of Redis: its first word is a code."""
    code, text = said.split(" ", 1)[0], said[1:]
    if code == "-NOAUTH":
        return ProbeError("no_password", f"{target} asks for a password and the client holds none: {text}")
    if code == "-WRONGPASS" or "password" in text:
        return ProbeError("auth", f"{target} does not accept the password that the client holds: {text}")
    return ProbeError("status", f"{target} answers: {text}")
