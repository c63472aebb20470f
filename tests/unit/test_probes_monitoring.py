"""What the probes of Prometheus and Grafana make of their answers; against real servers they run in the scenarios."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.auren.stack.plugins.module_utils import promql
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target

# --- Prometheus -----------------------------------------------------------------------------------------------------


@contextmanager
def answers_by_path(answers: dict[str, object]) -> Iterator[Target]:
    """A server of JSON; what is no string is the data of a success."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answers.get(self.path.partition("?")[0], "")
            body = found if isinstance(found, str) else json.dumps({"status": "success", "data": found})
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Target("127.0.0.1", server.server_address[1])
        server.shutdown()


def scraped(job: str, health: str = "up", error: str = "") -> dict[str, object]:
    return {"labels": {"job": job}, "health": health, "scrapeUrl": f"http://{job}/metrics", "lastError": error}


def recently(job: str) -> dict[str, object]:
    """A series of those that could be scraped within the last minute."""
    return {"metric": {"job": job}, "value": [1, "1"]}


def ruled(name: str, query: str) -> dict[str, object]:
    return {"groups": [{"rules": [{"name": name, "query": query}]}]}


@pytest.mark.parametrize(
    ("more", "options", "kind", "evidence"),
    [
        ({}, {}, "", "has its configuration loaded and 2 targets up"),
        ({}, {"jobs": {"redis": "redis"}}, "", "2 targets up"),
        ({}, {"jobs": {"redis": "redis", "kafka": "k"}}, "missing", "scrapes no job kafka; it has prometheus, redis"),
        ({}, {"jobs": {"redis": "auren-redis-exporter:9121"}}, "target", "scrapes redis at redis instead of auren-redis-exporter:9121"),
        ({"targets": {"activeTargets": [scraped("redis", "unknown")]}}, {}, "", "1 targets up, 1 not scraped yet"),
        (
            {"targets": {"activeTargets": [scraped("redis", "down", "connection refused"), scraped("x")]}},
            {},
            "down",
            "cannot scrape redis at http://redis/metrics (connection refused)",
        ),
        (
            {"targets": {"activeTargets": [scraped("redis", "down", "refused"), scraped("x")]}, "query": {"result": [recently("redis")]}},
            {},
            "",
            "2 targets up, 1 not at the last scrape",
        ),
        (
            {"targets": {"activeTargets": [scraped("redis", "down", "refused"), scraped("x")]}, "query": {"result": [recently("x")]}},
            {},
            "down",
            "cannot scrape redis",
        ),
        ({"query": {"result": [{"value": [1, "0"]}]}}, {}, "status", "refused its new configuration"),
        ({"query": {"result": []}}, {}, "", "configuration loaded"),
        ({"rules": ruled("KafkaDown", 'up{job="kafka"} == 0')}, {}, "rule", "the rule KafkaDown of "),
        ({"rules": ruled("RedisDown", "up{job='redis'} == 0")}, {}, "", "configuration loaded"),
        ({"rules": ruled("Any", 'up{job=~"kafka|redis"} == 0')}, {}, "", "configuration loaded"),
        ({"targets": "<html>"}, {}, "protocol", "does not answer as Prometheus does to GET /api/v1/targets"),
        ({"rules": '{"status": "error", "error": "no rules here"}'}, {}, "status", "no rules here"),
    ],
)
def test_prometheus_answers(more: dict[str, object], options: dict[str, object], kind: str, evidence: str) -> None:
    well: dict[str, object] = {
        "query": {"result": [{"value": [1, "1"]}]},
        "targets": {"activeTargets": [scraped("redis"), scraped("prometheus")]},
        "rules": {"groups": []},
    }
    with answers_by_path({f"/api/v1/{key}": value for key, value in {**well, **more}.items()}) as target:
        result = registry.run("prometheus", target, options, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


# --- Grafana --------------------------------------------------------------------------------------------------------


def board(uid: str = "source", expr: str = "up", **more: object) -> dict[str, object]:
    panel = {"title": "Alive", "datasource": {"uid": uid}, "targets": [{"expr": expr}], **more}
    return {"dashboard": {"uid": "one", "panels": [{"type": "row", "panels": [panel]}, {"type": "text"}]}}


def framed_value(*values: float | None) -> dict[str, object]:
    return {"results": {"Q0": {"frames": [{"data": {"values": [[1], [value]]}} for value in values]}}}


WAITING = {"/api/datasources/proxy/uid/source/api/v1/targets": {"data": {"activeTargets": [{"health": "unknown"}]}}}


@pytest.mark.parametrize(
    ("more", "options", "kind", "evidence"),
    [
        ({}, {"dashboards": ["one"]}, "", "has 1 dashboards, and its data sources answer all of their 1 queries"),
        ({"/api/health": {"database": "failing"}}, {}, "status", "cannot use its database: failing"),
        ({}, {"dashboards": ["one", "two"]}, "missing", "has no dashboard two"),
        (
            {"/api/dashboards/uid/one": board("another")},
            {},
            "datasource",
            "the panel 'Alive' of the dashboard one asks the data source another",
        ),
        ({"/api/dashboards/uid/one": board("$source")}, {}, "", "all of their 1 queries"),
        ({"/api/dashboards/uid/one": board("The source")}, {}, "", "all of their 1 queries"),
        ({"/api/dashboards/uid/one": board("another", "up{job=~'$job'}")}, {}, "", "all of their 0 queries"),
        ({"/api/ds/query": framed_value(), "/api/dashboards/uid/one": board(expr="nobody"), **WAITING}, {}, "", "all of their 1 queries"),
        ({"/api/datasources/uid/source/health": {"status": "ERROR", "message": "refused"}}, {}, "datasource", "does not answer: refused"),
        (
            {"/api/ds/query": {"results": {"Q0": {"error": "parse error"}}}},
            {},
            "query",
            "the panel 'Alive' of the dashboard one is refused by source: up: parse error",
        ),
        ({"/api/ds/query": framed_value(None), "/api/dashboards/uid/one": board(expr="known_total")}, {}, "", "all of their 1 queries"),
        (
            {"/api/ds/query": framed_value(), "/api/dashboards/uid/one": board(expr="rate(nobody_total[5m])")},
            {},
            "unexported",
            "the panel 'Alive' of the dashboard one is about the metric nobody_total, which nobody exports",
        ),
        ({"/api/search": "{}x"}, {}, "protocol", "/api/search of"),
    ],
)
def test_grafana_answers(more: dict[str, object], options: dict[str, object], kind: str, evidence: str) -> None:
    well: dict[str, object] = {
        "/api/health": {"database": "ok"},
        "/api/search": [{"uid": "one"}],
        "/api/datasources": [{"uid": "source", "name": "The source", "type": "prometheus", "isDefault": True}],
        "/api/dashboards/uid/one": board(),
        "/api/datasources/uid/source/health": {"status": "OK"},
        "/api/ds/query": framed_value(1),
        "/api/datasources/proxy/uid/source/api/v1/metadata": {"status": "success", "data": {"known": [{"type": "counter"}]}},
        "/api/datasources/proxy/uid/source/api/v1/targets": {"status": "success", "data": {"activeTargets": [{"health": "up"}]}},
    }
    answers = {path: found if isinstance(found, str) else json.dumps(found) for path, found in {**well, **more}.items()}
    with answers_by_path(dict(answers)) as target:
        result = registry.run("grafana", target, {"password": "p", **options}, 2)
    assert (result.ok, result.kind) == (not kind, kind), result
    assert evidence in result.evidence


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('histogram_quantile(0.95, sum by (le) (rate(a_bucket{x="by"}[$__rate_interval]))) / on (job) b > bool 0', {"a_bucket", "b"}),
        ('{__name__="c:d"} offset 5m', {"c:d"}),
        ('1e5 * up{job=~"$job"} and on () vector(1)', {"up"}),
    ],
)
def test_metrics_of_an_expression(expression: str, names: set[str]) -> None:
    assert promql.metrics(expression) == names


def test_a_series_may_be_documented_under_the_name_of_its_family() -> None:
    assert promql.family("a_seconds_bucket") == {"a_seconds_bucket", "a_seconds"}
