# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of Kafka, byte by byte: find one again, write one, and ask how far a group has read.

Source: Apache Kafka documentation, "Kafka protocol guide" (Produce 3, Fetch 4, ListOffsets 1, OffsetFetch 1, CreateTopics 2: the versions
before compact encodings, which brokers from 1.0 to 4 serve) and "Message format" (record batch, magic 2); RFC 3720, B.4, for CRC32C.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.probes.kafka_wire import Reader, request, text

PRODUCE, FETCH, LIST_OFFSETS, OFFSET_FETCH, CREATE_TOPICS = 0, 1, 2, 9, 19
EXISTS = 36  # error: a topic of this name is there already
NOT_YET = (3, 5, 6)  # errors of a topic that was just made: unknown, no leader, another leads
MOST = 1 << 20  # bytes of records that are fetched at once
GZIP = 1  # the one compression that Python can read everywhere
HEAD = struct.Struct("!qiibIhiqqqhii")  # a record batch up to its records


@dataclass(frozen=True)
class Batch:
    """first, last: offsets. content: of its records; None where they are compressed in a way that cannot be read here."""

    first: int
    last: int
    content: bytes | None


def _one(topic: str, partition: bytes) -> bytes:
    """An array of one topic with an array of one partition."""
    return struct.pack("!i", 1) + text(topic) + struct.pack("!i", 1) + partition


def _opened(data: bytes, throttled: bool) -> Reader:
    """A reader behind the partition's number in an answer about one partition; raises ValueError for any other answer."""
    reader = Reader(data)
    if throttled:
        reader.number(4)
    if reader.number(4) != 1 or not reader.text() or reader.number(4) != 1:
        raise ValueError("an answer about other topics")
    reader.number(4)
    return reader


def offsets_request(topic: str, partition: int, timestamp: int) -> bytes:
    """Which is the first record at or after a time? timestamp: milliseconds since 1970, -1 for the end."""
    return request(LIST_OFFSETS, 1, struct.pack("!i", -1) + _one(topic, struct.pack("!iq", partition, timestamp)))


def offset(data: bytes) -> int:
    """The answer: an offset, -1 where there is no such record. Raises ValueError."""
    reader = _opened(data, throttled=False)
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to ListOffsets")
    reader.number(8)  # its time
    return reader.number(8)


def fetch_request(topic: str, partition: int, start: int) -> bytes:
    """Records from an offset on, as many as there are now."""
    head = struct.pack("!iiiib", -1, 0, 0, MOST, 0)  # no replica, no waiting, not only what is committed
    return request(FETCH, 4, head + _one(topic, struct.pack("!iqi", partition, start, MOST)))


def batches(data: bytes) -> list[Batch]:
    """The answer. Raises ValueError."""
    reader = _opened(data, throttled=True)
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to Fetch")
    reader.number(8)  # high watermark
    reader.number(8)  # last stable offset
    for _aborted in range(max(reader.number(4), 0)):
        reader.number(8)
        reader.number(8)
    length = max(reader.number(4), 0)
    return list(_batches(reader.data[reader.at : reader.at + length]))


def _batches(records: bytes) -> Iterator[Batch]:
    """A broker may cut the last one off."""
    at = 0
    while at + HEAD.size <= len(records):
        first, length, _epoch, magic, _crc, attributes, delta, *_rest = HEAD.unpack_from(records, at)
        end = at + 12 + length
        if end > len(records):
            return
        if magic == 2:
            yield Batch(first, first + delta, _content(records[at + HEAD.size : end], attributes & 7))
        at = end


def _content(packed: bytes, compression: int) -> bytes | None:
    if compression == GZIP:
        try:
            return zlib.decompress(packed, zlib.MAX_WBITS | 16)
        except zlib.error:
            return None
    return packed if compression == 0 else None


def committed_request(group: str, topic: str, partition: int) -> bytes:
    """How far has a group read? Its coordinator is asked."""
    return request(OFFSET_FETCH, 1, text(group) + _one(topic, struct.pack("!i", partition)))


def committed(data: bytes) -> int:
    """The answer: the offset that it reads next, -1 where it has never read. Raises ValueError."""
    reader = _opened(data, throttled=False)
    found = reader.number(8)
    reader.text()
    error = reader.number(2)
    if error:
        raise ValueError(f"error {error} to OffsetFetch")
    return found


def create_request(topic: str, retention: int) -> bytes:
    """A topic of one partition. retention: milliseconds that it keeps its records."""
    config = struct.pack("!i", 1) + text("retention.ms") + text(str(retention))
    one = text(topic) + struct.pack("!ih", 1, 1) + struct.pack("!i", 0) + config
    return request(CREATE_TOPICS, 2, struct.pack("!i", 1) + one + struct.pack("!ib", 5000, 0))


def created(data: bytes) -> None:
    """The answer. Raises ValueError when the topic is neither made nor there already."""
    reader = Reader(data)
    reader.number(4)  # throttle time
    if reader.number(4) != 1:
        raise ValueError("an answer about other topics")
    reader.text()
    error, said = reader.number(2), reader.text()
    if error not in (0, EXISTS):
        raise ValueError(f"error {error} to CreateTopics ({said or 'it says no more'})")


def produce_request(topic: str, value: bytes, now: int) -> bytes:
    """One record for partition 0, acknowledged by its leader. now: milliseconds since 1970."""
    batch = _batch(value, now)
    records = struct.pack("!i", 0) + struct.pack("!i", len(batch)) + batch
    return request(PRODUCE, 3, struct.pack("!hhi", -1, 1, 5000) + _one(topic, records))


def produced(data: bytes) -> tuple[int, int]:
    """The answer: error, and the offset of the record. Raises ValueError when it is none."""
    reader = _opened(data, throttled=False)
    return reader.number(2), reader.number(8)


def _batch(value: bytes, now: int) -> bytes:
    record = b"\0" + _varint(0) + _varint(0) + _varint(-1) + _varint(len(value)) + value + _varint(0)
    content = _varint(len(record)) + record
    covered = struct.pack("!hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + content
    return struct.pack("!qiibI", 0, len(covered) + 9, -1, 2, crc32c(covered)) + covered


def _varint(number: int) -> bytes:
    """Zigzag, then seven bits a byte, the lowest first."""
    left, coded = (number << 1) ^ (number >> 63), b""
    while left > 0x7F:
        coded += bytes([left & 0x7F | 0x80])
        left >>= 7
    return coded + bytes([left])


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
