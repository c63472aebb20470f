# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers of others that stand where declared services belong: read completely, each with the directories its program uses."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import container_checks, proc_net, starters, traces
from ansible_collections.auren.stack.plugins.module_utils.data_places import Program, directories, mounts
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import legible, read_text
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, Container, Mount, split_env
from ansible_collections.auren.stack.plugins.module_utils.references import LABEL_COMPOSE_FILES, LABEL_COMPOSE_SERVICE
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig, compose_of

LABEL_COMPOSE_DIRECTORY = "com.docker.compose.project.working_dir"
KEPT = re.compile(r"(?P<service>.+)-replaced-(?P<stamp>\d{8}T\d{6}Z)")
FURTHER = ("/etc", "/opt", "/home", "/root", "/usr/share")  # where people put configuration, and where images write as well
ITS_OWN = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab")
STARTING = 60.0  # seconds
SERVERS = {"postgres": "postgres", "redis": "redis-server"}  # which change into the directory of their data; the process that does


def kept_name(service: str, stamp: str) -> str:
    """How a container is called after another one has taken its place; stamp: when, as the journal writes it."""
    return f"{service}-replaced-{stamp}"


@dataclass(frozen=True)
class Old:
    """A container that is to be taken over. service: as which. kept: a run that was cut off has renamed it already.
    successor: and has made the new one.

    raw, image: as the Engine says it; image is None when it is gone. ref: the name under which its image can be had again.
    places: where its program keeps data. listens: on which of its exposed ports. edited: files of the application that are not as in
    the image.
    """

    service: str
    container: Container
    raw: Mapping[str, Any]
    image: Mapping[str, Any] | None
    config: RunConfig
    ref: str
    places: tuple[str, ...] = ()
    listens: tuple[int, ...] = ()
    kept: bool = False
    successor: bool = False
    edited: tuple[str, ...] = ()
    program: Program | None = field(default=None, repr=False, compare=False)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return mounts(self.raw)


def olds(
    engine: Engine,
    state: HostState,
    services: Mapping[str, Service],
    project: str,
    leave: Collection[str],
    unfinished: Mapping[str, str],
) -> dict[str, Old]:
    """By service, for each that is not ours yet. Services without any container are left to `site`, and so is one that was taken over.

    unfinished: by service, the old container of a run that was cut off, by its id or name.
    """
    found, system = {}, engine.system()
    for name, service in services.items():
        present = state.container(name)
        if name in leave:
            continue
        if present is not None and not present.belongs(project):
            found[name] = read(engine, system, service, present)
        elif name in unfinished and (old := next((c for c in state.containers if unfinished[name] in (c.id, c.name)), None)):
            found[name] = replace(read(engine, system, service, old), kept=True, successor=present is not None)
    return found


def read(engine: Engine, system: Mapping[str, Any], service: Service, container: Container) -> Old:
    """system: what the Engine says of itself, once for all."""
    raw = engine.inspect(container.id)
    if raw is None:
        raise StackError(f"{container.name} disappeared while it was being looked at; run again", "disappeared", container.name)
    image = engine.inspect_image(container.image_id)
    program = program_of(engine, raw)
    live = _live(service.role, container)
    edited = hot_patches(engine, container) if image is not None else []
    places = [live] if live else directories(service.role, program)
    return Old(
        service.name,
        container,
        raw,
        image,
        compose_of(raw, image, system),
        _ref(engine, container, image),
        tuple(places),
        _listens(container, raw),
        edited=tuple(path for path in edited if not container_checks.inside(path, [*places, *(m.destination for m in mounts(raw))])),
        program=program,
    )


def _listens(container: Container, raw: Mapping[str, Any]) -> tuple[int, ...]:
    """What it may listen on beside that (a debugger, a shell) is nobody's service."""
    exposed = {int(port.partition("/")[0]) for port in raw["Config"].get("ExposedPorts") or {} if port.endswith("/tcp")}
    return tuple(sorted(exposed & proc_net.listening(container.pid))) if container.running else ()


def hot_patches(engine: Engine, container: Container) -> list[str]:
    """Files of programs that are not as in the image; elsewhere, those that were not written while a container of it starts."""
    found = engine.edited(container, container_checks.CODE)
    if container.upper and os.path.isdir(container.upper):
        started = [container_checks.moment(text) for text in (container.started_at, container.created_at)]
        found += [
            path for path in engine.edited(container, FURTHER) if path not in ITS_OWN and not _by_start(container.upper + path, started)
        ]
    return sorted({legible(path) for path in found if not traces.left(path)})


def _by_start(path: str, started: Sequence[float]) -> bool:
    """Whether a file was last written within a minute of a start: images write their configuration then."""
    try:
        written = os.lstat(path).st_mtime
    except OSError:
        return True
    return any(-1 <= written - begin <= STARTING for begin in started)


def program_of(engine: Engine, raw: Mapping[str, Any]) -> Program:
    """What runs in a container, with its files within reach whether or not it runs."""
    config = raw["Config"]

    def read_file(path: str) -> str | None:
        with contextlib.suppress(StackError, KeyError, OSError):
            return engine.file(raw["Id"], path).decode(errors="replace") if path.strip("/") else None
        return None

    argv = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    return Program(split_env(config.get("Env")), argv, config.get("WorkingDir") or "/", read_file)


def _live(kind: str, container: Container) -> str:
    """The directory that a running server has changed into, as its own documentation says of it; empty when it cannot be seen."""
    if kind not in SERVERS or not container.running:
        return ""
    try:
        pids = [
            container.pid,
            *(int(pid) for pid in (read_text(Path(f"/proc/{container.pid}/task/{container.pid}/children")) or "").split()),
        ]
        for pid in pids:
            if (read_text(Path(f"/proc/{pid}/comm")) or "").strip() == SERVERS[kind]:
                return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
    return ""


def starter_subject(old: Old) -> starters.Old:
    """What may start it, as the search for that has to know it."""
    labels = old.container.labels
    files = tuple(path for path in labels.get(LABEL_COMPOSE_FILES, "").split(",") if path)
    where, project = labels.get(LABEL_COMPOSE_DIRECTORY, ""), labels.get(LABEL_COMPOSE_PROJECT, "")
    return starters.Old(old.service, files, where, project, labels.get(LABEL_COMPOSE_SERVICE, ""))


def _ref(engine: Engine, container: Container, image: Mapping[str, Any] | None) -> str:
    """The name by which the image that it runs is found now; its id where no name leads to it any more."""
    if image is None:
        return ""
    tags = list(image.get("RepoTags") or ())
    if container.image in tags:
        return container.image
    named = engine.image(container.image)
    return (
        container.image
        if named and named.id == container.image_id and not container.image.startswith("sha256:")
        else (tags or [container.image_id])[0]
    )
