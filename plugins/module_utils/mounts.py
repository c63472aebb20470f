# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories that a container still has, but that are no longer those on the host.

A bind mount holds on to the directory it was made from. When that is removed, or removed and made anew, what is written to its
path never reaches the container.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.definition import SECRETS_MOUNT, Service
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container


def mounts(service: Service) -> list[tuple[Path, str]]:
    """What of the project's directory a service mounts: path on the host, path in the container."""
    texts = [str(volume).split(":") for volume in service.compose.get("volumes") or [] if isinstance(volume, str)]
    found = [(Path(words[0]), words[1]) for words in texts if len(words) > 1 and service.house.directory in Path(words[0]).parents]
    return found + ([(service.mount_path, SECRETS_MOUNT)] if service.entry.get("secrets") else [])


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _can_be_seen(container: Container) -> bool:
    """Whether the container's process is the one that this host knows by its number."""
    try:
        return container.running and container.id in (read_text(Path(f"/proc/{container.pid}/cgroup")) or "")
    except OSError:
        return False


def stale(service: Service, container: Container) -> list[Path]:
    """The mounted paths that are gone from the host, or are others than the running container has."""
    seen, found = _can_be_seen(container), []
    for source, target in mounts(service):
        outside = _identity(str(source))
        inside = _identity(f"/proc/{container.pid}/root{target}") if seen else None
        if outside is None or (inside is not None and inside != outside):
            found.append(source)
    return found
