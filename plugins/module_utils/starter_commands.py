# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which containers a command of Docker or Compose starts, and whether it removes stopped ones. Pure but for Compose files, which are read.

The words of a command are never shown: they may hold a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.shell_walk import Call
from ansible_collections.auren.stack.plugins.module_utils.shell_words import (
    COMPOSES,
    ENGINE_VALUES,
    ENGINES,
    EVERY,
    UNKNOWN,
    every,
    option_value,
)

STARTS = ("start", "restart", "run", "create", "up")
COMPOSE_STARTS = (*STARTS, "scale")
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
COMPOSE_VALUES = (
    *("-f", "--file", "-p", "--project-name", "--project-directory", "--workdir", "--profile", "--env-file"),
    *("--ansi", "--progress", "--parallel", "-H", "--host", "-c", "--context", "--log-level", "--tlscacert", "--tlscert", "--tlskey"),
)
UP_VALUES = (
    *("-t", "--timeout", "--scale", "--wait-timeout", "--exit-code-from", "--attach", "--no-attach", "--pull"),
    *("-e", "--env", "-v", "--volume", "-w", "--workdir", "-u", "--user", "--entrypoint", "-p", "--publish", "-l", "--label", "--name"),
)
ELSEWHERE = re.compile(r"ssh://|tcp://(?!127\.0\.0\.1|localhost|\[::1\])")  # another host's Engine


@dataclass(frozen=True)
class Old:
    """A container that is taken over. project_files, project_dir, project, service: the labels of its old Compose project, if any."""

    name: str
    project_files: tuple[str, ...] = ()
    project_dir: str = ""
    project: str = ""
    service: str = ""


@dataclass(frozen=True)
class Deed:
    """What a command does to containers. words: for people, as in ``docker compose up for the project auren``."""

    words: str
    containers: frozenset[str]


def started(call: Call, olds: Sequence[Old], tree: HostTree) -> Deed | None:
    """What a command starts; None when it starts none of the containers."""
    engine, compose, rest = _split(call)
    if compose is not None:
        return _Project(call, rest, compose, tree).deed(olds)
    if not engine or not rest or rest[0] not in STARTS:
        return None
    verb, arguments = rest[0], rest[1:]
    if verb in ("run", "create"):
        name = option_value(rest, "--name")
        found = {old.name for old in olds if _meant(old, name)} | (_named(call, olds) if UNKNOWN in name else set())
    else:
        found = {old.name for old in olds for word in arguments if _meant(old, word)}
        if any(UNKNOWN in word for word in arguments):
            found |= _named(call, olds)
    return Deed(f"{engine} {verb}", frozenset(found)) if found else None


def pruned(call: Call) -> str:
    """The command, for people, when it removes containers or volumes that nothing runs with; else empty."""
    engine, compose, rest = _split(call)
    if not engine or compose is not None or not rest:
        return ""
    if "prune" in rest[1:2] and call.words and rest[0] in ("system", "container", "volume"):
        return f"{engine} {rest[0]} prune"
    what = "volume rm" if rest[0] == "volume" and rest[1:2] == ["rm"] else "rm" if rest[0] in ("rm", "remove") else ""
    if any(word.startswith(EVERY) for word in rest) or (UNKNOWN in rest and every(call.around)):
        return f"{engine} {what} of all containers" if what == "rm" else ""
    if what == "volume rm" and any(UNKNOWN in word for word in rest) and re.search(r"volume\s+ls", call.around):
        return f"{engine} volume rm of all volumes"
    return ""


def _split(call: Call) -> tuple[str, list[str] | None, list[str]]:
    """The program's name, the options of Compose (None when it is not Compose), and the words from the verb on."""
    name, words = os.path.basename(call.words[0]), list(call.words[1:])
    if any(ELSEWHERE.match(value) for value in call.variables.get("DOCKER_HOST", [])):
        return "", None, []
    if name in COMPOSES:
        options, rest = _options(words, COMPOSE_VALUES)
        return name, options, rest
    if name not in ENGINES:
        return "", None, []
    options, rest = _options(words, ENGINE_VALUES)
    if ELSEWHERE.match(option_value(["", *options], "-H", "--host")):
        return "", None, []
    if rest[:1] == ["compose"]:
        options, rest = _options(rest[1:], COMPOSE_VALUES)
        return f"{name} compose", options, rest
    container = rest[:1] == ["container"] and rest[1:2] != ["prune"]
    return name, None, rest[1:] if container else rest


