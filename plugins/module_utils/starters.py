# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would start an old container at boot or by cron, beside its successor and on the same data. Reads files only, below a root.

A starter is the smallest thing that can be switched off: the link that makes systemd or SysV start a unit, one line of a crontab, one
script. With a link or a script everything else that it does is switched off as well; `starters_disable` does it and takes it back.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.shell_walk import Call, Shell
from ansible_collections.auren.stack.plugins.module_utils.starter_commands import Old, pruned, started
from ansible_collections.auren.stack.plugins.module_utils.systemd_units import SYSTEM, USER, Units, systemctl_starts

__all__ = ["LINE", "LINK", "SCRIPT", "Old", "Run", "Starter", "find", "line_digest", "pruners", "starter_from_data"]

LINK, LINE, SCRIPT = "link", "cron line", "script"
Run = Callable[[Sequence[str]], tuple[int, str]]  # a command with its arguments → exit status, standard output
SYSTEM_CRONTABS = ("/etc/crontab", "/etc/anacrontab")
USER_CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron")  # Debian, SUSE, Red Hat
SCRIPT_FOLDERS = (*(f"/etc/cron.{often}" for often in ("hourly", "daily", "weekly", "monthly")), "/var/lib/cloud/scripts/per-boot")
LOCAL = ("/etc/rc.local", "/etc/rc.d/rc.local")
LEVELS = tuple(f"{folder}/rc{level}.d" for folder in ("/etc", "/etc/rc.d") for level in "S2345")
NOT_READ = re.compile(r"^[.#]|~$|,v$|\.(?:rpm(?:save|orig|new)|dpkg-\w+|swp)$|^(?:README|\.placeholder)$")
SETTING = re.compile(r"""\s*["']?([A-Za-z_]\w*)["']?\s*=\s*(.*)""")


