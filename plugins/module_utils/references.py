# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who refers to a container: scrape configurations, proxy upstreams, environment values, a Compose file's depends_on.

Values are searched and never shown: they may be secrets.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import traces
from ansible_collections.auren.stack.plugins.module_utils.data_places import SIGNS
from ansible_collections.auren.stack.plugins.module_utils.files import legible
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Text
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, Container

LABEL_COMPOSE_FILES = "com.docker.compose.project.config_files"
LABEL_COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE = "the Compose file "
WORD = re.compile(r"[A-Za-z0-9][\w.-]*")
LARGEST = 256 * 1024  # bytes; a configuration that somebody wrote is smaller
NOT_WRITTEN = {Path(one) for one in ("/proc", "/sys", "/dev", "/run", "/var/run", "/var/lib/docker")}  # nobody keeps a configuration there
MOST_FILES = 200  # of one mounted directory
DATA = {sign for signs in SIGNS.values() for sign in signs}
BY_PEOPLE = (".conf", ".ini", ".properties", ".yaml", ".yml")  # what of a server's data people may have written


def texts_of(container: Container) -> Iterator[Text]:
    """What the Engine knows a container by: environment, command, labels of people (Docker's and Compose's own name nobody else)."""
    for key, value in container.env.items():
        yield Text(container.name, f"environment key {key} of {container.name}", value)
    yield Text(container.name, f"command of {container.name}", " ".join(container.command))
    if container.extra_hosts:
        yield Text(container.name, f"extra hosts of {container.name}", " ".join(container.extra_hosts))
    for key, value in container.labels.items():
        if not key.startswith(("com.docker.", "org.opencontainers.", "auren.stack.")):
            yield Text(container.name, f"label {key} of {container.name}", value)


def mounted_texts(container: Container) -> Iterator[Text]:
    """The lines of the text files that are mounted into a container from the host, without what programs write there: logs and data."""
    sources = (Path(one) for one in container.binds if one != "/")
    for source in (one for one in sources if not NOT_WRITTEN & {one, *one.parents}):
        for path in _files(source):
            for number, line in enumerate(_lines(path), 1):
                yield Text(container.name, f"{legible(path)}:{number} of {container.name}", line)


def compose_texts(containers: tuple[Container, ...]) -> Iterator[Text]:
    """The lines of the Compose files that containers were made from."""
    paths = {path for c in containers if not c.ours for path in c.labels.get(LABEL_COMPOSE_FILES, "").split(",") if path}
    for path in sorted(paths):
        for number, line in enumerate(_lines(Path(path)), 1):
            yield Text("", f"{COMPOSE}{path}:{number}", line)


def _files(source: Path) -> Iterator[Path]:
    """A mounted file, or the files of a mounted directory, without links. Those too large to be written by people are left to `_lines`."""
    if source.is_file():
        yield from () if traces.log(str(source)) else (source,)
    elif source.name not in traces.LOG_FOLDERS:
        yield from islice(_below(source), MOST_FILES)


def _below(directory: Path, data: bool = False) -> Iterator[Path]:
    """data: it belongs to a server, which names and counts whoever asks it; so do logs, a line for each question."""
    try:
        found = sorted(os.scandir(directory), key=lambda one: one.name)
    except OSError:
        return
    data = data or any(one.name in DATA for one in found)
    for one in found:
        if one.is_file(follow_symlinks=False) and not traces.log(one.path) and (not data or one.name.endswith(BY_PEOPLE)):
            yield Path(one.path)
    for one in found:
        if one.is_dir(follow_symlinks=False) and one.name not in traces.LOG_FOLDERS:
            yield from _below(Path(one.path), data)


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size <= LARGEST:
            content = path.read_bytes()
            return content.decode(errors="replace").splitlines() if b"\0" not in content else []
    return []


def names_of(container: Container) -> set[str]:
    """Everything that others may call it by."""
    return {container.name, *(alias for endpoint in container.endpoints for alias in endpoint.aliases)}


