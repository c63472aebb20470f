"""Stopped, started again and removed: data goes only when it is named. Runs after every other test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from target import Target, documented, play, written

pytestmark = pytest.mark.last
DATA = ["auren_grafana_data", "auren_kafka_data", "auren_postgres_data", "auren_prometheus_data", "auren_redis_data"]


def volumes(target: Target) -> list[str]:
    return sorted(target.docker("volume", "ls", "--quiet", "--filter", "label=auren.stack.service").split())


def test_down_stops_and_keeps_everything(target: Target, tmp_path: Path) -> None:
    rows = target.rows("SELECT count(*) FROM biometric_events")
    seen = documented(tmp_path, playbook="down")
    assert (seen.status, seen.changed > 0) == (0, True), seen.output
    assert {one["State"]["Status"] for one in target.containers().values()} == {"exited"}
    text = written(tmp_path)["architecture.md"].decode()
    assert "| running of them | 0" in text  # the document does not go on saying that it runs
    assert "| running, " not in text
    assert [json.loads(line) for line in written(tmp_path)["changes.jsonl"].splitlines()] == target.changes()
    assert play(playbook="playbooks/down.yml").changed == 0
    assert play().status == 0
    assert target.rows("SELECT count(*) FROM biometric_events") == rows


def test_clean_keeps_data_that_is_not_named(target: Target, tmp_path: Path) -> None:
    known = target.changes()  # the host's own file goes with the project
    seen = documented(tmp_path, "-e", "auren_who=ann", playbook="clean")
    assert seen.status == 0, seen.output
    after = written(tmp_path)
    *before, own = [json.loads(line) for line in after["changes.jsonl"].splitlines()]
    assert before == known
    assert (own["kind"], own["who"], own["outcome"]) == ("clean", "ann", "done")
    assert {"remove container", "remove network", "remove image"} <= {one["kind"] for one in own["operations"]}
    for name in ("architecture.md", "architecture.html"):
        text = after[name].decode()
        assert "The stack was removed" in text
        assert "running, " not in text
        assert all(volume in text for volume in DATA)
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