def _options(words: list[str], valued: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options before a verb, and the rest from the verb on."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in valued else 1
    return words[:at], words[at:]


def _meant(old: Old, word: str) -> bool:
    if not word.startswith(EVERY):
        return word.lstrip("/") == old.name
    key, _equals, value = word[len(EVERY) :].partition("=")
    if key == "name" and UNKNOWN not in value:
        try:
            return re.search(value, f"/{old.name}") is not None or re.search(value, old.name) is not None  # as the Engine's filter
        except re.error:
            return True
    return key != "project" or UNKNOWN in value or value == old.project


def _named(call: Call, olds: Iterable[Old]) -> set[str]:
    """Those that the text around a command names somewhere, for a command whose arguments cannot be known."""
    text = re.sub(r"(?m)^\s*#.*$", "", call.around)
    marks = {old.name: [mark for mark in (old.name, old.project_dir, *old.project_files) if mark not in ("", "/")] for old in olds}
    return {name for name, own in marks.items() if any(re.search(rf"(?<![\w.-]){re.escape(m)}(?![\w.-])", text) for m in own)}


class _Project:
    """A command of Compose, and which project it is about. options: those before the verb. rest: from the verb on."""

    def __init__(self, call: Call, rest: Sequence[str], options: Sequence[str], tree: HostTree) -> None:
        self.call, self.options, self.tree = call, ["", *options], tree
        self.verb, self.arguments = (rest[0], rest[1:]) if rest else ("", ())
        self.engine = " ".join([os.path.basename(call.words[0]), *(["compose"] if os.path.basename(call.words[0]) in ENGINES else [])])
        given = option_value(self.options, "--project-directory", "--workdir")
        self.variables: dict[str, list[str]] = {**self._env_file(self._path(given or ".")), **call.variables}
        self.files = self._files(given)
        self.directory = self._path(given) if given else os.path.dirname(self.files[0]) if self.files else self._path(".")
        self.names = self._names()

    def deed(self, olds: Sequence[Old]) -> Deed | None:
        if self.verb not in COMPOSE_STARTS:
            return None
        mine = [old for old in olds if self._of(old)]
        if not mine and self._unclear():
            named = _named(self.call, olds)
            mine = [old for old in olds if old.name in named and (old.project or old.project_files)]
        services = self._services()
        if services and "--no-deps" in self.arguments:
            mine = [old for old in mine if not old.service or old.service in services]
        if not mine:
            return None
        project = mine[0].project
        about = f"for the project {project}" if project else f"in {mine[0].project_dir or self.directory}"
        return Deed(f"{self.engine} {self.verb} {about}", frozenset(old.name for old in mine))

    def _of(self, old: Old) -> bool:
        """Compose finds the containers of a project by its name; another name with the same file makes new ones on the same data."""
        if set(self.files) & {self.tree.resolve(path) for path in old.project_files}:
            return True
        known = self.files and old.project_files  # and they are other ones
        if old.project_dir and not known and self.directory == self.tree.resolve(old.project_dir):
            return True
        return bool(old.project) and old.project in self.names and self._declares(old.service)

    def _declares(self, service: str) -> bool:
        """Whether the files, where they can be read, have the service. One that includes others may have it."""
        texts = [self.tree.text(path) for path in self.files]
        known = [text for text in texts if text is not None]
        if not service or len(known) < len(texts) or not known:
            return True
        key = rf"""(?m)^\s*["']?{re.escape(service)}["']?\s*:|^\s*["']?include["']?\s*:|\bservices["']?\s*:\s*\{{"""
        return any(re.search(key, text) for text in known)

    def _files(self, directory: str) -> list[str]:
        given = [self.options[n + 1] for n, word in enumerate(self.options[:-1]) if word in ("-f", "--file")]
        given += [word.split("=", 1)[1] for word in self.options if word.startswith(("--file=", "-f="))]
        given += [word[2:] for word in self.options if re.match(r"-f[^=]", word)]
        if not given:
            separators = self.variables.get("COMPOSE_PATH_SEPARATOR", [":"])
            given = [path for value in self.variables.get("COMPOSE_FILE", []) for path in value.split(separators[0] or ":")]
        if given:
            return [path for path in map(self._path, filter(None, given)) if path]
        below = self._path(directory or ".")
        while below:
            found = [f"{below}/{name}".replace("//", "/") for name in COMPOSE_FILES if self.tree.mode(f"{below}/{name}")]
            if found or below == "/" or directory:
                return [self.tree.resolve(found[0])] if found else []
            below = os.path.dirname(below)
        return []

    def _names(self) -> set[str]:
        """The name of the project, in Compose's own order of precedence."""
        given = option_value(self.options, "-p", "--project-name")
        names = [given] if given else self.variables.get("COMPOSE_PROJECT_NAME", [])
        if not any(names):
            texts = [self.tree.text(path) or "" for path in self.files]
            names = [found[1] for text in texts if (found := re.search(r"""(?m)^name:\s*["']?([\w-]+)""", text))][-1:]
        if not any(names) and self.files:
            base = os.path.basename(self.directory).lower()
            names = [re.sub(r"[^-_a-z0-9]", "", base), re.sub(r"[^a-z0-9]", "", base)]  # the second by Compose before 1.21
        return {name for name in names if name}

    def _services(self) -> list[str]:
        """Named services; none when one cannot be known."""
        services, at = [], 0
        while at < len(self.arguments):
            word = self.arguments[at]
            at += 2 if word in UP_VALUES else 1
            if not word.startswith("-"):
                services.append(word.split("=")[0] if self.verb == "scale" else word)
                if self.verb == "run":
                    break
        return [] if any(UNKNOWN in word for word in services) else services

    def _unclear(self) -> bool:
        """Whether what tells the project cannot be known."""
        told = [*self.options, *self.variables.get("COMPOSE_FILE", []), *self.variables.get("COMPOSE_PROJECT_NAME", [])]
        return any(UNKNOWN in word for word in told) or (UNKNOWN in self.call.directory and not self.files)

    def _path(self, path: str) -> str:
        """Below the directory of the command; empty when it cannot be known."""
        if UNKNOWN in path or (UNKNOWN in self.call.directory and not path.startswith("/")):
            return ""
        return self.tree.resolve(path, self.call.directory)

    def _env_file(self, directory: str) -> Mapping[str, list[str]]:
        """What Compose reads from ``.env`` beside the project: settings of its own."""
        given = option_value(self.options, "--env-file")
        path = self._path(given) if given else f"{directory}/.env" if directory else ""
        rows = (self.tree.text(path) or "").splitlines() if path else []
        found = (re.match(r"""\s*(?:export\s+)?(COMPOSE_\w+)\s*=\s*["']?([^"'\s]*)""", row) for row in rows)
        return {one[1]: [one[2]] for one in found if one}
