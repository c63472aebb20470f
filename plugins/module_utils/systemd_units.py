# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd units run when they are started, read from their files as systemd.unit(5) and systemd.syntax(7) tell. Nothing is asked
of systemd, which need not run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.shell_text import tokens
from ansible_collections.auren.stack.plugins.module_utils.shell_walk import Call, Shell

SYSTEM = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
RUNTIME = ("/run/systemd/transient", *SYSTEM, "/run/systemd/generator", "/run/systemd/generator.late")  # of systemd-run, of SysV scripts
USER = ("/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/lib/systemd/user", "/usr/lib/systemd/user")
EXEC = ("ExecStartPre", "ExecStart", "ExecStartPost", "ExecCondition")
PULLS = ("Wants", "Requires", "BindsTo", "Upholds")
TRIGGERS = {".timer": "Unit", ".path": "Unit", ".socket": "Service"}
STARTING = ("start", "restart", "try-restart", "reload-or-restart", "enable", "reenable", "isolate")
SUFFIX = re.compile(r"\.(?:service|timer|path|socket|target|mount|slice|scope|device|swap|automount)$")


@dataclass(frozen=True)
class Setting:
    """A line of a unit's files. Repeated keys are in the order in which systemd reads them."""

    key: str
    value: str
    path: str
    line: int


class Units:
    """The units of one manager. folders: where their files lie, the one that counts first. home: of the user they run as by default."""

    def __init__(self, tree: HostTree, folders: tuple[str, ...] = SYSTEM, home: str = "/root") -> None:
        self.tree, self.folders, self.home = tree, folders, home
        self._settings: dict[str, list[Setting]] = {}

    def known(self, name: str) -> bool:
        return bool(self.settings(name))

    def settings(self, name: str) -> list[Setting]:
        """All settings of a unit with its drop-ins; none for one that is masked or has no file."""
        if name not in self._settings:
            self._settings[name] = self._read(name)
        return self._settings[name]

    def triggered(self, name: str) -> list[str]:
        """The unit itself, or the one that a timer, path or socket activates."""
        stem, suffix = os.path.splitext(name)
        if suffix not in TRIGGERS:
            return [name]
        if not self.known(name):
            return []
        return self._all(name, TRIGGERS[suffix]) or [f"{stem}.service"]

    def calls(self, name: str, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, Call]]:
        """The commands that run when a unit is started, with the unit that runs them: its own, those of the units that it pulls in, and
        those that ``systemctl start`` in them leads to."""
        for unit in self.triggered(name):
            if unit in seen:
                continue
            seen |= {unit}
            for call in self._own(unit):
                yield unit, call
                for other in systemctl_starts(call):
                    yield from self.calls(other, seen)
            for other in (other for key in PULLS for other in self._all(unit, key)):
                yield from self.calls(other, seen)

    def _own(self, unit: str) -> Iterator[Call]:
        home = self.home
        for user in self._all(unit, "User"):
            home = self.tree.home(user)
        directory = ("".join(self._all(unit, "WorkingDirectory")[-1:]) or "/").lstrip("-")
        directory = home + directory[1:] if directory.startswith("~") else directory
        for setting in self._effective(unit):
            shell = Shell(self.tree, setting.path, self.tree.resolve(directory), {"HOME": [home], **self._environment(unit)})
            yield from shell.calls(_command(_specified(setting.value, unit)), setting.line)

    def _effective(self, unit: str) -> list[Setting]:
        """The commands; an empty value takes back those before it."""
        kept: list[Setting] = []
        for setting in self.settings(unit):
            if setting.key in EXEC:
                kept = [*kept, setting] if setting.value else [one for one in kept if one.key != setting.key]
        return kept

    def _environment(self, unit: str) -> dict[str, list[str]]:
        variables: dict[str, list[str]] = {}
        for setting in self.settings(unit):
            rows = [setting.value] if setting.key == "Environment" else []
            if setting.key == "EnvironmentFile":
                rows = (self.tree.text(_specified(setting.value, unit).lstrip("-")) or "").splitlines()
            for word in (word for row in rows for word in _words(_specified(row, unit))):
                key, equals, value = word.partition("=")
                if equals:
                    variables[key] = [value]
        return variables

    def _all(self, unit: str, key: str) -> list[str]:
        return [word for one in self.settings(unit) if one.key == key for word in _words(_specified(one.value, unit))]

    def _read(self, name: str) -> list[Setting]:
        template = re.sub(r"@[^/]+(?=\.\w+$)", "@", name)
        for wanted in dict.fromkeys((name, template)):
            path = next((f"{folder}/{wanted}" for folder in self.folders if self._there(f"{folder}/{wanted}")), "")
            if path:
                break
        else:
            return []
        if self.tree.resolve(path) == "/dev/null" or not self.tree.text(path):
            return []  # masked
        return [setting for one in (path, *self._drop_ins(name, template)) for setting in _parsed(self.tree, one)]

    def _there(self, path: str) -> bool:
        return self.tree.resolve(path) == "/dev/null" or self.tree.text(path) is not None

    def _drop_ins(self, name: str, template: str) -> list[str]:
        """By their file names; of two that are called the same the first folder's counts."""
        found: dict[str, str] = {}
        for unit in dict.fromkeys((name, template, name.rsplit(".", 1)[-1])):
            for folder in (f"{folder}/{unit}.d" for folder in self.folders):
                for file in self.tree.names(folder):
                    if file.endswith(".conf"):
                        found.setdefault(file, f"{folder}/{file}")
        return [found[file] for file in sorted(found)]


