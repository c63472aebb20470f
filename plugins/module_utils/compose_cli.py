# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``docker compose``, run for exactly the planned names: no dependencies, no builds, no pulls, no orphans touched."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Protocol

from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

OLDEST = (2, 20, 3)  # the first one whose include: works with relative paths
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# What a caller's environment must not do to us. Compose takes orphans away when the first one says so.
NEUTRAL = {"COMPOSE_REMOVE_ORPHANS": "false", "COMPOSE_PROFILES": "", "COMPOSE_ENV_FILES": ""}


class Runner(Protocol):
    """Ansible's ``run_command``."""

    def __call__(
        self, args: Sequence[str], *, path_prefix: str, environ_update: Mapping[str, str], pass_fds: Sequence[int]
    ) -> tuple[int, str, str]:
        """Status, output and errors of a command."""


def docker_compose(run: Runner, *words: str, keeps: Sequence[int] = ()) -> tuple[int, str]:
    """Status of one call, and what it printed. keeps: file descriptors that its processes hold open."""
    if not _cli():
        raise StackError("the command docker is missing on the target: run the role docker_host, or install docker-cli", "no_cli", "docker")
    status, out, err = run(["docker", "compose", *words], path_prefix=PATHS, environ_update=NEUTRAL, pass_fds=keeps)
    return status, f"{out}\n{err}".strip()


def _cli() -> str | None:
    return shutil.which("docker", path=f"{PATHS}:{os.environ.get('PATH', '')}")


class Compose:
    """The Compose project in a house's directory. keeps: file descriptors that its processes hold open, so that a lock outlives us."""

    def __init__(self, house: House, run: Runner) -> None:
        self.house, self.run = house, run
        self.keeps: Sequence[int] = ()

    def _run(self, *words: str) -> tuple[int, str]:
        """Status and what it printed."""
        return docker_compose(self.run, *words, keeps=self.keeps)

    def check_version(self, may_be_missing: bool = False) -> None:
        """Raise StackError when Compose v2 is missing or too old for the files we write.

        may_be_missing: in check mode, where it would have been installed before.
        """
        if may_be_missing and not _cli():
            return
        status, said = self._run("version", "--short")
        if may_be_missing and status:
            return
        wanted = ".".join(str(part) for part in OLDEST)
        if status:
            raise StackError(
                f"Docker Compose v2 is missing on the target ({_last(said)}): run the role docker_host, or install the Compose plugin "
                f"{wanted} or later",
                "no_compose",
                "docker compose",
                said,
            )
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
        if not found or tuple(int(part) for part in found.groups()) < OLDEST:
            raise StackError(
                f"Docker Compose {said} is too old: {wanted} or later is needed; upgrade the Compose plugin. Nothing was changed",
                "compose_too_old",
                "docker compose",
                said,
            )

    def _project(self, *words: str) -> tuple[int, str]:
        return self._run("-p", self.house.project, "-f", str(self.house.directory / "docker-compose.yml"), *words)

    def check_files(self) -> None:
        """Raise StackError when Compose cannot read what was written."""
        status, said = self._project("config", "--quiet")
        if status:
            raise StackError(
                f"Compose refuses the definition: {_last(said)}; correct the variable behind it and run again. The previous files "
                "are back, no container was touched",
                "definition",
                self.house.project_dir,
                said,
            )

    def create(self, names: Sequence[str]) -> None:
        """Make containers of services that have none, and start none of them."""
        self._up("--no-start", names)

    def recreate(self, names: Sequence[str]) -> None:
        """Replace the containers of these services, and start them."""
        self._up("--detach", names)

    def _up(self, how: str, names: Sequence[str]) -> None:
        """Nothing but these names is looked at."""
        status, said = self._project("up", how, "--no-deps", "--no-build", "--pull", "never", "--force-recreate", *names)
        if status:
            raise StackError(f"docker compose could not start {', '.join(names)}: {_last(said)}", "compose", ", ".join(names), said)


def _last(said: str) -> str:
    """The line of Compose's output that says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
