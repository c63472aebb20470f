"""The question before a plan is done: asked where a person sits, and not where AWX or Semaphore only give a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.harness import ROOT

PLAN = {"plan": {"id": "3f9a-0123456789"}, "actions": ["connect a to b"], "approved": False, "markdown": "# Plan"}
PROMPT = "anything else ends without a change"
SECONDS = 60.0  # far more than a run takes


def run(playbook: Path, variables: dict[str, object]) -> str:
    """Run it on a terminal of its own; answer yes when it asks. Returns all that was shown."""
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
                    os.write(terminal, b"yes\r")
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
    assert os.waitstatus_to_exitcode(status) == 0, shown
    return shown


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    wiring = yaml.safe_load((ROOT / "roles" / "wiring" / "defaults" / "main.yml").read_text())
    tasks = [
        {"ansible.builtin.set_fact": {"one_plan": PLAN}},
        {"ansible.builtin.import_tasks": str(ROOT / "playbooks" / "tasks" / "ask.yml")},
        {"ansible.builtin.debug": {"msg": "the answer was {{ approval_yes | bool | ternary('a yes', 'no yes') }}"}},
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"approval_name": "one_plan", "auren_attended": wiring["auren_attended"]},
        "tasks": tasks,
    }
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    return path


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
