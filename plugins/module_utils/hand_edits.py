# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody changed by hand since the last run, where the label with a container's spec does not tell. Reads files; changes nothing."""

from __future__ import annotations

from ansible_collections.auren.stack.plugins.module_utils import definition
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, difference, read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, digest
from ansible_collections.auren.stack.plugins.module_utils.project import Declared


def edited(service: Service, wanted: list[WantedFile], record: Declared | None) -> list[str]:
    """Files that are not what the last run wrote, and that a container of the wanted spec may have read, or been made of.

    wanted: of the service. Paths below the project. An environment file is left out: what a container has of it can be asked.
    """
    loaded = {service.config_path(path) for path in service.files("recreate")}
    loaded |= {service.mount_path / name for name in service.entry.get("secrets") or []}
    found = [file.path for file in wanted if file.path in loaded and difference(file) == "content"]
    text = read_text(service.fragment_path)
    if record and record.fragment and text is not None and digest(text) != record.fragment:
        found += [file.path for file in wanted if file.path == service.fragment_path and difference(file) == "content"]
    return [str(path.relative_to(service.house.directory)) for path in found]


def policy_operation(service: Service, container: Container) -> Operation | None:
    """`docker update` changes a restart policy of a container that goes on as it is; so does this, back."""
    declared, present = str(definition.definition_of(service)["restart"]).removesuffix(":0"), container.restart_policy or "no"
    if declared == present or "deploy" in service.compose:  # `deploy` says it in its own words
        return None
    cause = f"it is {present}, and {declared} is declared"
    return Operation("set restart policy of", service.name, cause, before=present, after=declared)
