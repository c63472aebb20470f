"""stack_bundle on a real Engine: everything that is needed, no secret in any form, and never a change."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.harness import (
    RUN,
    Project,
    Result,
    ansible_playbook,
    as_nobody,
    docker,
    image,
    module_command,
    run_module,
    tree,
)
from tests.leaks import shown_secrets

MARKS = ("CANARY", "YRANAC")
SPECIAL = """ $a 'q' "r" #s \\t @u:v/w %41 &y=z """
STORED = f"{MARKS[0]}0stored{SPECIAL}0{MARKS[1]}"  # in the project's files, and so in a client's environment and URL
IN_COMMAND, IN_LABEL, IN_ENV, GIVEN = (f"{MARKS[0]}{number}x-{MARKS[1]}" for number in range(1, 5))
CHATTY = """
import base64, json, os, sys, time, urllib.parse as u
value, env = os.environ["DB_PASSWORD"], os.environ["CHATTY_API_KEY"]
forms = [value, json.dumps(value), repr(value), json.dumps(json.dumps({"k": value})), value.encode().hex()]
forms += [u.quote(value), u.quote_plus(value), u.quote(u.quote(value)), env, dict(os.environ), sys.argv]
forms += [base64.b64encode(b"x" * n + value.encode()).decode() for n in range(3)]
for text in forms:
    print("chatty says", text, flush=True)
time.sleep(600)
"""


