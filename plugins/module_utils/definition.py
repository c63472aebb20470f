# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A declared service → its Compose fragment, its files and its spec. Pure: no Engine, no disk."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import secrets
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, LABEL_SPEC
from ansible_collections.auren.stack.plugins.module_utils.plan import digest
from ansible_collections.auren.stack.plugins.module_utils.yaml_text import dump

CANDIDATE = "-candidate"  # how the name of a new version that is tried ends
SECRETS_MOUNT = "/run/secrets"


@dataclass(frozen=True)
class House:
    """What every service gets. project_dir: absolute. Sizes in Docker's words, times in seconds."""

    project: str
    project_dir: str
    network: str
    restart: str = "unless-stopped"
    log_max_size: str = "10m"
    log_max_files: int = 3
    gate_deadline: int = 180
    gate_hold: int = 5

    @property
    def directory(self) -> Path:
        return Path(self.project_dir)


@dataclass(frozen=True)
class Service:
    """One declared service: the dict that a role declares (see docs/architecture.md), with the house it lives in."""

    entry: Mapping[str, Any]
    house: House

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def role(self) -> str:
        return str(self.entry.get("role", self.name))

    @property
    def compose(self) -> Mapping[str, Any]:
        compose: Mapping[str, Any] = self.entry["compose"]
        return compose

    @property
    def image(self) -> str:
        return str(self.compose.get("image") or "")

    @property
    def needs(self) -> list[str]:
        return list(self.entry.get("needs") or [])

    @property
    def aliases(self) -> list[str]:
        return list(self.entry.get("aliases") or [])

    @property
    def data(self) -> list[Mapping[str, str]]:
        return list(self.entry.get("data") or [])

    def volume_variable(self, data: Mapping[str, str]) -> str:
        """The variable that says which volume an entry of ``data`` is."""
        return data.get("variable") or f"{self.role}_volume"

    @property
    def reload(self) -> Mapping[str, Any]:
        return self.entry.get("reload") or {}

    @property
    def candidate(self) -> Mapping[str, Any]:
        """How a new version is tried beside the present one; empty when it is not. See ``candidate``."""
        return self.entry.get("candidate") or {}

    @property
    def gated_by_health(self) -> bool:
        check = self.compose.get("healthcheck") or {}
        return bool(check) and check.get("test") not in (["NONE"], "NONE") and not check.get("disable")

    @property
    def owner(self) -> tuple[int, int]:
        """uid, gid that the container's process reads its files as."""
        parts = str(self.entry.get("runs_as") or "0:0").split(":")
        return int(parts[0]), int(parts[-1])

    @property
    def environment(self) -> dict[str, str]:
        return {str(k): _env_text(v) for k, v in (self.compose.get("environment") or {}).items() if v is not None}

    @property
    def gate_deadline(self) -> float:
        return float((self.entry.get("gate") or {}).get("deadline", self.house.gate_deadline))

    @property
    def gate_hold(self) -> float:
        return float((self.entry.get("gate") or {}).get("hold", self.house.gate_hold))

    def files(self, on_change: str) -> dict[str, str]:
        """Declared files with this ``on_change``: relative path → text with placeholders."""
        declared = self.entry.get("files") or {}
        return {path: f["content"] for path, f in declared.items() if f.get("on_change", "recreate") == on_change}

    def secret_names(self) -> list[str]:
        texts = [*self.environment.values(), *self.files("recreate").values(), *self.files("reload").values()]
        found = [name for text in texts for name in secrets.names_in(text)]
        return list(dict.fromkeys([*(self.entry.get("secrets") or []), *found]))

    # --- where things are -------------------------------------------------------------------------------------------

    @property
    def fragment_path(self) -> Path:
        return self.house.directory / "services" / f"{self.name}.yml"

    @property
    def env_path(self) -> Path:
        return self.house.directory / "secrets" / "env" / f"{self.name}.env"

    @property
    def mount_path(self) -> Path:
        return self.house.directory / "secrets" / "mounts" / self.name

    def config_path(self, relative: str) -> Path:
        return self.house.directory / "config" / self.name / relative


