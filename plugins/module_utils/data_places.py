# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the bytes of a service are: the directory that its program uses, the mount that holds it, and who else holds such data.

Sources of the settings and their defaults: PostgreSQL documentation "File Locations" and the Docker Official Image; redis.conf; Kafka
"Broker Configs" and the apache/kafka and bitnami/kafka images; Prometheus "Command-line flags"; Grafana "Configure Grafana".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.model import Mount
from ansible_collections.auren.stack.plugins.module_utils.shell_text import Token, tokens

SHELLS = ("sh", "bash", "ash", "dash")
VARIABLE = re.compile(r"(\w+)(?:(:?)([-=?])(.*))?", re.DOTALL)  # what is between the braces of ${NAME:-other}
SIGNS = {  # by which a directory with data of this kind is known
    "postgres": ("PG_VERSION",),
    "redis": ("dump.rdb", "appendonlydir", "appendonly.aof"),
    "kafka": ("meta.properties",),
    "prometheus": ("wal", "chunks_head"),
    "grafana": ("grafana.db",),
}


def mounts(raw: Mapping[str, Any]) -> tuple[Mount, ...]:
    """From an inspection of a container."""
    temporary = [Mount(path.rstrip("/") or "/", "tmpfs") for path in raw["HostConfig"].get("Tmpfs") or {}]  # not among its mounts
    return tuple(temporary) + tuple(
        Mount(
            m["Destination"].rstrip("/") or "/", m["Type"], m.get("Name", ""), m.get("Source", ""), m.get("Driver", ""), bool(m.get("RW"))
        )
        for m in raw.get("Mounts") or []
    )


def holder(found: Sequence[Mount], directory: str) -> Mount | None:
    """The mount that a directory of a container is in; None for the container's own layer."""
    inside = [m for m in found if PurePosixPath(directory).is_relative_to(m.destination)] if directory else []
    return max(inside, key=lambda m: len(m.destination), default=None)


def inner(found: Sequence[Mount], directory: str) -> list[Mount]:
    """The mounts that hold parts of what is in a directory, and keep what is written there."""
    return [m for m in found if m.lasting and m.writable and m.destination.startswith(f"{directory}/")]


def below(mount: Mount, directory: str) -> str:
    """The path from the root of a mount to a directory in it; empty for the root itself."""
    return "" if directory == mount.destination else str(PurePosixPath(directory).relative_to(mount.destination))


@dataclass(frozen=True)
class Program:
    """What decides where a program puts its data. argv: entrypoint and command. read: a file of the container, None when it has none."""

    env: Mapping[str, str]
    argv: Sequence[str]
    workdir: str
    read: Callable[[str], str | None]

    def words(self) -> list[str]:
        """What is started, also by a shell that an entrypoint starts: its variables are those of the environment.

        What such a shell finds out only when it runs (a command's output, a variable of its own) is empty text.
        """
        for number, word in enumerate(self.argv):
            rest = self.argv[number + 1 :]
            if word.rpartition("/")[2] in SHELLS and len(rest) > 1 and re.fullmatch(r"-[a-z]*c", rest[0]):
                return self._shell_words(rest[1])
        return list(self.argv)

    def _shell_words(self, text: str) -> list[str]:
        return [word for token in tokens(text) if token.kind == "word" for word in self._fields(token)]

    def _fields(self, token: Token) -> list[str]:
        """One word, or all that a shell makes of a variable without quotes around it."""
        values = [part.text if part.kind == "text" else self._value(part.text) if part.kind == "var" else None for part in token.parts]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return [""]
        bare = any(part.kind == "var" and not part.quoted for part in token.parts)
        return "".join(known).split() if bare else ["".join(known)]

    def _value(self, text: str) -> str | None:
        """Of ``$NAME``, ``${NAME}`` or ``${NAME:-other}``; None when it cannot be known."""
        found = VARIABLE.fullmatch(text)
        value = self.env.get(found[1]) if found else None
        if found and not value and (value is None or found[2]):
            return " ".join(self._shell_words(found[4])) if found[3] in ("-", "=") else None
        return value

    def option(self, *names: str) -> str:
        """The last value of an option, given as ``--name value`` or ``--name=value``; empty when it is not given."""
        found, argv = "", self.words()
        for number, word in enumerate(argv):
            name, equals, value = word.partition("=")
            if name in names:
                found = value if equals else "".join(argv[number + 1 : number + 2])
        return found

    def first(self, *keys: str) -> str:
        return next((self.env[key] for key in keys if self.env.get(key)), "")

    def path(self, text: str) -> str:
        """Absolute and without a slash at its end."""
        return str(PurePosixPath(self.workdir or "/") / text.strip().strip("'\""))


