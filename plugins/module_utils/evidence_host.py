# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host itself tells for a bundle, also when no Engine answers: disks, the Engine's own log, the project's files, the journal."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils.compose_cli import PATHS
from ansible_collections.auren.stack.plugins.module_utils.evidence import Evidence
from ansible_collections.auren.stack.plugins.module_utils.files import legible
from ansible_collections.auren.stack.plugins.module_utils.journal import journal_directory, read_runs
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

Run = Callable[[Sequence[str]], "tuple[int, str]"]  # a command of the host: its status, and what it printed
RUNS = 5  # the last of the journal
LARGEST = 256 * 1024  # bytes of a file that somebody wrote
MOST = 300  # files of the project
PLACES = ("/", "/tmp", "/var", "/var/log", "/var/lib/docker", "/opt")
ENGINE_LOG = ("journalctl", "--unit", "docker", "--unit", "containerd", "--lines", "300", "--no-pager", "--output", "short-iso")


def secrets_of(project: Path, into: Evidence) -> dict[str, str]:
    """Name → value of the secrets in the project's files. They are for hiding them, and go nowhere."""
    found: dict[str, str] = {}
    with into.tried("project/secrets (so that their values may be hidden)"):
        for path in sorted((project / "secrets").iterdir()) if (project / "secrets").exists() else ():
            if path.is_file():
                found[path.name] = path.read_text(encoding="utf-8", errors="replace").strip("\n")
    return found


def gather(project: Path, into: Evidence, run: Run, also: Iterable[str] = ()) -> None:
    """also: further directories whose disk counts, as the Engine's."""
    into.read("host.txt", _host)
    into.read("disk.txt", lambda: _disks([*PLACES, str(project), *also]))
    into.read("engine.log", lambda: _engine_log(run))
    with into.tried("project"):
        for path in _files(project):
            into.read(f"project/{legible(path.relative_to(project))}", lambda path=path: _text(path))  # type: ignore[misc]
    into.read("project/secrets.txt", lambda: "\n".join(_modes(project / "secrets")))
    into.read("journal/runs.txt", lambda: runs(project))
    with into.tried("journal"):
        for path in sorted(journal_directory(project).glob("*.jsonl"))[-RUNS:]:
            into.read(f"journal/{path.name}", lambda path=path: _text(path))  # type: ignore[misc]


def _host() -> str:
    facts = [
        " ".join(os.uname()),
        f"auren.stack {VERSION}, user {os.geteuid()}",
        f"load {' '.join(f'{one:.2f}' for one in os.getloadavg())}",
    ]
    for path in ("/proc/uptime", "/etc/os-release", "/proc/meminfo"):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                facts.append(f"\n{path}\n{file.read(4096)}")
    return "\n".join(facts)


def _disks(places: Sequence[str]) -> str:
    """A line for each file system: room and inodes."""
    seen: dict[int, str] = {}
    for place in filter(os.path.isdir, places):
        usage, inodes = shutil.disk_usage(place), os.statvfs(place)
        room = f"{usage.free / 1e9:.2f} of {usage.total / 1e9:.2f} GB free"
        seen.setdefault(os.stat(place).st_dev, f"{place}: {room}, {inodes.f_favail} of {inodes.f_files} inodes free")
    return "\n".join(seen.values())


def _engine_log(run: Run) -> str:
    """What systemd says of the Engine, where there is a systemd; else the end of the file that it writes on other hosts."""
    said = [_command(run, ("systemctl", "status", "docker", "--no-pager", "--lines", "0")), _command(run, ENGINE_LOG)]
    path = Path("/var/log/docker.log")
    if not any(said) and path.exists():
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LARGEST, 0))
            said.append(file.read(LARGEST).decode(errors="replace"))
    return "\n".join(filter(None, said))


def _command(run: Run, words: Sequence[str]) -> str:
    """What a command prints within five seconds; nothing where there is none of its name."""
    program, limit = shutil.which(words[0], path=PATHS), shutil.which("timeout", path=PATHS)
    if not program or not limit:
        return ""
    status, said = run([limit, "5", program, *words[1:]])
    return f"{words[0]} gave no answer within 5 s" if status == 124 else said


def _files(project: Path) -> Iterator[Path]:
    """The definition, what was declared, and what services read; nothing below ``secrets``, and no link."""
    own = [project / "docker-compose.yml", project / "images.json", project / ".auren" / "declared.json"]
    below = [path for folder in ("services", "config") for path in sorted((project / folder).rglob("*"))]
    yield from (path for path in [*own, *below[:MOST]] if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > LARGEST:
        return f"({size} bytes: not taken along)"
    content = path.read_bytes()
    return content.decode(errors="replace") if b"\0" not in content else f"({size} bytes that are no text)"


def _modes(folder: Path) -> Iterator[str]:
    """Who may read the secrets: names and rights alone."""
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        facts = path.lstat()
        yield f"{stat.filemode(facts.st_mode)} {facts.st_uid}:{facts.st_gid} {path.relative_to(folder)}"


def runs(project: Path) -> str:
    """The last runs, a line each, the newest first."""
    lines = []
    for run in reversed(read_runs(project)[-RUNS:]):
        who = f" by {run.who}" if run.who else ""
        lines.append(f"{run.id}: {run.outcome}{who}{_steps(run.record)}")
    return "\n".join(lines)


def _steps(record: Mapping[str, object]) -> str:
    """What it replaced or did, shortened."""
    told = record.get("replaced") or record.get("operations") or record.get("refused") or []
    return "".join(f"\n    {line}" for line in list(told)[:10]) if isinstance(told, list) else ""
