# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build an image with ``docker compose build``: BuildKit for Dockerfiles that need it, without a plugin beside Compose."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Runner, docker_compose
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import BUILD_PROJECT

_NOISE = re.compile(r"^#\d+ (?:\[|CACHED|DONE|sha256:|transferring|resolve|extracting)|^[->]+$")


def build(run: Runner, ref: str, context: bytes, args: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Build ``ref`` from a tar (any compression) with a Dockerfile. args: build arguments. Raises StackError with the last lines."""
    with tempfile.TemporaryDirectory(prefix="auren-build-") as work:
        folder = Path(work)
        _unpack(context, folder / "context")
        wanted = {"context": str(folder / "context"), "args": _literal(args), "labels": _literal(labels)}
        definition = folder / "compose.json"
        definition.write_text(json.dumps({"services": {"image": {"image": ref, "build": wanted}}}))
        status, said = docker_compose(run, "--progress", "plain", "-p", BUILD_PROJECT, "-f", str(definition), "build")
    if status:
        reason, shown = _last(said)
        raise StackError(f"cannot build {ref}: {reason}; the last lines were:\n{shown}", "build", ref, reason)


def _unpack(context: bytes, folder: Path) -> None:
    """What the lookup build_context made: plain files with relative names, all of the same time. BuildKit takes a file of the same size and
    time for the one that it was sent before, so here each gets the present time."""
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        archive.extractall(folder)
    for path in folder.rglob("*"):
        os.utime(path)


def _literal(values: Mapping[str, str]) -> dict[str, str]:
    """Compose would fill in what follows a ``$``."""
    return {key: str(value).replace("$", "$$") for key, value in values.items()}


def _last(said: str) -> tuple[str, str]:
    """What went wrong in one line, and the last lines of the output that speak of the build itself."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not _NOISE.match(line)]
    return (told[-1] if told else "it said nothing"), "\n".join(told[-20:])
