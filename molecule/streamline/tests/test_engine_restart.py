"""The Engine restarts in the middle of a run: nobody is left without a network, the next run finishes, a rollback restores."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mess import NETWORK, ROLLBACK, STREAMLINE, Mess, differences
from plans import approved, shown
from target import PROJECT_DIR, Target, play, start_play, wait_until

DUPLICATES = ["biometric-system-100", "neuros-langgraph"]  # the Engine would start both, and one takes the port of neuros-advanced
WISH = {"auren_streamline_containers": ["biometric-unified"], "auren_streamline_detach": True, "auren_streamline_stop": DUPLICATES}
SETTINGS = ["-e", json.dumps(WISH)]
RESTART = f"""
until [ "$(cat {PROJECT_DIR}/.auren/journal/*-connect.jsonl 2>/dev/null | grep -c '"done"')" -ge "$1" ]; do sleep 0.02; done
service docker restart
"""


def meant(mess: Mess) -> dict[str, Any]:
    """The topology without who runs: what has no restart policy ends with the Engine."""
    found = mess.topology()
    return {**found, "containers": {name: {**one, "running": None} for name, one in found["containers"].items()}}


def without_network(mess: Mess) -> list[str]:
    return [name for name, one in mess.topology()["containers"].items() if not one["networks"]]


def cut_off(target: Target, steps: int) -> str:
    """A run during which the Engine restarts after so many steps; what it printed."""
    with start_play(*SETTINGS, "-e", "auren_approve=auto", playbook=STREAMLINE) as started:
        target.run("timeout", "120", "bash", "-c", RESTART, "restart", str(steps))
        output = started.communicate()[0]
    assert started.returncode != 0, output
    return output


def engine_answers(target: Target) -> bool:
    try:
        return bool(target.docker("version"))
    except AssertionError:
        return False


@pytest.mark.parametrize("steps", [10, 22], ids=["connecting", "detaching"])
def test_a_run_goes_on_after_the_engine_restarted(mess: Mess, target: Target, steps: int) -> None:
    mess.build("network")
    before = meant(mess)
    output = cut_off(target, steps)
    assert "Traceback" not in output
    wait_until(lambda: engine_answers(target), 60)
    mess.settle(60)
    assert without_network(mess) == []
    approved(STREAMLINE, *SETTINGS)
    assert all(
        NETWORK in meant(mess)["containers"][name]["networks"] for name in ("auren-postgres", "neuros-advanced", "biometric-unified")
    )
    assert mess.names_that_do_not_resolve() == []
    again = play(*SETTINGS, "-e", "auren_approve=auto", playbook=STREAMLINE)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "Nothing to do." in shown(again.output)
    approved(ROLLBACK)
    assert differences(before, meant(mess)) == []
    mess.settle(60)
