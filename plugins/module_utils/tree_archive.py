# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directory trees as tar streams, as the Engine gives and takes them: summed without touching a disk, unpacked, packed.

The Engine writes PAX headers (long names, large ids, capabilities as SCHILY.xattr), a file's second name as a hard link to the first, and
no sockets. Its names begin with what was asked for: ``data`` and ``data/x`` for /srv/data, ``.`` and ``./x`` for /srv/data/. (tried on
26.1). ``strip`` is that beginning; what is outside it is refused.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Callable, cast

from ansible_collections.auren.stack.plugins.module_utils import tree
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import legible
from ansible_collections.auren.stack.plugins.module_utils.tree import CHUNK, Owner, Readable

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)  # how a tar stream ends (POSIX pax)
XATTR = "SCHILY.xattr."
KINDS = {
    tarfile.REGTYPE: b"f",
    tarfile.AREGTYPE: b"f",
    tarfile.GNUTYPE_SPARSE: b"f",
    tarfile.DIRTYPE: b"d",
    tarfile.SYMTYPE: b"l",
    tarfile.FIFOTYPE: b"p",
    tarfile.CHRTYPE: b"c",
    tarfile.BLKTYPE: b"b",
}


def _refused(why: str, detail: str = "") -> StackError:
    return StackError(f"the archive of a directory cannot be read: {why}", "archive", "", detail)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class _Source:
    """A stream of chunks as a file.

    It remembers where the last byte that is not zero was: tarfile takes a stream that was cut off between two members, or that has a
    damaged header there, for one that has ended.
    """

    def __init__(self, stream: Iterable[bytes]) -> None:
        self.chunks, self.left = iter(stream), b""
        self.total = self.written = 0

    def read(self, size: int) -> bytes:
        while not self.left:
            chunk = next(self.chunks, None)
            if chunk is None:
                return b""
            self.left = chunk
        given, self.left = self.left[:size], self.left[size:]
        content = given.rstrip(b"\0")
        if content:
            self.written = self.total + len(content)
        self.total += len(given)
        return given

    def finish(self, members: int) -> None:
        """Read the rest. members: where they ended. Raises StackError when more than zeros, or no end of a tar stream, follows them."""
        while self.read(CHUNK):
            pass
        if self.written > members or self.total < members + len(END):
            raise _refused("it is cut off or damaged")


