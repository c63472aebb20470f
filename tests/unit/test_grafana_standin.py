"""The stand-in for Grafana as a process, with the role's own provisioning files and recorded answers of Prometheus."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jinja2
import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
PROGRAM = ROLES / "images/files/offline/grafana"
PASSWORD = 'p&w "ü" <x>'
HOSTILE = "<script>alert(1)</script>"

# Recorded from Prometheus 2.53: status and body by the query that was asked.
RECORDED: dict[str, tuple[int, dict[str, Any]]] = {
    "1+1": (200, {"status": "success", "data": {"resultType": "scalar", "result": [1795400518.858, "2"]}}),
    "up{": (
        400,
        {
            "status": "error",
            "errorType": "bad_data",
            "error": 'invalid parameter "query": 1:4: parse error: unexpected end of input inside braces',
        },
    ),
    "up": (
        200,
        {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [
                    {"metric": {"__name__": "up", "instance": "auren-kafka-exporter:9308", "job": "kafka"}, "value": [1795400518.7, "1"]},
                    {"metric": {"__name__": "up", "instance": "x:1", "job": HOSTILE}, "value": [1795400518.7, "0"]},
                ],
            },
        },
    ),
    "pg_database_size_bytes": (
        200,
        {
            "status": "success",
            "data": {"resultType": "vector", "result": [{"metric": {"datname": "auren"}, "value": [1795400518.7, "9447971"]}]},
        },
    ),
}
OTHER = {
    "/api/v1/metadata": (200, {"status": "success", "data": {"up": [{"type": "gauge", "help": "", "unit": ""}]}}),
    "/api/v1/targets": (200, {"status": "success", "data": {"activeTargets": [], "droppedTargets": []}}),
}
NOTHING = (200, {"status": "success", "data": {"resultType": "vector", "result": []}})


class Recorded(BaseHTTPRequestHandler):
    """/api/v1/query of Prometheus; `server.asked` collects the queries."""

    def do_GET(self) -> None:
        status, body = OTHER.get(urlsplit(self.path).path) or self._queried()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _queried(self) -> tuple[int, dict[str, Any]]:
        [query] = parse_qs(urlsplit(self.path).query)["query"]
        self.server.asked.append(query)  # type: ignore[attr-defined]
        return next((RECORDED[key] for key in RECORDED if query == key or query.startswith(f"{key}{{")), NOTHING)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def prometheus() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def files(tmp_path: Path, prometheus: ThreadingHTTPServer) -> Path:
    """The role's provisioning directory, rendered; the data source is the recorded Prometheus."""
    context = {
        **yaml.safe_load((ROLES / "wiring/defaults/main.yml").read_text()),
        "auren_prometheus_host": "127.0.0.1",
        "auren_prometheus_port": prometheus.server_port,
        "__grafana_dashboard_dir": str(tmp_path / "dashboards"),
    }
    for directory, name, template in (("datasources", "prometheus.yml", "datasource"), ("dashboards", "auren.yml", "dashboards")):
        (tmp_path / directory).mkdir()
        text = (ROLES / f"grafana/templates/{template}.yml.j2").read_text()
        (tmp_path / directory / name).write_text(jinja2.Template(text).render(context))
    board = (ROLES / "grafana/files/dashboards/pipeline.json").read_text()
    (tmp_path / "dashboards/pipeline.json").write_text(board)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path


