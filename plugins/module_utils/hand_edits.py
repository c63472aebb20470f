# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody changed by hand since the last run, where the label with a container's spec does not tell. Reads files; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import definition
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, digest
from ansible_collections.auren.stack.plugins.module_utils.project import Declared


def edited(service: Service, differing: Sequence[Path], record: Declared | None) -> list[str]:
    """Files that are not what the last run wrote, and that a container of the wanted spec may have read, or been made of.

    differing: files of the service with another content than is wanted. An environment file is left out: what a container has of it can be
    asked. Paths below the project.
    """
    loaded = {service.config_path(path) for path in service.files("recreate")}
    loaded |= {service.mount_path / name for name in service.entry.get("secrets") or []}
    found = [path for path in differing if path in loaded or (path == service.fragment_path and _is_anothers(path, record))]
    return [str(path.relative_to(service.house.directory)) for path in found]


def _is_anothers(fragment: Path, record: Declared | None) -> bool:
    """An earlier version of the collection may have written it in other words; nobody else did when it is as that run left it."""
    known = record.fragment if record else ""
    return bool(known) and digest(read_text(fragment) or "") != known


def declared_policy(service: Service) -> str:
    """In Docker's words, as ``on-failure:5``."""
    return str(definition.definition_of(service)["restart"]).removesuffix(":0")


def policy_operation(service: Service, container: Container) -> Operation | None:
    """`docker update` changes a restart policy of a container that goes on as it is; so does this, back."""
    declared, present = declared_policy(service), container.restart_policy or "no"
    if declared == present or "deploy" in service.compose:  # `deploy` says it in its own words
        return None
    cause = f"it is {present}, and {declared} is declared"
    return Operation("set restart policy of", service.name, cause, before=present, after=declared)
