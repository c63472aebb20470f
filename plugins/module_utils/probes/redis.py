# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log in to Redis and ask it for a sign of life.

Source: Redis documentation, "Redis serialization protocol specification" (RESP2), AUTH, PING, INFO.
Options: user, password (what the client holds; none: PING without a login); writable: true when clients write there, so that a replica,
and a server that stopped taking writes because it cannot save, is a failure.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LONGEST = 4096  # bytes of a one-line answer
LONGEST_INFO = 1 << 20  # bytes of the answer to INFO


def command(*words: str) -> bytes:
    """A command as RESP wants it: an array of strings with their lengths in bytes, so any character may be in them."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    password, user = str(options.get("password") or ""), str(options.get("user") or "")
    with target.connect(timeout) as connection:
        if password:
            said = _ask(connection, target, *(["AUTH", user, password] if user else ["AUTH", password]))
            if said != "+OK":
                raise _refused(target, said)
        said = _ask(connection, target, "PING")
        if said != "+PONG":
            raise _refused(target, said)
        if options.get("writable"):
            _takes_writes(target, _info(connection, target))
    return f"{target} answers PING after a login" if password else f"{target} answers PING and asks for no password"


def _info(connection: socket.socket, target: Target) -> dict[str, str]:
    """The answer to INFO: a bulk string of lines ``key:value``. Raises ProbeError."""
    connection.sendall(command("INFO"))
    data = b""
    while b"\r\n" not in data:
        data += _more(connection, target)
    head, _end, rest = data.partition(b"\r\n")
    if head.startswith(b"-"):  # a user without the right to ask
        return {}
    if not head.startswith(b"$") or not head[1:].isdigit() or int(head[1:]) > LONGEST_INFO:
        raise ProbeError("protocol", f"{target} does not speak the protocol of Redis")
    while len(rest) < int(head[1:]):
        rest += _more(connection, target)
    lines = rest.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _more(connection: socket.socket, target: Target) -> bytes:
    chunk = connection.recv(LONGEST)
    if not chunk:
        raise ProbeError("protocol", f"{target} closed the connection in the middle of an answer")
    return chunk


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
