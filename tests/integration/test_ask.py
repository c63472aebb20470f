"""The question before a plan is done: asked where a person sits, and not where AWX or Semaphore only give a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.harness import ROOT

PLAN = {"plan": {"id": "3f9a-0123456789"}, "actions": ["connect a to b"], "approved": False, "markdown": "# Plan"}
PROMPT = "anything else ends without a change"
SECONDS = 60.0  # far more than a run takes


def run(playbook: Path, variables: dict[str, object], answer: bytes = b"yes", expected: int = 0) -> str:
    """Run it on a terminal of its own; answer when it asks. Returns all that was shown."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(variables), str(playbook)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "200"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment)
    shown, answered, end = "", False, time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:  # a second of silence: what is typed before Ansible waits, it throws away
                if PROMPT in shown and not answered:
                    os.write(terminal, answer + b"\r")
                    answered = True
                continue
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side is closed
                break
    finally:
        if time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == expected, shown
    return shown


def play(directory: Path, facts: dict[str, object], asks: Path, *then: dict[str, object]) -> Path:
    """A playbook that has planned, and asks."""
    wiring = yaml.safe_load((ROOT / "roles" / "wiring" / "defaults" / "main.yml").read_text())
    tasks = [{"ansible.builtin.set_fact": facts}, {"ansible.builtin.import_tasks": str(asks)}, *then]
    variables = {"approval_name": "one_plan", "auren_attended": wiring["auren_attended"]}
    path = directory / "play.yml"
    path.write_text(
        yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}])
    )
    return path


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    """Asks as `streamline` and `rollback` do."""
    says = {"ansible.builtin.debug": {"msg": "the answer was {{ approval_yes | bool | ternary('a yes', 'no yes') }}"}}
    return play(tmp_path, {"one_plan": PLAN}, ROOT / "playbooks" / "tasks" / "ask.yml", says)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Asks as `site` does with auren_approve=ask."""
    facts = {"images_plan": {"actions": ["pull redis:7"]}, "service_result": {"actions": ["create auren-redis"]}}
    says = {"ansible.builtin.debug": {"msg": "it went on"}}
    return play(tmp_path, facts, ROOT / "roles" / "service" / "tasks" / "ask.yml", says)


def test_a_person_is_asked(playbook: Path) -> None:
    shown = run(playbook, {})
    assert PROMPT in shown
    assert "the answer was a yes" in shown


@pytest.mark.parametrize("variable", ["awx_job_id", "tower_job_id", "semaphore_vars"])
def test_a_job_is_not_asked_and_ends_with_the_id(playbook: Path, variable: str) -> None:
    shown = run(playbook, {variable: {"id": 7}})
    assert PROMPT not in shown
    assert "the answer was no yes" in shown
    assert "add -e auren_approve=3f9a-0123456789" in shown


def test_site_goes_on_after_a_yes(site: Path) -> None:
    shown = run(site, {})
    assert "pull redis:7" in shown
    assert "create auren-redis" in shown
    assert "it went on" in shown


@pytest.mark.parametrize(("variables", "answer"), [({}, b""), ({}, b"no"), ({"awx_job_id": 7}, b"")], ids=["return", "no", "a job"])
def test_site_does_nothing_without_a_yes(site: Path, variables: dict[str, object], answer: bytes) -> None:
    shown = run(site, variables, answer, expected=2)
    assert "nobody typed yes to this plan" in shown
    assert "it went on" not in shown


def test_site_does_nothing_where_there_is_no_terminal(site: Path) -> None:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(site)]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nobody typed yes to this plan" in done.stdout
    assert "it went on" not in done.stdout
