"""compose_project converges declared services on a real Engine: what differs is done, with its cause, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Project, ansible_playbook, docker, image


def pair(project: Project, level: str = "info") -> list[dict[str, Any]]:
    """Two services; the second needs the first."""
    first = project.service("first", compose={"environment": {"LOG_LEVEL": level, "PLAIN": "a$b ${c}"}}, aliases=["one"])
    second = project.service("second", needs=[project.called("first")], files={"x.conf": {"content": "x = 1\n"}})
    return [first, second]


@pytest.fixture(scope="module")
def two(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One converged project for tests that leave it as they found it."""
    with new_project(tmp_path_factory.mktemp("two")) as made:
        made.do(*pair(made))
        yield made


def test_four_runs_check_do_check_do(project: Project) -> None:
    services = pair(project)
    first, second = project.called("first"), project.called("second")
    planned = [f"create {first}: it is not there", f"create {second}: it is not there"]

    check = project.do(*services, check=True)
    assert (check.changed, check.actions, check.output["operations"]) == (True, planned, planned)
    assert check.output["diff"]["after"] == "".join(f"{name}: {services[0]['compose']['image']}\n" for name in (first, second))
    assert not project.directory.exists()
    assert docker("ps", "-aq", "--filter", f"name={project.name}") == ""

    done = project.do(*services)
    assert (done.changed, done.actions) == (True, planned)
    assert [line.rpartition(" (")[0] for line in done.output["operations"]] == planned
    assert {row["service"]: row["state"] for row in done.output["services"]} == {first: "healthy", second: "healthy"}

    before = project.state()
    for check_mode in (True, False):
        again = project.do(*services, check=check_mode)
        assert (again.changed, again.actions, again.output["diff"]) == (False, [], {"before": "", "after": ""})
    assert project.state() == before