def _relative(name: str, strip: str) -> bytes:
    """The path from the root of the tree; b"." for the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    prefix = [part for part in strip.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or parts[: len(prefix)] != prefix:
        raise _refused(f"it holds {name}, which is outside {strip or 'the directory'}")
    return _raw("/".join(parts[len(prefix) :])) or b"."


Visitor = Callable[[bytes, tarfile.TarInfo, Readable], None]


def _walk(stream: Iterable[bytes], strip: str, visit: Visitor) -> None:
    """Hand over every member: path from the root, header, content. The stream is read to its end. Raises StackError."""
    source = _Source(stream)
    nothing = _Source(())
    try:
        with tarfile.open(fileobj=cast("tarfile._Fileobj", source), mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
            while True:
                member = archive.next()
                if member is None:
                    break
                archive.members = []  # type: ignore[attr-defined]  # a large tree is not kept in memory
                content = archive.extractfile(member) if member.isreg() else None
                visit(_relative(member.name, strip), member, cast("Readable", content or nothing))
            source.finish(archive.offset)
    except (tarfile.TarError, EOFError) as error:
        raise _refused("it is cut off or damaged", str(error)) from error


def checksum_of_archive(stream: Iterable[bytes], strip: str) -> str:
    """The checksum that the tree in a tar stream has on disk (``tree.checksum``). Raises StackError when the stream is cut off."""
    records: dict[bytes, bytes] = {}

    def visit(path: bytes, member: tarfile.TarInfo, content: Readable) -> None:
        if member.islnk():
            first = _relative(member.linkname, strip)
            if first not in records:
                raise _refused(f"{member.name} is a link to {member.linkname}, which does not come before it")
            records[path] = records[first]
            return
        kind = KINDS.get(member.type)
        if kind is None:
            raise _refused(f"{member.name} is of an unknown type")
        detail = {b"f": lambda: tree.content_digest(content), b"l": lambda: _raw(member.linkname)}.get(kind, lambda: b"")()
        if kind in (b"c", b"b"):
            detail = b"%d:%d" % (member.devmajor, member.devminor)
        records[path] = tree.record(kind, Owner(stat.S_IMODE(member.mode), member.uid, member.gid), detail)

    _walk(stream, strip, visit)
    return tree.digest(records)


# --- onto the disk ------------------------------------------------------------------------------------------------------


class _Unpacker:
    """Makes members below one directory. Owners and permissions of directories come last: their content changes their times."""

    def __init__(self, target: str, strip: str) -> None:
        self.root, self.strip = os.fsencode(target), strip
        self.directories: list[tuple[bytes, tarfile.TarInfo]] = []
        self.safe = {b""}  # directories that were looked at: real ones, not links that lead elsewhere

    def place(self, relative: bytes) -> bytes:
        """Where it is on the disk. Raises StackError when a symbolic link is on the way."""
        parent = os.path.dirname(relative)
        if parent not in self.safe:
            walked = b""
            for part in parent.split(b"/"):
                walked = os.path.join(walked, part)
                if not stat.S_ISDIR(os.lstat(os.path.join(self.root, walked)).st_mode):
                    raise _refused(f"{legible(relative)} leads through {legible(walked)}, which is no directory")
            self.safe.add(parent)
        return os.path.join(self.root, relative)

    def visit(self, relative: bytes, member: tarfile.TarInfo, content: Readable) -> None:
        path = self.root if relative == b"." else self.place(relative)
        if member.isdir():
            if relative != b"." and not (os.path.isdir(path) and not os.path.islink(path)):
                os.mkdir(path, 0o700)
            self.directories.append((path, member))
            return
        if os.path.lexists(path):
            raise _refused(f"{legible(relative)} is there already")
        if member.islnk():
            os.link(self.place(_relative(member.linkname, self.strip)), path, follow_symlinks=False)
            return
        self.make(path, member, content)
        _settle(path, member)

    def make(self, path: bytes, member: tarfile.TarInfo, content: Readable) -> None:
        kind = KINDS.get(member.type)
        if kind == b"f":
            with open(path, "xb") as out:
                os.fchmod(out.fileno(), 0o600)
                for chunk in iter(lambda: content.read(CHUNK), b""):
                    out.write(chunk)
        elif kind == b"l":
            os.symlink(_raw(member.linkname), path)
        elif kind == b"p":
            os.mkfifo(path)
        elif kind in (b"c", b"b"):
            os.mknod(path, 0o600 | (stat.S_IFCHR if kind == b"c" else stat.S_IFBLK), os.makedev(member.devmajor, member.devminor))
        else:
            raise _refused(f"{member.name} is of an unknown type")


def _settle(path: bytes, member: tarfile.TarInfo) -> None:
    """Owner, permissions, attributes, times: in this order, because a new owner takes set-uid bits and capabilities away."""
    os.lchown(path, member.uid, member.gid)
    if not member.issym():
        os.chmod(path, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            if key.startswith(XATTR):
                os.setxattr(path, _raw(key[len(XATTR) :]), _raw(value))
    os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


def unpack(stream: Iterable[bytes], target: str, strip: str = "") -> None:
    """Put the tree of a tar stream into an empty directory, which gets the owner and permissions of the tree's root.

    Raises StackError: for a path that leaves the target (by .., as an absolute path, through a symbolic link), for one that is there
    already, for a stream that is cut off, and when the disk refuses. What was unpacked until then stays.
    """
    work = _Unpacker(target, strip)
    try:
        _walk(stream, strip, work.visit)
        for path, member in reversed(work.directories):
            _settle(path, member)
    except OSError as error:
        raise StackError(f"cannot unpack into {target}: {error.strerror or error}", "write", target, str(error)) from error


# --- from the disk ------------------------------------------------------------------------------------------------------


def _header(path: bytes, name: bytes, found: os.stat_result, first: bytes | None) -> tarfile.TarInfo:
    """first: the earlier name of the same file."""
    member = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    member.mode, member.uid, member.gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    member.mtime = found.st_mtime
    if first is not None:
        member.type, member.linkname = tarfile.LNKTYPE, first.decode("utf-8", "surrogateescape")
        return member
    kind = tree.KINDS[stat.S_IFMT(found.st_mode)]
    member.type = next(known for known, letter in KINDS.items() if letter == kind)
    if kind == b"f":
        member.size = found.st_size
    elif kind == b"l":
        member.linkname = os.readlink(path).decode("utf-8", "surrogateescape")
    elif kind in (b"c", b"b"):
        member.devmajor, member.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    member.pax_headers = _attributes(path)
    return member


def _attributes(path: bytes) -> dict[str, str]:
    """What extended attributes travel with a file: not those of an overlay, and not labels, which belong to the place."""
    found: dict[str, str] = {}
    with suppress(OSError):  # the file system has none
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(("user.", "system.posix_acl_")) or name == "security.capability":
                value = os.getxattr(path, name, follow_symlinks=False)
                found[XATTR + name] = value.decode("utf-8", "surrogateescape")
    return found


def _content(path: bytes, length: int) -> Iterator[bytes]:
    """Exactly as much as its header says. Raises StackError when the file has become shorter."""
    left = length
    with open(path, "rb") as source:
        while left:
            chunk = source.read(min(left, CHUNK))
            if not chunk:
                name = legible(path)
                raise StackError(f"{name} became shorter while it was read: stop what writes to it", "read", name)
            left -= len(chunk)
            yield chunk
    yield bytes(-length % BLOCK)


def pack(path: str, name: str = ".", without: Collection[bytes] = ()) -> Iterator[bytes]:
    """The tree as a tar stream, its root under this name: what ``PUT /containers/{id}/archive`` of the Engine takes.

    without: paths of files, from the root of the tree, that are left out. Raises StackError when it cannot be read.
    """
    root, prefix = os.fsencode(path), _raw(name)
    seen: dict[tuple[int, int], bytes] = {}
    try:
        for inner, found in tree.entries(path):
            if inner in without:
                continue
            one = os.path.join(root, inner)
            called = prefix if inner == b"." else prefix + b"/" + inner
            linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            first = seen.get((found.st_dev, found.st_ino)) if linked else None
            yield _header(one, called, found, first).tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            if linked:
                seen.setdefault((found.st_dev, found.st_ino), called)
            if stat.S_ISREG(found.st_mode) and first is None:
                yield from _content(one, found.st_size)
    except OSError as error:
        raise StackError(f"cannot read {path}: {error.strerror or error}", "read", path, str(error)) from error
    yield END
