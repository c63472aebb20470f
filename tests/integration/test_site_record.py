"""A run that replaced something leaves a record of it, which `rollback` shows; `clean` takes it along and keeps what a rollback needs."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from tests.integration.harness import Project, docker, image, run_module


def records(project: Project) -> list[str]:
    return list(run_module("network_rollback", {"project_dir": str(project.directory)}, check=True).output["records"])


def journals(project: Project) -> list[str]:
    return sorted(path.name for path in (project.directory / ".auren" / "journal").glob("*.jsonl"))


def test_the_previous_image_and_definition_are_told_and_kept(project: Project) -> None:
    name = project.called("one")
    project.do(project.service("one"))
    before = (project.directory / "services" / f"{name}.yml").read_text()
    project.do(project.service("one", compose={"environment": {"ROUND": "2"}}))
    [line] = [line for line in records(project) if "its image was" in line]
    id_ = docker("image", "inspect", "-f", "{{.Id}}", image("redis"))
    assert re.fullmatch(rf"site of [\d-]+ [\d:]+ UTC: {name}: its image was {image('redis')}, {id_} \(the same as now\)", line)
    [kept] = [line for line in records(project) if f"file services/{name}.yml: the previous one is kept as " in line]
    copy = Path(kept.partition("kept as ")[2])
    assert copy.read_text() == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_run_that_changes_nothing_leaves_no_record(project: Project) -> None:
    service = project.service("one")
    project.do(service)
    known = journals(project)
    assert project.do(service).changed is False
    assert journals(project) == known


def test_a_file_that_holds_a_secret_is_named_and_not_kept(project: Project) -> None:
    def entry(value: str) -> dict[str, object]:
        files = {"app.conf": {"content": f"# {value}\npassword <<secret:word>>\n", "on_change": "recreate"}}
        return project.service("one", runs_as="0:0", files=files)

    for value in ("first", "second"):
        project.do(entry(value), secrets={"word": "a-marked-value"}, secret_specs={"word": {}})
    told = [line for line in records(project) if f"config/{project.called('one')}/app.conf" in line]
    assert len(told) == 1
    assert "changed; the previous declaration in " in told[0]
    found = [path for path in (project.directory / ".auren").rglob("*") if path.is_file()]
    assert [path for path in found if b"a-marked-value" in path.read_bytes()] == []


def test_clean_keeps_a_journal_that_a_rollback_needs(project: Project) -> None:
    project.do(project.service("one"))
    other = project.directory / ".auren" / "journal" / "20260101T000000Z-connect.jsonl"
    other.write_text('{"run": "x", "kind": "connect", "began": 1}\n')
    assert project.do(state="absent").changed is True
    assert journals(project) == [other.name]
    assert project.do(state="absent").changed is False
    other.unlink()
