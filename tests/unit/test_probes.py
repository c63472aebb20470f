"""What the probes write and read on the wire, byte by byte; against real servers they run in tests/integration."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.auren.stack.plugins.module_utils.probes import kafka, redis, registry
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


# --- Kafka ----------------------------------------------------------------------------------------------------------


def text(value: str | None) -> bytes:
    return struct.pack("!h", -1) if value is None else struct.pack("!h", len(value)) + value.encode()


def listed(version: int, *brokers: tuple[str, int]) -> bytes:
    """The part of a Metadata answer that holds the brokers."""
    head = struct.pack("!i", 0) if version >= 3 else b""
    entries = [struct.pack("!i", 1) + text(host) + struct.pack("!i", port) + text(None) for host, port in brokers]
    return head + struct.pack("!i", len(brokers)) + b"".join(entries) + text("cluster") + struct.pack("!ii", 1, 0)


def framed(key: int, body: bytes) -> bytes:
    return struct.pack("!ii", len(body) + 4, key) + body


def offered(oldest: int, newest: int) -> bytes:
    return framed(18, struct.pack("!hihhhhhh", 0, 2, 18, 0, 4, 3, oldest, newest))


def test_kafka_request_is_framed_with_its_length() -> None:
    assert kafka.request(18, 0) == b"\0\0\0\x1b" + struct.pack("!hhih", 18, 0, 18, 17) + b"auren-stack-probe"


@pytest.mark.parametrize(("version", "tail"), [(1, 0), (3, 0), (4, 1), (7, 1), (8, 3)])
def test_kafka_metadata_request_asks_for_no_topic(version: int, tail: int) -> None:
    sent = kafka.metadata_request(version)
    assert len(sent) == 4 + struct.unpack("!i", sent[:4])[0]
    assert sent[-4 - tail :] == b"\0" * (4 + tail)


@pytest.mark.parametrize("version", range(1, 9))
def test_kafka_brokers_of_every_version(version: int) -> None:
    wanted = [("auren-kafka", 9092), ("10.0.0.9", 19092)]
    assert kafka.brokers(listed(version, *wanted), version) == wanted


@pytest.mark.parametrize("cut", range(0, 40, 7))
def test_kafka_answer_that_is_cut_off(cut: int) -> None:
    with pytest.raises(ValueError, match="too short"):
        kafka.brokers(listed(8, ("auren-kafka", 9092), ("b", 1))[:cut], 8)


@pytest.mark.parametrize(
    ("answers", "kind", "evidence"),
    [
        ([offered(0, 13), framed(3, listed(8))], "advertised", "names no broker"),
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


def page(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


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


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    for name in sorted(set(registry.PROBES) - {"dns"}):
        result = registry.run(name, Target("127.0.0.1", port), {"user": "u"}, 2)
        assert result.kind == "refused", name
        assert result.evidence == f"127.0.0.1:{port} refuses the connection: nothing listens there"
    assert json.dumps(registry.run("dns", Target("a b.invalid", 0), {}, 2).kind) == '"dns"'
