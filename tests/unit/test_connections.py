"""Sockets as the kernel lists them, who holds a connection to whom, and closing one that somebody else holds."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import connections, proc_net
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import Flow, summary
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1  # sched.h, linux/sockios.h, net/if.h
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0"


def v4(address: str) -> str:
    """As /proc/net/tcp has it: a word in the byte order of this machine."""
    return proc_words(socket.inet_aton(address))


def v6(address: str) -> str:
    return proc_words(socket.inet_pton(socket.AF_INET6, address))


def proc_words(packed: bytes) -> str:
    words = [int.from_bytes(packed[i : i + 4], sys.byteorder) for i in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words)


def line(local: str, remote: str, state: str, inode: int = 7) -> str:
    return f"   0: {local} {remote} {state} {REST} {inode} 1 0000000000000000 20 4 30 10 -1\n"


# --- what the kernel lists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "remote", "ends"),
    [
        (f"{v4('10.1.2.3')}:1F90", f"{v4('10.1.2.4')}:D431", (("10.1.2.3", 8080), ("10.1.2.4", 54321))),
        (f"{v6('::ffff:10.1.2.3')}:1F90", f"{v6('::ffff:10.1.2.4')}:D431", (("10.1.2.3", 8080), ("10.1.2.4", 54321))),
        (f"{v6('fd00::1')}:0050", f"{v6('fd00::2')}:0051", (("fd00::1", 80), ("fd00::2", 81))),
        (f"{v6('::')}:0050", f"{v6('::')}:0000", (("::", 80), ("::", 0))),
        (f"{v6('::1')}:0050", f"{v6('::10.1.2.3')}:0001", (("::1", 80), ("::10.1.2.3", 1))),  # not a mapped one
    ],
    ids=["IPv4", "IPv4 in IPv6", "IPv6", "any", "compatible"],
)
def test_addresses_of_a_socket(local: str, remote: str, ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    (found,) = proc_net.parse(HEAD + line(local, remote, "01", 99))
    assert (found.state, found.local, found.remote, found.inode) == ("01", *ends, "99")


def test_both_families_are_read_and_a_process_that_has_ended_has_none(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(HEAD + line(f"{v4('10.0.0.1')}:0001", f"{v4('0.0.0.0')}:0000", proc_net.LISTEN))
    assert [one.local for one in proc_net.sockets(tmp_path)] == [("10.0.0.1", 1)]
    (tmp_path / "tcp6").write_text(HEAD + line(f"{v6('::ffff:10.0.0.1')}:0002", f"{v6('::')}:0000", proc_net.LISTEN))
    assert [one.local for one in proc_net.sockets(tmp_path)] == [("10.0.0.1", 1), ("10.0.0.1", 2)]
    assert proc_net.sockets(tmp_path / "gone") == []
    assert list(proc_net.parse("")) == list(proc_net.parse(HEAD)) == []


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")], ids=["IPv4", "IPv4 in IPv6"])
def test_a_real_connection_is_listed_on_both_sides(family: socket.AddressFamily, host: str) -> None:
    with pair(family, host) as (client, server):
        ends = {client.getsockname()[1], server.getsockname()[1]}
        here = [one for one in proc_net.sockets(Path("/proc/self/net")) if one.state == proc_net.ESTABLISHED]
        mine = [one for one in here if {one.local[1], one.remote[1]} == ends]
        assert [(one.local[0], one.remote[0]) for one in mine] == [("127.0.0.1", "127.0.0.1")] * 2


# --- who holds what ---------------------------------------------------------------------------------------------------


def box(name: str, pid: int, address: str, network: str = "net", **more: Any) -> Container:
    place = Endpoint(network, "id", address, ())
    return Container(f"id-{name}", name, "img:1", "sha256:1", **{"state": "running", "pid": pid, "endpoints": (place,), **more})


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Processes of this test's own: 1 serves, 2 and 3 are clients, over IPv4 and over IPv4 in IPv6."""
    listening = line(f"{v4('0.0.0.0')}:1538", f"{v4('0.0.0.0')}:0000", proc_net.LISTEN)
    served = [line(f"{v4('10.0.0.1')}:1538", f"{v4(f'10.0.0.{n}')}:{port}", "01") for n, port in ((2, "9001"), (2, "9002"), (3, "9003"))]
    write(tmp_path, 1, "tcp", listening + "".join(served))
    held = [line(f"{v4('10.0.0.2')}:900{n}", f"{v4('10.0.0.1')}:1538", "01") for n in (1, 2)]
    elsewhere = line(f"{v4('10.0.0.2')}:9009", f"{v4('8.8.8.8')}:0035", "01") + line(
        f"{v4('10.9.0.2')}:9008", f"{v4('10.0.0.1')}:1538", "01"
    )
    ended = line(f"{v4('10.0.0.2')}:9007", f"{v4('10.0.0.1')}:1538", "06")
    write(tmp_path, 2, "tcp", "".join(held) + elsewhere + ended)
    write(tmp_path, 3, "tcp6", line(f"{v6('::ffff:10.0.0.3')}:9003", f"{v6('::ffff:10.0.0.1')}:1538", "01"))
    monkeypatch.setattr(connections, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    return tmp_path


def write(root: Path, pid: int, name: str, text: str) -> None:
    path = root / "proc" / str(pid) / "net" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)