def _env_text(value: Any) -> str:
    """Compose's words for an environment value: booleans are true and false."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def plain_environment(service: Service) -> dict[str, str]:
    return {k: v for k, v in service.environment.items() if not secrets.names_in(v)}


def secret_environment(service: Service) -> dict[str, str]:
    return {k: v for k, v in service.environment.items() if secrets.names_in(v)}


def definition_of(service: Service) -> dict[str, Any]:
    """A service in Compose's words, with what the house adds and without labels of ours; ``$`` still literal.

    No depends_on: Compose 2.26 counts it in its own hash but not under --no-deps, so ``up -d`` by hand would recreate what we
    made (tried; 5.6 does not). The order is that of ``start_order``.
    """
    house, compose = service.house, dict(service.compose)
    compose.pop("environment", None)
    volumes = list(compose.pop("volumes", None) or [])
    volumes += [":".join(filter(None, (d["volume"], d["target"], d.get("mode", "")))) for d in service.data]
    if service.entry.get("secrets"):
        volumes.append(f"{service.mount_path}:{SECRETS_MOUNT}:ro")
    result: dict[str, Any] = {"image": compose.pop("image"), "container_name": service.name}
    result.update(compose)
    if plain_environment(service):
        result["environment"] = plain_environment(service)
    if volumes:
        result["volumes"] = volumes
    result["networks"] = {house.network: {"aliases": service.aliases}} if service.aliases else {house.network: {}}
    result.setdefault("restart", house.restart)
    options = {"max-size": house.log_max_size, "max-file": str(house.log_max_files)}
    result.setdefault("logging", {"driver": "json-file", "options": options})
    if service.gated_by_health:
        timing = {"interval": "10s", "timeout": "5s", "retries": 5, "start_period": "60s"}
        result["healthcheck"] = {**timing, **result["healthcheck"]}
    return result


def _leaves(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def spec(service: Service, values: Mapping[str, str]) -> dict[str, str]:
    """Digest per leaf of everything that a running container cannot take in without being recreated.

    Outside it: files marked reload, the image's id (compared with the live container), Engine-dependent timing.
    """
    leaves = dict(_leaves(definition_of(service), ""))
    for name, text in secret_environment(service).items():
        leaves[f"environment.{name}"] = secrets.fill_fingerprints(text, values)
    for path, text in service.files("recreate").items():
        leaves[f"files.{path}"] = secrets.fill_fingerprints(text, values)
    for name in service.entry.get("secrets") or []:
        leaves[f"secrets.{name}"] = secrets.fingerprint(name, values[name])
    leaves["runs_as"] = list(service.owner)
    return {path: digest(value, 8) for path, value in sorted(leaves.items())}


def spec_on(labels: Mapping[str, str]) -> dict[str, str]:
    """The spec that a container was made with, as its labels say; empty where they say none."""
    try:
        found = json.loads(labels.get(LABEL_SPEC, "{}"))
    except ValueError:
        return {}
    return dict(found) if isinstance(found, dict) else {}


_NOUNS = {"environment": "environment key", "files": "file", "secrets": "secret", "labels": "label"}


def _leaf_name(path: str) -> str:
    head, rest = [*path.split(".", 1), ""][:2]
    return f"{_NOUNS[head]} {rest}" if head in _NOUNS and rest else path


def spec_causes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What differs between two specs, in words: ``environment key LOG_LEVEL changed``."""
    causes = [f"{_leaf_name(p)} {'changed' if p in before else 'added'}" for p in after if before.get(p) != after[p]]
    return causes + [f"{_leaf_name(p)} removed" for p in before if p not in after]


PLAIN = ("image", "restart", "mem_limit", "cpus", "ports", "volumes", "networks", "logging", "stop_grace_period")  # hold no secret


def plain_values(service: Service) -> dict[str, str]:
    """What of a definition may be shown with its value, as text: leaf → value. Environment, commands, files and labels are not in it."""
    found = {path: value for path, value in _leaves(definition_of(service), "") if path.split(".", 1)[0] in PLAIN}
    return {path: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for path, value in found.items()}


def reload_digest(service: Service, values: Mapping[str, str]) -> str:
    """Digest of all files marked reload; empty when there are none."""
    files = service.files("reload")
    return digest({path: secrets.fill_fingerprints(text, values) for path, text in files.items()}) if files else ""


