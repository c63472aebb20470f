"""Dashboards and alert rules against what they stand on: the data source's uid, and metrics that somebody exports."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.auren.stack.plugins.module_utils.promql import metrics

jinja2 = pytest.importorskip("jinja2")  # not where only what runs on targets is tried
ROLES = Path(__file__).resolve().parents[2] / "roles"
DASHBOARDS = sorted((ROLES / "grafana/files/dashboards").glob("*.json"))
JOBS = ["prometheus", "node", "postgres", "redis", "kafka", "neuros", "biometric", "grafana"]

# By the documentation of node_exporter 1.9, postgres_exporter 0.17, redis_exporter 1.69 and Prometheus 2.53: the names
# that dashboards and rules may use. A name that is missing here is looked up there before it is added.
DOCUMENTED = {
    *("up", "prometheus_config_last_reload_successful", "prometheus_tsdb_head_series"),
    *("node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_load1"),
    *("node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_boot_time_seconds"),
    *("pg_up", "pg_stat_database_numbackends", "pg_stat_database_xact_commit", "pg_database_size_bytes"),
    *("redis_up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_connected_clients", "redis_db_keys"),
}


def declared_by(application: str) -> set[str]:
    """The series of every Counter and Histogram in the application's metrics.py."""
    [source] = (ROLES / application / "files").glob("*/metrics.py")
    names = set()
    for call in (node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)):
        name = ast.literal_eval(call.args[0])
        histogram = isinstance(call.func, ast.Name) and call.func.id == "Histogram"
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if histogram else {name}
    return names


def exported_by_kafka_exporter() -> set[str]:
    """The keys of METRICS in the offline exporter, whose names are those of the one it stands in for."""
    source = ROLES / "images/files/offline/kafka-exporter/kafka_exporter.py"
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "METRICS":
            return set(ast.literal_eval(node.value))
    raise AssertionError("METRICS not found")


def exported() -> set[str]:
    return DOCUMENTED | exported_by_kafka_exporter() | declared_by("neuros") | declared_by("biometric_bridge")


def rendered_rules(jobs: list[str], **variables: Any) -> list[dict[str, Any]]:
    environment = jinja2.Environment(trim_blocks=True, autoescape=False)
    environment.filters["to_json"] = json.dumps
    template = environment.from_string((ROLES / "prometheus/templates/rules.yml.j2").read_text())
    wiring = yaml.safe_load((ROLES / "wiring/defaults/main.yml").read_text())
    defaults = yaml.safe_load((ROLES / "prometheus/defaults/main.yml").read_text())
    context = {**wiring, **defaults, "__prometheus_scraped": [{"job": job} for job in jobs], **variables}
    return list(yaml.safe_load(template.render(context))["groups"][0]["rules"])


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(json.loads(request.param.read_text()))


def test_metric_names_are_found_in_an_expression() -> None:
    expr = 'histogram_quantile(0.95, sum by (le) (rate(a_bucket{x="by"}[$__rate_interval]))) / on (job) b > bool 0'
    assert metrics(expr) == {"a_bucket", "b"}


def test_every_panel_names_the_provisioned_data_source(dashboard: dict[str, Any]) -> None:
    uid = yaml.safe_load((ROLES / "wiring/defaults/main.yml").read_text())["auren_grafana_source"]
    owners = [owner for panel in panels(dashboard) for owner in (panel, *panel["targets"])]
    assert {(owner["datasource"]["type"], owner["datasource"]["uid"]) for owner in owners} == {("prometheus", uid)}


def test_every_panel_asks_for_metrics_that_are_exported(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            used = metrics(target["expr"])
            assert used, target["expr"]
            assert used <= exported(), (panel["title"], used - exported())


def test_panels_do_not_overlap_and_have_ids_of_their_own(dashboard: dict[str, Any]) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= mine
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_alert_is_about_metrics_that_are_exported() -> None:
    for rule in rendered_rules(JOBS):
        used = metrics(rule["expr"])
        assert used, rule["alert"]
        assert used <= exported(), rule["alert"]


@pytest.mark.parametrize("job", JOBS)
def test_no_alert_about_a_job_that_is_not_scraped(job: str) -> None:
    prefix = {"postgres": "pg_"}.get(job, f"{job}_")
    rules = rendered_rules([other for other in JOBS if other != job])
    assert not [rule["alert"] for rule in rules if any(name.startswith(prefix) for name in metrics(rule["expr"]))]


def test_extra_rules_keep_their_own_templates() -> None:
    extra = {"alert": "Mine", "expr": "up == 2", "annotations": {"summary": '{{ $labels.job }}: "quoted"'}}
    assert rendered_rules(["node"], prometheus_extra_rules=[extra])[-1] == extra


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed; the Prometheus container runs it too")
def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "auren", "rules": rendered_rules(JOBS)}]}))
    done = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