@pytest.mark.usefixtures("proc")
def test_connections_are_counted_once_at_the_side_that_opened_them() -> None:
    found = connections.flows([box("db", 1, "10.0.0.1"), box("app", 2, "10.0.0.2"), box("job", 3, "10.0.0.3")], ["net"])
    assert found == (Flow("net", "app", "db", 2), Flow("net", "job", "db", 1))
    assert summary(found) == "app holds 2 to db, job holds 1 to db"


@pytest.mark.usefixtures("proc")
def test_only_running_containers_on_the_networks_that_are_asked_for_count() -> None:
    db, app = box("db", 1, "10.0.0.1"), box("app", 2, "10.0.0.2")
    assert connections.flows([db, app], []) == ()
    assert connections.flows([db, app], ["other"]) == ()
    assert connections.flows([db, box("app", 2, "10.0.0.2", network="other")], ["net", "other"]) == ()
    assert connections.flows([db, box("app", 2, "10.0.0.2", state="exited")], ["net"]) == ()
    assert connections.flows([box("db", 1, "10.0.0.1", state="exited"), app], ["net"]) == ()
    assert connections.flows([db, box("app", 9, "10.0.0.2")], ["net"]) == ()  # it has just ended


# --- closing ----------------------------------------------------------------------------------------------------------


@contextmanager
def pair(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection over IPv4, the server perhaps on an IPv6 socket."""
    with socket.create_server((host, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        client = socket.create_connection(("127.0.0.1", listener.getsockname()[1]))
        server = listener.accept()[0]
        with client, server:
            yield client, server


def ended(one: socket.socket) -> bool:
    """Whether the kernel has closed it."""
    one.settimeout(2)
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv4 in IPv6"])
def test_a_connection_is_closed_under_its_holders(family: socket.AddressFamily) -> None:
    """In a network namespace of a child's own, so that nothing else of this machine can be meant."""
    if in_namespace(lambda: _closed(family)) == NOT_ALLOWED:
        pytest.skip("no network namespace of one's own here")
    assert in_namespace(lambda: _closed(family)) == 0


def _closed(family: socket.AddressFamily) -> bool:
    with pair(family, "::" if family == socket.AF_INET6 else "127.0.0.1") as (client, server):
        assert connections.close("10.9.9.9", remote=False) == 0
        assert connections.close("127.0.0.1", remote=True) in (1, 2)  # closing one side resets the other
        return ended(client) and ended(server)


NOT_ALLOWED = 77


def in_namespace(work: Callable[[], bool]) -> int:
    """The status of a child that does some work with a loopback of its own: 0 when it was true."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
                os._exit(NOT_ALLOWED)
            with socket.socket() as any_socket:
                fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Kernel:
    """Answers a netlink request with an error number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, *_words: Any) -> Kernel:
        return self

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_words: Any) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def send(self, request: bytes) -> None:
        self.request = request

    def recv(self, size: int) -> bytes:
        return bytes(16) + (-self.number).to_bytes(4, sys.byteorder, signed=True)


@pytest.mark.parametrize(("number", "closed"), [(0, 1), (2, 0)], ids=["closed", "had ended"])
def test_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch, number: int, closed: int) -> None:
    monkeypatch.setattr(socket, "socket", Kernel(number))
    assert connections._destroy(socket.AF_INET, bytes(48)) == closed


@pytest.mark.parametrize("number", [1, 22, 95], ids=["EPERM", "EINVAL", "EOPNOTSUPP"])
def test_a_kernel_that_cannot(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(socket, "socket", Kernel(number))
    with pytest.raises(StackError) as caught:
        connections._destroy(socket.AF_INET, bytes(48))
    assert (caught.value.message, caught.value.kind) == ("the kernel closes no connections for others", "unsupported")


def test_a_connection_that_has_ended_does_not_take_the_listening_socket_along() -> None:
    """Without the kernel's cookie the request would find the socket that listens on the connection's port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1].to_bytes(2, "big")
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            mine = [identity for identity in connections._established(socket.AF_INET) if port in (identity[:2], identity[2:4])]
        assert len(mine) == 2
        assert [connections._destroy(socket.AF_INET, identity) for identity in mine] in ([0, 0], [1, 0], [0, 1])  # one may be in TIME-WAIT
        with socket.create_connection(server.getsockname(), timeout=2):
            server.settimeout(2)
            server.accept()[0].close()
