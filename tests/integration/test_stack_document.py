"""stack_document on a real Engine: since when things have held, what is the same to the byte, and the records of changes."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Project, Result, docker, image, module_command, module_environment, module_input, run_module

SECRET = "p$a'ss word-of-nobody"


def document(project: Project, check: bool = False, **more: Any) -> Result:
    result = run_module("stack_document", {"project_dir": str(project.directory), "network": project.network, **more}, check)
    assert result.status == 0, result.text
    return result


def facts(result: Result, name: str) -> dict[str, dict[str, str]]:
    [row] = [row for row in result.output["document"]["services"] if row["name"] == name]
    return {fact["what"]: fact for fact in row["facts"]}


def mine(result: Result, project: Project) -> list[str]:
    """The statements that are new or changed; others on this machine make containers, too."""
    return [key for key in result.output["new"] if project.name in key and not key.startswith("overview/")]


def test_only_what_was_made_anew_is_dated_anew(project: Project) -> None:
    project.do(project.service("one", purpose="Holds on"), project.service("two"))
    first = document(project)
    one, two = project.called("one"), project.called("two")
    assert facts(first, one)["purpose"]["value"] == "Holds on"
    known = project.directory / ".auren" / "known.json"
    assert stat.S_IMODE(known.stat().st_mode) == 0o600

    second = document(project)
    assert mine(second, project) == []
    assert facts(second, one) == facts(first, one)

    planned = document(project, check=True)
    assert planned.output["document"]["services"] == second.output["document"]["services"]

    project.do(project.service("one", purpose="Holds on", compose={"mem_limit": "64m"}), project.service("two"))
    content = known.read_bytes()
    assert f"service/{one}/container" in mine(document(project, check=True), project)
    assert known.read_bytes() == content  # check mode writes nothing
    third = document(project)
    assert {key.split("/")[1] for key in mine(third, project)} == {one}
    assert facts(third, two) == facts(first, two)
    assert facts(third, one)["image"] == facts(first, one)["image"]


def test_requests_change_nothing_that_is_said(project: Project, tmp_path: Path) -> None:
    """Of those whose logs lie on the host, where each request leaves the gateway's address and its client's."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "web.conf").write_text("# a proxy\n\n")
    project.do(project.service("one", compose={"volumes": [f"{tmp_path}:/srv"]}))
    [subnet] = json.loads(docker("network", "inspect", "-f", "{{json .IPAM.Config}}", project.network))
    part = subnet["Subnet"].rpartition(".")[0]
    said = []
    for number in range(1, 4):
        for log in (tmp_path / "logs" / "access", tmp_path / "access.log"):
            log.write_text(f"{part}.1 GET /\n{part}.2 GET /\n" * number)
        (tmp_path / "web.conf").write_text("# a proxy\n" * number + f"allow {part}.2;\n")
        said.append(document(project))
    assert mine(said[0], project) != []
    assert [mine(one, project) for one in said[1:]] == [[], []]
    [remark] = [row for row in said[0].output["document"]["remarks"] if row["target"] == project.network]
    assert [fact["value"] for fact in remark["facts"]] == [
        f"an address of {project.network} is written down in {tmp_path}/web.conf of {project.called('one')}: use the name"
    ]


def test_no_secret_is_told(project: Project) -> None:
    given = {"secret_specs": {"password": {}}, "secrets": {"password": SECRET}}
    shell = f"test -n '{SECRET[0]}' && test -e /tmp/healthy"
    compose = {"environment": {"PASSWORD": "<<secret:password>>"}, "healthcheck": {"test": ["CMD-SHELL", shell], "start_interval": "100ms"}}
    project.do(project.service("one", compose=compose), **given)
    result = document(project)
    kept = [path.read_text() for path in (project.directory / ".auren").rglob("*.json*")]
    assert not [text for text in [result.text, *kept] if SECRET in text or json.dumps(SECRET)[1:-1] in text]


def test_a_secret_that_is_a_part_of_names_leaves_them_whole(project: Project) -> None:
    """A weak password may be how every service begins."""
    weak = project.name.partition("-")[2][:6]
    compose = {"environment": {"PASSWORD": "<<secret:password>>"}}
    given = {"secret_specs": {"password": {}}, "secrets": {"password": weak}}
    project.do(project.service("one", compose=compose, purpose=f"It says {weak}"), **given)
    assert weak in project.called("one")
    assert facts(document(project), project.called("one"))["purpose"]["value"] == "It says ****"


