"""What is read from a host: data directories, listening sockets, files; on real ones."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import files, guards, host_ports, mounts
from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Image
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock

from tests.unit.builders import container, image, service

DEBIAN = {"PG_MAJOR": "17", "PATH": "/usr/local/bin:/usr/lib/postgresql/17/bin"}
ALPINE = {"PG_MAJOR": "17", "PATH": "/usr/local/bin:/usr/bin"}

# --- guards -----------------------------------------------------------------------------------------------------------


def directory(tmp_path: Path, contents: dict[str, str]) -> str:
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("contents", "there"), [({}, False), ({"lost+found/x": ""}, False), ({"PG_VERSION": "17"}, True), ({".hidden": ""}, True)]
)
def test_whether_a_directory_holds_data(tmp_path: Path, contents: dict[str, str], there: bool) -> None:
    assert guards.holds_data(directory(tmp_path, contents)) is there
    assert guards.holds_data(str(tmp_path / "nowhere")) is False


@pytest.mark.parametrize(
    ("contents", "env", "kind"),
    [
        ({}, DEBIAN, None),
        ({"x": ""}, DEBIAN, None),  # no cluster
        ({"PG_VERSION": "17\n"}, DEBIAN, None),
        ({"PG_VERSION": "17\n"}, {}, None),  # an image that does not say
        ({"PG_VERSION": "16\n"}, DEBIAN, "postgres_major"),
        ({"PG_VERSION": "17", "postmaster.opts": "/usr/lib/postgresql/17/bin/postgres"}, DEBIAN, None),
        ({"PG_VERSION": "17", "postmaster.opts": "/usr/local/bin/postgres"}, DEBIAN, "postgres_libc"),
        ({"PG_VERSION": "17", "postmaster.opts": "/usr/local/bin/postgres"}, ALPINE, None),
        ({"PG_VERSION": "17", "postmaster.opts": "/usr/lib/postgresql/17/bin/postgres"}, ALPINE, "postgres_libc"),
        ({"PG_VERSION": "16", "postmaster.opts": "/usr/local/bin/postgres"}, DEBIAN, "postgres_major"),
    ],
)
def test_the_guard_of_postgres(tmp_path: Path, contents: dict[str, str], env: dict[str, str], kind: str | None) -> None:
    problem = guards.guard_postgres(directory(tmp_path, contents), image(env=env), "pg", "pg:1", {}, "its_volume")
    assert (problem.kind if problem else None) == kind
    assert problem is None or problem.message.endswith("restore it into an empty volume (its_volume)")


@pytest.mark.parametrize(
    ("contents", "environment", "kind"),
    [
        ({}, {"CLUSTER_ID": "A"}, None),
        ({"lost+found/x": ""}, {"CLUSTER_ID": "A"}, None),
        ({"meta.properties": "version=1\ncluster.id=A\n"}, {"CLUSTER_ID": "A"}, None),
        ({"meta.properties": "version=1\ncluster.id=A\n"}, {}, None),
        ({"meta.properties": "# c\ncluster.id=A\n"}, {"CLUSTER_ID": "B"}, "kafka_cluster"),
        ({"data/meta.properties": "cluster.id=A\n"}, {"KAFKA_KRAFT_CLUSTER_ID": "B"}, "kafka_cluster"),
        ({"data/meta.properties": "cluster.id=A\n"}, {"KAFKA_KRAFT_CLUSTER_ID": "A"}, None),
        ({"topic-0/x.log": ""}, {"CLUSTER_ID": "A"}, "kafka_unformatted"),
    ],
)
def test_the_guard_of_kafka(tmp_path: Path, contents: dict[str, str], environment: dict[str, str], kind: str | None) -> None:
    image = Image("", {}, {}, ())
    problem = guards.guard_kafka(directory(tmp_path, contents), image, "kafka", "kafka:1", environment, "its_volume")
    assert (problem.kind if problem else None) == kind
    assert problem is None or "its_volume to an empty volume" in problem.message


# --- ports ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "address", "wanted", "collides"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1", True),
        (socket.AF_INET, "127.0.0.1", "0.0.0.0", True),
        (socket.AF_INET, "127.0.0.1", "", True),
        (socket.AF_INET, "127.0.0.1", "127.0.0.2", False),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1", True),
        (socket.AF_INET6, "::", "127.0.0.1", True),
        (socket.AF_INET6, "::1", "127.0.0.1", False),
    ],
)
def test_our_own_listening_socket_is_found(family: int, address: str, wanted: str, collides: bool) -> None:
    with closing(socket.create_server((address, 0), family=socket.AddressFamily(family))) as taken:
        port = taken.getsockname()[1]
        me = f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
        present = host_ports.listeners()
        assert host_ports.taken_by(Binding(wanted, port, "6379/tcp"), present) == (me if collides else "")
        assert host_ports.taken_by(Binding(wanted, port, "6379/udp"), present) == ""
    assert host_ports.taken_by(Binding(wanted, port, "6379/tcp"), host_ports.listeners()) == ""


def test_a_connection_is_no_listener_and_a_process_that_cannot_be_seen_is_another_one(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, closing(socket.create_connection(server.getsockname())) as client:
        assert host_ports.taken_by(Binding("127.0.0.1", client.getsockname()[1], "80/tcp"), host_ports.listeners()) == ""
    assert host_ports.listeners(tmp_path) == []
    assert host_ports.owner("0", tmp_path) == "another process"


# --- files ------------------------------------------------------------------------------------------------------------

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")


def wanted(path: Path, content: bytes = b"secret", mode: int = 0o400) -> WantedFile:
    return WantedFile(path, content, mode, os.geteuid(), os.getegid())


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_are_those_that_were_asked_for_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        files.make_directory(tmp_path / "a" / "private", 0o700)
        for mode in (0o400, 0o600, 0o644):
            files.write(wanted(tmp_path / "b" / "c" / oct(mode), mode=mode))
    finally:
        os.umask(previous)
    modes = {str(p.relative_to(tmp_path)): oct(stat.S_IMODE(p.stat().st_mode)) for p in tmp_path.rglob("*")}
    assert modes == {
        **dict.fromkeys(("a", "b", "b/c"), "0o755"),
        "a/private": "0o700",
        **{f"b/c/{oct(mode)}": oct(mode) for mode in (0o400, 0o600, 0o644)},
    }


@ROOT
def test_no_other_ever_sees_a_file_with_another_owner_mode_or_half_its_content(tmp_path: Path) -> None:
    target, seen, done = tmp_path / "x", set(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            for path in tmp_path.iterdir():
                try:
                    with open(path, "rb") as handle:
                        facts = os.fstat(handle.fileno())
                        name = path.name if path == target else "new"
                        complete = len(handle.read()) == 100_000 if path == target else None
                        seen.add((name, oct(stat.S_IMODE(facts.st_mode) & 0o077), (facts.st_uid, facts.st_gid) == (999, 1000), complete))
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for i in range(200):
        files.write(WantedFile(target, bytes([i]) * 100_000, 0o400, 999, 1000))
    done.set()
    watcher.join()
    assert {facts for facts in seen if facts[0] == "x"} == {("x", "0o0", True, True)}
    assert {facts[1] for facts in seen} == {"0o0"}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_each_difference_is_named(tmp_path: Path) -> None:
    file = wanted(tmp_path / "x", b"abc", 0o640)
    assert files.difference(file) == "missing"
    files.write(file)
    assert files.difference(file) == ""
    file.path.chmod(0o600)
    assert files.difference(file) == "mode"
    file.path.write_bytes(b"abd")
    assert files.difference(file) == "content"
    files.write(file)
    assert files.difference(WantedFile(file.path, b"abc", 0o640, 1, 1)) == "owner"
    file.path.rename(tmp_path / "y")
    file.path.symlink_to("y")
    assert files.difference(file) == "not a file"
    files.write(file)  # the link is replaced, not followed
    assert not file.path.is_symlink()
    assert "abc" not in repr(file)


def test_what_was_there_comes_back(tmp_path: Path) -> None:
    there, new = wanted(tmp_path / "there", b"1"), wanted(tmp_path / "new", b"2")
    files.write(there)
    before = [files.remember(file.path) for file in (there, new)]
    files.write(wanted(there.path, b"3", 0o644))
    files.write(new)
    for one in before:
        one.restore()
    assert files.difference(there) == ""
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    assert files.read_text(new.path) is None


def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError) as told:
        files.write(wanted(tmp_path / "file" / "below"))
    assert str(told.value) == f"cannot make the directory {tmp_path}/file: File exists"
    (tmp_path / "directory").mkdir()
    with pytest.raises(StackError) as told:
        files.write(wanted(tmp_path / "directory"))
    assert str(told.value) == f"cannot write {tmp_path}/directory: Is a directory"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["directory", "file"]


# --- mounts -----------------------------------------------------------------------------------------------------------


def test_a_mounted_directory_that_is_gone(tmp_path: Path) -> None:
    house = House("stack", str(tmp_path), "net")
    volumes = [f"{tmp_path}/config/one:/etc/one:ro", "/var/run/x:/x", "named:/data", f"{tmp_path}/config/one/sub:/sub"]
    one = service("one", house, {"volumes": volumes}, secrets=["password"])
    config, mount = tmp_path / "config" / "one", tmp_path / "secrets" / "mounts" / "one"
    assert mounts.mounts(one) == [(config, "/etc/one"), (config / "sub", "/sub"), (mount, "/run/secrets")]
    assert mounts.stale(one, container("one")) == [config, config / "sub", mount]
    for path in (config / "sub", mount):
        path.mkdir(parents=True)
    assert mounts.stale(one, container("one")) == []


# --- one run at a time ------------------------------------------------------------------------------------------------


def test_the_second_run_waits_and_then_says_so(tmp_path: Path) -> None:
    nobody = Lock(tmp_path)
    nobody.take()  # there is no project yet
    assert nobody.handles == ()
    (tmp_path / ".auren").mkdir()
    first, second = Lock(tmp_path), Lock(tmp_path, patience=0.0)
    first.take()
    first.take()  # it is held already
    with pytest.raises(StackError) as told:
        second.take()
    assert str(told.value) == f"another run is at work on the project in {tmp_path}; wait for its end, then run again"
    os.close(first.handles[0])
    second.take()
    assert second.handles
    os.close(second.handles[0])
