# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every probe takes and gives.

A probe is ``probe(target, options, timeout) -> str``: one sentence of evidence, or a ProbeError. It opens connections only to
the target and to what the target names, resolves names only through ``target.resolve``, writes nothing, and shows no password.
``registry.run`` calls it, measures it, and turns both endings into a Result.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable, TypeVar

T = TypeVar("T")
Resolve = Callable[[str, float], "list[str]"]  # (name, timeout in seconds) → addresses, at least one; raises ProbeError("dns")
Probe = Callable[["Target", Mapping[str, Any], float], str]


class ProbeError(Exception):
    """Why a check fails. message: a sentence, never with a secret.

    kind: dns (no such name), refused (nothing listens), timeout, unreachable, no_password (one is asked for, none is held),
    auth (the password is not accepted), status (it answers the wrong thing), protocol (it is not what it should be),
    advertised (an address that it names cannot be reached), missing (it lacks what its clients use), readonly (it takes no writes),
    down (what it watches cannot be scraped), target (it watches another address), rule (one is about a job that it does
    not have), datasource, query (one that it asks refuses),
    unexported (it shows what nobody measures). about: other services that are the matter with it.
    """

    def __init__(self, kind: str, message: str, about: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.about = tuple(about)


@dataclass(frozen=True)
class Result:
    """How a probe ended. kind: empty when ok, else that of ProbeError, as about. seconds: from start to end."""

    ok: bool
    evidence: str
    seconds: float
    kind: str = ""
    about: tuple[str, ...] = ()


def system_resolve(name: str, timeout: float) -> list[str]:
    """Names as this process sees them. timeout: not used, the C library has its own."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ProbeError("dns", f"{name} does not resolve: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Target:
    """Whom to probe, and how the one who probes finds names."""

    host: str
    port: int
    resolve: Resolve = system_resolve

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def at(self, host: str, port: int) -> Target:
        """Another target for the same one who probes."""
        return replace(self, host=host, port=port)

    def connect(self, timeout: float) -> socket.socket:
        """A TCP connection to the first address that takes it; its operations have the same timeout. Raises ProbeError."""
        error: Exception = OSError("no address")
        for address in self.resolve(self.host, timeout):
            try:
                return socket.create_connection((address, self.port), timeout=timeout)
            except OSError as failed:
                error = failed
        raise said(self, error)


def said(target: Target, error: Exception) -> ProbeError:
    """An error of the socket as a sentence about the target."""
    if isinstance(error, ConnectionRefusedError):
        return ProbeError("refused", f"{target} refuses the connection: nothing listens there")
    if isinstance(error, socket.timeout):
        return ProbeError("timeout", f"{target} does not answer in time")
    if isinstance(error, ConnectionError):
        return ProbeError("protocol", f"{target} closed the connection: {error}")
    return ProbeError("unreachable", f"{target} cannot be reached: {error}")


def attempt(target: Target, work: Callable[[], T]) -> T:
    """Do it; whatever is wrong with the connection is a ProbeError as well."""
    try:
        return work()
    except OSError as error:
        raise said(target, error) from error


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly ``count`` bytes. Raises ConnectionError when the other side ends before, OSError for the rest."""
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError("it ended in the middle of an answer")
        data += chunk
    return data