@dataclass(frozen=True)
class Starter:
    """kind: "link", "cron line" or "script". path: as the host calls it. line: of a cron line, counted from 1, else 0. what: a sentence
    for the plan. containers: what it would start. mark: the digest of a cron line. before: a link's target, a script's mode in octal."""

    kind: str
    path: str
    line: int
    what: str
    containers: tuple[str, ...]
    mark: str = ""
    before: str = ""

    @property
    def place(self) -> str:
        """The file, with the line where it is one."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def to_data(self) -> dict[str, Any]:
        """Plain data for a journal. The text of a cron line is not in it."""
        return {**asdict(self), "containers": list(self.containers)}


def starter_from_data(data: Mapping[str, Any]) -> Starter:
    """Raises KeyError or TypeError for what `to_data` did not make."""
    return Starter(**{**data, "containers": tuple(data["containers"])})


def line_digest(line: bytes) -> str:
    """What a journal knows a line by: SHA-256 of it, without its line end."""
    return hashlib.sha256(line).hexdigest()


def find(olds: Sequence[Old], root: Path = Path("/")) -> list[Starter]:
    """What would start any of the containers: links, then cron lines, then scripts; each kind sorted by place."""
    tree = HostTree(root)
    found = (_starter(place, olds, tree) for place in _places(tree))
    return [starter for starter in found if starter is not None]


def pruners(root: Path = Path("/")) -> list[str]:
    """What is run at boot or by cron and removes stopped containers or unused volumes: a sentence for each."""
    found: list[str] = []
    for place in _places(HostTree(root)):
        for label, call in place.calls:
            if words := pruned(call):
                found.append(f"{label(call)} runs {words}{_within(call)}, which may remove a container that is kept as the way back")
    return list(dict.fromkeys(found))


def systemd_runs(root: Path) -> bool:
    """Whether systemd is the first process (sd_booted(3))."""
    return os.path.isdir(root / "run/systemd/system")


def is_unit_link(path: str) -> bool:
    return bool(re.search(r"/systemd/.*\.(?:wants|requires|upholds)/[^/]+$", path))


# --- the places -------------------------------------------------------------------------------------------------------

Label = Callable[[Call], str]


@dataclass(frozen=True)
class _Place:
    """Something that can be switched off, and the commands that it leads to, each with how to call in a sentence what runs it."""

    kind: str
    path: str
    line: int
    mark: str
    before: str
    calls: Iterable[tuple[Label, Call]]


def _starter(place: _Place, olds: Sequence[Old], tree: HostTree) -> Starter | None:
    names: set[str] = set()
    runs: dict[str, list[str]] = {}
    for label, call in place.calls:
        deed = started(call, olds, tree)
        if deed is not None:
            names |= deed.containers
            told = f"{deed.words}{_within(call)}"
            runs[label(call)] = list(dict.fromkeys([*runs.get(label(call), []), told]))
    if not names:
        return None
    told = " and ".join(f"{who} runs {' and '.join(what)}" for who, what in runs.items())
    containers = tuple(old.name for old in olds if old.name in names)
    what = f"{told}, which would start {', '.join(containers)}"
    return Starter(place.kind, place.path, place.line, what, containers, place.mark, place.before)


def _within(call: Call) -> str:
    return f" in {call.via[-1]}" if len(call.via) > 1 else ""


def _places(tree: HostTree) -> Iterator[_Place]:
    yield from _unit_links(tree)
    yield from _level_links(tree)
    yield from _cron_lines(tree)
    yield from _scripts(tree)


def _unit_links(tree: HostTree) -> Iterator[_Place]:
    system, seen = Units(tree), set()
    for base, folders, home in _managers(tree):
        units = Units(tree, folders, home) if home else system
        groups = (f"{base}/{name}" for name in tree.names(base) if name.endswith((".wants", ".requires", ".upholds")))
        for path in (f"{group}/{name}" for group in groups for name in tree.names(group)):
            target, entry = tree.link(path), tree.entry(path)
            if target and entry not in seen:
                seen.add(entry)
                yield _Place(LINK, path, 0, "", target, _unit_calls(units, os.path.basename(path), target))


def _managers(tree: HostTree) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Folders with links, where the files of units lie for them, and the home of a user's own manager (empty for the host's)."""
    for folder in SYSTEM:
        yield folder, SYSTEM, ""
    homes = ["/root", *(f"/home/{name}" for name in tree.names("/home"))]
    yield USER[0], USER, homes[-1]
    for home in homes:
        yield f"{home}/.config/systemd/user", (f"{home}/.config/systemd/user", *USER), home


def _unit_calls(units: Units, name: str, target: str) -> Iterator[tuple[Label, Call]]:
    def label(unit: str) -> Label:
        timer = "" if unit == name else f"{name} starts "
        return lambda call: f"{timer}the unit {unit} ({call.via[0]})" + (", which" if timer else "")

    for unit, call in units.calls(name if units.known(name) else os.path.basename(target)):
        yield label(unit), call


def _level_links(tree: HostTree) -> Iterator[_Place]:
    """SysV: a link that is called S… is run with the argument start when its level is entered."""
    units, seen = Units(tree), set()
    for path in (f"{folder}/{name}" for folder in LEVELS for name in tree.names(folder) if name.startswith("S")):
        entry, target = tree.entry(path), tree.link(path)
        if entry in seen or not tree.mode(path) & 0o111:
            continue
        seen.add(entry)
        kind, before = (LINK, target) if target else (SCRIPT, f"{tree.mode(path):04o}")
        yield _Place(kind, path, 0, "", before, _script_calls(tree, path, units, ["start"]))


