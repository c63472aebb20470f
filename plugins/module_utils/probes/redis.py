# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log in to Redis and ask it for a sign of life.

Source: Redis documentation, "Redis serialization protocol specification" (RESP2), AUTH, PING.
Options: user, password (what the client holds; none: PING without a login).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LONGEST = 4096  # bytes of a one-line answer


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
    return f"{target} answers PING after a login" if password else f"{target} answers PING and asks for no password"


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
