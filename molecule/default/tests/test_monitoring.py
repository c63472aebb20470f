"""Prometheus scrapes every service; Grafana has what was provisioned."""

from __future__ import annotations

import base64
from typing import Any

from target import Target, wait_until

PROMETHEUS = "http://127.0.0.1:9090"
GRAFANA = "http://127.0.0.1:3000"
SCRAPED_WITHIN = 60  # seconds: a few scrape intervals after the last converge


def active(target: Target) -> list[dict[str, Any]]:
    return list(target.http(f"{PROMETHEUS}/api/v1/targets?state=active").json["data"]["activeTargets"])


def test_every_target_is_up(target: Target) -> None:
    def all_up() -> bool:
        return all(one["health"] == "up" for one in active(target))

    assert active(target), "nothing is scraped"
    try:
        wait_until(all_up, SCRAPED_WITHIN, every=2)
    except AssertionError:
        down = {one["scrapeUrl"]: one["lastError"] for one in active(target) if one["health"] != "up"}
        raise AssertionError(f"targets that are not up: {down}") from None


def test_every_service_is_scraped(target: Target) -> None:
    text = " ".join(one["scrapeUrl"] for one in active(target))
    for part in ("postgres", "redis", "kafka", "neuros-advanced", "biometric-production", "node"):
        assert part in text, f"{part} is not among {text}"


def test_the_rules_are_loaded(target: Target) -> None:
    groups = target.http(f"{PROMETHEUS}/api/v1/rules").json["data"]["groups"]
    assert [rule for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
    assert groups


def grafana(target: Target, path: str) -> Any:
    password = target.secret("grafana_admin_password")
    token = base64.b64encode(f"admin:{password}".encode()).decode()
    answer = target.http(f"{GRAFANA}{path}", headers={"Authorization": f"Basic {token}"})
    assert answer.status == 200, answer
    return answer.json


def test_grafana_has_the_datasource_and_a_dashboard(target: Target) -> None:
    assert grafana(target, "/api/health")["database"] == "ok"
    sources = grafana(target, "/api/datasources")
    assert [(source["uid"], source["type"]) for source in sources] == [("auren-prometheus", "prometheus")]
    assert [found["title"] for found in grafana(target, "/api/search?type=dash-db")]
