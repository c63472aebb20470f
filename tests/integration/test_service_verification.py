"""service_verification on a real Engine: each client with the password it holds, and never a secret in a result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.harness import Project, Result, as_nobody, docker, free_port, image, run_module

SECRET = """p$a 'q' "r" #s \\t @u :v /w %x%41 é"""
RUNS_AS = "999:1000"


def check_redis(project: Project, *clients: str, **more: Any) -> dict[str, Any]:
    return {"probe": "redis", "port": 6379, "secret": "password", "from": [project.called(c) for c in clients], **more}


def server(project: Project, port: int) -> dict[str, Any]:
    return project.service(
        "redis",
        compose={
            "entrypoint": ["redis-server", "/etc/redis/redis.conf"],
            "user": RUNS_AS,
            "volumes": [f"{project.directory}/config/{project.called('redis')}:/etc/redis:ro"],
            "ports": [f"127.0.0.1:{port}:6379"],
            "healthcheck": {"test": ["CMD-SHELL", "redis-cli ping | grep -q NOAUTH"], "interval": "500ms", "start_interval": "100ms"},
        },
        aliases=["cache"],
        runs_as=RUNS_AS,
        files={"redis.conf": {"content": 'requirepass "<<secret:password:json>>"\n'}},
        checks=[
            check_redis(project, "url", "mount", "absent"),
            {"probe": "redis", "port": 6379, "secret": "password", "from": ["host"]},
            {"probe": "tcp", "port": 26379, "from": ["host"]},
            {"probe": "dns", "names": ["cache"], "from": [project.called("url")]},
        ],
    )


def services(project: Project, port: int) -> list[dict[str, Any]]:
    """A Redis, a client with the password in its environment, one with it in files."""
    url = "redis://:<<secret:password:url>>@cache:6379/0"
    by_environment = project.service("url", compose={"environment": {"REDIS_URL": url, "REDIS_PASSWORD": "<<secret:password>>"}})
    by_file = project.service("mount", secrets=["password"], files={"app.json": {"content": '{"password": "<<secret:password:json>>"}'}})
    return [server(project, port), by_environment, by_file]


