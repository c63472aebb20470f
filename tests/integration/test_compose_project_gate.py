"""compose_project's gate: what does not become healthy and stay so is put back; a run that was killed is finished by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import GATE, ROOT, Project, docker, image, module_command, module_environment, module_input

SHELL = "touch /tmp/healthy; exec sleep infinity"


def service(project: Project, shell: str = SHELL, **entry: Any) -> dict[str, Any]:
    return project.service("one", compose={"entrypoint": ["sh", "-c", shell]}, **entry)


def unrecorded(project: Project) -> dict[str, Any]:
    """What is there, but for the records of runs: one that fails leaves a record too."""
    state = project.state()
    files = {path: one for path, one in state["files"].items() if not path.startswith((".auren/journal", ".auren/changes.jsonl"))}
    return {**state, "files": {path: one for path, one in files.items() if path != ".auren"}}


@pytest.fixture(scope="module")
def serving(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that serves, for tests after which it has to be as it was."""
    with new_project(tmp_path_factory.mktemp("serving")) as made:
        made.do(service(made), made.service("other"))
        yield made


SICK = "health check: ls: cannot access '/tmp/healthy': No such file or directory"


@pytest.mark.parametrize(
    ("shell", "gate", "what"),
    [
        ("echo hm; exec sleep infinity", {"deadline": 4}, f"it is starting after 4 s. {{back}}\n{SICK}\nlast log lines of {{name}}:\nhm"),
        ("echo hm; exit 3", {}, "it crashes again and again (exit code 3). {back}\nlast log lines of {name}:\nhm\n"),
        ("touch /tmp/healthy; sleep 3; echo hm; exit 4", {"hold": 5}, "it became healthy and then died"),
        (
            "touch /tmp/healthy; sleep 1; rm /tmp/healthy; echo hm; exec sleep infinity",
            {"hold": 5},
            f"it became healthy and then unhealthy. {{back}}\n{SICK}\nlast log lines of {{name}}:\nhm",
        ),
    ],
    ids=["never healthy", "crashes", "healthy, then dies", "healthy, then sick"],
)
def test_the_previous_state_serves_again(serving: Project, shell: str, gate: dict[str, int], what: str) -> None:
    other, name = serving.service("other"), serving.called("one")
    before, untouched, files = serving.inspect("one"), serving.started("other"), unrecorded(serving)["files"]

    failed = serving.fails(service(serving, shell, gate={**GATE, **gate}), other)
    back = f"The previous state serves again: {name}."
    assert failed.msg.startswith(f"{name} did not pass the gate: {what.format(name=name, back=back)}")
    assert back in failed.msg
    assert (failed.output["failure"]["kind"], failed.output["failure"]["object"]) == ("gate", name)
    now = serving.inspect("one")
    assert now["State"]["Health"]["Status"] == "healthy"
    assert now["Config"]["Labels"]["auren.stack.spec"] == before["Config"]["Labels"]["auren.stack.spec"]
    assert serving.started("other") == untouched
    assert unrecorded(serving)["files"] == files
    assert not serving.do(service(serving), other).changed


def test_a_new_image_that_does_not_start_goes_back_to_the_old_one_behind_the_same_tag(project: Project) -> None:
    tag = f"{project.name}/moving:1"
    shell = "command -v redis-server && touch /tmp/healthy; exec sleep infinity"
    entry = project.service("one", compose={"image": tag, "entrypoint": ["sh", "-c", shell]}, gate={"deadline": 4, "hold": 0.3})
    try:
        docker("tag", image("redis"), tag)
        project.do(entry)
        was = project.inspect("one")["Image"]
        docker("tag", image("python"), tag)
        failed = project.fails(entry)
        assert f"The previous state serves again: {project.called('one')}." in failed.msg
        assert project.inspect("one")["Image"] == was
        assert project.inspect("one")["State"]["Health"]["Status"] == "healthy"
        docker("tag", image("redis"), tag)
        done = project.do(entry)
        assert done.output["services"][0]["state"] == "healthy"
        assert done.actions == [f"write services/{project.called('one')}.yml: content"]  # the way back is nobody's edit
        assert not project.do(entry).changed
    finally:
        project.remove()
        docker("rmi", tag)


def test_a_new_service_that_fails_is_left_to_be_looked_at(project: Project) -> None:
    other = project.service("other")
    project.do(other)
    started = project.started("other")
    bad = service(project, "echo no; exec sleep infinity", gate={"deadline": 4, "hold": 0.3})
    name = project.called("one")
    assert project.fails(bad, other).msg == (
        f"{name} did not pass the gate: it is starting after 4 s. No other container was touched. "
        f"New and left for you to look at: {name}.\n{SICK}\nlast log lines of {name}:\nno"
    )
    assert project.inspect("one")["State"]["Running"] is True
    assert project.started("other") == started
    assert project.fails(bad, other).msg == (
        f"{name} is as declared but does not serve: {name} did not pass the gate: it is starting after 4 s\n{SICK}\n"
        f"last log lines of {name}:\nno"
    )
    assert project.do(service(project), other).actions[-1].startswith(f"recreate {name}: entrypoint changed")


def test_what_compose_refuses_is_told_before_a_container_or_volume_is_touched(serving: Project) -> None:
    before = unrecorded(serving)
    bad = serving.service("one", compose={"cap_addd": ["NET_ADMIN"]}, data=[{"volume": serving.volume("new"), "target": "/data"}])
    failed = serving.fails(bad)
    assert failed.msg.startswith("Compose refuses the definition: ")
    assert "cap_addd" in failed.msg
    assert failed.msg.endswith("; correct the variable behind it and run again. The previous files are back, no container was touched")
    assert unrecorded(serving) == before


