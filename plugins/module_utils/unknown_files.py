# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in the project's directory that nobody declared, where Compose or a container would read them. Reads names only."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.definition import Service, definition_of, service_paths
from ansible_collections.auren.stack.plugins.module_utils.files import legible

# What Compose would read in the place of docker-compose.yml, or beside it, when somebody calls it there.
READ_BY_COMPOSE = (
    *(f"{name}{kind}" for name in ("compose", "compose.override", "docker-compose.override") for kind in (".yml", ".yaml")),
    *("docker-compose.yaml", ".env"),
)
PLACES = ("services", "config", "secrets/mounts", "secrets/env")  # all in there is ours, but for what somebody has mounted from there
UNFINISHED = ".new-"  # how a file begins that is being written


def unknown_files(directory: Path, services: Collection[Service]) -> list[tuple[str, str]]:
    """(service, or empty where it is nobody's; path below the directory), sorted. services: as declared, also what was declared before.

    The values in ``secrets`` and what else somebody keeps in the directory are not looked at.
    """
    known = {str(path) for one in services for path in (*service_paths(one), one.fragment_path)}
    owned = _operators(directory, services, known)
    owner = {str(path): one.name for one in services for path in (one.config_path(""), one.mount_path)}
    found = [str(directory / name) for name in READ_BY_COMPOSE if os.path.lexists(directory / name)]
    found += [path for place in PLACES for path in _files(directory / place) if path not in known and not _within(path, owned)]
    told = [(next((name for place, name in owner.items() if _within(path, [place])), ""), path) for path in found]
    return sorted((name, legible(os.path.relpath(path, directory))) for name, path in told)


def _files(place: Path) -> Iterator[str]:
    for where, folders, names in os.walk(place):
        linked = [name for name in folders if os.path.islink(os.path.join(where, name))]
        yield from (os.path.join(where, name) for name in (*names, *linked) if not name.startswith(UNFINISHED))


def _operators(directory: Path, services: Collection[Service], known: Collection[str]) -> list[str]:
    """Places below the directory that a service mounts and that no declared file is in: what is there is the operator's."""
    volumes = [one for service in services for one in definition_of(service).get("volumes") or []]
    sources = {str(one.get("source") or "") if isinstance(one, dict) else str(one).partition(":")[0] for one in volumes}
    return [
        one for one in map(os.path.normpath, sources) if _within(one, [str(directory)]) and not any(_within(path, [one]) for path in known)
    ]


def _within(path: str, places: Collection[str]) -> bool:
    return any(path == place.rstrip("/") or path.startswith(place.rstrip("/") + "/") for place in places)