@pytest.fixture(scope="module")
def up(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with new_project(tmp_path_factory.mktemp("verification")) as project:
        given = {"secret_specs": {"password": {}}, "secrets": {"password": SECRET}}
        project.do(*services(project, free_port()), **given)
        yield project


def verify(project: Project, check: bool = False, **more: Any) -> Result:
    result = run_module("service_verification", {"project_dir": str(project.directory), "timeout": 3, **more}, check)
    assert [form for form in (SECRET, quote(SECRET, safe=""), "another-password") if form in result.text] == []
    assert result.changed is False
    assert result.actions == []
    return result


def seen(project: Project, result: Result) -> dict[tuple[str, str], str]:
    """(probe, client's short name) → status, of what was asked."""
    asked = [c for c in result.output["checks"] if c["check"].split()[0] not in ("container", "disk")]
    return {(c["check"].split()[0], c["client"].replace(f"{project.name}-", "")): c["status"] for c in asked}


def containers(project: Project, result: Result) -> dict[str, set[str]]:
    """Short name → what is the matter with the container itself; a warning too."""
    found: dict[str, set[str]] = {}
    for c in (c for c in result.output["checks"] if c["check"].startswith("container ")):
        found.setdefault(c["service"].replace(f"{project.name}-", ""), set()).update({c["kind"]} - {""})
    return found


def causes(project: Project, result: Result) -> list[str]:
    return [cause["line"].replace(f"{project.name}-", "") for cause in result.output["causes"]]


@contextmanager
def run_by_hand(project: Project, short: str, *words: str, network: str = "", leave: bool = True) -> Iterator[None]:
    """A container of the same name takes the service's place for a moment. leave: the other one leaves the network, where it would go on
    answering to the name."""
    name = project.called(short)
    docker("rename", name, f"{name}-kept")
    if leave:
        docker("network", "disconnect", project.network, f"{name}-kept")
    try:
        docker("run", "-d", "--init", "--name", name, "--network", network or project.network, *words, image("redis"), "sleep", "infinity")
        yield
    finally:
        docker("rm", "-f", "-v", name, check=False)
        docker("rename", f"{name}-kept", name)
        if leave:
            docker("network", "connect", "--alias", name, project.network, name)


def test_every_client_gets_in_with_what_it_holds(up: Project) -> None:
    for result in (verify(up), verify(up, check=True)):
        assert result.status == 0
        assert seen(up, result) == {
            ("redis", "url"): "pass",
            ("redis", "mount"): "pass",
            ("redis", "absent"): "skipped",
            ("redis", "host"): "pass",
            ("tcp", "host"): "skipped",
            ("dns", "url"): "pass",
        }
        assert all(one["seconds"] < 1 for one in result.output["checks"])
        assert containers(up, result) == {"redis": set(), "url": set(), "mount": set()}
        assert causes(up, result) == []
    basic = verify(up, level="basic")
    assert (seen(up, basic), set(containers(up, basic))) == ({}, {"redis", "url", "mount"})


def test_a_stand_in_asks_for_those_who_are_not_here(up: Project) -> None:
    with run_by_hand(up, "url", leave=False):
        result = verify(up, services=[up.called("redis")], stand_in=up.called("url-kept"))
    assert seen(up, result)["redis", "url-kept"] == "pass"


def test_a_client_with_another_password_fails_alone(up: Project) -> None:
    drifted = ["-e", "REDIS_URL=redis://:another-password@cache:6379/0", "-e", f"REDIS_PASSWORD={SECRET}"]
    with run_by_hand(up, "url", *drifted):
        result = verify(up)
    assert result.status != 0
    assert {key: status for key, status in seen(up, result).items() if status == "fail"} == {("redis", "url"): "fail"}
    [line] = causes(up, result)
    assert line.startswith("url → redis: redis:6379 does not accept the password that the client holds: WRONGPASS")
    assert result.msg.startswith(f"1 of {len(result.output['checks'])} checks failed, for 1 reason:\n")
    assert result.msg.endswith("(from environment key REDIS_URL, which differs from the server's)")
    assert result.output["failure"]["kind"] == "check"


def test_a_client_that_was_changed_by_hand(up: Project) -> None:
    with run_by_hand(up, "url", "-e", "REDIS_URL=redis://elsewhere:6379", "-e", f"REDIS_PASSWORD={SECRET}"):
        assert "environment key REDIS_URL is not as it was declared" in verify(up).msg


def test_a_file_that_was_changed_on_the_host(up: Project) -> None:
    path = up.directory / "config" / up.called("mount") / "app.json"
    before = path.read_bytes()
    try:
        path.write_text('{"password": "another-password"}')
        assert verify(up).msg.endswith("(from file app.json, which differs from the server's)")
    finally:
        path.write_bytes(before)


def test_a_client_that_is_stopped_and_a_server_that_is(up: Project) -> None:
    docker("stop", up.called("mount"))
    try:
        result = verify(up)
        assert causes(up, result) == ["mount is exited (exit code 137): docker start mount"]
        assert seen(up, result)["redis", "mount"] == "blocked"
    finally:
        docker("start", up.called("mount"))
    docker("pause", up.called("redis"))
    try:
        result = verify(up, timeout=0.5)
        assert causes(up, result) == ["redis is paused: docker unpause redis"]
        assert [s for (probe, _), s in seen(up, result).items() if probe == "redis"].count("blocked") == 3
        assert {c["attempts"] for c in result.output["checks"] if c["status"] == "blocked"} == {1}
        assert result.output["seconds"] < 3  # all at the same time
    finally:
        docker("unpause", up.called("redis"))


def test_what_cannot_be_asked(up: Project, tmp_path: Path) -> None:
    nobody = run_module("service_verification", {"project_dir": str(tmp_path)})
    assert nobody.msg == f"no service is declared in {tmp_path}: run site first"
    unknown = run_module("service_verification", {"project_dir": str(up.directory), "services": ["x"]})
    assert unknown.msg.startswith("x: not declared on this host; declared are ")


def test_without_the_right_to_enter_a_network_the_host_asks_and_says_so(up: Project) -> None:
    """What a client holds in its environment the Engine tells; what is in files only root may read."""
    up.directory.chmod(0o755)
    command = as_nobody("service_verification", os.stat("/var/run/docker.sock").st_gid)
    arguments = {"project_dir": str(up.directory), "declared": services(up, free_port()), "network": up.network}
    result = run_module("service_verification", arguments, command=command)
    assert seen(up, result) == {
        ("redis", "url"): "pass",
        ("redis", "mount"): "skipped",
        ("redis", "absent"): "skipped",
        ("redis", "host"): "skipped",
        ("tcp", "host"): "skipped",
        ("dns", "url"): "skipped",
    }
    told = {(c["check"].split()[0], c["client"].replace(f"{up.name}-", "")): c["evidence"] for c in result.output["checks"]}
    assert told["redis", "url"].endswith("answers PING after a login (seen from the host, not from inside the client)")
    assert [c["client"] for c in result.output["checks"] if c["outside"]] == [up.called("url")]
    assert told["redis", "mount"] == f"only root may read the password that {up.called('mount')} holds"
    assert told["dns", "url"] == f"what {up.called('url')} sees can only be asked by root on the Engine's own host"


def _asked_by_url(project: Project) -> list[str]:
    return [f"redis {project.called('redis')}:6379", f"dns {project.called('redis')}"]


def test_what_is_wrong_with_a_container_itself(up: Project) -> None:
    """Made by hand on another network, with a file that was edited in it; what it cannot reach follows from the network."""
    other = f"{up.name}-other"
    docker("network", "create", other)
    try:
        held = ["-e", f"REDIS_URL=redis://:{quote(SECRET, safe='')}@cache:6379/0", "-e", f"REDIS_PASSWORD={SECRET}"]
        with run_by_hand(up, "url", *held, network=other):
            docker("exec", up.called("url"), "sh", "-c", "echo x > /usr/local/hot.py")
            result = verify(up)
        assert containers(up, result)["url"] >= {"network", "edited", "policy"}
        [line] = causes(up, result)
        assert line.startswith(f"url is not on {up.network} (it is on other): run site or streamline")
        assert result.output["causes"][0]["blocked"] == [f"{probe} from {up.called('url')}" for probe in _asked_by_url(up)]
    finally:
        docker("network", "rm", other, check=False)


def test_an_entry_that_makes_no_sense_is_refused_before_anything_is_asked(up: Project) -> None:
    entry = {
        "name": "x",
        "compose": {"image": "i"},
        "checks": [{"probe": "smell", "port": 1, "from": ["host"]}, {"probe": "tcp", "from": ["nobody"]}],
    }
    known = [*sorted(up.called(short) for short in ("redis", "url", "mount")), "one", "x"]
    result = run_module("service_verification", {"project_dir": str(up.directory), "declared": [entry], "clients": ["one"]})
    assert result.msg.splitlines() == [
        "x.checks[0].probe is 'smell'; known are dns, grafana, http, kafka, postgres, prometheus, redis, tcp. Nothing was asked",
        "x.checks[1].port is missing; give the port inside the network. Nothing was asked",
        f"x.checks[1].from names nobody; known are {', '.join(known)} and host. Nothing was asked",
    ]
    endless = run_module("service_verification", {"project_dir": str(up.directory), "budget": 0})
    assert endless.msg == "budget is 0; give seconds above 0. Nothing was asked"


def test_a_client_of_somebody_else_holds_it_where_its_image_reads_it(up: Project, tmp_path: Path) -> None:
    """It has one of the declared keys; nothing on this host says what the password is, unless it is given."""
    entries = services(up, free_port())
    for entry in entries:
        entry["compose"]["ports"] = []
    elsewhere = {"project_dir": str(tmp_path), "network": up.network, "declared": entries, "level": "dependencies"}
    held = ["-e", f"REDIS_PASSWORD={SECRET}"]
    with run_by_hand(up, "url", *held), run_by_hand(up, "mount"):
        result = run_module("service_verification", elsewhere)
        told = run_module("service_verification", {**elsewhere, "secrets": {"password": "another-password"}})
    assert (seen(up, result)["redis", "url"], seen(up, result)["redis", "mount"]) == ("pass", "skipped")
    assert f"nobody here knows the password that {up.called('mount')} holds: give it in auren_secrets" in result.text
    assert seen(up, told)["redis", "mount"] == "fail"
    assert "(from password in auren_secrets)" in told.msg
    assert [form for form in (SECRET, quote(SECRET, safe=""), "another-password") if form in result.text + told.text] == []
