"""Stopped, started again and removed: data goes only when it is named. Runs after every other test."""

from __future__ import annotations

import json

import pytest
from target import Target, play

pytestmark = pytest.mark.last
DATA = ["auren_grafana_data", "auren_kafka_data", "auren_postgres_data", "auren_prometheus_data", "auren_redis_data"]


def volumes(target: Target) -> list[str]:
    return sorted(target.docker("volume", "ls", "--quiet", "--filter", "label=auren.stack.service").split())


def test_down_stops_and_keeps_everything(target: Target) -> None:
    rows = target.rows("SELECT count(*) FROM biometric_events")
    seen = play(playbook="playbooks/down.yml")
    assert (seen.status, seen.changed) == (0, 1), seen.output
    assert {one["State"]["Status"] for one in target.containers().values()} == {"exited"}
    assert play(playbook="playbooks/down.yml").changed == 0
    assert play().status == 0
    assert target.rows("SELECT count(*) FROM biometric_events") == rows


def test_clean_keeps_data_that_is_not_named(target: Target) -> None:
    seen = play(playbook="playbooks/clean.yml")
    assert seen.status == 0, seen.output
    assert target.containers() == {}
    assert volumes(target) == DATA
    assert "auren-network" not in target.docker("network", "ls", "--format", "{{.Name}}").split()
    assert target.docker("images", "--quiet", "--filter", "label=auren.stack.offline=true") == ""
    left = target.run("find", "/opt/auren/docker", "-type", "f").split()
    assert {path.rpartition("/")[0] for path in left} == {"/opt/auren/docker/secrets"}


def test_clean_removes_the_data_that_is_named(target: Target) -> None:
    asked = json.dumps({"auren_remove_data": DATA})
    seen = play("-e", asked, playbook="playbooks/clean.yml")
    assert seen.status == 0, seen.output
    assert volumes(target) == []
    assert target.run("find", "/opt/auren", "-name", "docker") == ""
    assert play("-e", asked, playbook="playbooks/clean.yml").changed == 0
