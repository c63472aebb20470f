# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The data of the architecture document: one reading of a host as statements, and the file that knows since when each was the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import live_map, statements
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, make_directory, read_text, write
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.layers import USER
from ansible_collections.auren.stack.plugins.module_utils.live_map import Remark
from ansible_collections.auren.stack.plugins.module_utils.model import Image
from ansible_collections.auren.stack.plugins.module_utils.statements import Known, Statement


@dataclass(frozen=True)
class Reading:
    """Everything that the document is made from. images: id → image. checks: of a verification. engine: its version."""

    state: HostState
    services: Mapping[str, Service]
    images: Mapping[str, Image]
    remarks: Sequence[Remark]
    checks: Sequence[Mapping[str, Any]]
    network: str
    engine: str


def known_path(project: Path) -> Path:
    return project / ".auren" / "known.json"


def read_known(project: Path) -> Known:
    """What was stated last; empty where nothing was. Raises StackError when the file is damaged."""
    path = known_path(project)
    text = read_text(path)
    try:
        found = json.loads(text)["statements"] if text is not None else {}
        return {str(key): {"value": str(one["value"]), "since": str(one["since"])} for key, one in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{path} cannot be read ({error}); move it away: then everything holds since the next run"
        raise StackError(said, "known", str(path), str(error)) from error


def write_known(project: Path, known: Known) -> None:
    path = known_path(project)
    make_directory(path.parent, 0o700)
    text = json.dumps({"format": 1, "statements": known}, indent=1, sort_keys=True, ensure_ascii=False)
    write(WantedFile(path, text.encode() + b"\n", 0o600))


def parts(reading: Reading) -> dict[str, Any]:
    """Name of a part → its rows, each with its statements: overview, services, strangers, networks, places, connections, remarks, nodes."""
    live = {one["name"]: one for one in live_map.containers(reading.state, reading.services, reading.images)}
    layer = statements.layers_of(reading.services, _clients(reading))
    arrows = statements.connections(reading.checks, layer)
    services = [_service(name, live.get(name), reading.services.get(name), layer) for name in sorted({*live, *reading.services})]
    return {
        "overview": _overview(reading, live),
        "services": [one for one in services if one["declared"]],
        "strangers": [one for one in services if not one["declared"]],
        "networks": [_network(one, reading) for one in live_map.networks(reading.state) if one["containers"] or one["driver"] == "bridge"],
        "places": _places(live),
        "connections": [{**vars(one), "checks": list(one.checks), "statements": [one.statement]} for one in arrows],
        "remarks": [
            {"target": one.about.partition("/")[2], "statements": [one]} for one in statements.of_remarks(map(vars, reading.remarks))
        ],
        "nodes": _nodes(layer, reading, arrows),
    }


def _clients(reading: Reading) -> set[str]:
    return {str(one["client"]) for one in reading.checks if one["status"] != "skipped"} - {""}


def _overview(reading: Reading, live: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
    mine = [live[name] for name in reading.services if name in live]
    runs = [one for one in mine if one["state"] == "running"]
    sick = sorted(one["name"] for one in runs if one["health"] not in ("", "healthy"))
    homes = sorted({str(service.house.directory) for service in reading.services.values()})
    kept = {one.target for one in reading.remarks if one.kind == "kept"} & set(live)
    stranger = sorted(set(live) - set(reading.services) - kept)
    found = {
        "declared services": f"{len(reading.services)}: {', '.join(sorted(reading.services))}",
        "running of them": f"{len(runs)}" + (f"; not healthy: {', '.join(sick)}" if sick else ", none of them unhealthy" if runs else ""),
        "containers that nobody declared": ", ".join(stranger) or "none",
        **({"containers that a takeover kept": ", ".join(sorted(kept))} if kept else {}),
        "networks beside the stack's": ", ".join(statements.strange_networks(live_map.networks(reading.state), reading.network)) or "none",
        "Docker Engine": reading.engine,
    }
    told = [Statement("overview", what, value, statements.INSPECT) for what, value in found.items()]
    return [*told, Statement("overview", "project directory", ", ".join(homes), statements.DECLARED)]


def _service(name: str, one: Mapping[str, Any] | None, service: Service | None, layer: Mapping[str, str]) -> dict[str, Any]:
    said = statements.of_service(one, service) if one else statements.of_absent(service) if service else []
    return {"name": name, "declared": service is not None, "layer": layer.get(name, ""), "statements": said}


def _network(one: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    return {"name": one["name"], "home": one["name"] == reading.network, "statements": statements.of_network(one)}


def _places(live: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [(network, name, place) for name, one in live.items() for network, place in one["networks"].items()]
    return [
        {"network": network, "name": name, **place, "statements": [statements.of_place(name, network, place)]}
        for network, name, place in sorted(found, key=lambda one: one[:2])
    ]


def _nodes(layer: Mapping[str, str], reading: Reading, arrows: Sequence[statements.Connection]) -> list[dict[str, str]]:
    """What is drawn: every declared service, and who else was proved to use one."""
    drawn = {*reading.services, *(name for one in arrows for name in (one.client, one.service))}
    states = {one.name: one for one in reading.state.containers}
    found = []
    for name in sorted(drawn):
        one = states.get(name)
        well = name == statements.HOST or (one is not None and one.serving)
        found.append({"name": name, "layer": layer.get(name, USER), "status": "well" if well else "down"})
    return found


def dated(found: dict[str, Any], known: Known, now: str) -> tuple[dict[str, Any], Known]:
    """The parts with ``facts`` (what, value, seen, since) in the place of statements, and ``since`` of the newest; what is known now."""
    rows = [row for part in found.values() for row in part if isinstance(row, dict) and "statements" in row]
    every = [*found["overview"], *(one for row in rows for one in row["statements"])]
    since = statements.held(every, known, now)

    def told(row: Mapping[str, Any]) -> dict[str, Any]:
        facts = statements.rows(row["statements"], since)
        plain = {key: value for key, value in row.items() if key != "statements"}
        return {**plain, "facts": facts, "since": max([one["since"] for one in facts], default="")}

    parts = {name: [told(row) if "statements" in row else row for row in part] for name, part in found.items() if name != "overview"}
    return {**parts, "overview": statements.rows(found["overview"], since)}, since