def start(files: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": "0",
        "GF_PATHS_PROVISIONING": str(files),
        "GF_PATHS_DATA": str(files),
        "GF_SECURITY_ADMIN_PASSWORD__FILE": str(files / "password"),
        **settings,
    }
    command = [sys.executable, "-u", "-m", "grafana_standin"]
    return subprocess.Popen(command, cwd=PROGRAM, env=environment, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(files: Path) -> Iterator[str]:
    """Yield the address of a running stand-in; afterwards it must end cleanly on SIGTERM."""
    process = start(files)
    try:
        line = process.stderr.readline()  # type: ignore[union-attr]
        port = re.search(r"1 data sources, \d+ dashboards, port (\d+)", line)
        assert port, line
        yield f"http://127.0.0.1:{port[1]}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def address(files: Path) -> Iterator[str]:
    with running(files) as found:
        yield found


def refusal(files: Path, **settings: str) -> str:
    """The one line that a stand-in says which does not start."""
    _, errors = (process := start(files, **settings)).communicate(timeout=10)
    assert process.returncode == 1
    [line] = errors.splitlines()
    return line.split("refused to start: ")[1].replace(f"{files}/", "")


def get(url: str, password: str | None = PASSWORD, body: bytes | None = None) -> tuple[int, str]:
    """GET, or POST when there is a body."""
    request = urllib.request.Request(url, data=body)
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_and_metrics_ask_for_no_login(address: str) -> None:
    status, body = get(f"{address}/api/health", None)
    assert (status, json.loads(body)["database"]) == (200, "ok")
    assert "stand-in" in json.loads(body)["version"]
    status, body = get(f"{address}/metrics", None)
    assert status == 200
    assert "grafana_stat_totals_dashboard 1\n" in body


def test_all_else_asks_for_the_password_of_the_secret(address: str) -> None:
    for path in ("/", "/d/auren-pipeline", "/api/datasources", "/api/search", "/api/none"):
        for password in (None, "", "admin", f"{PASSWORD}x"):
            status, body = get(address + path, password)
            assert (status, json.loads(body)["message"]) == (401, "Invalid username or password"), path


def test_the_data_source_has_the_provisioned_uid_and_is_reached(address: str, prometheus: ThreadingHTTPServer) -> None:
    assert [source["uid"] for source in json.loads(get(f"{address}/api/datasources")[1])] == ["auren-prometheus"]
    found = json.loads(get(f"{address}/api/datasources/uid/auren-prometheus")[1])
    assert (found["type"], found["url"]) == ("prometheus", f"http://127.0.0.1:{prometheus.server_port}")
    assert json.loads(get(f"{address}/api/datasources/uid/auren-prometheus/health")[1])["status"] == "OK"
    assert get(f"{address}/api/datasources/uid/other")[0] == 404


def asked(address: str, *expressions: str, uid: str = "auren-prometheus") -> tuple[int, Any]:
    queries = [
        {"refId": f"Q{number}", "datasource": {"uid": uid}, "expr": expr, "instant": True} for number, expr in enumerate(expressions)
    ]
    status, text = get(f"{address}/api/ds/query", body=json.dumps({"queries": queries, "from": "now-5m", "to": "now"}).encode())
    return status, json.loads(text)


def test_a_query_of_the_data_source_answers_with_frames(address: str) -> None:
    status, found = asked(address, "pg_database_size_bytes", "nobody_knows")
    [frame] = found["results"]["Q0"]["frames"]
    assert (status, frame["data"]["values"][1]) == (200, [9447971.0])
    assert frame["schema"]["fields"][1]["labels"] == {"datname": "auren"}
    assert found["results"]["Q1"] == {"status": 200, "frames": []}


def test_a_query_that_cannot_be_answered(address: str) -> None:
    status, found = asked(address, "up{", "up")
    assert (status, "parse error" in found["results"]["Q0"]["error"], len(found["results"]["Q1"]["frames"])) == (400, True, 2)
    assert asked(address, "up", uid="other")[1]["results"]["Q0"]["error"] == "data source not found"
    assert get(f"{address}/api/ds/query", body=b"no JSON")[0] == 400
    assert get(f"{address}/api/ds/query", body=b'{"queries": 1}')[0] == 400
    assert get(f"{address}/api/ds/query", "wrong", b"{}")[0] == 401
    assert get(f"{address}/api/other", body=b"{}")[0] == 404


def test_what_the_targets_document_comes_through_the_proxy(address: str) -> None:
    path = "/api/datasources/proxy/uid/{}/api/v1/{}"
    status, text = get(address + path.format("auren-prometheus", "metadata"))
    assert (status, list(json.loads(text)["data"])) == (200, ["up"])
    assert json.loads(get(address + path.format("auren-prometheus", "targets"))[1])["data"]["activeTargets"] == []
    assert get(address + path.format("other", "metadata"))[0] == 404
    assert get(address + path.format("auren-prometheus", "admin"))[0] == 404


def test_the_dashboard_is_listed_and_served_as_it_was_written(address: str, files: Path) -> None:
    [hit] = json.loads(get(f"{address}/api/search?type=dash-db")[1])
    assert (hit["uid"], hit["type"], hit["folderTitle"]) == ("auren-pipeline", "dash-db", "AUREN")
    assert json.loads(get(f"{address}/api/search?type=dash-db&query=nothing")[1]) == []
    served = json.loads(get(f"{address}/api/dashboards/uid/auren-pipeline")[1])
    written = json.loads((files / "dashboards/pipeline.json").read_text())
    assert served["dashboard"]["panels"] == written["panels"]
    assert served["meta"]["provisioned"]
    assert get(f"{address}/api/dashboards/uid/other") == (
        404,
        json.dumps({"message": "Dashboard not found", "messageId": "", "statusCode": 404, "traceID": ""}),
    )


def test_the_page_shows_every_panel_with_live_values(address: str, files: Path, prometheus: ThreadingHTTPServer) -> None:
    status, page = get(f"{address}/d/auren-pipeline/any-slug")
    board = json.loads((files / "dashboards/pipeline.json").read_text())
    assert status == 200
    assert "This is a stand-in, not Grafana" in page
    assert all(panel["title"].replace("'", "&#x27;") in page for panel in board["panels"])
    assert "UP</b>kafka" in page
    assert "9.01 MiB" in page
    assert "No data" in page
    wanted = {target["expr"].replace("$__rate_interval", "60s") for panel in board["panels"] for target in panel.get("targets", [])}
    assert wanted == set(prometheus.asked)  # type: ignore[attr-defined]


def test_what_prometheus_says_is_escaped(address: str) -> None:
    page = get(f"{address}/d/auren-pipeline")[1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE not in page


def test_a_panel_says_what_prometheus_refuses_and_the_others_go_on(files: Path) -> None:
    board = json.loads((files / "dashboards/pipeline.json").read_text())
    next(panel for panel in board["panels"] if panel["title"] == "CPU busy")["targets"][0]["expr"] = "up{"
    (files / "dashboards/pipeline.json").write_text(json.dumps(board))
    with running(files) as address:
        status, page = get(f"{address}/d/auren-pipeline")
    assert (status, "parse error: unexpected end of input inside braces" in page, "9.01 MiB" in page) == (200, True, True)


def test_a_prometheus_that_is_gone_is_told_and_health_stays(address: str, prometheus: ThreadingHTTPServer) -> None:
    prometheus.shutdown()
    prometheus.server_close()
    status, page = get(f"{address}/d/auren-pipeline")
    assert (status, "does not answer: [Errno 111] Connection refused" in page) == (200, True)
    assert get(f"{address}/api/datasources/uid/auren-prometheus/health")[0] == 400
    assert get(f"{address}/api/health", None)[0] == 200


def edited(files: Path, name: str, old: str, new: str) -> None:
    text = (files / name).read_text()
    assert old in text
    (files / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("datasources/prometheus.yml", "datasources:", "datasources: [", "datasources/prometheus.yml cannot be read as YAML: "),
        ("datasources/prometheus.yml", "apiVersion: 1", "apiVersion: 2", "datasources/prometheus.yml: apiVersion 1 expected"),
        ("datasources/prometheus.yml", "    uid: auren-prometheus\n", "", "datasources/prometheus.yml: data source Prometheus has no uid"),
        (
            "datasources/prometheus.yml",
            "uid: auren-prometheus",
            "uid: other",
            "dashboards/pipeline.json: panel Scraped targets names the data source uid auren-prometheus, "
            "which is not provisioned (known: other)",
        ),
        ("dashboards/auren.yml", "      path: ", "      path: nowhere", "dashboards/auren.yml: provider auren reads nowhere"),
        ("dashboards/auren.yml", "      path: ", "      other: ", "dashboards/auren.yml: provider auren has no path"),
        ("dashboards/pipeline.json", '"refresh"', "refresh", "dashboards/pipeline.json cannot be read as JSON: "),
        ("dashboards/pipeline.json", '"auren-pipeline"', '""', "dashboards/pipeline.json: dashboard AUREN pipeline has no uid"),
        ("dashboards/pipeline.json", '"up"', '""', "dashboards/pipeline.json: panel Scraped targets has a target without expr"),
    ],
)
def test_a_broken_file_is_refused_by_name(files: Path, name: str, old: str, new: str, said: str) -> None:
    edited(files, name, old, new)
    assert refusal(files).startswith(said)


def test_two_dashboards_of_one_uid_are_refused(files: Path) -> None:
    (files / "dashboards/second.json").write_text((files / "dashboards/pipeline.json").read_text())
    assert refusal(files) == (
        "dashboards/second.json: the uid auren-pipeline or the title AUREN pipeline is already used by dashboards/pipeline.json"
    )


def test_two_default_data_sources_are_refused(files: Path) -> None:
    text = (files / "datasources/prometheus.yml").read_text()
    (files / "datasources/second.yml").write_text(text.replace("name: Prometheus", "name: Second").replace("uid: auren", "uid: second"))
    assert refusal(files) == "datasources/second.yml: only one data source can be the default: Prometheus or Second"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"GF_SERVER_HTTP_PORT": "http"}, "GF_SERVER_HTTP_PORT=http is no port"),
        ({"GF_PATHS_PROVISIONING": "/nowhere"}, "provisioning directory /nowhere/datasources does not exist"),
        ({"GF_PATHS_DATA": "/proc/nowhere"}, f"GF_PATHS_DATA=/proc/nowhere is not writable by uid {os.getuid()}"),
        (
            {"GF_SECURITY_ADMIN_PASSWORD": "x"},
            "both GF_SECURITY_ADMIN_PASSWORD and GF_SECURITY_ADMIN_PASSWORD__FILE are set (but are exclusive)",
        ),
        (
            {"GF_SECURITY_ADMIN_PASSWORD__FILE": "/nowhere"},
            "GF_SECURITY_ADMIN_PASSWORD__FILE=/nowhere cannot be read: [Errno 2] No such file or directory: '/nowhere'",
        ),
    ],
)
def test_a_bad_setting_is_refused_by_name(files: Path, settings: dict[str, str], said: str) -> None:
    assert refusal(files, **settings) == said
