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
        (build arguments) and C(ignore) (names at the top of the folder that are not part of it).
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
  description:
    - For each folder a dict of C(digest), C(bases), C(stages) (how many) and C(archive) (base64 text of a tar.gz, empty unless asked
      for).
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

FROM = r"FROM\s+(?:--\S+\s+)*"  # options come first
COPIED = r"COPY\s+(?:--\S+\s+)*--from="
ARGUMENT = r"ARG\s+(\w+)(?:=(\S+))?"
VARIABLE = r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))"
HEREDOC = r"<<-?[\"']?(\w+)[\"']?"
IGNORED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".git", "node_modules"}


@dataclass(frozen=True)
class File:
    """mode: 0755 or 0644: the umask of a checkout does not count."""

    name: str
    mode: int
    content: bytes


@dataclass(frozen=True)
class Context:
    """What is built. dockerfile: in the place of the folder's own; empty for that one. ignore: names at its top that do not count."""

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
        inside = ((path.relative_to(self.folder), path) for path in self.folder.rglob("*") if path.suffix != ".pyc" and path.is_file())
        found = {p.as_posix(): path for p, path in inside if not IGNORED & set(p.parts) and p.parts[0] not in self.ignore}
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


def instructions(text: str) -> list[str]:
    """The instructions of a Dockerfile, each on one line; without comments and without what stands in heredocs."""
    found: list[str] = []
    waiting: list[str] = []  # the words that end the heredocs that are open
    joined = ""
    for line in text.splitlines():
        if waiting:
            waiting = waiting[1:] if line.lstrip("\t") == waiting[0] else waiting
        elif line.lstrip().startswith("#"):
            continue
        elif line.rstrip().endswith("\\"):
            joined += line.rstrip()[:-1] + " "
        else:
            found += [(joined + line).strip()] if (joined + line).strip() else []
            waiting = re.findall(HEREDOC, joined + line) if re.match(r"\s*(?:RUN|COPY|ADD)\s", joined + line, re.IGNORECASE) else []
            joined = ""
    return [*found, joined.strip()] if joined.strip() else found


def stages(context: Context) -> list[str]:
    """What each stage starts from, as the Dockerfile says it."""
    return [match.group(1) for match in (re.match(FROM + r"(\S+)", one, re.IGNORECASE) for one in instructions(context.recipe())) if match]


def _filled(image: str, args: Mapping[str, str]) -> str:
    """With arguments in the place of ``$NAME``, ``${NAME}`` and ``${NAME:-default}``."""
    return re.sub(VARIABLE, lambda m: args.get(m.group(1) or m.group(3)) or m.group(2) or "", image)


def bases(context: Context) -> list[str]:
    """Images that the Dockerfile starts from or copies from, without its own stages; build arguments are filled in."""
    said = instructions(context.recipe())
    first = next((number for number, one in enumerate(said) if re.match(FROM, one, re.IGNORECASE)), len(said))
    declared = (re.match(ARGUMENT, one, re.IGNORECASE) for one in said[:first])  # what a stage declares is not known before it
    args = {m.group(1): context.args.get(m.group(1), (m.group(2) or "").strip("\"'")) for m in declared if m}
    named = {m.group(1).lower() for m in (re.match(FROM + r"\S+\s+AS\s+(\S+)", one, re.IGNORECASE) for one in said) if m}
    copied = [m.group(1) for m in (re.match(COPIED + r"(\S+)", one, re.IGNORECASE) for one in said) if m]
    started = stages(context)
    found = [_filled(image, args) for image in (*started, *copied)]
    own = named | {"scratch", *(str(number) for number in range(len(started)))}  # a stage may also be called by its number
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
            found.append({"digest": digest(context), "bases": bases(context), "stages": len(stages(context)), "archive": packed})
        return found
