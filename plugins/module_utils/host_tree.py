# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a host below a root directory, by the paths that the host itself uses: absolute links stay below the root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST = 256 * 1024  # bytes; what somebody wrote by hand is smaller
MOST_LINKS = 40  # as many as Linux follows in one path


class HostTree:
    """Reads only, and each link and text once: make a new one after a change. Paths are those of the host (``/etc/crontab``), as text;
    what is missing or cannot be read is empty."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self._texts: dict[str, str | None] = {}
        self._links: dict[str, str] = {}
        self._programs: dict[tuple[str, tuple[str, ...]], str] = {}

    def resolve(self, path: str, directory: str = "/") -> str:
        """The path without links, ``..`` and double slashes; a relative one begins in ``directory``. It need not exist."""
        left = os.path.join(directory or "/", path).split("/")[::-1]
        done: list[str] = []
        links = 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            target = self._link("/".join(["", *done, part])) if links < MOST_LINKS else ""
            if not target:
                done.append(part)
                continue
            links += 1
            done = [] if target.startswith("/") else done
            left += target.split("/")[::-1]
        return "/" + "/".join(done)

    def actual(self, path: str) -> Path:
        """Where the file that a path leads to lies on this machine."""
        return self.root / self.resolve(path).lstrip("/")

    def entry(self, path: str) -> Path:
        """Where the entry itself lies on this machine, be it a link or not."""
        return self.root / self.resolve(os.path.dirname(path)).lstrip("/") / os.path.basename(path)

    def link(self, path: str) -> str:
        """What a symbolic link holds; empty for anything else."""
        try:
            return os.readlink(self.entry(path))
        except (OSError, ValueError):
            return ""

    def names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(self.actual(directory)))
        except (OSError, ValueError):
            return []

    def mode(self, path: str) -> int:
        """The permission bits of the regular file that a path leads to; 0 when there is none."""
        try:
            found = os.stat(self.actual(path))
        except (OSError, ValueError):
            return 0
        return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else 0

    def text(self, path: str) -> str | None:
        """A text file that somebody may have written; None for a larger one, a binary, and what is no file."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def home(self, user: str) -> str:
        """The home of a user by name or number, as /etc/passwd tells it."""
        for line in (self.text("/etc/passwd") or "").splitlines():
            fields = line.split(":")
            if len(fields) >= 6 and user in (fields[0], fields[2]):
                return fields[5] or "/"
        return "/root" if user == "root" else f"/home/{user}"

    def program(self, name: str, folders: tuple[str, ...]) -> str:
        """Where a program lies that is called by its name alone; empty when it is in none of the folders."""
        if (name, folders) not in self._programs:
            paths = (f"{folder}/{name}" for folder in folders if folder.startswith("/"))
            self._programs[name, folders] = next((self.resolve(path) for path in paths if self.mode(path) & 0o111), "")
        return self._programs[name, folders]

    def _link(self, path: str) -> str:
        if path not in self._links:
            try:
                self._links[path] = os.readlink(f"{self.root}/{path.lstrip('/')}")
            except (OSError, ValueError):
                self._links[path] = ""
        return self._links[path]

    def _read(self, path: str) -> str | None:
        try:
            actual = self.actual(path)
            if not stat.S_ISREG(os.stat(actual).st_mode) or os.path.getsize(actual) > LARGEST:
                return None
            content = actual.read_bytes()
        except (OSError, ValueError):
            return None
        return None if b"\0" in content else content.decode(errors="replace")
