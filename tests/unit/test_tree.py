"""Directory trees: one checksum on disk and in a tar stream, and streams that are refused."""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import tree, tree_archive
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = os.geteuid() == 0
OWNERS = st.sampled_from([0, 70, 999, 3_000_000] if ROOT else [os.geteuid()])
NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8),
    st.integers(100, 250).map(lambda length: "n" * length),
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 256)
RAW_NAMES = st.one_of(NAMES.map(str.encode), st.just(b"not \xff utf-8"))
CONTENTS = st.one_of(st.binary(max_size=40), st.sampled_from([bytes(5000), b"x" * 512, b"y" * 1024]))
KINDS = st.one_of(
    st.tuples(st.just("file"), CONTENTS),
    st.tuples(st.just("link"), RAW_NAMES),
    st.tuples(st.just("hard"), st.integers(0, 5)),
    st.tuples(st.just("pipe"), st.just(b"")),
    st.tuples(st.just("socket"), st.just(b"")),
    *([st.tuples(st.just("device"), st.integers(0, 300))] if ROOT else []),
)
MODES = st.sampled_from([0o755, 0o700, 0o644, 0o4755, 0o2770, 0o1777, 0o000 if ROOT else 0o700])
Node = tuple[Any, int, int, int]  # what it is, permissions, uid, gid


def nodes() -> st.SearchStrategy[Any]:
    facts = (MODES, OWNERS, OWNERS)
    leaves = st.tuples(KINDS, *facts)
    return st.recursive(leaves, lambda inner: st.tuples(st.dictionaries(RAW_NAMES, inner, max_size=4), *facts), max_leaves=12)


TREES = st.dictionaries(RAW_NAMES, nodes(), max_size=5)


class Maker:
    """Makes a tree on disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.files = os.fsencode(root), list[bytes]()

    def fill(self, directory: bytes, content: dict[bytes, Node]) -> None:
        for name, node in content.items():
            self.node(os.path.join(directory, name), *node)

    def node(self, path: bytes, what: Any, mode: int, uid: int, gid: int) -> None:
        if isinstance(what, dict):
            os.mkdir(path)
            self.fill(path, what)
        else:
            self.leaf(path, *what)
        os.lchown(path, uid, gid)
        if not os.path.islink(path):
            os.chmod(path, mode)

    def leaf(self, path: bytes, kind: str, detail: Any) -> None:
        if kind == "link":
            os.symlink(detail, path)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif kind == "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, detail))
        elif kind == "hard" and self.files:
            os.link(self.files[detail % len(self.files)], path)
        else:
            Path(os.fsdecode(path)).write_bytes(detail if kind == "file" else b"")
            self.files.append(path)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that is emptied by whoever uses it: examples are many."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def made(place: Path, content: dict[bytes, Node]) -> tuple[Path, Path]:
    """A tree on disk, and an empty directory beside it."""
    for name in ("source", "target"):
        shutil.rmtree(place / name, ignore_errors=True)
        (place / name).mkdir(mode=0o750)
    Maker(place / "source").fill(os.fsencode(place / "source"), content)
    return place / "source", place / "target"


def by_tarfile(path: Path, name: str) -> Iterator[bytes]:
    """The stream as Python's own tarfile writes it, in pieces that fit nothing."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(path, name)
    packed.seek(0)
    yield from iter(lambda: packed.read(777), b"")


EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(content=TREES)
def test_a_tree_has_one_checksum_on_disk_in_streams_and_in_what_is_made_of_them(place: Path, content: dict[bytes, Node]) -> None:
    source, target = made(place, content)
    wanted = tree.checksum(str(source))
    assert tree_archive.checksum_of_archive(by_tarfile(source, "data"), "data") == wanted
    assert tree_archive.checksum_of_archive(tree_archive.pack(str(source)), "") == wanted
    tree_archive.unpack(tree_archive.pack(str(source), "x/y"), str(target), "x/y")
    assert tree.checksum(str(target)) == wanted
    assert tree.size(str(target)) == tree.size(str(source))
    tree.clear(str(target))
    assert list(target.iterdir()) == []
    target.chmod(0o2777)
    tree.copy(str(source), str(target))
    assert tree.checksum(str(target)) == wanted