def test_what_the_engine_refuses_is_put_back(serving: Project) -> None:
    name = serving.called("one")
    failed = serving.fails(serving.service("one", compose={"mem_limit": "5m"}))
    assert failed.msg.startswith(f"docker compose could not start {name}: Error response from daemon: Minimum memory limit")
    assert f"The previous state serves again: {name}." in failed.msg
    assert not serving.do(service(serving)).changed


# --- interrupted ------------------------------------------------------------------------------------------------------


def containers(project: Project) -> list[str]:
    """Every container of the project, by whatever name, with its state."""
    label = f"label=com.docker.compose.project={project.name}"
    return sorted(docker("ps", "-a", "--filter", label, "--format", "{{.Names}} {{.State}}").splitlines())


def slow(project: Project, level: str) -> list[dict[str, Any]]:
    """Takes a moment to stop and to become healthy, so that there is time to be killed at."""
    shell = "trap 'sleep 0.7; exit 0' TERM; (sleep 0.5; touch /tmp/healthy) & while :; do sleep 0.1; done"
    compose = {"entrypoint": ["sh", "-c", shell], "environment": {"LEVEL": level}, "stop_signal": "SIGTERM"}
    return [project.service("one", compose=compose), project.service("other")]


MOMENTS: dict[str, Callable[[Project, str, list[str]], bool]] = {
    "files are written": lambda project, level, _: level in (project.directory / ".auren" / "declared.json").read_text(),
    "compose has made a container": lambda project, _, ours: len(containers(project)) > len(ours),
    "the new one runs": lambda project, level, _: f"LEVEL={level}" in project.inspect("one")["Config"]["Env"],
}


def killed(project: Project, services: list[dict[str, Any]], moment: Callable[[], bool], whole_group: bool) -> None:
    """Start a run, and end it with SIGKILL at the moment: alone, or with the Compose that it started."""
    module = subprocess.Popen(
        module_command("compose_project"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=module_environment(),
        cwd=ROOT,
        text=True,
        start_new_session=True,
    )
    assert module.stdin
    module.stdin.write(module_input(project.arguments(*services)))
    module.stdin.close()
    while module.poll() is None and not moment_or_gone(moment):
        time.sleep(0.01)
    assert module.poll() is None, "it ended before it could be killed"
    if whole_group:
        os.killpg(module.pid, signal.SIGKILL)
    else:
        module.kill()
    module.wait()


def moment_or_gone(moment: Callable[[], bool]) -> bool:
    try:
        return moment()
    except (AssertionError, OSError):  # the container or file is being replaced at this very moment
        return False


@pytest.fixture(scope="module")
def patient(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with new_project(tmp_path_factory.mktemp("patient")) as made:
        made.do(*slow(made, "first"))
        yield made


@pytest.mark.parametrize("whole_group", [True, False], ids=["with compose", "alone"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_is_finished_by_the_next(patient: Project, moment: str, whole_group: bool) -> None:
    ours, other = containers(patient), patient.started("other")
    level = f"{moment} {whole_group}"
    killed(patient, slow(patient, level), lambda: MOMENTS[moment](patient, level, ours), whole_group)
    patient.do(*slow(patient, level))
    assert f"LEVEL={level}" in patient.inspect("one")["Config"]["Env"]
    assert patient.inspect("one")["State"]["Health"]["Status"] == "healthy"
    assert containers(patient) == ours  # under their names, and no other
    assert patient.started("other") == other
    assert not patient.do(*slow(patient, level)).changed


def test_an_edit_that_a_killed_run_has_only_written_over_is_not_forgotten(project: Project) -> None:
    services = slow(project, "one")
    services[0]["files"] = {"x": {"content": "right"}}
    project.do(*services)
    file, was = project.directory / "config" / project.called("one") / "x", project.inspect("one")["Id"]
    file.write_text("edited")
    killed(project, services, lambda: file.read_text() == "right", whole_group=True)
    assert project.inspect("one")["Id"] == was
    assert project.do(*services).actions == [f"recreate {project.called('one')}: a run was cut off before it replaced it"]
    assert not project.do(*services).changed


def test_what_a_killed_run_left_goes_when_the_variable_goes_back(patient: Project) -> None:
    patient.do(*slow(patient, "before"))
    ours = containers(patient)
    killed(patient, slow(patient, "after"), lambda: MOMENTS["compose has made a container"](patient, "after", ours), whole_group=True)
    done = patient.do(*slow(patient, "before"))
    assert done.actions[0].endswith(f"_{patient.called('one')}: a run that was cut off left it behind")
    assert done.actions[1] == f"recreate {patient.called('one')}: a run was cut off while it replaced it"
    assert containers(patient) == ours
    assert not patient.do(*slow(patient, "before")).changed


def test_a_first_run_that_was_killed_is_finished_by_the_next(project: Project) -> None:
    services = slow(project, "one")
    killed(project, services, lambda: bool(containers(project)), whole_group=True)
    project.do(*services)
    assert containers(project) == [f"{project.called('one')} running", f"{project.called('other')} running"]
    assert not project.do(*services).changed


def test_a_run_waits_for_another_one(serving: Project, tmp_path: Path) -> None:
    locked, released = tmp_path / "locked", tmp_path / "released"
    held = f"touch {locked}; until [ -e {released} ]; do sleep 0.05; done"
    holder = subprocess.Popen(["flock", str(serving.directory / ".auren"), "sh", "-c", held])
    while not locked.exists():
        time.sleep(0.01)
    assert not serving.do(service(serving), check=True).changed  # a reader does not wait
    assert holder.poll() is None
    start = time.monotonic()
    with subprocess.Popen(["sh", "-c", f"sleep 2; touch {released}"]):
        assert not serving.do(service(serving)).changed
    assert holder.wait(10) == 0
    assert time.monotonic() - start > 1.5
