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
  - The same files give the same digest on any machine. What version control, caches and C(node_modules) hold is not part of it.
options:
  _terms:
    description:
      - Folders on the controller, or dicts of C(context) (the folder), C(dockerfile) (a text in the place of its Dockerfile), C(args)
        (build arguments) and C(ignore) (names of further folders that are not part of it).
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
import json
import re
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

FROM = r"^\s*FROM\s+(?:--\S+\s+)*"  # options come first
COPIED = r"^\s*COPY\s+(?:--\S+\s+)*--from="
ARGUMENT = r"^\s*ARG\s+(\w+)(?:=(\S+))?"
IGNORED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".git", "node_modules"}


@dataclass(frozen=True)
class File:
    """mode: 0755 or 0644: the umask of a checkout does not count."""

    name: str
    mode: int
    content: bytes


@dataclass(frozen=True)
class Context:
    """What is built. dockerfile: in the place of the folder's own; empty for that one. ignore: names of folders that do not count."""

    folder: Path
    dockerfile: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    ignore: Collection[str] = ()

    @classmethod
    def of(cls, term: Any) -> Context:
        """Raises AnsibleError for what cannot be built."""
        given = term if isinstance(term, Mapping) else {"context": term}
        args = {str(key): str(value) for key, value in (given.get("args") or {}).items()}
        found = cls(Path(given["context"]), given.get("dockerfile") or "", args, given.get("ignore") or ())
        if not found.folder.is_dir():
            raise AnsibleError(f"{found.folder} is no folder on the controller; correct the build context")
        if not found.dockerfile and not (found.folder / "Dockerfile").is_file():
            raise AnsibleError(f"{found.folder} holds no Dockerfile; correct the build context")
        return found

    def files(self) -> list[File]:
        """Sorted; caches are not part of it."""
        ignored = IGNORED | set(self.ignore)
        paths = (p for p in self.folder.rglob("*") if not ignored & set(p.relative_to(self.folder).parts) and p.suffix != ".pyc")
        found = {p.relative_to(self.folder).as_posix(): p for p in paths if p.is_file()}
        read = [File(name, 0o755 if path.stat().st_mode & 0o100 else 0o644, path.read_bytes()) for name, path in found.items()]
        if self.dockerfile:
            read = [file for file in read if file.name != "Dockerfile"] + [File("Dockerfile", 0o644, self.dockerfile.encode())]
        return sorted(read, key=lambda file: tuple(Path(file.name).parts))

    def recipe(self) -> str:
        return self.dockerfile or (self.folder / "Dockerfile").read_text(encoding="utf-8")


def digest(context: Context) -> str:
    total = hashlib.sha256()
    for file in context.files():
        total.update(f"{file.name}\0{file.mode:o}\0{len(file.content)}\0".encode() + file.content)
    if context.args:
        total.update(json.dumps(dict(context.args), sort_keys=True).encode())
    return total.hexdigest()[:16]


def bases(context: Context) -> list[str]:
    """Images that the Dockerfile starts from, without its own stages; build arguments are filled in."""
    text = context.recipe()
    args = {name: context.args.get(name, default) for name, default in re.findall(ARGUMENT, text, re.IGNORECASE | re.MULTILINE)}
    stages = {name.lower() for name in re.findall(rf"{FROM}\S+\s+AS\s+(\S+)", text, re.IGNORECASE | re.MULTILINE)}
    named = re.findall(rf"(?:{FROM}|{COPIED})(\S+)", text, re.IGNORECASE | re.MULTILINE)
    found = (re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: args.get(m.group(1) or m.group(2), m.group(0)), name) for name in named)
    own = stages | {"scratch", *(str(number) for number in range(len(named)))}  # a stage may also be called by its number
    return list(dict.fromkeys(image for image in found if image.lower() not in own))


def archive(context: Context) -> str:
    """A tar.gz of the files as base64, the same for the same files."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for file in context.files():
            member = tarfile.TarInfo(file.name)
            member.size, member.mode = len(file.content), file.mode
            tar.addfile(member, io.BytesIO(file.content))
    return base64.b64encode(buffer.getvalue()).decode()


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        found = []
        for context in (Context.of(term) for term in terms):
            packed = archive(context) if self.get_option("archive") else ""
            found.append({"digest": digest(context), "bases": bases(context), "archive": packed})
        return found