@EXAMPLES
@given(content=TREES.filter(bool), cut=st.floats(0, 1))
def test_a_stream_that_is_cut_off_anywhere_is_refused(place: Path, content: dict[bytes, Node], cut: float) -> None:
    source, _target = made(place, content)
    packed = b"".join(tree_archive.pack(str(source)))
    boundary = int(cut * (len(packed) - 1)) // 512 * 512
    for length in (int(cut * (len(packed) - 1)), boundary):
        with pytest.raises(StackError, match="cut off or damaged"):
            tree_archive.checksum_of_archive([packed[:length]], "")


def test_a_stream_whose_next_header_is_damaged_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(512))
    packed = b"".join(tree_archive.pack(str(tmp_path)))
    second = packed.index(b"./b\0")
    with pytest.raises(StackError, match="cut off or damaged"):
        tree_archive.checksum_of_archive([packed[:second] + b"!" + packed[second + 1 :]], "")


def full(root: Path) -> Path:
    (root / "folder").mkdir()
    (root / "folder" / "file").write_bytes(b"one")
    (root / "link").symlink_to("folder")
    os.mkfifo(root / "pipe")
    return root


CHANGES: dict[str, Callable[[Path], Any]] = {
    "content": lambda root: (root / "folder" / "file").write_bytes(b"two"),
    "permissions": lambda root: (root / "folder" / "file").chmod(0o600),
    "permissions of the root": lambda root: root.chmod(0o711),
    "name": lambda root: (root / "pipe").rename(root / "pipe2"),
    "target of a link": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("other")),
    "type": lambda root: ((root / "pipe").unlink(), (root / "pipe").touch(0o644)),
    "one less": lambda root: (root / "link").unlink(),
    "an empty directory more": lambda root: (root / "more").mkdir(),
    **({"owner": lambda root: os.chown(root / "folder", 5, -1), "group": lambda root: os.lchown(root / "link", -1, 5)} if ROOT else {}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_changes_the_checksum(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    before = tree.checksum(str(full(tmp_path)))
    change(tmp_path)
    assert tree.checksum(str(tmp_path)) != before


def test_times_hard_links_and_sockets_do_not(tmp_path: Path) -> None:
    before = tree.checksum(str(full(tmp_path)))
    os.utime(tmp_path / "folder" / "file", (1, 1))
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
    assert tree.checksum(str(tmp_path)) == before
    (tmp_path / "copy").write_bytes(b"one")
    two = tree.checksum(str(tmp_path))
    (tmp_path / "copy").unlink()
    os.link(tmp_path / "folder" / "file", tmp_path / "copy")
    assert tree.checksum(str(tmp_path)) == two


# --- what is refused --------------------------------------------------------------------------------------------------


def stream(*members: tuple[str, bytes, str]) -> list[bytes]:
    """A tar stream of members: name, type, what it leads to; files hold one byte."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, int(kind == tarfile.REGTYPE)
            member.uid, member.gid = os.geteuid(), os.getegid()
            archive.addfile(member, io.BytesIO(b"x"))
    return [packed.getvalue()]


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("d/../../out", FILE, "")],
        [("/out", FILE, "")],
        [("out", FILE, "")],
        [("dd/out", FILE, "")],
        [("d/a", LINK, "OUTSIDE"), ("d/a/out", FILE, "")],
        [("d/a", LINK, ".."), ("d/a/out", FILE, "")],
        [("d/a", HARD, "../secret")],
        [("d/a", HARD, "d/../../secret")],
        [("d/l", LINK, "OUTSIDE"), ("d/a", HARD, "d/l/secret")],
        [("d/a", LINK, "OUTSIDE/out"), ("d/a", FILE, "")],
        [("d/a", FILE, ""), ("d/a/b", FILE, "")],
    ],
    ids=["..", "absolute", "beside", "prefix", "link", "link up", "hard", "hard up", "hard through a link", "over a link", "below a file"],
)
def test_what_leads_out_of_the_directory_is_refused(tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("kept")
    (tmp_path / "secret").write_text("kept")
    packed = stream(*((name, kind, link.replace("OUTSIDE", str(outside))) for name, kind, link in members))
    with pytest.raises(StackError):
        tree_archive.unpack(packed, str(target), "d")
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "secret", "target"]
    assert (outside / "secret").stat().st_nlink == (tmp_path / "secret").stat().st_nlink == 1


def test_a_link_to_what_does_not_come_before_it_has_no_checksum() -> None:
    with pytest.raises(StackError, match="d/a is a link to d/b, which does not come before it"):
        tree_archive.checksum_of_archive(stream(("d/a", HARD, "d/b"), ("d/b", FILE, "")), "d")


def test_attributes_holes_and_two_names_of_one_file_are_kept(tmp_path: Path) -> None:
    source, targets = tmp_path / "source", [tmp_path / "unpacked", tmp_path / "copied"]
    for path in (source, *targets):
        path.mkdir()
    (source / "one").write_bytes(b"x")
    os.link(source / "one", source / "two")
    value = b"\0\xff binary"
    try:
        os.setxattr(source / "one", "user.note", value)
    except OSError:
        pytest.skip("this file system has no extended attributes")
    tree_archive.unpack(tree_archive.pack(str(source)), str(targets[0]))
    tree.copy(str(source), str(targets[1]))
    for target in targets:
        assert os.getxattr(target / "two", "user.note") == value
        assert (target / "one").stat().st_ino == (target / "two").stat().st_ino
        assert (target / "one").stat().st_mtime == pytest.approx((source / "one").stat().st_mtime, abs=1e-3)


def test_sizes_count_a_file_with_two_names_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    os.link(tmp_path / "one", tmp_path / "two")
    assert tree.size(str(tmp_path)) == tree.Size(5, 2)


@pytest.mark.parametrize(
    ("moment", "gone"), [("after /", "file"), ("after /", "wal"), ("before /wal", "wal"), ("after /wal", "wal/old"), ("after /wal", "wal")]
)
def test_what_goes_meanwhile_is_not_measured_and_not_copied(
    moment: str, gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moment: of the listing of a directory, at which a server at work removes it."""
    place = tmp_path / gone
    listed = os.listdir

    def listing(path: bytes) -> list[bytes]:
        found = listed(path) if "after" in moment else None
        if path.endswith(moment.split()[1].encode()) and place.exists():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        return listed(path) if found is None else found

    def work(of: Callable[[str], Any]) -> Any:
        (tmp_path / "wal").mkdir(exist_ok=True)
        for name in ("kept", "file", "wal/old"):
            (tmp_path / name).write_text("123")
        return of(str(tmp_path))

    monkeypatch.setattr(os, "listdir", listing)
    assert work(tree.size) == tree.Size(6, 2)
    for strict in (tree.checksum, lambda path: b"".join(tree_archive.pack(path))):
        with pytest.raises(StackError, match="No such file"):
            work(strict)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for work in (tree.checksum, tree.size, tree.clear, lambda path: b"".join(tree_archive.pack(path))):
        with pytest.raises(StackError, match="/nowhere/at/all: No such file"):
            work("/nowhere/at/all")
    before = tmp_path.chmod(0o1777) or tmp_path.stat()
    with pytest.raises(StackError, match=f"cannot copy /nowhere/at/all to {tmp_path}"):
        tree.copy("/nowhere/at/all", str(tmp_path))
    assert tmp_path.stat() == before
    assert tree.room("/nowhere/at/all") == pytest.approx(shutil.disk_usage("/").free, rel=0.1)


def test_clearing_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "cleared").mkdir()
    (tmp_path / "cleared" / "link").symlink_to(tmp_path / "kept")
    tree.clear(str(tmp_path / "cleared"))
    assert list((tmp_path / "cleared").iterdir()) == []
    assert (tmp_path / "kept" / "file").read_text() == "x"
