"""stack_info on a real Engine: what is declared, what is not, and nothing that is secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.integration.hand_run import HandRun
from tests.integration.harness import docker, image, run_module

SECRET = "p$a'ss word-of-nobody"


def test_what_runs_and_what_is_remarkable(new_project: Any, tmp_path: Path) -> None:
    with new_project(tmp_path) as project:
        given = {"secret_specs": {"password": {}}, "secrets": {"password": SECRET}}
        project.do(project.service("one", aliases=["cache"], compose={"environment": {"PASSWORD": "<<secret:password>>"}}), **given)
        one, stranger = project.called("one"), project.called("stranger")
        docker(
            "run",
            "-d",
            "--init",
            "--name",
            stranger,
            "--network",
            project.network,
            "--network-alias",
            "cache",
            image("redis"),
            "sleep",
            "600",
        )
        try:
            docker("exec", "-u", "root", one, "touch", "/usr/local/hot.py")
            for check in (False, True):
                result = run_module("stack_info", {"project_dir": str(project.directory)}, check)
                assert (result.status, result.changed, result.actions) == (0, False, [])
                assert SECRET not in result.text
        finally:
            docker("rm", "-f", "-v", stranger)
    live = {entry["name"]: entry for entry in result.output["containers"]}
    assert (live[one]["made"], live[one]["state"]) == ("by auren.stack", "running")
    assert live[one]["networks"][project.network]["names"] == ["cache", one]
    assert live[stranger]["made"] == "by hand"
    [network] = [entry for entry in result.output["networks"] if entry["name"] == project.network]
    assert network["containers"] == sorted([one, stranger])
    mine = [(entry["kind"], entry["target"]) for entry in result.output["findings"] if entry["target"].startswith(project.name)]
    assert set(mine) == {("twice_alias", one), ("edited", one), ("superfluous", stranger)}


def test_a_copy_with_the_labels_of_a_service_is_told_and_left_alone(new_project: Any, tmp_path: Path) -> None:
    """Of `docker commit`, which keeps them; running, and stopped, when it looks like what a killed Compose left."""
    with new_project(tmp_path) as project:
        service = project.service("one")
        project.do(service)
        copy = project.called("copy")
        try:
            docker("commit", project.called("one"), f"{copy}:latest")
            docker("run", "-d", "--init", "--name", copy, "--network", "none", f"{copy}:latest", "sleep", "600")
            result = run_module("stack_info", {"project_dir": str(project.directory)})
            [line] = [one["line"] for one in result.output["findings"] if one["target"] == copy]
            assert line.startswith(f"{copy} ({copy}:latest, running) has the labels of {project.called('one')}, as a copy has, ")
            docker("stop", "-t", "0", copy)
            assert project.do(service).actions == []
            assert docker("ps", "-aq", "--filter", f"name=^{copy}$")
        finally:
            docker("rm", "-f", "-v", copy, check=False)
            docker("rmi", f"{copy}:latest", check=False)


def test_what_was_changed_by_hand(new_project: Any, tmp_path: Path) -> None:
    """`docker update`, Compose called on an edited fragment, and files that nobody declared: each is told until it is taken back."""
    with new_project(tmp_path) as project:
        limits = {"mem_limit": "64m", "environment": {"LEVEL": "info", "PASSWORD": "<<secret:password>>"}, "user": "0:0"}
        volumes = {"volumes": [f"{project.directory}/config/{project.called('one')}:/etc/one:ro"]}
        data = [{"volume": project.volume("kept"), "target": "/data"}]
        service = project.service("one", data=data, compose={**limits, **volumes}, files={"a.conf": {"content": "x"}})
        given = {"secret_specs": {"password": {}}, "secrets": {"password": SECRET}}
        project.do(service, **given)
        one, fragment = project.called("one"), project.directory / "services" / f"{project.called('one')}.yml"

        def told() -> dict[str, str]:
            result = run_module("stack_info", {"project_dir": str(project.directory)})
            assert SECRET not in result.text
            return {entry["target"]: entry["line"] for entry in result.output["findings"] if entry["kind"] in ("field", "file")}

        assert told() == {}
        docker("update", "--memory", "80m", "--cpus", "0.7", "--restart", "on-failure", one)
        [line] = told().values()
        assert "(cpus 0.7, not declared; mem_limit 80m, declared 64m; restart on-failure, declared unless-stopped)" in line
        way = line.partition(" and then docker ")[2].split()
        assert project.do(service, **given).actions == [f"set restart policy of {one}: it is on-failure, and unless-stopped is declared"]
        assert "(cpus 0.7, not declared; mem_limit 80m, declared 64m)" in told()[one]
        docker(*way)
        assert told() == {}

        text = fragment.read_text()
        fragment.write_text(text.replace("LEVEL: info", "LEVEL: debug").replace("/etc/one:ro", "/etc/one"))
        project.compose("up", "-d", "--no-deps", "--force-recreate", one)
        assert "(environment LEVEL; volumes /etc/one " in told()[one]
        assert project.do(service, **given).actions == [f"recreate {one}: somebody made it of a definition that was edited by hand"]
        assert told() == {}
        assert not project.do(service, **given).changed

        (project.directory / "docker-compose.override.yml").write_text("services: {}\n")
        (project.directory / "config" / one / "b.conf").write_text("x")
        assert set(told()) == {str(project.directory / "docker-compose.override.yml"), one}


def test_what_a_takeover_kept_is_no_drift(hand: HandRun) -> None:
    """With the anonymous volume that it was adopted with, until cleanup has removed it; a network with somebody else on it is nobody's."""
    hand.redis("db", "--volume", "/data", "--restart", "always")
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    hand.do(hand.service("db", mount["Name"]))

    def told() -> list[tuple[str, str]]:
        seen = run_module("stack_info", {"project_dir": str(hand.project.directory), "network": hand.project.network})
        found = [one for one in seen.output["findings"] if hand.project.name in one["target"]]
        return [(one["kind"], hand.short(one["line"])) for one in found]

    kept = [re.sub(r"\d{8}T\d{6}Z", "TIME", f"{kind}: {line}") for kind, line in told()]
    way = "streamline's cleanup removes it after the rollback window"
    assert kept == [
        f"kept: db-replaced-TIME ({image('redis')}, exited) is kept by a takeover; {way}",
        f"kept: the network home is kept by a takeover: only what it kept needs it; {way}",
    ]
    docker("network", "connect", hand.home, hand.called("db"))
    assert [kind for kind, _line in told()] == ["kept"]
    docker("network", "disconnect", hand.home, hand.called("db"))
    hand.cleanup()
    assert told() == []


def test_a_host_without_a_stack(tmp_path: Path) -> None:
    result = run_module("stack_info", {"project_dir": str(tmp_path)})
    assert result.msg == f"no service is declared in {tmp_path}: run site first"
