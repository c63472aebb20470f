# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can a client use this Kafka? The bootstrap address answers, and so does every listener that it advertises.

A client connects to the bootstrap address only to be told where to go on, so a wrong advertised listener looks like a Kafka
that works until nothing is ever produced or consumed. No options.

Source: Apache Kafka documentation, "Kafka protocol guide" (request header 1, response header 0, ApiVersions 0, Metadata 1 to 8:
the versions before compact encodings, which brokers from 0.10 to 4 serve).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target, receive, said

METADATA, API_VERSIONS = 3, 18
NEWEST_METADATA = 8
LONGEST = 1 << 22  # bytes of an answer
CLIENT = "auren-stack-probe"


class Reader:
    """Kafka's primitive types, read one after the other from one answer. Raises ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def _take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("an answer that is too short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """A signed integer of ``size`` bytes."""
        return int.from_bytes(self._take(size), "big", signed=True)

    def text(self) -> str | None:
        """STRING or NULLABLE_STRING: a length of two bytes, -1 for null."""
        length = self.number(2)
        return None if length == -1 else self._take(length).decode(errors="replace")


def request(key: int, version: int, body: bytes = b"") -> bytes:
    """A request with its length, header version 1; the correlation id is the key."""
    name = CLIENT.encode()
    content = struct.pack("!hhih", key, version, key, len(name)) + name + body
    return struct.pack("!i", len(content)) + content


def versions(data: bytes) -> dict[int, tuple[int, int]]:
    """ApiVersions 0: key → oldest and newest version. Raises ValueError."""
    reader = Reader(data)
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to ApiVersions")
    return {reader.number(2): (reader.number(2), reader.number(2)) for _key in range(reader.number(4))}


def metadata_request(version: int) -> bytes:
    """Metadata about no topic at all: only the brokers."""
    flags = b"\0" if version >= 4 else b""  # do not create topics
    flags += b"\0\0" if version >= 8 else b""  # no authorized operations
    return request(METADATA, version, struct.pack("!i", 0) + flags)


def brokers(data: bytes, version: int) -> list[tuple[str, int]]:
    """Metadata 1 to 8: host and port of every broker, as it advertises itself. Raises ValueError."""
    reader = Reader(data)
    if version >= 3:
        reader.number(4)  # throttle time
    found = []
    for _broker in range(reader.number(4)):
        reader.number(4)  # node id
        host, port, _rack = reader.text() or "", reader.number(4), reader.text()
        found.append((host, port))
    return found


def _exchange(connection: socket.socket, message: bytes) -> bytes:
    """Send a request, return what follows the header of its answer. Raises ValueError and OSError."""
    connection.sendall(message)
    length = struct.unpack("!i", receive(connection, 4))[0]
    if not 4 <= length <= LONGEST:
        raise ValueError("an answer of impossible length")
    answer = receive(connection, length)
    if answer[:4] != message[8:12]:
        raise ValueError("an answer to another request")
    return answer[4:]


def _ask(target: Target, timeout: float) -> list[tuple[str, int]]:
    """What the broker at ``target`` advertises. Raises ProbeError."""
    try:
        with target.connect(timeout) as connection:
            oldest, newest = versions(_exchange(connection, request(API_VERSIONS, 0))).get(METADATA, (0, -1))
            version = min(newest, NEWEST_METADATA)
            if version < max(oldest, 1):
                raise ValueError(f"Metadata {oldest} to {newest} only")
            return brokers(_exchange(connection, metadata_request(version)), version)
    except ValueError as error:
        raise ProbeError("protocol", f"{target} does not speak the protocol of Kafka: it gave {error}") from error
    except OSError as error:
        raise said(target, error) from error


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    advertised = _ask(target, timeout)
    if not advertised:
        raise ProbeError("advertised", f"{target} answers, but names no broker")
    for host, port in advertised:
        try:
            _ask(target.at(host, port), timeout)
        except ProbeError as error:
            raise ProbeError("advertised", f"{target} answers, but it advertises {host}:{port}: {error.message}") from error
    return f"{target} answers, and so does what it advertises: {', '.join(f'{host}:{port}' for host, port in advertised)}"
