"""stack_info on a real Engine: what is declared, what is not, and nothing that is secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def test_a_host_without_a_stack(tmp_path: Path) -> None:
    result = run_module("stack_info", {"project_dir": str(tmp_path)})
    assert result.msg == f"no service is declared in {tmp_path}: run site first"