def mentions(state: HostState, container: Container, ending: Sequence[str] = ()) -> list[str]:
    """Where other containers are told this one's name, and Compose files that let others depend on its service. ending: containers
    that are stopped as well."""
    shared = {name for c in state.containers if c.running and c.name not in (container.name, *ending) for name in names_of(c)}
    names = names_of(container) - shared  # a name that another one answers to as well goes on leading to that one
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    whole = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-]|://)" if names else r"(?!)")
    found = [t.where for t in state.texts if t.owner and t.owner != container.name and whole.search(t.text)]
    return [*found, *_dependents(state, container)]


def clients_first(state: HostState) -> dict[str, int]:
    """The containers in an order in which each comes before those that it is told the names of; where they know each other, by name.

    A container that joins a network is told by Docker's resolver who is there some moments before it has the way to them. So it has to be
    there before those that it asks for.
    """
    holders: dict[str, set[str]] = {}
    for container in state.containers:
        for name in names_of(container):
            holders.setdefault(name, set()).add(container.name)
    askers: dict[str, set[str]] = {container.name: set() for container in state.containers}
    for text in state.texts:
        for word in WORD.findall(text.text) if text.owner else ():
            for server in holders.get(word, ()):
                askers[server].add(text.owner)
    order: dict[str, int] = {}
    left = {server: who - {server} for server, who in askers.items()}
    while left:
        free = sorted(name for name, who in left.items() if not who & left.keys()) or sorted(left)[:1]
        for name in free:
            order[name] = len(order)
            del left[name]
    return order


def _dependents(state: HostState, container: Container) -> list[str]:
    """Lines below a `depends_on:` in the container's own Compose files that name its service."""
    service, files = container.labels.get(LABEL_COMPOSE_SERVICE, ""), container.labels.get(LABEL_COMPOSE_FILES, "").split(",")
    if not service:
        return []
    word = rf"['\"]?{re.escape(service)}['\"]?"
    named = re.compile(rf"^\s*(?:-\s*)?{word}\s*(?::.*)?(?:#.*)?$|[\[{{,]\s*{word}\s*[\]}},:]")
    found, inside = [], -1
    for text in (t for t in state.texts if not t.owner and t.where[len(COMPOSE) :].rpartition(":")[0] in files):
        indent = len(text.text) - len(text.text.lstrip())
        starts = text.text.strip().startswith("depends_on:")
        if starts:
            inside = indent
        elif text.text.strip() and indent <= inside and not text.text.lstrip().startswith("-"):
            inside = -1
        if inside >= 0 and named.search(text.text.replace("depends_on:", "", 1) if starts else text.text):
            found.append(f"depends_on in {text.where[len(COMPOSE) :]}")
    return found


def compose_place(state: HostState, container: Container) -> str:
    """The Compose project that a container belongs to, with the file and the lines of its service; empty for none."""
    project, service = container.labels.get(LABEL_COMPOSE_PROJECT, ""), container.labels.get(LABEL_COMPOSE_SERVICE, "")
    if not project:
        return ""
    for path in container.labels.get(LABEL_COMPOSE_FILES, "").split(","):
        lines = [t.text for t in state.texts if not t.owner and t.where[len(COMPOSE) :].rpartition(":")[0] == path]
        first, last = service_lines(lines, service)
        if first:
            return f"the Compose project {project} ({path}:{first}-{last})"
    return f"the Compose project {project}"


def service_lines(lines: list[str], service: str) -> tuple[int, int]:
    """First and last line (from 1) of a service's block in a Compose file; (0, 0) when it is not there. Comments count as nothing."""
    head, inside = re.compile(rf"^(\s+)['\"]?{re.escape(service)}['\"]?\s*:\s*(?:#.*)?$"), False
    first = last = indent = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        deep = len(line) - len(line.lstrip())
        if first:
            if deep <= indent:
                break
            last = number
        elif deep == 0:
            inside = line.startswith("services:")
        elif inside and (found := head.match(line)):
            first = last = number
            indent = len(found.group(1))
    return first, last
