# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody changed by hand since the last run, where the label with a container's spec does not tell. Reads files; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import definition
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation
from ansible_collections.auren.stack.plugins.module_utils.project import Declared


def edited(service: Service, differing: Sequence[Path]) -> list[str]:
    """Files that are not what the last run wrote, and that a container of the wanted spec may have read at its start.

    differing: files of the service with another content than is wanted. What a container was made of (its fragment, its environment) it
    says itself: ``not_ours``. Paths below the project.
    """
    loaded = {service.config_path(path) for path in service.files("recreate")}
    loaded |= {service.mount_path / name for name in service.entry.get("secrets") or []}
    return [str(path.relative_to(service.house.directory)) for path in differing if path in loaded]


def not_ours(container: Container, record: Declared | None) -> str:
    """Why a container is not the one that a run of ours made or was about to make; empty when it is, and where nothing tells.

    Neither goes away with the files: another run may have written them meanwhile, or been cut off when it had.
    """
    if record is None:
        return ""
    if record.replaces:
        return "a run was cut off before it replaced it" if record.replaces == container.id else ""
    known, live = record.made.split(), container.made.split()
    comparable = len(known) == len(live) == 2 and known[0] == live[0]
    return "somebody made it of a definition that was edited by hand" if comparable and known != live else ""


def made_of(container: Container | None, record: Declared | None) -> str:
    """What the container of a service was made of by a run of ours, so far."""
    if record and container and record.replaces not in ("", container.id):  # a run that was cut off had got as far
        return container.made
    return record.made if record else ""


def declared_policy(service: Service) -> str:
    """In Docker's words, as ``on-failure:5``."""
    return str(definition.definition_of(service)["restart"]).removesuffix(":0")


def policy_operation(service: Service, container: Container) -> Operation | None:
    """`docker update` changes a restart policy of a container that goes on as it is; so does this, back."""
    declared, present = declared_policy(service), container.restart_policy or "no"
    if declared == present or "restart_policy" in (service.compose.get("deploy") or {}):  # which says it in its own words
        return None
    cause = f"it is {present}, and {declared} is declared"
    return Operation("set restart policy of", service.name, cause, before=present, after=declared)
