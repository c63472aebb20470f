"""Answers in the shapes of Grafana's HTTP API. Source: grafana.com/docs, "HTTP API reference"."""

from __future__ import annotations

import math
import time
from typing import Any

from . import VERSION
from .prometheus import QueryError, Value, query, read
from .provisioning import Catalogue, Dashboard, DataSource

PROXIED = ("metadata", "targets")  # calls of Prometheus that are handed on
Answer = tuple[int, Any]  # HTTP status, JSON value


def health() -> Answer:
    """GET /api/health."""
    return 200, {"database": "ok", "version": VERSION, "commit": "stand-in"}


def problem(status: int, text: str, identifier: str = "") -> Answer:
    """An error in the shape of Grafana's."""
    return status, {"message": text, "messageId": identifier, "statusCode": status, "traceID": ""}


def answer(catalogue: Catalogue, path: str, parameters: dict[str, list[str]]) -> Answer:
    """Return the answer to GET `path` below /api/ for somebody who has logged in."""
    parts = path.strip("/").split("/")[1:]
    if parts == ["search"]:
        return _search(catalogue, parameters)
    if parts == ["datasources"]:
        return 200, [_source(source) for source in catalogue.sources.values()]
    if parts[:2] == ["datasources", "uid"] and len(parts) in (3, 4):
        return _one_source(catalogue, parts)
    if parts[:3] == ["datasources", "proxy", "uid"] and len(parts) == 7 and parts[4:6] == ["api", "v1"]:
        return _proxied(catalogue, parts[3], parts[6])
    if parts[:2] == ["dashboards", "uid"] and len(parts) == 3:
        board = catalogue.dashboards.get(parts[2])
        return (200, _dashboard(board)) if board else problem(404, "Dashboard not found")
    return problem(404, "Not found")


def posted(catalogue: Catalogue, path: str, body: Any) -> Answer:
    """Return the answer to POST `path`: queries of data sources, each for one moment."""
    queries = body.get("queries") if isinstance(body, dict) else None
    if path != "/api/ds/query" or not isinstance(queries, list) or not all(isinstance(one, dict) for one in queries):
        return problem(404, "Not found") if path != "/api/ds/query" else problem(400, "bad request data")
    results = {str(one.get("refId") or "A"): _result(catalogue, one) for one in queries}
    return (400 if any("error" in one for one in results.values()) else 200), {"results": results}


def _result(catalogue: Catalogue, asked: dict[str, Any]) -> dict[str, Any]:
    source = catalogue.sources.get(str((asked.get("datasource") or {}).get("uid")))
    if source is None:
        return {"status": 404, "error": "data source not found"}
    try:
        return {"status": 200, "frames": [_frame(value) for value in query(source, str(asked.get("expr") or ""))]}
    except QueryError as error:
        return {"status": 400, "error": str(error)}


def _frame(value: Value) -> dict[str, Any]:
    """One series as a data frame. JSON has no NaN: it is null there."""
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": value.labels}]
    number = value.value if math.isfinite(value.value) else None
    return {"schema": {"fields": fields}, "data": {"values": [[int(time.time() * 1000)], [number]]}}


def _proxied(catalogue: Catalogue, uid: str, call: str) -> Answer:
    source = catalogue.sources.get(uid)
    if source is None or call not in PROXIED:
        return problem(404, "Data source not found")
    try:
        return 200, {"status": "success", "data": read(source, call)}
    except QueryError as error:
        return problem(502, str(error))


def _source(source: DataSource) -> dict[str, Any]:
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": 1,
        "name": source.name,
        "type": source.type,
        "access": "proxy",
        "url": source.url,
        "isDefault": source.default,
        "jsonData": source.options,
        "readOnly": True,
    }


def _one_source(catalogue: Catalogue, parts: list[str]) -> Answer:
    source = catalogue.sources.get(parts[2])
    if source is None:
        return problem(404, "Data source not found")
    if len(parts) == 3:
        return 200, _source(source)
    if parts[3] != "health" or source.type != "prometheus":
        return problem(404, "Not found")
    try:
        query(source, "1+1")
    except QueryError as error:
        return 400, {"status": "ERROR", "message": f"{error} - There was an error returned querying the Prometheus API."}
    return 200, {"status": "OK", "message": "Successfully queried the Prometheus API."}


def _search(catalogue: Catalogue, parameters: dict[str, list[str]]) -> Answer:
    if parameters.get("type", ["dash-db"])[0] != "dash-db":
        return 200, []
    wanted = parameters.get("query", [""])[0].lower()
    found = [board for board in catalogue.dashboards.values() if wanted in board.title.lower()]
    return 200, [_hit(board) for board in sorted(found, key=lambda board: board.title)]


def _hit(board: Dashboard) -> dict[str, Any]:
    return {
        "id": board.id,
        "uid": board.uid,
        "title": board.title,
        "uri": f"db/{board.uid}",
        "url": f"/d/{board.uid}",
        "type": "dash-db",
        "tags": board.model.get("tags") or [],
        "isStarred": False,
        "folderTitle": board.folder,
    }


def _dashboard(board: Dashboard) -> dict[str, Any]:
    meta = {
        "type": "db",
        "url": f"/d/{board.uid}",
        "slug": board.uid,
        "folderTitle": board.folder,
        "provisioned": True,
        "provisionedExternalId": board.path.name,
        "canSave": False,
        "canEdit": False,
        "version": board.model.get("version", 1),
    }
    return {"meta": meta, "dashboard": {**board.model, "id": board.id}}