def test_through_ansible_check_mode_plans_and_changes_nothing(project: Project, tmp_path: Path) -> None:
    task = {"auren.stack.compose_project": project.arguments(*pair(project))}
    play = tmp_path / "play.json"
    play.write_text(json.dumps([{"hosts": "auren", "gather_facts": False, "tasks": [task]}]))
    done = ansible_playbook(str(play), "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"+{project.called('first')}: {image('redis')}" in done.stdout
    assert "changed=1" in done.stdout
    assert not project.directory.exists()


def test_an_environment_change_recreates_exactly_one(project: Project) -> None:
    project.do(*pair(project))
    first, second = project.started("first"), project.started("second")
    done = project.do(*pair(project, "debug"))
    assert done.actions == [f"recreate {project.called('first')}: environment key LOG_LEVEL changed"]
    assert done.output["diff"]["after"] == f"{project.called('first')}: environment key LOG_LEVEL changed\n"
    assert project.started("first") != first
    assert project.started("second") == second
    environment = project.inspect("first")["Config"]["Env"]
    assert "LOG_LEVEL=debug" in environment
    assert "PLAIN=a$b ${c}" in environment  # nothing is interpolated
    assert not project.do(*pair(project, "debug")).changed


def test_what_it_writes_works_by_hand(two: Project) -> None:
    before = {name: two.started(name) for name in ("first", "second")}
    assert two.compose("config", "--quiet") == ""
    assert set(two.compose("ps", "--services").split()) == {two.called("first"), two.called("second")}
    two.compose("up", "-d")
    assert {name: two.started(name) for name in before} == before
    assert not two.do(*pair(two)).changed


def test_a_call_merges(project: Project) -> None:
    first, second = pair(project)
    project.do(second)  # what it needs is not in the project yet
    started = project.started("second")

    done = project.do(first)
    assert done.actions == [f"create {project.called('first')}: it is not there"]
    assert project.started("second") == started
    services = {project.called("first"), project.called("second")}
    assert set(project.compose("config", "--services").split()) == services
    assert {row["service"] for row in done.output["services"]} == services
    assert not project.do(first, second).changed


@pytest.mark.parametrize(
    ("path", "damage", "action"),
    [
        ("services/{}.yml", "lost", "write FILE: missing"),
        ("services/{}.yml", "edited", "write FILE: content"),
        ("config/{}/x.conf", "lost", "write FILE: missing"),
        ("config/{}/x.conf", "edited", "recreate {}: FILE was edited by hand"),
        ("config/{}/x.conf", "mode", "write FILE: mode"),
        ("docker-compose.yml", "edited", "write FILE: content"),
        ("images.json", "lost", "write FILE: missing"),
    ],
)
def test_a_file_lost_or_edited_is_put_back(two: Project, path: str, damage: str, action: str) -> None:
    """A container that may have read what was edited is made anew."""
    relative = path.format(two.called("second"))
    file = two.directory / relative
    was, started = file.read_bytes(), two.started("second")
    if damage == "lost":
        file.unlink()
    elif damage == "edited":
        file.write_text("# somebody was here\n")
    else:
        file.chmod(0o666)
    done = two.do(*pair(two))
    assert done.actions == [action.format(two.called("second")).replace("FILE", relative)]
    assert file.read_bytes() == was
    assert file.stat().st_mode & 0o777 == 0o644
    assert (two.started("second") == started) == action.startswith("write")
    assert not two.do(*pair(two)).changed


@pytest.mark.parametrize("path", ["services/{}.yml", "secrets/env/{}.env"])
def test_a_container_of_an_edited_definition_is_made_anew(project: Project, path: str) -> None:
    """Also after a run about another service has written the files back; the same one made again by hand is nobody's edit."""
    value = "<<secret:word>>"
    second = project.service("second", compose={"environment": {"WORD": value, "LEVEL": "info"}})
    given = {"secret_specs": {"word": {}}, "secrets": {"word": "s3cret-w0rd"}}
    first, name = project.service("first"), project.called("second")
    project.do(first, second, **given)
    project.compose("up", "-d", "--no-deps", "--force-recreate", name)
    assert not project.do(first, second, **given).changed

    file = project.directory / path.format(name)
    text = file.read_text()
    file.write_text(text.replace("LEVEL: info", "LEVEL: debug") if file.suffix == ".yml" else f"{text}MORE=1\n")
    project.compose("up", "-d", "--no-deps", name)
    project.do(first, **given)
    done = project.do(first, second, **given)
    assert done.actions == [f"recreate {name}: somebody made it of a definition that was edited by hand"]
    assert not {"LEVEL=debug", "MORE=1"} & set(project.inspect("second")["Config"]["Env"])
    assert not project.do(first, second, **given).changed


def test_the_record_on_disk_says_when_it_is_damaged(two: Project) -> None:
    record = two.directory / ".auren" / "declared.json"
    was = record.read_text()
    record.write_text("{")
    try:
        assert two.fails(*pair(two)).msg == (
            f"{record} cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
            "move it away and run site with all services: it is written anew"
        )
        record.unlink()
        assert two.do(*pair(two)).actions == ["write .auren/declared.json: missing"]
        assert record.read_text() == was
    finally:
        record.write_text(was)


@pytest.mark.parametrize(
    ("by_hand", "cause"),
    [
        (["stop"], "start {}: it is exited (exit code 137)"),
        (["pause"], "start {}: it is paused (exit code 0)"),
        (["rm", "-f"], "create {}: it is not there"),
    ],
)
def test_a_container_that_is_down_comes_back(two: Project, by_hand: list[str], cause: str) -> None:
    other = two.started("second")
    docker(*by_hand, two.called("first"))
    done = two.do(*pair(two))
    assert done.actions == [cause.format(two.called("first"))]
    assert two.inspect("first")["State"]["Health"]["Status"] == "healthy"
    assert two.started("second") == other
    assert not two.do(*pair(two)).changed


@pytest.mark.parametrize(
    ("connect", "cause"),
    [
        ([], "it is not on {network}"),
        (["--alias", "other"], "it lacks the alias one on {network}"),
    ],
)
def test_a_container_off_its_network_is_recreated(two: Project, connect: list[str], cause: str) -> None:
    name = two.called("first")
    docker("network", "disconnect", two.network, name)
    if connect:
        docker("network", "connect", *connect, two.network, name)
    done = two.do(*pair(two))
    assert done.actions == [f"recreate {name}: {cause.format(network=two.network)}"]
    assert "one" in two.inspect("first")["NetworkSettings"]["Networks"][two.network]["Aliases"]


def test_another_image_behind_the_same_tag(project: Project) -> None:
    tag = f"{project.name}/moving:1"
    docker("tag", image("redis"), tag)
    service = project.service("first", compose={"image": tag})
    project.do(service)
    docker("tag", image("python"), tag)
    try:
        done = project.do(service)
        assert done.actions == [f"recreate {project.called('first')}: {tag} is now another image than the one it runs"]
        recorded = json.loads((project.directory / "images.json").read_text())[tag]
        assert recorded["id"] == docker("image", "inspect", "-f", "{{.Id}}", image("python"))
    finally:
        project.remove()
        docker("rmi", tag)


def test_a_file_that_recreates_and_one_that_is_no_longer_declared(project: Project) -> None:
    def service(**files: str) -> dict[str, Any]:
        return project.service("first", files={name: {"content": text} for name, text in files.items()})

    project.do(service(a="1", b="2"))
    done = project.do(service(a="one"))
    stale = f"config/{project.called('first')}/b"
    assert done.actions == [
        f"remove file {stale}: it is no longer declared",
        f"recreate {project.called('first')}: file a changed, file b removed",
    ]
    assert not (project.directory / stale).exists()
    assert not project.do(service(a="one")).changed


PROMETHEUS = "global: {scrape_interval: 15s, external_labels: {generation: '%s'}}\n"


def prometheus(project: Project, config: str) -> dict[str, Any]:
    command = ["--config.file=/etc/prometheus/p.yml", "--web.enable-lifecycle", "--storage.tsdb.path=/tmp/data"]
    compose = {
        "image": image("prometheus"),
        "entrypoint": ["/bin/prometheus"],
        "command": command,
        "volumes": [f"{project.directory}/config/{project.called('prom')}:/etc/prometheus:ro"],
        "healthcheck": {"test": ["CMD", "promtool", "check", "healthy"], "interval": "1s", "start_interval": "200ms"},
    }
    files = {"p.yml": {"content": config, "on_change": "reload"}}
    return project.service("prom", compose=compose, files=files, reload={"port": 9090, "path": "/-/reload"})


def loaded(project: Project) -> str:
    """The configuration that Prometheus runs with, as it says itself."""
    url = "http://127.0.0.1:9090/api/v1/status/config"
    script = f"exec 3<>/dev/tcp/127.0.0.1/9090; printf 'GET {url} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    return docker("exec", project.called("prom"), "bash", "-c", script)


def test_a_file_that_reloads_and_one_that_is_refused(project: Project) -> None:
    name = project.called("prom")
    project.do(prometheus(project, PROMETHEUS % "one"))
    started = project.started("prom")

    done = project.do(prometheus(project, PROMETHEUS % "two"))
    assert done.actions == [f"write config/{name}/p.yml: content", f"reload {name}: file p.yml changed"]
    assert "generation: two" in loaded(project)
    assert project.started("prom") == started
    assert not project.do(prometheus(project, PROMETHEUS % "two")).changed

    failed = project.fails(prometheus(project, "global: [what is this\n"))
    assert failed.msg.startswith(f"{name} refused its new files: 500 failed to reload config: couldn't load configuration")
    assert "No other container was touched." in failed.msg
    assert (project.directory / "config" / name / "p.yml").read_text() == PROMETHEUS % "two"
    assert "generation: two" in loaded(project)
    assert project.started("prom") == started
    assert not project.do(prometheus(project, PROMETHEUS % "two")).changed


def test_a_reload_that_was_cut_off_is_done_by_the_next_run(project: Project) -> None:
    name = project.called("prom")
    project.do(prometheus(project, PROMETHEUS % "one"))
    record = project.directory / ".auren" / "declared.json"
    before = json.loads(record.read_text())
    before["services"][name]["reloaded"] = "of an earlier file"
    record.write_text(json.dumps(before, indent=1, sort_keys=True) + "\n")
    done = project.do(prometheus(project, PROMETHEUS % "one"))
    assert done.actions[-1] == f"reload {name}: the last run did not get as far"
    assert not project.do(prometheus(project, PROMETHEUS % "one")).changed