def _scripts(tree: HostTree) -> Iterator[_Place]:
    units = Units(tree)
    paths = [f"{folder}/{name}" for folder in SCRIPT_FOLDERS for name in tree.names(folder) if not NOT_READ.search(name)]
    for path in (path for path in paths if tree.mode(path) & 0o111):
        target = tree.link(path)
        kind, before = (LINK, target) if target else (SCRIPT, f"{tree.mode(path):04o}")
        yield _Place(kind, path, 0, "", before, _script_calls(tree, path, units))
    for path in sorted({tree.resolve(path) for path in LOCAL if tree.mode(path) & 0o111}):
        yield _Place(SCRIPT, path, 0, "", f"{tree.mode(path):04o}", _script_calls(tree, path, units))


def _script_calls(tree: HostTree, path: str, units: Units, arguments: Sequence[str] = ()) -> Iterator[tuple[Label, Call]]:
    real = tree.resolve(path)
    shell = Shell(tree, real, "/", {"HOME": ["/root"]}, list(arguments))
    calls = shell.script_calls(tree.text(path) or "")
    return _with_units(calls, units, lambda call: f"the script {path}" + (f" (line {_line(call)})" if len(call.via) == 1 else ""))


def _line(call: Call) -> str:
    return call.via[0].rsplit(":", 1)[1]


def _with_units(calls: Iterable[Call], units: Units, label: Label) -> Iterator[tuple[Label, Call]]:
    """The commands, and those of the units that they start."""
    for call in calls:
        yield label, call
        for name in systemctl_starts(call):
            for unit, inner in units.calls(name):
                first = label(call)
                yield (lambda _call, unit=unit, first=first: f"{first} starts the unit {unit}, which"), inner  # type: ignore[misc]


# --- cron -------------------------------------------------------------------------------------------------------------


def _cron_lines(tree: HostTree) -> Iterator[_Place]:
    seen, units = set(), Units(tree)
    for path, user in _crontabs(tree):
        text = tree.text(path)
        if text is None or tree.entry(path) in seen:
            continue
        seen.add(tree.entry(path))
        variables: dict[str, list[str]] = {}
        for number, line in enumerate(tree.actual(path).read_bytes().split(b"\n"), 1):
            row = line.decode(errors="replace")
            if setting := SETTING.fullmatch(row.strip()):
                variables = {**variables, setting[1]: [setting[2].strip("\"'")]}
            elif (job := _job(row, path, user)) is not None:
                calls = _cron_calls(tree, path, number, job, variables)
                yield _Place(LINE, path, number, line_digest(line), "", _with_units(calls, units, _cron_label))


def _cron_label(call: Call) -> str:
    return f"the cron line {call.via[0]}"


def _crontabs(tree: HostTree) -> Iterator[tuple[str, str]]:
    """Every crontab with the user whose it is; empty where each line names one."""
    for path in (*SYSTEM_CRONTABS, *(f"/etc/cron.d/{name}" for name in tree.names("/etc/cron.d") if not NOT_READ.search(name))):
        yield path, ""
    for folder in USER_CRONTABS:
        for name in tree.names(folder):
            if not NOT_READ.search(name):
                yield f"{folder}/{name}", name


def _job(row: str, path: str, user: str) -> tuple[str, str] | None:
    """The user and the command of a line (crontab(5), anacrontab(5)); None when it has none."""
    row = row.strip()
    if not row or row.startswith("#"):
        return None
    before = 3 if path.endswith("/anacrontab") else (1 if row.startswith("@") else 5) + (not user)
    fields = row.split(None, before)
    if len(fields) <= before:
        return None
    owner = user or ("root" if path.endswith("/anacrontab") else fields[before - 1])
    command = re.sub(r"(?<!\\)%.*", "", fields[before]).replace("\\%", "%")  # after a percent sign comes what it reads
    return owner, command


def _cron_calls(tree: HostTree, path: str, number: int, job: tuple[str, str], variables: Mapping[str, list[str]]) -> Iterator[Call]:
    home = variables.get("HOME") or [tree.home(job[0])]
    shell = Shell(tree, path, home[0], {**variables, "HOME": home})
    yield from shell.calls(job[1], number)
