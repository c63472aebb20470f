"""How a container finds names: its two files, and DNS messages byte by byte. With a real resolver in tests/integration."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.auren.stack.plugins.module_utils import names
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError

HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost # loopback\n\n172.18.0.5\t4f0c2d auren-Test\n"
RESOLV = "# made by Docker Engine\nnameserver 127.0.0.11\nsearch one.example two.example\noptions edns0 trust-ad ndots:0\n"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def reply(number: int, name: str, *records: tuple[int, bytes], flags: int = 0x8180) -> bytes:
    """A reply whose records point back to the question's name."""
    asked = labels(name) + struct.pack("!2H", names.A, 1)
    found = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 600, len(data)) + data for kind, data in records]
    return struct.pack("!6H", number, flags, 1, len(records), 0, 0) + asked + b"".join(found)


def test_the_two_files() -> None:
    known = names.parse(HOSTS, RESOLV)
    assert known.hosts["localhost"] == ["127.0.0.1", "::1"]
    assert (known.servers, known.search, known.ndots) == (("127.0.0.11",), ("one.example", "two.example"), 0)
    assert known.resolve("AUREN-test", 1) == ["172.18.0.5"]
    assert known.resolve("10.0.0.7", 1) == ["10.0.0.7"]
    assert names.parse("", "").servers == ("127.0.0.11",)


@pytest.mark.parametrize(
    ("name", "ndots", "candidates"),
    [
        ("redis", 0, ["redis", "redis.one.example", "redis.two.example"]),
        ("redis", 1, ["redis.one.example", "redis.two.example", "redis"]),
        ("a.b", 1, ["a.b", "a.b.one.example", "a.b.two.example"]),
        ("a.b.", 5, ["a.b"]),
    ],
)
def test_search_domains(name: str, ndots: int, candidates: list[str]) -> None:
    assert names.Names({}, search=("one.example", "two.example"), ndots=ndots)._candidates(name) == candidates


def test_a_question() -> None:
    asked = names.question(7, "auren-redis", names.A)
    assert asked == b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x0bauren-redis\0\0\x01\0\x01"


@pytest.mark.parametrize("name", ["a..b", "", "x" * 64])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        names.question(7, name, names.A)


def test_an_alias_leads_to_its_addresses() -> None:
    data = reply(7, "redis", (names.CNAME, labels("auren-redis")), (names.A, b"\xac\x12\0\x05"), (names.A, b"\xac\x12\0\x06"))
    assert names.answer(7, data, names.A) == (names.NO_ERROR, ["172.18.0.5", "172.18.0.6"])
    assert names.answer(7, data, names.AAAA) == (names.NO_ERROR, [])


def test_no_such_name() -> None:
    assert names.answer(7, reply(7, "redis", flags=0x8183), names.A) == (names.NO_SUCH_NAME, [])


@pytest.mark.parametrize(
    "data", [b"", b"\0\x07", reply(8, "redis"), reply(7, "redis", flags=0x0100), reply(7, "r", (names.A, b"1234"))[:-9]]
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ValueError, match="reply"):
        names.answer(7, data, names.A)


def test_a_nameserver_that_is_silent_or_absent() -> None:
    with pytest.raises(ProbeError, match=r"redis does not resolve: 127\.0\.0\.99 gives no answer") as told:
        names.Names({}, servers=("127.0.0.99",)).resolve("redis", 0.2)
    assert told.value.kind == "dns"
    assert socket.getdefaulttimeout() is None