def _escaped(value: Any) -> Any:
    """``$`` doubled everywhere: Compose interpolates nothing of ours."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {k: _escaped(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(v) for v in value]
    return value


def fragment(service: Service, wanted: Mapping[str, str], api: tuple[int, ...]) -> dict[str, Any]:
    """The content of ``services/<name>.yml``.

    wanted: the spec. api: the Engine's API version.
    """
    definition = definition_of(service)
    patient = service.gated_by_health and definition["healthcheck"]["start_period"] != "0s"
    if patient and api >= (1, 44):  # Engine 25; earlier ones refuse the key
        definition["healthcheck"].setdefault("start_interval", "1s")
    labels = {**(definition.get("labels") or {}), LABEL_SERVICE: service.name}
    labels[LABEL_SPEC] = json.dumps(wanted, separators=(",", ":"), sort_keys=True)
    definition["labels"] = labels
    if secret_environment(service):
        definition["env_file"] = [*(definition.get("env_file") or []), str(service.env_path)]
    result: dict[str, Any] = {"services": {service.name: _escaped(definition)}}
    named = [d["volume"] for d in service.data if not d["volume"].startswith("/")]
    if named:
        result["volumes"] = {volume: {"external": True, "name": volume} for volume in named}
    result["networks"] = {service.house.network: {"external": True, "name": service.house.network}}
    return result


def with_image(content: dict[str, Any], name: str, image: str) -> dict[str, Any]:
    """The same fragment on another image."""
    services = {name: {**content["services"][name], "image": image}}
    return {**content, "services": services}


HEADER = "# Written by auren.stack; changes here are put back by the next run. Change the inventory instead.\n"


def fragment_file(service: Service, content: Mapping[str, Any]) -> WantedFile:
    return WantedFile(service.fragment_path, (HEADER + dump(content)).encode())


def master_file(house: House, names: Iterable[str]) -> WantedFile:
    content = {"name": house.project, "include": [f"services/{name}.yml" for name in names]}
    return WantedFile(house.directory / "docker-compose.yml", (HEADER + dump(content)).encode())


def env_quote(value: str) -> str:
    """A value for Compose's env_file parser, double-quoted: tried with Compose 2.26 and 5.6 on every special character."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'


def service_files(service: Service, values: Mapping[str, str]) -> list[WantedFile]:
    """Everything that is written for a service beside its fragment, secrets filled in."""
    uid, gid = service.owner
    wanted: list[WantedFile] = []
    for path, text in {**service.files("recreate"), **service.files("reload")}.items():
        secret = bool(secrets.names_in(text))
        owner = (uid, gid) if secret else (0, 0)
        mode = 0o400 if secret else 0o644
        wanted.append(WantedFile(service.config_path(path), secrets.fill(text, values).encode(), mode, *owner))
    for name in service.entry.get("secrets") or []:
        wanted.append(WantedFile(service.mount_path / name, values[name].encode(), 0o400, uid, gid))
    lines = [f"{k}={env_quote(secrets.fill(v, values))}\n" for k, v in secret_environment(service).items()]
    if lines:
        wanted.append(WantedFile(service.env_path, "".join(lines).encode(), 0o600))
    return wanted


def service_paths(service: Service) -> list[Path]:
    """The paths of ``service_files``, without any value."""
    paths = [service.config_path(path) for path in service.entry.get("files") or {}]
    paths += [service.mount_path / name for name in service.entry.get("secrets") or []]
    return paths + ([service.env_path] if secret_environment(service) else [])


def substituted(service: Service, images: Mapping[str, str]) -> Service:
    """The service with its image replaced, where another one stands in for it."""
    other = images.get(service.image)
    if not other:
        return service
    return replace(service, entry={**service.entry, "compose": {**service.compose, "image": other}})


def ready(services: Mapping[str, Service], pending: Sequence[str], unready: Collection[str]) -> list[str]:
    """Those of ``pending`` that need none of ``unready``: they may start."""
    return [name for name in pending if not any(need in unready and need != name for need in services[name].needs)]


def start_order(services: Mapping[str, Service]) -> list[list[str]]:
    """Names in waves: each wave needs only what is in earlier ones. A cycle ends in the last wave."""
    left = dict(services)
    waves: list[list[str]] = []
    while left:
        wave = ready(services, list(left), left) or list(left)
        waves.append(wave)
        left = {n: s for n, s in left.items() if n not in wave}
    return waves
