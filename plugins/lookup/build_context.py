# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build context on the controller, as data that a module can take."""

from __future__ import annotations

DOCUMENTATION = r"""
name: build_context
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: A folder with a Dockerfile as digest, bases and archive
description:
  - Reads a folder on the controller and returns a digest of its files (names, modes, contents), the images its Dockerfile starts from,
    and a compressed tar of it as base64 text, which M(auren.stack.image_set) can build on the target.
  - The same files give the same digest on any machine.
options:
  _terms:
    description: Folders on the controller.
    required: true
  archive:
    description: Whether to return the archive too; the digest alone decides whether there is something to build.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what a context is
  ansible.builtin.debug:
    msg: "{{ lookup('auren.stack.build_context', 'roles/neuros/files') }}"
"""

RETURN = r"""
_raw:
  description: For each folder a dict of C(digest), C(bases) and C(archive) (base64 text of a tar.gz, empty unless asked for).
  type: list
  elements: dict
"""

import base64
import gzip
import hashlib
import io
import re
import tarfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

FROM = r"^\s*FROM\s+(?:--\S+\s+)*"  # options come first
COPIED = r"^\s*COPY\s+(?:--\S+\s+)*--from="
IGNORED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}


def files_of(folder: Path) -> list[Path]:
    """The files of a context, sorted; caches are not part of it."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not IGNORED & set(p.relative_to(folder).parts) and p.suffix != ".pyc")


def mode_of(path: Path) -> int:
    """0755 or 0644: the umask of a checkout does not count."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in files_of(folder):
        head = f"{path.relative_to(folder).as_posix()}\0{mode_of(path):o}\0{path.stat().st_size}\0"
        total.update(head.encode() + path.read_bytes())
    return total.hexdigest()[:16]


def bases(folder: Path) -> list[str]:
    """Images that the Dockerfile starts from, without its own stages."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    stages = {name.lower() for name in re.findall(rf"{FROM}\S+\s+AS\s+(\S+)", text, re.IGNORECASE | re.MULTILINE)}
    found = re.findall(rf"(?:{FROM}|{COPIED})(\S+)", text, re.IGNORECASE | re.MULTILINE)
    return list(dict.fromkeys(image for image in found if image.lower() not in stages | {"scratch"}))


def archive(folder: Path) -> str:
    """A tar.gz of the folder as base64, the same for the same files."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path in files_of(folder):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode = path.stat().st_size, mode_of(path)
            tar.addfile(member, io.BytesIO(path.read_bytes()))
    return base64.b64encode(buffer.getvalue()).decode()


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        found = []
        for term in terms:
            folder = Path(term)
            if not (folder / "Dockerfile").is_file():
                raise AnsibleError(f"{folder} holds no Dockerfile; correct the build context")
            packed = archive(folder) if self.get_option("archive") else ""
            found.append({"digest": digest(folder), "bases": bases(folder), "archive": packed})
        return found
