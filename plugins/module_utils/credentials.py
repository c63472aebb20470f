# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passwords as those hold them who use them: a client that has another one than its server is what no health address shows.

Values are compared and tried, and never leave the module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils import secrets
from ansible_collections.auren.stack.plugins.module_utils.definition import SECRETS_MOUNT, House, Service
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container


@dataclass(frozen=True)
class Held:
    """A password as a client holds it: where it is read from, and its value; None when that is not as it was declared."""

    source: str
    value: str | None

    def __repr__(self) -> str:
        return f"Held({self.source})"


def held_by(service: Service, container: Container, secret: str) -> list[Held]:
    """Every place where a client holds a secret's value: its live environment, its files, its mounted secrets.

    A container that somebody else has made holds it where its image reads it: in those of the declared environment keys that it has.
    """
    found: list[Held] = []
    for key, template in service.environment.items():
        if secret in secrets.names_in(template) and (container.ours or key in container.env):
            live = container.env.get(key, "")
            found.append(Held(f"environment key {key}", secrets.harvest(template, live).get(secret)))
    if not container.ours:
        return found
    for path, template in {**service.files("recreate"), **service.files("reload")}.items():
        if secret in secrets.names_in(template):
            live = read_text(service.config_path(path)) or ""
            found.append(Held(f"file {path}", secrets.harvest(template, live).get(secret)))
    if secret in (service.entry.get("secrets") or []):
        found.append(Held(f"{SECRETS_MOUNT}/{secret}", read_text(service.mount_path / secret)))
    return found


def stored(house: House, secret: str, given: Mapping[str, str]) -> list[Held]:
    """The value that the server was given: from the host's files, else from the inventory."""
    value = read_text(house.directory / "secrets" / secret) if secret else None
    if value:
        return [Held(f"the file secrets/{secret}", value)]
    return [Held(f"{secret} in auren_secrets", given[secret])] if given.get(secret) else []


def without(text: str, values: Iterable[str]) -> str:
    """The text without the values in any form: what a server says is not ours."""
    for value in values:
        for form in secrets.forms(value) if value else []:
            text = text.replace(form, "***")
    return text
