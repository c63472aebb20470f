"""The playbook verify on the running stack: nothing to find where all is well, one line where something is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from target import Recap, Target, play, wait_until

VERIFY = "playbooks/verify.yml"
KINDS = ["verification.html", "verification.json", "verification.md", "verification.xml"]


class Verified:
    """One run. result: its JSON report."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.done: Recap = play("-e", f"auren_report_dir={directory}", *arguments, playbook=VERIFY)
        [self.folder] = directory.iterdir()
        self.result: dict[str, Any] = json.loads((self.folder / "verification.json").read_text())

    def checks(self, *statuses: str) -> list[str]:
        found = [one for one in self.result["checks"] if one["status"] in statuses]
        return [f"{one['check']} from {one['client']}: {one['evidence']}" for one in found]


def test_a_healthy_stack_has_no_findings(target: Target, tmp_path: Path) -> None:
    started = target.started()
    run = Verified(tmp_path)
    assert (run.done.status, run.done.changed) == (0, 0), run.done.output
    assert run.checks("fail", "warn", "blocked", "skipped") == []
    assert run.result["causes"] == []
    assert {one["service"] for one in run.result["checks"]} == {*target.containers(), "host"}
    assert sorted(path.name for path in run.folder.iterdir()) == KINDS
    assert "All is well" in (run.folder / "verification.html").read_text()
    assert target.started() == started


def test_check_mode_and_one_service(target: Target, tmp_path: Path) -> None:
    run = Verified(tmp_path, "--check", "--tags", "redis")
    assert (run.done.status, run.done.changed) == (0, 0), run.done.output
    assert {one["service"] for one in run.result["checks"]} == {"auren-redis", "auren-redis-exporter", "host"}
    assert {one["status"] for one in run.result["checks"]} == {"pass"}
    assert {one["client"] for one in run.result["checks"]} >= {"neuros-advanced", "biometric-production", "host", "auren-prometheus"}


@pytest.fixture
def frozen(target: Target) -> Iterator[str]:
    """Redis answers nobody, and everybody who needs it says so after a while."""
    target.docker("pause", "auren-redis")
    yield "auren-redis"
    target.docker("unpause", "auren-redis")
    wait_until(
        lambda: all(one["State"].get("Health", {}).get("Status", "healthy") == "healthy" for one in target.containers().values()), 90
    )


def test_one_red_line_for_a_service_that_answers_nobody(frozen: str, tmp_path: Path) -> None:
    run = Verified(tmp_path)
    assert run.done.status != 0
    assert [cause["line"] for cause in run.result["causes"]] == [f"{frozen} is paused: docker unpause {frozen}"]
    assert len(run.result["causes"][0]["blocked"]) >= 3
    said = " ".join(run.done.output.split()).partition("for 1 reason:")[2]
    assert f"{frozen} is paused: docker unpause {frozen}" in said
