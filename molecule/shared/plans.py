"""Playbooks that show a plan and do what was approved, as the tests of a scenario run them."""

from __future__ import annotations

import re

from target import Recap, play


def shown(output: str) -> str:
    """The plan as the playbook shows it, byte for byte."""
    found = re.search(r"^TASK \[Show the plan\] \*+\n(.*?)\n+(?:TASK|PLAY RECAP|\[Wait for a yes)", output, re.MULTILINE | re.DOTALL)
    assert found, output
    return found[1]


def plan_id(output: str) -> str:
    found = re.search(r"# Plan ([0-9a-f]{4}-[0-9a-f]{10}):", output)
    assert found, output
    return found[1]


def record(output: str) -> str:
    """The line about the whole run."""
    return next(line.strip(" -'\"") for line in output.splitlines() if " operations in " in line)


def planned(playbook: str, *settings: str) -> str:
    """The id of a plan that nobody has approved yet."""
    done = play(*settings, playbook=playbook)
    assert (done.status, done.changed) == (0, 0), done.output
    return plan_id(done.output)


def approved(playbook: str, *settings: str) -> Recap:
    """Plan, then exactly that plan."""
    wanted = planned(playbook, *settings)
    done = play(*settings, "-e", f"auren_approve={wanted}", playbook=playbook)
    assert done.status == 0, done.output
    assert plan_id(done.output) == wanted
    return done
