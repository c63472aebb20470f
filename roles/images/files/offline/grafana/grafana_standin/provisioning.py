"""Data sources and dashboards from Grafana's provisioning files, checked.

Source of the formats: grafana.com/docs, "Provision Grafana" (apiVersion 1) and "Dashboard JSON model".
Grafana logs some of what is refused here and starts without it; a deployment is better told at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .settings import RefusedError

BUILT_IN = {"grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --"}
LONGEST_UID = 40


@dataclass(frozen=True)
class DataSource:
    """One provisioned data source."""

    id: int
    uid: str
    name: str
    type: str
    url: str
    default: bool
    options: dict[str, Any]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `model` is the JSON as it was read."""

    id: int
    uid: str
    title: str
    folder: str
    path: Path
    model: dict[str, Any]

    def panels(self) -> Iterator[dict[str, Any]]:
        """Yield the panels in their order; a row before those that are folded into it."""
        for panel in self.model["panels"]:
            yield panel
            yield from panel.get("panels") or []


@dataclass
class Catalogue:
    """All that was provisioned, by uid."""

    sources: dict[str, DataSource] = field(default_factory=dict)
    dashboards: dict[str, Dashboard] = field(default_factory=dict)

    @property
    def default(self) -> DataSource | None:
        """The data source of a panel that names none."""
        return next((source for source in self.sources.values() if source.default), None)

    def source_of(self, *owners: dict[str, Any]) -> DataSource | None:
        """Return the data source that the first of `owners` (target, then panel) names, or the default one."""
        for owner in owners:
            uid = uid_of(owner)
            if uid and uid not in BUILT_IN:
                return self.sources.get(uid)
        return self.default


def uid_of(owner: dict[str, Any]) -> str:
    """Return the data source uid of a panel or target, "" if it names none. Old dashboards give the uid as plain text."""
    source = owner.get("datasource")
    if isinstance(source, dict):
        return str(source.get("uid") or "")
    return source if isinstance(source, str) else ""


def load(root: Path) -> Catalogue:
    """Read everything below the provisioning directory `root`; raises RefusedError, which names the file and what is wrong."""
    catalogue = Catalogue()
    for path, entry in _entries(root / "datasources", "datasources"):
        _add_source(catalogue, path, entry)
    for path, provider in _entries(root / "dashboards", "providers"):
        for file in _dashboard_files(path, provider):
            _add_dashboard(catalogue, file, str(provider.get("folder") or ""))
    return catalogue


def _entries(directory: Path, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield (file, entry) for the list `key` of every YAML file in `directory`."""
    if not directory.is_dir():
        raise RefusedError(f"provisioning directory {directory} does not exist")
    for path in sorted(path for path in directory.iterdir() if path.suffix in (".yml", ".yaml")):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise RefusedError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict) or document.get("apiVersion") != 1:
            raise RefusedError(f"{path}: apiVersion 1 expected")
        entries = document.get(key)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RefusedError(f"{path}: a list `{key}` of mappings expected")
        yield from ((path, entry) for entry in entries)


def _text(path: Path, entry: dict[str, Any], key: str, owner: str) -> str:
    found = entry.get(key)
    if not isinstance(found, str) or not found.strip():
        raise RefusedError(f"{path}: {owner} has no {key}")
    return found


def _add_source(catalogue: Catalogue, path: Path, entry: dict[str, Any]) -> None:
    name = _text(path, entry, "name", "a data source")
    owner = f"data source {name}"
    source = DataSource(
        id=len(catalogue.sources) + 1,
        uid=_text(path, entry, "uid", owner),
        name=name,
        type=_text(path, entry, "type", owner),
        url=_text(path, entry, "url", owner),
        default=bool(entry.get("isDefault")),
        options=entry.get("jsonData") or {},
    )
    if not source.url.startswith(("http://", "https://")):
        raise RefusedError(f"{path}: {owner} has the url {source.url}, which is not http:// or https://")
    for other in catalogue.sources.values():
        if other.uid == source.uid or other.name == name:
            raise RefusedError(f"{path}: {owner} has the uid or name of another data source: {other.name}")
        if other.default and source.default:
            raise RefusedError(f"{path}: only one data source can be the default: {other.name} or {name}")
    catalogue.sources[source.uid] = source


def _dashboard_files(path: Path, provider: dict[str, Any]) -> list[Path]:
    name = _text(path, provider, "name", "a dashboard provider")
    if provider.get("type", "file") != "file":
        raise RefusedError(f"{path}: provider {name} has the type {provider.get('type')}, only file is known")
    options = provider.get("options")
    directory = Path(_text(path, options if isinstance(options, dict) else {}, "path", f"provider {name}"))
    if not directory.is_dir():
        raise RefusedError(f"{path}: provider {name} reads {directory}, which does not exist")
    return sorted(directory.rglob("*.json"))


def _add_dashboard(catalogue: Catalogue, path: Path, folder: str) -> None:
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(model, dict):
        raise RefusedError(f"{path}: a JSON object expected")
    title = _text(path, model, "title", "the dashboard")
    uid = _text(path, model, "uid", f"dashboard {title}")
    if len(uid) > LONGEST_UID:
        raise RefusedError(f"{path}: uid {uid} is longer than {LONGEST_UID} characters")
    if not isinstance(model.get("panels"), list):
        raise RefusedError(f"{path}: dashboard {title} has no list of panels")
    for other in catalogue.dashboards.values():
        if other.uid == uid or (other.folder, other.title) == (folder, title):
            raise RefusedError(f"{path}: the uid {uid} or the title {title} is already used by {other.path}")
    dashboard = Dashboard(len(catalogue.dashboards) + 1, uid, title, folder, path, model)
    for panel in model["panels"]:
        if not isinstance(panel, dict):
            raise RefusedError(f"{path}: dashboard {title} has a panel that is no JSON object")
    for panel in dashboard.panels():
        _check_panel(catalogue, path, panel)
    catalogue.dashboards[uid] = dashboard


def _check_panel(catalogue: Catalogue, path: Path, panel: dict[str, Any]) -> None:
    title = panel.get("title") or f"number {panel.get('id')}"
    if not panel.get("type"):
        raise RefusedError(f"{path}: panel {title} has no type")
    targets = panel.get("targets") or []
    for owner in [panel, *targets]:
        uid = uid_of(owner)
        if uid and uid not in BUILT_IN and uid not in catalogue.sources:
            known = ", ".join(catalogue.sources) or "none"
            raise RefusedError(f"{path}: panel {title} names the data source uid {uid}, which is not provisioned (known: {known})")
    for target in targets:
        source = catalogue.source_of(target, panel)
        if source is None:
            raise RefusedError(f"{path}: panel {title} names no data source and none is the default")
        if source.type == "prometheus" and not str(target.get("expr") or "").strip():
            raise RefusedError(f"{path}: panel {title} has a target without expr")
