"""Instant queries to Prometheus. Source: prometheus.io/docs, "HTTP API", /api/v1/query and /api/v1/metadata."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from .provisioning import DataSource

TIMEOUT = 5.0  # seconds
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


class QueryError(Exception):
    """Prometheus does not answer or refuses the query; the text says why."""


@dataclass(frozen=True)
class Value:
    """One series of an answer: its labels and its newest value (NaN and infinities are possible)."""

    labels: dict[str, str]
    value: float


def interval(source: DataSource) -> str:
    """Return `$__rate_interval` in seconds: four scrapes, of which the data source knows the interval (15 s if not)."""
    match = re.fullmatch(r"(\d+)(s|m|h)", str(source.options.get("timeInterval") or "15s"))
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 15
    return f"{4 * seconds}s"


def fill_in(expr: str, source: DataSource) -> str:
    """Replace Grafana's interval variables; any other variable stands for all values, `.*`."""
    known = {"__rate_interval": interval(source), "__interval": interval(source), "__range": "1h"}
    return VARIABLE.sub(lambda match: known.get(match[1] or match[2], ".*"), expr)


def query(source: DataSource, expr: str) -> list[Value]:
    """Return the newest value of every series; a scalar is one series without labels. Raises QueryError."""
    data = _get(source, "query", {"query": fill_in(expr, source)})
    kind, result = data["resultType"], data["result"]
    if kind == "vector":
        return [Value(dict(series["metric"]), float(series["value"][1])) for series in result]
    if kind == "scalar":
        return [Value({}, float(result[1]))]
    raise QueryError(f"an answer of type {kind} is no vector")


def read(source: DataSource, call: str) -> dict[str, Any]:
    """The data of a call without parameters. Raises QueryError."""
    return _get(source, call, {})


def _get(source: DataSource, call: str, parameters: dict[str, str]) -> dict[str, Any]:
    url = f"{source.url.rstrip('/')}/api/v1/{call}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise QueryError(_refusal(error)) from error
    except (OSError, ValueError) as error:
        raise QueryError(f"{source.url} does not answer: {getattr(error, 'reason', error)}") from error
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise QueryError(f"{source.url} gave no answer of Prometheus")
    return dict(answer["data"])


def _refusal(error: urllib.error.HTTPError) -> str:
    """Prometheus' own words for a bad query are in the body of the 400."""
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