def traces(text: str) -> list[str]:
    """Marks, however base64 has them."""
    found = [mark for mark in MARKS if mark in text or mark.encode().hex() in text]
    for mark in MARKS:
        for shift in range(3):
            steady = base64.b64encode(b"\0" * shift + mark.encode()).decode().rstrip("=")[-(-shift * 8 // 6) : (shift + len(mark)) * 8 // 6]
            found += [f"{mark} in base64"] if steady in text else []
    return found


def unpacked(result: Result) -> dict[str, str]:
    """Path below the one folder → text."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(result.output["bundle"]))) as archive:
        files = [(member.name.partition("/")[2], archive.extractfile(member)) for member in archive]
        return {name: content.read().decode() for name, content in files if content}


def packed(project: Project, check: bool = False, command: list[str] | None = None, **more: Any) -> Result:
    result = run_module("stack_bundle", {"project_dir": str(project.directory), "budget": 240, **more}, check, command)
    assert (result.changed, result.actions) == (False, []), result.text[:2000]
    return result


@pytest.fixture(scope="module")
def up(new_project: Callable[[Path], AbstractContextManager[Project]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A declared service that holds a stored secret, and one by hand that shows secrets wherever one can."""
    with new_project(tmp_path_factory.mktemp("bundle")) as project:
        url = "redis://:<<secret:password:url>>@cache:6379/0"
        declared = project.service(
            "one",
            aliases=["cache"],
            compose={"environment": {"REDIS_URL": url, "PASSWORD": "<<secret:password>>"}},
            files={"app.json": {"content": '{"it": "<<secret:password:json>>"}'}},
            secrets=["password"],
        )
        project.do(declared, secret_specs={"password": {}}, secrets={"password": STORED})
        chatty, loop = project.called("chatty"), project.called("loop")
        words = ["--name", chatty, "--network", project.network, "-e", f"DB_PASSWORD={STORED}", "-e", f"CHATTY_API_KEY={IN_ENV}"]
        words += ["-e", f"DB_URL=postgres://u:{quote(STORED, safe='')}@db/x", "--label", f"chatty.auth.token={IN_LABEL}"]
        docker("run", "-d", "--init", *words, image("python"), "python3", "-c", CHATTY, "--requirepass", IN_COMMAND)
        docker("run", "-d", "--restart", "always", "--name", loop, image("redis"), "sh", "-c", f"echo api_key={GIVEN} looping; exit 3")
        docker("exec", chatty, "sh", "-c", f": {IN_COMMAND}")
        try:
            yield project
        finally:
            docker("rm", "-f", "-v", chatty, loop, check=False)


@pytest.fixture
def state(up: Project) -> Iterator[None]:
    """Nothing of it may change. The one in the loop starts again and again by itself."""

    def told() -> tuple[Any, ...]:
        named = ["--filter", f"name={up.name}"]
        rows = [docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", up.called(short)) for short in ("one", "chatty")]
        return rows, docker("ps", "-aq", *named), docker("network", "ls", "-q", *named), tree(up.directory)

    before = told()
    yield
    assert told() == before


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("check", [False, True], ids=["done", "check mode"])
def test_all_that_is_needed_and_no_secret_in_any_form(up: Project, check: bool) -> None:
    result = packed(up, check, secrets={"else": GIVEN})
    files = unpacked(result)
    assert traces(docker("logs", up.called("chatty"))) != []
    assert traces(json.dumps(docker("inspect", up.called("chatty")))) != []
    assert {path: found for path, text in files.items() if (found := traces(text))} == {}
    assert [line for path, text in files.items() for line in shown_secrets(path, text)] == []
    assert traces(result.text.replace(result.output["bundle"], "")) == []
    own = {f"containers/{up.called(short)}/inspect.json" for short in ("one", "chatty", "loop")}
    own |= {f"containers/{up.called(short)}/log.txt" for short in ("chatty", "loop")}  # the other one has said nothing
    wanted = {"diagnosis.md", "host.txt", "disk.txt", "engine.json", "networks.json", "events.txt", "names.txt", "images.txt"}
    assert own | wanted | {"project/docker-compose.yml", "project/secrets.txt"} <= set(files)
    assert next(iter(files)) == "diagnosis.md"
    inspect = json.loads(files[f"containers/{up.called('chatty')}/inspect.json"])
    hidden = [one for one in inspect["Config"]["Env"] if "PASSWORD" in one or "KEY=" in one]
    assert sorted(hidden) == ["CHATTY_API_KEY=****", "DB_PASSWORD=****"]  # of those in a file Compose keeps no order
    assert inspect["Config"]["Cmd"][-2:] == ["--requirepass", "****"]
    assert files[f"containers/{up.called('chatty')}/log.txt"].count("chatty says") >= 12
    assert f"{up.called('one')}: " in files["names.txt"]


def test_the_diagnosis_names_a_loop_and_who_shows_a_secret(up: Project) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state, starts = docker("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", up.called("loop")).split()
        if state == "restarting" and int(starts) >= 8:  # each wait is twice as long as the one before, up to a minute: now 25 s
            break
        time.sleep(0.2)
    verification = run_module("service_verification", {"project_dir": str(up.directory)}).output
    result = packed(up, verification=verification)
    lines = {one["line"]: one["page"] for one in result.output["remarks"]}
    shown = f"the log of {up.called('chatty')} shows a secret of the stack to everybody who may run docker"
    assert lines[shown] == "secrets-in-clear-text"
    looping = (
        f"{up.called('loop')} crashes and is restarted again and again (exit code 3), and is not declared: docker logs {up.called('loop')}"
    )
    assert lines[looping] == "restart-loop"
    assert result.output["causes"] == []
    docker("stop", "-t", "0", up.called("one"))
    try:
        verification = run_module("service_verification", {"project_dir": str(up.directory)}).output
        files = unpacked(packed(up, verification=verification))
    finally:
        docker("start", up.called("one"))
    assert f"**{up.called('one')} is exited (exit code 137): docker start {up.called('one')}**" in files["diagnosis.md"]
    assert "docs/runbooks/stopped-container.md" in files["diagnosis.md"]
    assert files["diagnosis.md"].partition("\n")[0].endswith(": A container is stopped")


@pytest.mark.usefixtures("state")
def test_names_are_asked_from_inside_each_container(up: Project) -> None:
    text = unpacked(packed(up))["names.txt"]
    for asker in ("one", "chatty"):
        part = text.partition(f"{up.called(asker)}\n")[2]
        addresses = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", up.called("one"))
        told = [line for line in part.splitlines() if line.startswith("  cache: ")]
        assert told[0].startswith(f"  cache: {addresses}") or addresses in told[0], told


@pytest.mark.usefixtures("state")
def test_a_small_bundle_keeps_the_diagnosis_and_says_what_it_lost(up: Project) -> None:
    result = packed(up, size=0.02)
    assert len(base64.b64decode(result.output["bundle"])) <= 20_000
    files = unpacked(result)
    assert "had" in files["left-out.txt"]
    assert files["diagnosis.md"].startswith("# ")


@pytest.mark.usefixtures("state")
def test_what_has_no_time_is_named(up: Project) -> None:
    result = packed(up, budget=0.001)
    assert any(line.endswith("no time was left") for line in result.output["missing"])
    assert "diagnosis.md" in unpacked(result)


def test_without_an_engine_the_host_is_packed(up: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    result = packed(up, verification={"failed": True, "msg": "no Docker Engine answers"})
    files = unpacked(result)
    assert [one["page"] for one in result.output["causes"]][:1] == ["engine-down"]
    assert files["diagnosis.md"].partition("\n")[0].endswith(": The Docker Engine does not answer")
    assert {"disk.txt", "host.txt", "project/docker-compose.yml"} <= set(files)
    assert {path: found for path, text in files.items() if (found := traces(text))} == {}


def test_without_root_it_says_what_is_missing(up: Project) -> None:
    up.directory.chmod(0o755)
    command = as_nobody("stack_bundle", os.stat("/var/run/docker.sock").st_gid)
    result = packed(up, command=command, secrets={"password": STORED, "else": GIVEN})
    files = unpacked(result)
    assert any("only root" in line and "names.txt" in line for line in result.output["missing"])
    assert f"containers/{up.called('one')}/inspect.json" in files
    assert {path: found for path, text in files.items() if (found := traces(text))} == {}


def test_a_full_disk_is_no_obstacle(up: Project) -> None:
    """Nothing is written: the module has no right to write anywhere but in its own memory."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
    )
    script += f"from {module_command('stack_bundle')[-1]} import main; main()"
    result = packed(up, command=[module_command("stack_bundle")[0], "-B", "-c", script])
    assert "containers.txt" in unpacked(result)


def test_wrong_numbers_are_refused(up: Project) -> None:
    result = run_module("stack_bundle", {"project_dir": str(up.directory), "budget": 0})
    assert result.msg == "budget is 0; give a number above 0. Nothing was read"


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - auren.stack.stack_bundle:
        project_dir: "{project}"
        dir: "{folder}"
        secrets: {{else: "{given}"}}
      register: bundle
    - ansible.builtin.debug:
        var: bundle
"""


@pytest.mark.usefixtures("state")
def test_through_ansible_the_file_is_on_the_controller_for_its_owner_alone(up: Project, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(PLAY.format(project=up.directory, folder=tmp_path / "reports" / "host", given=GIVEN))
    for arguments in ([], ["--check"]):
        done = ansible_playbook(str(play), "-vvv", *arguments, env={"DUMMY": RUN})
        assert done.returncode == 0, done.stdout[-3000:]
        assert "changed=0" in done.stdout
        assert len(done.stdout) < 200_000, "the bundle itself is not shown"
        assert traces(done.stdout) == []
    found = sorted((tmp_path / "reports" / "host").glob("troubleshoot-*.tar.gz"))
    assert [path.stat().st_mode & 0o777 for path in found] == [0o600, 0o600]
    with tarfile.open(found[0]) as archive:
        assert any(name.endswith("/diagnosis.md") for name in archive.getnames())
