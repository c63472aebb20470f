# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The project as it is on the host: what was declared last, what is in the Engine, what the secrets are. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils import guards, secrets
from ansible_collections.auren.stack.plugins.module_utils.definition import SECRETS_MOUNT, House, Service, substituted
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Image, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan
from ansible_collections.auren.stack.plugins.module_utils.rotation import Rotation, Server, next_path, present_value

DECLARED: dict[str, Any] = {  # arguments of the modules that compare a host with what is declared on it
    "project_dir": {"type": "path", "required": True},
    "declared": {"type": "list", "elements": "dict", "default": []},
    "network": {"type": "str", "default": "auren-network"},
    "disk_free": {"type": "float", "default": 5},
}


@dataclass(frozen=True)
class Declared:
    """What the last run declared for one service: the service, its spec, and the digest of the reload files that it took in.

    made: what Compose says of what a run of ours made its container of (``Container.made``). replaces: the id of the container that a run
    was about to replace, one that is under way or was cut off.
    """

    service: Service
    spec: dict[str, str]
    reloaded: str = ""
    made: str = ""
    replaces: str = ""


def declared_path(directory: Path) -> Path:
    return directory / ".auren" / "declared.json"


def read_declared(directory: Path) -> dict[str, Declared]:
    """The declared set on disk; empty for a host without one. Raises StackError when the file is damaged."""
    path = declared_path(directory)
    text = read_text(path)
    if text is None:
        return {}
    try:
        stored = json.loads(text)
        return {
            name: Declared(
                Service(record["entry"], House(**record["house"])),
                record["spec"],
                *(record.get(key, "") for key in ("reloaded", "made", "replaces")),
            )
            for name, record in stored["services"].items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(
            f"{path} cannot be read ({error}); move it away and run site with all services: it is written anew", "declared", str(path)
        ) from error


def declared_services(directory: Path, given: Sequence[Mapping[str, Any]], network: str) -> dict[str, Service]:
    """All services by name, as they are given and as they were declared on this host. network: what those that are given are on.

    Raises StackError when there are none. Without the right to read what was declared, only what is given counts.
    """
    try:
        found = {name: record.service for name, record in read_declared(directory).items()}
    except PermissionError:
        if not given:
            raise
        found = {}
    house = next((service.house for service in found.values()), House("", str(directory), network))  # with what it does for all
    for entry in given:
        service = Service(entry, replace(house, network=network))
        known = found.get(service.name, service)  # which image it settled on is known to the run that made it
        found[service.name] = substituted(service, {service.image: known.image})
    if not found:
        raise StackError(f"no service is declared in {directory}: run site first", "nothing_declared", str(directory))
    return found


def declared_file(directory: Path, declared: Mapping[str, Declared]) -> WantedFile:
    """The declared set as a file: placeholders and digests, no secret."""
    records = {
        name: {
            "entry": d.service.entry,
            "house": asdict(d.service.house),
            "spec": d.spec,
            "reloaded": d.reloaded,
            **{key: value for key, value in (("made", d.made), ("replaces", d.replaces)) if value},
        }
        for name, d in sorted(declared.items())
    }
    text = json.dumps({"format": 1, "services": records}, indent=1, ensure_ascii=False)  # the entries keep their own order
    return WantedFile(declared_path(directory), text.encode() + b"\n", 0o600)


def images_path(directory: Path) -> Path:
    return directory / "images.json"


def images_file(directory: Path, known: Mapping[str, Mapping[str, Any]]) -> WantedFile:
    """images.json: which image each reference is, so that a floating tag can be named later."""
    return WantedFile(images_path(directory), (json.dumps(dict(sorted(known.items())), indent=1) + "\n").encode())


@dataclass
class Observed:
    """One reading of everything a plan depends on. subnet: of the network, where it is made."""

    snapshot: Snapshot
    images: dict[str, Image | None]
    declared: dict[str, Declared]
    values: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[StackError] = field(default_factory=list)
    rotations: list[Rotation] = field(default_factory=list)
    network: Plan = field(default_factory=Plan)  # what the network of all needs first
    subnet: str = ""


@dataclass(frozen=True)
class Legacy:
    """Containers of others that hold values of secrets. containers: by the service that each one is. pairs: further (template, text)."""

    containers: Mapping[str, Container] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] = ()

    def __repr__(self) -> str:
        return f"Legacy({', '.join(self.containers)})"