def systemctl_starts(call: Call) -> list[str]:
    """The units that a command starts by name."""
    name, words = os.path.basename(call.words[0]), list(call.words[1:])
    if name in ("service", "rc-service", "invoke-rc.d") and words[1:2] and words[1] in ("start", "restart"):
        return [f"{words[0]}.service"]
    if name != "systemctl":
        return []
    plain = [word for word in words if not word.startswith("-")]
    if not plain or plain[0] not in STARTING or (plain[0] in ("enable", "reenable") and "--now" not in words):
        return []
    return [word if SUFFIX.search(word) else f"{word}.service" for word in plain[1:]]


def _parsed(tree: HostTree, path: str) -> Iterator[Setting]:
    rows = enumerate((tree.text(path) or "").split("\n"), 1)
    for number, row in rows:
        if row.lstrip().startswith(("#", ";", "[")):
            continue
        value = row.strip()
        while value.endswith("\\"):
            more = next(rows, (0, ""))[1]
            if not more.lstrip().startswith(("#", ";")):
                value = value[:-1] + " " + more.strip()
            elif not more:
                break
        key, equals, value = value.partition("=")
        if equals:
            yield Setting(key.strip(), value.strip(), path, number)


def _command(value: str) -> str:
    """Without what tells systemd how to run it: after an @ the program is followed by what it is to call itself, as systemd-run writes."""
    plain = value.lstrip("@-:+!|")
    called = "@" in value[: len(value) - len(plain)]
    return (re.sub(r"^(\S+)\s+\S+", r"\1", plain) if called else plain).replace("$$", "$")


def _specified(value: str, unit: str) -> str:
    """With the specifiers that name the unit; systemd escapes a slash of an instance as a dash."""
    stem = unit.rsplit(".", 1)[0]
    prefix, _at, instance = stem.partition("@")
    plain = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), instance.replace("-", "/"))
    known = {"i": instance, "I": plain, "n": unit, "N": stem, "p": prefix, "P": prefix, "%": "%"}
    return re.sub(r"%(.)", lambda found: known.get(found[1], found[0]), value)


def _words(value: str) -> list[str]:
    return ["".join(part.text for part in token.parts) for token in tokens(value) if token.kind == "word"]
