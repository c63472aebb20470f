# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``docker compose``, run for exactly the planned names: no dependencies, no builds, no pulls, no orphans touched."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

OLDEST = (2, 20, 3)  # the first one whose include: works with relative paths
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Compose:
    """The Compose project in a house's directory. keeps: file descriptors that its processes hold open, so that a lock outlives us."""

    def __init__(self, house: House, keeps: Sequence[int] = ()) -> None:
        self.house, self.keeps = house, keeps

    def _run(self, *words: str) -> tuple[int, str]:
        """Status and what it printed. COMPOSE_* of the caller's environment must not redirect us."""
        environment: dict[str, str] = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        environment["PATH"] = f"{environment.get('PATH', '')}:{PATHS}"
        command: list[str] = ["docker", "compose", *words]
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                pass_fds=self.keeps,
            )
        except FileNotFoundError as error:
            raise StackError(
                "the command docker is missing on the target: run the role docker_host, or install docker-cli", "no_cli", "docker"
            ) from error
        return done.returncode, done.stdout.strip()

    def check_version(self) -> None:
        """Raise StackError when Compose v2 is missing or too old for the files we write."""
        status, said = self._run("version", "--short")
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
        return self._run("-p", self.house.project, "--project-directory", self.house.project_dir, *words)

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

    def recreate(self, names: Sequence[str]) -> None:
        """Create these services, or replace their containers; nothing else is looked at."""
        status, said = self._project("up", "-d", "--no-deps", "--no-build", "--pull", "never", "--force-recreate", *names)
        if status:
            raise StackError(f"docker compose could not start {', '.join(names)}: {_last(said)}", "compose", ", ".join(names), said)


def _last(said: str) -> str:
    """The line of Compose's output that says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
