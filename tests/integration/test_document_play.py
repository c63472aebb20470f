"""Playbooks that changed something write it down on the controller, also when they failed or left nothing that runs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.harness import ROOT, Project, ansible_playbook, free_port, image
from tests.leaks import leaks


def play(project: Project, reports: Path, playbook: str, *words: str, cwd: Path = ROOT, **values: Any) -> subprocess.CompletedProcess[str]:
    """A playbook of the collection on the test's project."""
    variables = {
        "auren_project": project.name,
        "auren_project_dir": str(project.directory),
        "auren_network": project.network,
        "auren_report_dir": str(reports),
        "auren_who": "ann",
        **values,
    }
    return ansible_playbook(str(ROOT / playbook), "-e", json.dumps(variables), *words, cwd=cwd)


def written(reports: Path, name: str = "architecture.md") -> str:
    return (reports / "localhost" / name).read_text()


def records(reports: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(reports, "changes.jsonl").splitlines()]


@pytest.mark.parametrize("words", [(), ("--tags", "neuros")])
def test_a_site_that_failed_is_written_down_and_ends_with_its_own_error(project: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    values = {
        "auren_services": ["neuros"],
        "auren_neuros_host": project.called("neuros"),
        "auren_postgres_volume": project.volume("pg"),
        "neuros_image": image("redis"),
        "neuros_port": free_port(),
        "auren_gate_deadline": 3,
    }
    done = play(project, tmp_path, "playbooks/site.yml", *words, **values)
    assert done.returncode != 0
    assert done.stdout.count("fatal: ") == 1, done.stdout
    assert re.search(r"did not pass the gate", done.stdout[done.stdout.index("fatal: ") :]), done.stdout
    [record] = records(tmp_path)
    assert (record["who"], record["outcome"]) == ("ann", "failed")
    assert f"### {project.called('neuros')}\n" in written(tmp_path)
    assert "site by ann, failed" in written(tmp_path, "CHANGELOG.md")


def test_a_site_that_was_refused_changed_nothing_and_writes_nothing(project: Project, tmp_path: Path) -> None:
    values = {"auren_services": ["redis"], "auren_redis_host": project.called("redis"), "redis_memory": "12parsecs"}
    assert play(project, tmp_path, "playbooks/site.yml", **values).returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_failed_verification_and_drift_are_one_message(project: Project, tmp_path: Path) -> None:
    name = project.called("neuros")
    values = {"auren_services": ["neuros"], "auren_neuros_host": name, "neuros_image": image("redis"), "neuros_port": free_port()}
    done = play(project, tmp_path, "playbooks/verify.yml", auren_drift=True, auren_verify_level="basic", **values)
    assert (done.returncode != 0, done.stdout.count("fatal: ")) == (True, 1), done.stdout
    last = done.stdout[done.stdout.index("fatal: ") :]
    assert f"{name} is not there: run site" in last
    assert "see docs/runbooks/removed-container.md" in last
    assert "localhost drifted: 1 of 1 services differ" in last


@pytest.mark.parametrize(("words", "told"), [((), True), (("--tags", "redis"), False), (("--skip-tags", "neuros"), False)])
def test_a_service_that_the_inventory_dropped_is_drift(project: Project, tmp_path: Path, words: tuple[str, ...], told: bool) -> None:
    """Not where only some were declared: then nobody knows."""
    project.do(project.service("one"))
    values = {"auren_services": [], "pwa_enabled": False, "auren_drift": True, "auren_verify_level": "basic", "auren_declared": []}
    done = play(project, tmp_path, "playbooks/verify.yml", *words, **values)
    line = f"1 no longer declared ({project.called('one')})"
    assert (line in done.stdout) == told, done.stdout


def test_a_stack_that_was_stopped_is_not_said_to_run(project: Project, tmp_path: Path) -> None:
    project.do(project.service("one"))
    done = play(project, tmp_path, "playbooks/down.yml")
    assert (done.returncode, done.stdout.count("fatal: ")) == (0, 0), done.stdout
    text = written(tmp_path)
    assert "| running of them | 0" in text
    assert "| status | exited, " in text
    assert "| the same at each look since (UTC) |" in text  # of an outage between two looks nobody knows
    assert "is proved" not in text  # nothing was asked
    assert [one["operations"][-1]["kind"] for one in records(tmp_path)] == ["create", "stop"]
    again = play(project, tmp_path, "playbooks/down.yml")
    assert re.search(r"\bchanged=0\b.*\bfailed=0\b", again.stdout), again.stdout
    assert written(tmp_path) == text


@pytest.mark.parametrize("kept", [["auren_redis_data"], []])
def test_a_stack_that_was_removed_is_said_to_be_gone(tmp_path: Path, kept: list[str]) -> None:
    """The end of clean; clean itself removes every image that was built on this machine."""
    reports = tmp_path / "reports"
    project: dict[str, Any] = {"record": {}, "kept_volumes": kept, "operations": [], "changed": False}
    network = {"changes": [{"kind": "remove network", "target": "auren-network"}], "operations": ["remove network auren-network (0.1 s)"]}
    given = {"clean_project": project, "clean_network": network, "auren_report_dir": str(reports), "auren_who": "ann"}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.import_role": {"name": "auren.stack.wiring"}},
        {"ansible.builtin.import_tasks": str(ROOT / "playbooks" / "tasks" / "removed.yml")},
    ]
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": tasks}]))
    done = ansible_playbook(str(path))
    assert done.returncode == 0, done.stdout
    for name in ("architecture.md", "architecture.html"):
        text = written(reports, name)
        assert re.search(r"The stack was removed(\*\*|</b>): 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, by ann", text), text
        assert ("auren_redis_data" in text) == bool(kept)
        assert leaks(Path(name), text.encode()) == []
        assert ("No data of it is left" in text) != bool(kept)
    [record] = records(reports)
    assert (record["kind"], record["operations"]) == ("clean", network["changes"])


def test_a_basic_verification_takes_no_arrow_away(project: Project, tmp_path: Path) -> None:
    client, server = project.called("one"), project.called("two")
    check = {"probe": "dns", "port": 80, "from": [client]}
    project.do(project.service("one"), project.service("two", checks=[check]))
    arrows, given = [], {"auren_services": [], "auren_declared": [], "pwa_enabled": False}
    for level in ("dependencies", "basic"):
        done = play(project, tmp_path, "playbooks/document.yml", auren_verify_level=level, **given)
        assert done.returncode == 0, done.stdout
        arrows += [line for line in written(tmp_path).splitlines() if line.startswith(f"| {client} | {server} | proved: ")]
    assert len(arrows) == 2
    assert arrows[0] == arrows[1]  # its date too


def test_an_older_document_is_named_from_where_the_play_was_started(project: Project, tmp_path: Path) -> None:
    name = project.called("one")
    project.do(project.service("one"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.md").write_text(f"| Container | Image |\n|---|---|\n| {name} | {image('redis')} |\n| {name} | mysql:8.0 |\n")
    given = {"auren_services": [], "auren_declared": [], "pwa_enabled": False, "auren_audit": "docs/old.md"}
    done = play(project, tmp_path, "playbooks/document.yml", cwd=tmp_path, **given)
    assert done.returncode == 0, done.stdout
    text = written(tmp_path, "audit.md")
    assert text.startswith("# Audit of docs/old.md\n")
    assert f"| 4 | **false** | image | {name} · Image: mysql:8.0 |" in text
    assert f"| 3 | true | image | {name} · Image: {image('redis')} |" in text
