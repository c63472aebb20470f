# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does Grafana show what it should? Its database is well, its data sources answer, and every panel's query gets an answer.

A query that finds no series is right where the metric is known to the data source and nothing has happened yet (a counter of refusals);
a panel on a metric that nobody exports stays empty for ever.

Source: Grafana documentation, "HTTP API" (/api/health, /api/search, /api/dashboards/uid, /api/datasources/uid/…/health, /api/ds/query,
/api/datasources/proxy/uid). Options: user, password (of an account that may see everything), dashboards: uids that must be there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import promql
from ansible_collections.auren.stack.plugins.module_utils.probes import http
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

VARIABLE = re.compile(r"\$(?!\{?__)\{?\w")  # of a dashboard; those with two underscores are filled in by Grafana itself
KINDS = ("prometheus",)  # of data sources whose queries are understood here


@dataclass(frozen=True)
class Query:
    """One of a panel's. where: for people. source: uid of its data source."""

    where: str
    source: str
    expression: str


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    grafana = Grafana(target, str(options.get("user") or "admin"), str(options.get("password") or ""), timeout)
    health = grafana.get("/api/health")
    if health.get("database") != "ok":
        raise ProbeError("status", f"{target} cannot use its database: {health.get('database')}")
    boards = [str(one["uid"]) for one in grafana.get("/api/search?type=dash-db")]
    missing = sorted({str(uid) for uid in options.get("dashboards") or []} - set(boards))
    if missing:
        raise ProbeError("missing", f"{target} has no dashboard {', '.join(missing)}")
    sources = {str(one["uid"]): one for one in grafana.get("/api/datasources")}
    queries = [query for uid in boards for query in _queries(grafana.get(f"/api/dashboards/uid/{uid}")["dashboard"], sources)]
    strange = [query for query in queries if query.source not in sources]
    if strange:
        raise ProbeError("datasource", f"{strange[0].where} asks the data source {strange[0].source}, which {target} does not have")
    for uid in sorted({query.source for query in queries if sources[query.source]["type"] in KINDS}):
        _healthy(grafana, target, uid)
        _answered(grafana, uid, [query for query in queries if query.source == uid])
    return f"{target} has {len(boards)} dashboards, and its data sources answer all of their {len(queries)} queries"


class Grafana:
    """Asks one Grafana. Raises ProbeError for what is not an answer."""

    def __init__(self, target: Target, user: str, password: str, timeout: float) -> None:
        self.target, self.timeout = target, timeout
        self.headers = {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}

    def get(self, path: str, body: Any = None) -> Any:
        """The JSON of an answer; a POST when there is a body."""
        status, found = self.ask(path, body)
        if status != 200:
            raise ProbeError("status", f"{path.partition('?')[0]} of {self.target} answers {status}: {_message(found)}")
        return found

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON."""
        answer = http.ask(self.target, path, self.timeout, self.headers, body)
        if answer.status == 401:
            raise ProbeError("auth", f"{self.target} does not accept the password of its administrator")
        try:
            return answer.status, json.loads(answer.body)
        except ValueError as error:
            raise ProbeError("protocol", f"{path.partition('?')[0]} of {self.target} answers {answer.status} and no JSON") from error

    def values(self, uid: str, expressions: Mapping[str, str]) -> dict[str, list[float]]:
        """Each expression's newest values, by its key. Raises ProbeError with what the data source says of the first that it refuses."""
        queries = [
            {
                "refId": key,
                "datasource": {"uid": uid},
                "expr": expr,
                "instant": True,
                "range": False,
                "maxDataPoints": 100,
                "intervalMs": 15000,
            }
            for key, expr in expressions.items()
        ]
        _status, found = self.ask("/api/ds/query", {"queries": queries, "from": "now-5m", "to": "now"})
        results = found.get("results") if isinstance(found, dict) else None
        if not isinstance(results, dict):
            raise ProbeError("status", f"/api/ds/query of {self.target} does not answer: {_message(found)}")
        for key, one in results.items():
            if one.get("error"):
                raise ProbeError("query", f"{expressions.get(key, key)}: {str(one['error'])[:200]}")
        return {key: _numbers(results.get(key) or {}) for key in expressions}