def test_every_changing_run_is_recorded_once(project: Project) -> None:
    assert project.do(project.service("one"), who="ann", obtained=["build x (1.0 s)"]).output["run"]
    changed = project.do(project.service("one", compose={"mem_limit": "64m"}), who="ben")
    assert project.do(project.service("one", compose={"mem_limit": "64m"})).output["run"] == ""
    result = document(project, run=changed.output["run"], verification="all of them pass")
    records = result.output["records"]
    assert [(one["who"], one["outcome"], one["verification"]) for one in records] == [
        ("ann", "done", "not run"),
        ("ben", "done", "all of them pass"),
    ]
    assert records[0]["images"] == ["build x (1.0 s)"]
    [operation] = [one for one in records[1]["operations"] if one["kind"] == "recreate"]
    assert (operation["before"], operation["after"]) == ("as created", "mem_limit 64m")
    assert records[1]["downtime"].startswith(f"{project.called('one')} ")
    path = project.directory / ".auren" / "changes.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert document(project).output["added"] == []
    assert path.read_bytes() == before


def test_a_run_that_failed_is_recorded_at_once_and_one_that_was_killed_by_the_next(project: Project) -> None:
    project.do(project.service("one"))
    sick = project.service("one", compose={"entrypoint": ["sleep", "600"], "mem_limit": "64m"}, gate={"deadline": 3, "hold": 0.1})
    failed = project.fails(sick, who="ann")
    lines = [json.loads(line) for line in (project.directory / ".auren" / "changes.jsonl").read_text().splitlines()]
    assert [(one["outcome"], one["who"]) for one in lines] == [("done", ""), ("failed", "ann")]
    assert "did not pass the gate" in lines[1]["error"]
    assert failed.output["run"] == lines[1]["run"]  # by which its play knows that there is something to write down
    patient = {**sick, "gate": {"deadline": 60, "hold": 0.1}}
    with subprocess.Popen(
        module_command("compose_project"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=module_environment()
    ) as running:
        assert running.stdin is not None
        running.stdin.write(module_input(project.arguments(patient, who="ben")))
        running.stdin.close()
        wait_for_run(project, 3)
        running.send_signal(signal.SIGKILL)
    result = document(project)
    assert [(one["outcome"], one["who"]) for one in result.output["added"]] == [("cut off", "ben")]
    assert [one["kind"] for one in result.output["added"][0]["operations"]] == ["recreate"]


def wait_for_run(project: Project, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(list((project.directory / ".auren" / "journal").glob("*.jsonl"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_file_whose_name_is_no_utf8_is_told(project: Project) -> None:
    project.do(project.service("one"))
    docker("exec", "-u", "root", project.called("one"), "sh", "-c", "mkdir -p /app; echo x >/app/caf$(printf '\\351').txt")
    found = [one for one in document(project).output["document"]["remarks"] if one["target"] == project.called("one")]
    assert "/app/caf\ufffd.txt was changed inside the running container" in str(found)


@pytest.mark.parametrize("stranger", [True, False])
def test_who_is_not_declared_stands_apart(project: Project, stranger: bool) -> None:
    project.do(project.service("one"))
    name = project.called("odd")
    if stranger:
        docker("run", "-d", "--init", "--name", name, "--network", project.network, image("redis"), "sleep", "600")
    result = document(project)
    assert (name in [row["name"] for row in result.output["document"]["strangers"]]) == stranger
    assert project.called("one") in [row["name"] for row in result.output["document"]["services"]]


def test_ports_that_the_engine_chose_and_directories_of_the_host_are_told(project: Project, tmp_path: Path) -> None:
    project.do(project.service("one"))
    name = project.called("odd")
    mounts = ("-v", f"{tmp_path}:/kept:ro")
    docker("run", "-d", "--init", "--name", name, "-p", "6379", *mounts, "--network", project.network, image("redis"), "sleep", "600")
    port = docker("port", name, "6379/tcp").splitlines()[0].rpartition(":")[2]
    first = document(project)
    [row] = [row for row in first.output["document"]["strangers"] if row["name"] == name]
    told = {fact["what"]: fact["value"] for fact in row["facts"]}
    assert (told["ports"], told["directories and files of the host"]) == (
        f"0.0.0.0:{port} → 6379/tcp",
        f"{tmp_path} → /kept (read-only)",
    )
    assert mine(document(project), project) == []
    claims = {"text": f"| Container | Port |\n|---|---|\n| {name} | {port} |\n", "network": project.network}
    audited = run_module("document_audit", {**claims, "project_dir": str(project.directory)})
    assert [one["verdict"] for one in audited.output["claims"] if one["kind"] == "port"] == ["true"], audited.text