class SecretReader:
    """Resolves the secrets of the called services on this host."""

    def __init__(
        self,
        house: House,
        services: Mapping[str, Service],
        snapshot: Snapshot,
        login: Mapping[str, Any],
        legacy: Legacy | None = None,
    ) -> None:
        """login: secret → how its server is asked."""
        self.house, self.services, self.snapshot, self.login = house, services, snapshot, login
        self.legacy = legacy or Legacy()

    def path(self, name: str) -> Path:
        return self.house.directory / "secrets" / name

    def stored(self, name: str) -> str | None:
        return read_text(self.path(name))

    def has_data(self, volume: str) -> bool:
        mountpoint = self.snapshot.where(volume)
        return bool(mountpoint) and guards.holds_data(mountpoint)

    def held(self) -> dict[str, list[str]]:
        """Candidates from the live environments of our containers and from rendered files still on disk."""
        pairs = list(self.legacy.pairs)
        for service in self.services.values():
            container = self.snapshot.container(service.name)
            old = self.legacy.containers.get(service.name)
            live = old.env if old else container.env if container and container.belongs(self.house.project) else {}
            pairs += [(text, live[key]) for key, text in service.environment.items() if key in live]
            pairs += [(f"<<secret:{name}>>", live[key]) for key, name in _named_in_files(service) if key in live]
            for path, text in {**service.files("recreate"), **service.files("reload")}.items():
                found = read_text(service.config_path(path)) if secrets.names_in(text) else None
                pairs += [(text, found)] if found is not None else []
            for name in service.entry.get("secrets") or []:
                found = read_text(service.mount_path / name)
                pairs += [(f"<<secret:{name}>>", found)] if found else []
        return secrets.candidates(pairs)

    def prove(self, name: str, value: str) -> str | None:
        """Ask the server that remembers the secret, over TCP from outside it; None when it accepts the value."""
        if not self.login.get(name):
            return None
        server = Server.of(self.login[name])
        return server.refuses(self._address(server), value) or None

    def _address(self, server: Server) -> str:
        return server.address(self.snapshot.container(server.container), self.house.network)

    def rotation(self, spec: secrets.Spec, wanted: str, held: Callable[[], dict[str, list[str]]]) -> Rotation | None:
        """The change that a server needs before its clients can use ``wanted``; None when there is nothing to do or to ask.

        Only a value that differs from the file, or a rotation that was cut off, costs a login.
        """
        stored, waiting = self.stored(spec.name) or None, read_text(next_path(self.house.directory, spec.name))
        if not spec.rotates or not self.has_data(spec.volume) or (stored == wanted and waiting is None):
            return None
        server = Server.of(self.login[spec.name])
        address = self._address(server)
        if stored is None and waiting is None and not address:
            return None  # nothing says that the value is another one; the gate will tell
        known = [value for value in (wanted, stored, waiting, *held().get(spec.name, [])) if value]
        present = present_value(spec.name, server, address, list(dict.fromkeys(known)))
        return None if present == wanted and waiting is None else Rotation(spec.name, server, present, wanted)


def _named_in_files(service: Service) -> list[tuple[str, str]]:
    """Environment keys that are declared as the path of a secret, and may hold its value in a container of others: key, secret.

    Docker Official Images and Grafana read ``KEY_FILE`` and ``KEY__FILE`` in the place of ``KEY``.
    """
    found = []
    for key, text in service.environment.items():
        name = text[len(SECRETS_MOUNT) + 1 :] if text.startswith(f"{SECRETS_MOUNT}/") else ""
        if name in (service.entry.get("secrets") or []) and key.endswith("_FILE"):
            found.append((key[: -len("_FILE")].rstrip("_"), name))
    return found


def resolve_secrets(reader: SecretReader, specs: Mapping[str, secrets.Spec], given: Mapping[str, str], observed: Observed) -> None:
    """Fill ``values``, ``sources`` and ``problems`` for every secret that the called services refer to."""
    held: list[dict[str, list[str]]] = []

    def held_once() -> dict[str, list[str]]:
        if not held:
            held.append(reader.held())
        return held[0]

    observed.problems += [
        StackError(f"auren_secrets names {name}, which nobody asks for; known are {', '.join(sorted(specs))}", "secret_unknown", name)
        for name in sorted(set(given) - set(specs))
    ]
    resolver = secrets.Resolver(given, reader.stored, held_once, reader.has_data, reader.prove)
    for name in sorted({n for s in reader.services.values() for n in s.secret_names()}):
        if name not in specs and reader.stored(name) is None and name not in held_once():
            observed.problems.append(
                StackError(f"the secret {name} is not described; add it to auren_secret_specs", "secret_unknown", name)
            )
            continue
        try:
            found = resolver.resolve(specs.get(name, secrets.Spec(name)))
            rotation = reader.rotation(specs.get(name, secrets.Spec(name)), found.value, held_once)
        except StackError as problem:
            observed.problems.append(problem)
            continue
        observed.values[name], observed.sources[name] = found.value, found.source
        observed.rotations += [rotation] if rotation else []