def _message(found: Any) -> str:
    return str(found.get("message") or found)[:200] if isinstance(found, dict) else str(found)[:200]


def _numbers(result: Mapping[str, Any]) -> list[float]:
    """The last value of every series: a frame has a column of times and one of values."""
    columns = [frame.get("data", {}).get("values") or [] for frame in result.get("frames") or []]
    return [float(values[-1][-1]) for values in columns if len(values) > 1 and values[-1] and values[-1][-1] is not None]


def _queries(board: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> Iterator[Query]:
    """Of all panels, also those that are folded into a row; not those whose values somebody has to choose first."""
    named = {str(one.get("name")): uid for uid, one in sources.items()}  # old dashboards name the source, not its uid
    usual = next((uid for uid, one in sources.items() if one.get("isDefault")), "")
    panels = list(board.get("panels") or [])
    panels += [inner for panel in panels for inner in panel.get("panels") or []]
    for panel in panels:
        for asked in panel.get("targets") or []:
            source = _uid(asked.get("datasource")) or _uid(panel.get("datasource")) or usual
            expression = str(asked.get("expr") or "")
            if expression and not asked.get("hide") and not source.startswith("-") and not VARIABLE.search(expression):
                where = f"the panel {panel.get('title')!r} of the dashboard {board.get('uid')}"
                yield Query(where, named.get(source, source), expression)


def _uid(source: Any) -> str:
    """Of a data source as a panel names it; empty for the default one and for a variable."""
    uid = str(source.get("uid") or "") if isinstance(source, Mapping) else str(source or "")
    return "" if uid.startswith("$") else uid


def _healthy(grafana: Grafana, target: Target, uid: str) -> None:
    status, found = grafana.ask(f"/api/datasources/uid/{uid}/health")
    if status != 200 or str(found.get("status")) != "OK":
        raise ProbeError("datasource", f"the data source {uid} of {target} does not answer: {_message(found)}")


def _answered(grafana: Grafana, uid: str, queries: list[Query]) -> None:
    """Raises ProbeError for the first panel whose query is refused, or that is about what nobody exports."""
    numbered = {f"Q{number}": query for number, query in enumerate(queries)}
    try:
        found = grafana.values(uid, {key: query.expression for key, query in numbered.items()})
    except ProbeError as error:
        if error.kind != "query":
            raise
        where = next((q.where for q in queries if error.message.startswith(f"{q.expression}: ")), "a panel")
        raise ProbeError("query", f"{where} is refused by {uid}: {error.message}") from error
    empty = [query for key, query in numbered.items() if not found[key]]
    if not empty or not _all_up(grafana, uid):
        return
    documented = set(grafana.get(f"/api/datasources/proxy/uid/{uid}/api/v1/metadata")["data"])
    for query in empty:
        for name in sorted(promql.metrics(query.expression)):
            if not promql.family(name) & documented and not _recorded(grafana, uid, name):
                raise ProbeError("unexported", f"{query.where} is about the metric {name}, which nobody exports")


def _all_up(grafana: Grafana, uid: str) -> bool:
    """What is not scraped yet, or cannot be, documents nothing; that is told by who asks Prometheus."""
    targets = grafana.get(f"/api/datasources/proxy/uid/{uid}/api/v1/targets")["data"]["activeTargets"]
    return all(one.get("health") == "up" for one in targets)


def _recorded(grafana: Grafana, uid: str, name: str) -> bool:
    """Whether there is a series of this name although no target documents it, as a rule makes one."""
    return bool(grafana.values(uid, {"A": f"count({name})"})["A"])
