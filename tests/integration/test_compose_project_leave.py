"""compose_project stops and removes what it made, by name; data goes only when its volume is named."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import changes

from tests.integration.harness import Project, docker, image


def trio(project: Project) -> list[dict[str, Any]]:
    """The second needs the first, and the first has data and a secret that the data remembers."""
    data = [{"volume": project.volume("data"), "target": "/data"}]
    first = project.service("first", data=data, secrets=["password"], files={"x.conf": {"content": "x\n"}})
    return [first, project.service("second", compose={"image": image("python")}, needs=[project.called("first")]), project.service("third")]


def specs(project: Project) -> dict[str, Any]:
    return {"secret_specs": {"password": {"generate": True, "volume": project.called("data")}}}


def names(project: Project, state: str = "running") -> set[str]:
    return set(docker("ps", "-a", "--filter", f"name={project.name}", "--filter", f"status={state}", "--format", "{{.Names}}").split())


def test_stopped_keeps_everything_and_present_starts_it_again(project: Project) -> None:
    services = trio(project)
    project.do(*services, **specs(project))
    first, second, third = (project.called(n) for n in ("first", "second", "third"))
    files = project.state()["files"]

    planned = project.do(state="stopped", check=True).actions
    assert set(planned) == {f"stop {name}: asked for" for name in (first, second, third)}
    assert planned.index(f"stop {second}: asked for") < planned.index(f"stop {first}: asked for")
    assert names(project) == {first, second, third}

    assert project.do(state="stopped", names=[third]).actions == [f"stop {third}: asked for"]
    assert names(project) == {first, second}
    assert len(project.do(state="stopped").actions) == 2
    assert names(project, "exited") == {first, second, third}
    assert not project.do(state="stopped").changed
    left = project.state()["files"]
    assert {path: left[path] for path in left if "changes.jsonl" not in path and not path.startswith(".auren/journal/")} == {
        path: files[path] for path in files if not path.startswith(".auren/journal/")
    }
    assert [record["operations"][-1]["kind"] for record in changes.read(project.directory)] == ["create", "stop", "stop"]
    assert {a.rpartition(" (")[0] for a in project.do(*services, **specs(project)).actions} == {
        f"start {name}: it is exited" for name in (first, second, third)
    }


def test_absent_by_name_leaves_the_others(project: Project) -> None:
    services = trio(project)
    project.do(*services, **specs(project))
    first, second, third = (project.called(n) for n in ("first", "second", "third"))
    started = project.started("first")
    done = project.do(state="absent", names=[second])
    assert done.actions == [f"stop {second}: asked for", f"remove container {second}: asked for", f"remove definition {second}: asked for"]
    assert names(project) == {first, third}
    assert project.started("first") == started
    assert set(project.compose("config", "--services").split()) == {first, third}
    assert not (project.directory / "services" / f"{second}.yml").exists()
    assert not project.do(services[0], services[2], **specs(project)).changed


def test_absent_keeps_data_and_the_secret_that_it_remembers(project: Project) -> None:
    services = trio(project)
    project.do(*services, **specs(project))
    docker("exec", project.called("first"), "sh", "-c", "echo kept > /data/x")
    secret = (project.directory / "secrets" / "password").read_text()

    done = project.do(state="absent", **specs(project))
    assert [record["operations"][-1]["kind"] for record in done.output["records"]] == ["create"]  # they go along with the project
    assert names(project) | names(project, "exited") == set()
    assert not [action for action in done.actions if "volume" in action or "secrets" in action]
    assert not project.do(state="absent", **specs(project)).changed

    project.do(*services, **specs(project))
    assert docker("exec", project.called("first"), "cat", "/data/x") == "kept"
    assert (project.directory / "secrets" / "password").read_text() == secret

    done = project.do(state="absent", remove_volumes=[project.called("data")], **specs(project))
    assert f"remove volume {project.called('data')}: asked for by name, with its data" in done.actions
    assert docker("volume", "ls", "-q", "--filter", f"name={project.name}") == ""
    assert not project.directory.exists()
    assert not project.do(state="absent", remove_volumes=[project.called("data")], **specs(project)).changed


@pytest.mark.parametrize("how", ["paused", "restarting"])
def test_what_is_neither_running_nor_stopped_goes_too(project: Project, how: str) -> None:
    service = project.service("one")
    if how == "restarting":
        service["compose"].update(entrypoint=["false"], restart="always")
        project.fails(service)
        while not names(project, "restarting"):
            pass
    else:
        project.do(service)
        docker("pause", project.called("one"))
    assert project.do(state="stopped").actions == [f"stop {project.called('one')}: asked for"]
    assert names(project, "exited") == {project.called("one")}
    if how == "paused":
        docker("start", project.called("one"))
        docker("pause", project.called("one"))
    assert project.do(state="absent").changed
    assert docker("ps", "-aq", "--filter", f"name={project.name}") == ""


def test_absent_takes_what_a_killed_run_left(project: Project) -> None:
    project.do(project.service("one"))
    name = project.called("one")
    left = [f"--label=com.docker.compose.project={project.name}", f"--label=auren.stack.service={name}"]
    docker("create", "--name", f"0123456789ab_{name}", *left, project.inspect("one")["Config"]["Image"])
    assert f"remove container 0123456789ab_{name}: asked for" in project.do(state="absent").actions
    assert docker("ps", "-aq", "--filter", f"name={project.name}") == ""