def _postgres(program: Program) -> list[str]:
    settings = [word for before, word in zip(program.words(), program.words()[1:]) if before == "-c" and word.startswith("data_directory=")]
    given = (settings[-1].partition("=")[2] if settings else "") or program.option("--data_directory", "--data-directory", "-D")
    return [given or program.first("PGDATA") or "/var/lib/postgresql/data"]


def redis_setting(program: Program, name: str) -> str:
    """A setting of Redis, from its command line or else from its configuration file; empty when neither has it."""
    given = program.option(f"--{name}")
    if given:
        return given
    paths = [word for word in program.words() if word.endswith(".conf")]
    lines = [line.split(None, 1) for line in ((program.read(program.path(paths[0])) if paths else None) or "").splitlines()]
    found = [words[1].strip().strip("'\"") for words in lines if len(words) == 2 and words[0].lower() == name]
    return found[-1] if found else ""


def _redis(program: Program) -> list[str]:
    return [redis_setting(program, "dir") or program.workdir or "/data"]


KAFKA_FILES = (
    "/opt/kafka/config/server.properties",
    "/opt/bitnami/kafka/config/server.properties",
    "/opt/kafka/config/kraft/server.properties",
)


def _kafka(program: Program) -> list[str]:
    given = program.first("KAFKA_LOG_DIRS", "KAFKA_CFG_LOG_DIRS", "KAFKA_LOG_DIR", "KAFKA_CFG_LOG_DIR")
    for path in KAFKA_FILES if not given else ():
        lines = [line.partition("=") for line in (program.read(path) or "").splitlines() if line.startswith(("log.dirs=", "log.dir="))]
        given = lines[-1][2] if lines else given
    return given.split(",") if given else ["/bitnami/kafka/data" if program.first("BITNAMI_APP_NAME") else "/tmp/kafka-logs"]


def _prometheus(program: Program) -> list[str]:
    return [program.option("--storage.tsdb.path") or "data"]


def _grafana(program: Program) -> list[str]:
    given = program.option("cfg:default.paths.data", "cfg:paths.data", "--cfg:default.paths.data", "--cfg:paths.data")
    return [given or program.first("GF_PATHS_DATA") or "/var/lib/grafana"]


_DIRECTORIES: dict[str, Callable[[Program], list[str]]] = {
    "postgres": _postgres,
    "redis": _redis,
    "kafka": _kafka,
    "prometheus": _prometheus,
    "grafana": _grafana,
}


def directories(kind: str, program: Program) -> list[str]:
    """Where a program of this kind keeps its data, as it was told; nothing for a kind that has none. Absolute paths."""
    return [program.path(one) for one in _DIRECTORIES[kind](program)] if kind in _DIRECTORIES else []


def holds(kind: str, directory: str) -> bool:
    """Whether a directory on the host has data of this kind in it, there or one level below. Empty text is no directory."""
    root = Path(directory)
    try:
        places = [root, *(one for one in root.iterdir() if one.is_dir())]
        return bool(directory) and any((place / sign).exists() for place in places for sign in SIGNS.get(kind, ()))
    except OSError:
        return False
