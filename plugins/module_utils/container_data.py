# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory in a stopped container's own layer: taken out to the host and put back, proved by the checksum of the tree.

Source: kernel documentation, "Overlay Filesystem": while an overlay is not mounted its upper directory may be changed; a directory there
with ``trusted.overlay.opaque`` set to "y" hides what the layers below have at its place.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
import tarfile

from ansible_collections.auren.stack.plugins.module_utils import container_io, tree, tree_archive
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container

OPAQUE = "trusted.overlay.opaque"


def checksum(engine: Engine, container: Container, path: str) -> str:
    """The checksum of a directory in a container in any state. Raises StackError."""
    return tree_archive.checksum_of_archive(container_io.archive(engine, container.id, _inside(path)), "")


def take_out(engine: Engine, container: Container, path: str, target: str) -> str:
    """Copy a directory of a stopped container into an empty one on the host; the checksum that both have.

    Raises StackError when the container runs, and when what arrived is not what the container has; the container was not changed.
    """
    stopped(engine, container, f"copy {path} out of")
    tree_archive.unpack(container_io.archive(engine, container.id, _inside(path)), target)
    return _same(engine, container, path, target, f"copying {path} out of {container.name} to {target} went wrong")


def put_back(engine: Engine, container: Container, path: str, source: str) -> None:
    """Make a directory in a stopped container's layer the same as one on the host: what is not in it goes. Can be done again.

    Raises StackError when the container runs, and when the container does not have the same in the end; ``source`` is never changed.
    """
    stopped(engine, container, f"put {path} back into")
    inner = posixpath.normpath(path)
    container_io.put(engine, container.id, posixpath.dirname(inner), _only_root(source, posixpath.basename(inner)))
    upper = _upper(container, inner)
    if upper:
        tree.clear(upper)
        try:
            os.setxattr(upper, OPAQUE, b"y")
        except OSError as error:
            raise StackError(f"cannot write to the layer of {container.name}: {error.strerror}", "write", upper, str(error)) from error
        tree.copy(source, upper)
    else:
        container_io.put(engine, container.id, inner, tree_archive.pack(source))
    _same(engine, container, inner, source, f"putting {source} back into {path} of {container.name} went wrong")


def _inside(path: str) -> str:
    """What to ask the Engine for: so it has to be a directory, and the names in its stream begin with a dot, whatever it is called."""
    return f"{path.rstrip('/')}/."


def stopped(engine: Engine, container: Container, what: str) -> None:
    """Raises StackError when it runs or is gone. what: is about to be done, as in: put /data back into."""
    now = engine.container(container.id)
    if now is None:
        raise StackError(f"cannot {what} {container.name}: it is not there any more", "not_found", container.name)
    if now.alive:
        raise StackError(
            f"cannot {what} {container.name}: it is {now.state}, and its files change; stop it first", "running", container.name
        )


def _only_root(source: str, name: str) -> list[bytes]:
    """A tar stream with the directory itself and nothing in it: so the Engine makes it, and those above it, in the container's layer."""
    found = os.lstat(source)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.mtime = tarfile.DIRTYPE, stat.S_IMODE(found.st_mode), found.st_mtime
        member.uid, member.gid = found.st_uid, found.st_gid
        archive.addfile(member)
    return [packed.getvalue()]


def _upper(container: Container, path: str) -> str:
    """The directory in the container's layer on the host; empty where it is not: another storage driver, a link or mount on the way."""
    place = container.upper
    for part in path.split("/"):
        place = os.path.join(place, part) if part else place
        if not place or not os.path.isdir(place) or os.path.islink(place):
            return ""
    return place


def _same(engine: Engine, container: Container, path: str, host: str, wrong: str) -> str:
    inside, outside = checksum(engine, container, path), tree.checksum(host)
    if inside != outside:
        raise StackError(
            f"{wrong}: the two trees have different checksums; do not start the container, and do not remove {host}",
            "checksum",
            container.name,
            f"{path} in the container: {inside}\n{host}: {outside}",
        )
    return inside
