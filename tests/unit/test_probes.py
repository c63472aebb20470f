"""What the probes write and read on the wire, byte by byte; against real servers they run in tests/integration."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_records, kafka_wire, postgres, redis, registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target


@contextmanager
def says(*parts: bytes) -> Iterator[Target]:
    """A server that takes one connection and writes the parts one by one, each after the next thing it was told."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                for part in parts:
                    connection.recv(4096)
                    for byte in (part[:1], part[1:]):  # TCP promises no message boundaries
                        connection.sendall(byte)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target("127.0.0.1", listening.getsockname()[1])
        thread.join(5)


# --- Redis ----------------------------------------------------------------------------------------------------------


def test_redis_lengths_are_in_bytes() -> None:
    assert redis.command("AUTH", "pä ss\r\n$") == b"*2\r\n$4\r\nAUTH\r\n$9\r\np\xc3\xa4 ss\r\n$\r\n"


@pytest.mark.parametrize(
    ("answers", "password", "kind", "evidence"),
    [
        ([b"+OK\r\n", b"+PONG\r\n"], "p", "", "answers PING after a login"),
        ([b"+PONG\r\n"], "", "", "asks for no password"),
        ([b"-NOAUTH Authentication required.\r\n"], "", "no_password", "the client holds none"),
        ([b"-WRONGPASS invalid username-password pair\r\n"], "p", "auth", "does not accept"),
        ([b"-ERR AUTH <password> called without any password configured\r\n"], "p", "auth", "without any password configured"),
        ([b"+OK\r\n", b"-LOADING Redis is loading the dataset in memory\r\n"], "p", "status", "LOADING Redis is loading"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], "", "protocol", "does not speak the protocol of Redis"),
        ([b""], "", "protocol", "does not speak the protocol of Redis"),
    ],
)
def test_redis_answers(answers: list[bytes], password: str, kind: str, evidence: str) -> None:
    with says(*answers) as target:
        result = registry.run("redis", target, {"password": password}, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


def bulk(*lines: str) -> bytes:
    text = "\r\n".join(lines).encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


@pytest.mark.parametrize(
    ("info", "kind", "evidence"),
    [
        (bulk("# Replication", "role:master", "rdb_last_bgsave_status:ok", "aof_last_write_status:ok"), "", "answers PING"),
        (bulk("role:slave", "master_host:10.0.0.9", "master_port:6379"), "readonly", "it is a replica of 10.0.0.9:6379; REPLICAOF NO ONE"),
        (bulk("role:master", "rdb_last_bgsave_status:err"), "readonly", "it cannot save (rdb_last_bgsave_status err)"),
        (b"-NOPERM this user has no permissions to run the 'info' command\r\n", "", "answers PING"),
        (b"$99\r\nrole:mas", "protocol", "closed the connection in the middle"),
        (b"+OK\r\n", "protocol", "does not speak the protocol of Redis"),
    ],
)
def test_redis_that_takes_no_writes(info: bytes, kind: str, evidence: str) -> None:
    with says(b"+PONG\r\n", info) as target:
        result = registry.run("redis", target, {"writable": True}, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


# --- Kafka ----------------------------------------------------------------------------------------------------------


def text(value: str | None) -> bytes:
    return struct.pack("!h", -1) if value is None else struct.pack("!h", len(value)) + value.encode()


def listed(version: int, *brokers: tuple[str, int]) -> bytes:
    """The part of a Metadata answer before its topics."""
    head = struct.pack("!i", 0) if version >= 3 else b""
    entries = [struct.pack("!i", node) + text(host) + struct.pack("!i", port) + text(None) for node, (host, port) in enumerate(brokers)]
    cluster = text("cluster") if version >= 2 else b""
    return head + struct.pack("!i", len(brokers)) + b"".join(entries) + cluster + struct.pack("!i", 1)


def framed(key: int, body: bytes) -> bytes:
    return struct.pack("!ii", len(body) + 4, key) + body


def offered(oldest: int, newest: int) -> bytes:
    return framed(18, struct.pack("!hihhhhhh", 0, 2, 18, 0, 4, 3, oldest, newest))


def test_kafka_request_is_framed_with_its_length() -> None:
    assert kafka_wire.request(18, 0) == b"\0\0\0\x1b" + struct.pack("!hhih", 18, 0, 18, 17) + b"auren-stack-probe"


@pytest.mark.parametrize(("version", "tail"), [(1, 0), (3, 0), (4, 1), (7, 1), (8, 3)])
def test_kafka_metadata_request_asks_for_no_topic(version: int, tail: int) -> None:
    sent = kafka_wire.metadata_request(version)
    assert len(sent) == 4 + struct.unpack("!i", sent[:4])[0]
    assert sent[-4 - tail :] == b"\0" * (4 + tail)


def test_kafka_metadata_request_never_makes_a_topic() -> None:
    assert kafka_wire.metadata_request(3, ["a"])[-4:] == b"\xff" * 4  # all that there are
    assert kafka_wire.metadata_request(4, ["a"])[-8:] == b"\0\0\0\x01\0\x01a\0"
    assert kafka_wire.metadata_request(8, ["a"])[-10:] == b"\0\0\0\x01\0\x01a\0\0\0"


def told(version: int, brokers: list[tuple[str, int]], topics: dict[str, list[int]], error: int = 0) -> bytes:
    """A Metadata answer."""
    some = struct.pack("!iii", 2, 1, 2)  # a list of replicas
    lists = some * (3 if version >= 5 else 2)
    epoch = struct.pack("!i", 9) if version >= 7 else b""
    tail = struct.pack("!i", 0) if version >= 8 else b""
    data = listed(version, *brokers) + struct.pack("!i", len(topics))
    for name, leaders in topics.items():
        parts = b"".join(struct.pack("!hii", 0, index, leader) + epoch + lists for index, leader in enumerate(leaders))
        data += struct.pack("!h", error) + text(name) + b"\0" + struct.pack("!i", len(leaders)) + parts + tail
    return data


@pytest.mark.parametrize("version", range(1, 9))
def test_kafka_metadata_of_every_version(version: int) -> None:
    brokers, topics = [("auren-kafka", 9092), ("10.0.0.9", 19092)], {"events": [1, 2, -1], "dead": [1]}
    assert kafka_wire.metadata(told(version, brokers, topics), version) == kafka_wire.Metadata(dict(enumerate(brokers)), topics)
    assert kafka_wire.metadata(told(version, brokers, {"events": []}, error=3), version).topics == {}


@pytest.mark.parametrize("cut", range(0, 90, 7))
def test_kafka_answer_that_is_cut_off(cut: int) -> None:
    with pytest.raises(ValueError, match="too short"):
        kafka_wire.metadata(told(8, [("auren-kafka", 9092), ("b", 1)], {"events": [1, 2, 3]})[:cut], 8)


def described(state: str, members: int, error: int = 0) -> bytes:
    one = text("m") + text("c") + text("h") + struct.pack("!i", -1) + struct.pack("!i", 2) + b"xx"
    return (
        struct.pack("!ih", 1, error)
        + text("g")
        + text(state)
        + text("consumer")
        + text("range")
        + struct.pack("!i", members)
        + one * members
    )


def test_kafka_groups() -> None:
    assert kafka_wire.coordinator(struct.pack("!hi", 0, 1) + text("auren-kafka") + struct.pack("!i", 9092)) == ("auren-kafka", 9092)
    assert kafka_wire.group(described("Stable", 2)) == kafka_wire.Group("Stable", 2)
    assert kafka_wire.group(described("Empty", 0)) == kafka_wire.Group("Empty", 0)
    with pytest.raises(ValueError, match="error 15 to FindCoordinator"):
        kafka_wire.coordinator(struct.pack("!h", 15))
    with pytest.raises(ValueError, match="error 30 to DescribeGroups"):
        kafka_wire.group(described("", 0, error=30))


@pytest.mark.parametrize(
    ("answers", "kind", "evidence"),
    [
        ([offered(0, 13), framed(3, told(8, [], {}))], "advertised", "names no broker"),
        ([offered(9, 13)], "protocol", "Metadata 9 to 13 only"),
        ([framed(18, struct.pack("!hi", 35, 0))], "protocol", "error 35 to ApiVersions"),
        ([framed(7, b"")], "protocol", "an answer to another request"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "protocol", "an answer of impossible length"),
        ([b"\0\0\0\x10half"], "protocol", "it ended in the middle of an answer"),
    ],
)
def test_kafka_answers(answers: list[bytes], kind: str, evidence: str) -> None:
    with says(*answers) as target:
        result = registry.run("kafka", target, {}, 2)
    assert (result.ok, result.kind) == (False, kind), result
    assert evidence in result.evidence


# --- HTTP -----------------------------------------------------------------------------------------------------------


def page(status: int, body: str, kind: str = "") -> bytes:
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    return f"HTTP/1.1 {status} X\r\n{typed}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "options", "kind", "evidence"),
    [
        (page(200, ""), {}, "", "GET / of "),
        (page(204, ""), {"status": 204, "path": "/-/ready"}, "", "GET /-/ready of "),
        (page(503, ""), {}, "status", "answers 503 instead of 200"),
        (page(200, '{"healthy": true, "x": 1}'), {"json": {"healthy": True}}, "", "healthy true"),
        (page(200, '{"healthy": false}'), {"json": {"healthy": True}}, "status", "healthy is false instead of true"),
        (page(200, "{}"), {"json": {"healthy": True}}, "status", "healthy is nothing instead of true"),
        (page(200, "[]"), {"json": {"healthy": True}}, "protocol", "no JSON object"),
        (page(200, "fine"), {"json": {"healthy": True}}, "protocol", "its body is no JSON"),
        (page(200, '{"a": {"b": [{"c": 1}]}}'), {"json": {"a.b.0.c": 1}}, "", "a.b.0.c 1"),
        (page(200, '{"a.b": 2, "a": {"b": 1}}'), {"json": {"a.b": 2}}, "", "a.b 2"),
        (page(200, '{"a": {"b": null}}'), {"json": {"a.b": None}}, "", "a.b null"),
        (page(200, '{"a": []}'), {"json": {"a.0": 1}}, "status", "a.0 is nothing instead of 1"),
        (page(200, "<title>AUREN</title>"), {"body": "AUREN"}, "", "answers 200"),
        (page(200, "<title>nginx</title>"), {"body": "AUREN"}, "status", "but 'AUREN' is not in it"),
        (page(200, "{}", "application/json"), {"type": "application/json"}, "", "answers 200"),
        (page(200, "<html>", "text/html"), {"type": "application/json"}, "status", "but as text/html instead of application/json"),
        (page(200, ""), {"type": "text"}, "status", "but as nothing instead of text"),
        (b"+PONG\r\n", {}, "protocol", "does not speak HTTP"),
        (b"", {}, "protocol", "does not speak HTTP"),
    ],
)
def test_http_answers(answer: bytes, options: dict[str, object], kind: str, evidence: str) -> None:
    with says(answer) as target:
        result = registry.run("http", target, options, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def refusal(code: str, message: str) -> bytes:
    body = b"SFATAL\0C" + code.encode() + b"\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@pytest.mark.parametrize(
    ("answer", "password", "kind"),
    [
        (b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I", "p", ""),
        (refusal("28P01", "password authentication failed"), "p", "auth"),
        (refusal("28P01", "password authentication failed"), "", "no_password"),
        (refusal("3D000", 'database "x" does not exist'), "p", "status"),
        (b"HTTP/1.1 400 Bad Request\r\n", "p", "protocol"),
        (b"", "p", "protocol"),
    ],
)
def test_postgres_answers(answer: bytes, password: str, kind: str) -> None:
    with says(answer) as target:
        result = registry.run("postgres", target, {"user": "u", "password": password}, 2)
    assert (result.ok, result.kind) == (not kind, kind), result


WELCOME = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"


def rows(*found: str | None) -> bytes:
    """One column."""
    packed = b""
    for value in found:
        body = struct.pack("!hi", 1, -1) if value is None else struct.pack("!hi", 1, len(value)) + value.encode()
        packed += b"D" + struct.pack("!I", len(body) + 4) + body
    return packed + b"C\0\0\0\x0dSELECT 1\0" + b"Z\0\0\0\x05I"


@pytest.mark.parametrize(
    ("answers", "kind", "evidence"),
    [
        ([rows("1"), rows("time", "user_id")], "", "with extension timescaledb, table events"),
        ([rows(), rows("time", "user_id")], "missing", "has no extension timescaledb"),
        ([rows("1"), rows()], "missing", "has no table events"),
        ([rows("1"), rows("time", None)], "missing", "has no column user_id in table events"),
        ([rows(), rows()], "missing", "has no extension timescaledb, no table events"),
        ([refusal("42501", "permission denied")], "status", "refuses what u asks: permission denied"),
    ],
)
def test_postgres_that_lacks_what_its_clients_use(answers: list[bytes], kind: str, evidence: str) -> None:
    with says(WELCOME, *answers) as target:
        options = {"user": "u", "extension": "timescaledb", "tables": {"events": ["time", "user_id"]}}
        result = registry.run("postgres", target, options, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


def test_a_text_in_sql_ends_where_it_should() -> None:
    assert postgres.quoted("a'b\\c") == r"E'a''b\\c'"


# --- records of Kafka -----------------------------------------------------------------------------------------------


def test_the_checksum_of_a_record() -> None:
    assert kafka_records.crc32c(b"123456789") == 0xE3069283  # the check value of its catalogue


def fetched(records: bytes, error: int = 0) -> bytes:
    """An answer to Fetch 4 about one partition."""
    head = struct.pack("!ii", 0, 1) + text("t") + struct.pack("!iihqqi", 1, 0, error, 9, 9, -1)
    return head + struct.pack("!i", len(records)) + records


def test_a_record_that_was_written_is_read_again() -> None:
    sent = kafka_records.produce_request("t", "wörd".encode(), 1_700_000_000_000)
    batch = sent[sent.index(struct.pack("!i", -1) + b"\x02") - 12 :]
    [found] = kafka_records.batches(fetched(batch))
    assert (found.first, found.last) == (0, 0)
    assert "wörd".encode() in (found.content or b"")
    assert kafka_records.batches(fetched(batch + batch[:30])) == [found]  # a broker may cut the last one off
    assert kafka_records.batches(fetched(b"")) == []


def test_what_kafka_says_of_records() -> None:
    one = struct.pack("!i", 1) + text("t") + struct.pack("!ii", 1, 0)
    assert kafka_records.offset(one + struct.pack("!hqq", 0, 5, 42)) == 42
    assert kafka_records.committed(one + struct.pack("!q", 7) + text("") + struct.pack("!h", 0)) == 7
    assert kafka_records.produced(one + struct.pack("!hqq", 6, -1, -1)) == (6, -1)
    kafka_records.created(struct.pack("!ii", 0, 1) + text("t") + struct.pack("!h", 36) + text(None))
    for call, answer in (
        (kafka_records.offset, one + struct.pack("!hqq", 3, 0, 0)),
        (kafka_records.committed, one + struct.pack("!q", -1) + text("") + struct.pack("!h", 16)),
        (kafka_records.batches, fetched(b"", error=1)),
        (kafka_records.created, struct.pack("!ii", 0, 1) + text("t") + struct.pack("!h", 29) + text("no")),
    ):
        with pytest.raises(ValueError, match="error "):
            call(answer)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    for name in sorted(set(registry.PROBES) - {"dns"}):
        result = registry.run(name, Target("127.0.0.1", port), {"user": "u"}, 2)
        assert result.kind == "refused", name
        assert result.evidence == f"127.0.0.1:{port} refuses the connection: nothing listens there"
    assert json.dumps(registry.run("dns", Target("a b.invalid", 0), {}, 2).kind) == '"dns"'
