# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to a Kafka broker and what it answers, byte by byte.

Source: Apache Kafka documentation, "Kafka protocol guide" (request header 1, response header 0, ApiVersions 0, Metadata 1 to 8,
FindCoordinator 0, DescribeGroups 0, DescribeConfigs 1: the versions before compact encodings, which brokers from 0.10 to 4 serve).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import receive

METADATA, FIND_COORDINATOR, DESCRIBE_GROUPS, API_VERSIONS, DESCRIBE_CONFIGS = 3, 10, 15, 18, 32
TOPIC = b"\2"  # the kind of resource whose settings are asked for
NEWEST_METADATA = 8
LONGEST = 1 << 22  # bytes of an answer
CLIENT = "auren-stack-probe"
Exchange = Callable[[bytes], bytes]  # a request → what follows the header of its answer


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

    def array(self, item: Callable[[], Any]) -> list[Any]:
        """ARRAY: a count of four bytes, -1 for null, and the items."""
        return [item() for _item in range(self.number(4))]

    def skip(self) -> None:
        """BYTES: a length of four bytes, -1 for null."""
        self._take(max(self.number(4), 0))


@dataclass(frozen=True)
class Metadata:
    """addresses: broker's number → host and port as it advertises itself. topics: name → the leaders of its partitions, -1 for none."""

    addresses: Mapping[int, tuple[str, int]]
    topics: Mapping[str, list[int]]

    @property
    def brokers(self) -> list[tuple[str, int]]:
        return list(self.addresses.values())


@dataclass(frozen=True)
class Group:
    """state: in the broker's words (Stable, Empty, Dead, PreparingRebalance, CompletingRebalance)."""

    state: str
    members: int


def text(value: str) -> bytes:
    """STRING."""
    return struct.pack("!h", len(value.encode())) + value.encode()


def request(key: int, version: int, body: bytes = b"") -> bytes:
    """A request with its length, header version 1; the correlation id is the key."""
    content = struct.pack("!hhi", key, version, key) + text(CLIENT) + body
    return struct.pack("!i", len(content)) + content


def versions(data: bytes) -> dict[int, tuple[int, int]]:
    """ApiVersions 0: key → oldest and newest version. Raises ValueError."""
    reader = Reader(data)
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to ApiVersions")
    return {reader.number(2): (reader.number(2), reader.number(2)) for _key in range(reader.number(4))}


def metadata_request(version: int, topics: Sequence[str] = ()) -> bytes:
    """Metadata about these topics, or about the brokers alone. Before version 4 a question for a topic may create it, so then it is for
    all that there are."""
    if topics and version < 4:
        return request(METADATA, version, struct.pack("!i", -1))
    flags = b"\0" if version >= 4 else b""  # do not create topics
    flags += b"\0\0" if version >= 8 else b""  # no authorized operations
    return request(METADATA, version, struct.pack("!i", len(topics)) + b"".join(map(text, topics)) + flags)


def metadata(data: bytes, version: int) -> Metadata:
    """The answer to it. Raises ValueError."""
    reader = Reader(data)
    if version >= 3:
        reader.number(4)  # throttle time
    brokers = dict(reader.array(lambda: _broker(reader)))
    if version >= 2:
        reader.text()  # cluster id
    reader.number(4)  # controller
    return Metadata(brokers, dict(one for one in reader.array(lambda: _topic(reader, version)) if one))


def _broker(reader: Reader) -> tuple[int, tuple[str, int]]:
    node, host, port, _rack = reader.number(4), reader.text() or "", reader.number(4), reader.text()
    return node, (host, port)


def _topic(reader: Reader, version: int) -> tuple[str, list[int]] | None:
    """None for one that is not there."""
    error, name, _internal = reader.number(2), reader.text() or "", reader.number(1)
    leaders = [leader for _index, leader in sorted(reader.array(lambda: _leader(reader, version)))]
    if version >= 8:
        reader.number(4)  # authorized operations
    return None if error else (name, leaders)


def _leader(reader: Reader, version: int) -> tuple[int, int]:
    """A partition's number and the broker that leads it."""
    _error, index, leader = reader.number(2), reader.number(4), reader.number(4)
    if version >= 7:
        reader.number(4)  # leader epoch
    for _list in range(3 if version >= 5 else 2):  # replicas, those in sync, those offline
        reader.array(lambda: reader.number(4))
    return index, leader


def coordinator(data: bytes) -> tuple[str, int]:
    """FindCoordinator 0: host and port of the broker that knows a group. Raises ValueError."""
    reader = Reader(data)
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to FindCoordinator")
    reader.number(4)  # node id
    return reader.text() or "", reader.number(4)


def groups_request(name: str) -> bytes:
    return request(DESCRIBE_GROUPS, 0, struct.pack("!i", 1) + text(name))


def group(data: bytes) -> Group:
    """DescribeGroups 0, of one group. Raises ValueError."""
    reader = Reader(data)
    if reader.number(4) != 1:
        raise ValueError("an answer about other groups")
    error, _name, state = reader.number(2), reader.text(), reader.text() or ""
    if error:
        raise ValueError(f"error {error} to DescribeGroups")
    _kind, _protocol = reader.text(), reader.text()
    return Group(state, len(reader.array(lambda: _member(reader))))


def configs_request(topics: Sequence[str]) -> bytes:
    """All settings of these topics, without where each comes from."""
    asked = b"".join(TOPIC + text(name) + struct.pack("!i", -1) for name in topics)
    return request(DESCRIBE_CONFIGS, 1, struct.pack("!i", len(topics)) + asked + b"\0")


def configs(data: bytes) -> dict[str, dict[str, str]]:
    """DescribeConfigs 1: topic → setting → value, for those that are there. Raises ValueError."""
    reader = Reader(data)
    reader.number(4)  # throttle time
    return {name: dict(found) for error, name, found in reader.array(lambda: _resource(reader)) if not error}


def _resource(reader: Reader) -> tuple[int, str, list[tuple[str, str]]]:
    error, _message, _kind, name = reader.number(2), reader.text(), reader.number(1), reader.text() or ""
    return error, name, reader.array(lambda: _setting(reader))


def _setting(reader: Reader) -> tuple[str, str]:
    name, value = reader.text() or "", reader.text() or ""
    for _flag in range(3):  # read-only, source, sensitive
        reader.number(1)
    reader.array(lambda: (reader.text(), reader.text(), reader.number(1)))  # synonyms
    return name, value


def _member(reader: Reader) -> None:
    for _word in range(3):  # member, client, host
        reader.text()
    reader.skip()
    reader.skip()


def exchange(connection: socket.socket, message: bytes) -> bytes:
    """Send a request, return what follows the header of its answer. Raises ValueError and OSError."""
    connection.sendall(message)
    length = struct.unpack("!i", receive(connection, 4))[0]
    if not 4 <= length <= LONGEST:
        raise ValueError("an answer of impossible length")
    answer = receive(connection, length)
    if answer[:4] != message[8:12]:
        raise ValueError("an answer to another request")
    return answer[4:]
