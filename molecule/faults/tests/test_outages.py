"""Something dies or goes away while webhooks come in, and comes back: the stack is green again without a hand.

What is asserted after each, and why, is in `Night.stream`.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest
from target import Target, wait_until

OUTAGE = 30  # seconds; longer than every deadline inside the applications


def noticed(target: Target, before: dict[str, str], name: str) -> bool:
    return target.started().get(name, before[name]) != before[name]


def test_every_service_crashes(night: Any) -> None:
    """Killed by pid, as the kernel does: after `docker kill` the Engine believes that somebody wanted it, and does not restart."""
    target = night.target
    with night.stream("crashes"):
        for name, one in sorted(target.containers().items()):
            before = target.started()
            target.run("kill", "-9", str(one["State"]["Pid"]))
            wait_until(lambda name=name, before=before: noticed(target, before, name), 20, every=0.1)
            night.settle(f"crash of {name}", within=120)
            others = {other: life for other, life in target.started().items() if other != name}
            assert others == {other: life for other, life in before.items() if other != name}  # nobody dies of it


@pytest.mark.parametrize("name", ["auren-postgres", "auren-redis", "auren-kafka"])
def test_a_dependency_is_away_for_half_a_minute(night: Any, name: str) -> None:
    """Stopped by an operator, who starts it again; the applications stay up and find it by themselves."""
    target = night.target
    before = target.started()
    with night.stream(f"{name} away for {OUTAGE} s"):
        target.docker("stop", name)
        time.sleep(OUTAGE)
        target.docker("start", name)
        night.settle(f"{name} away for {OUTAGE} s", within=120)
    assert {other for other, life in target.started().items() if life != before[other]} == {name}


def test_the_engine_restarts(night: Any) -> None:
    target = night.target
    before = target.started()
    with night.stream("the Engine restarted"):
        target.run("service", "docker", "restart")
        night.settle("the Engine restarted", within=180)
    assert not set(before.values()) & set(target.started().values()), "it was no restart"


def test_the_host_restarts(night: Any) -> None:
    target = night.target
    before = target.started()
    with night.stream("the host restarted"):
        subprocess.run(["docker", "restart", "--time", "90", night.container], check=True, capture_output=True)
        night.settle("the host restarted", within=180)
    assert not set(before.values()) & set(target.started().values()), "it was no restart"


def test_the_host_loses_power(night: Any) -> None:
    """No service has a chance to close anything."""
    with night.stream("power cut"):
        for action in ("kill", "start"):
            subprocess.run(["docker", action, night.container], check=True, capture_output=True)
        night.settle("power cut", within=180)


def depths(target: Target) -> dict[str, int]:
    """How many services in a row have to be there before one, by what it says that it needs."""
    needs = {entry["name"]: entry.get("needs") or [] for entry in target.declared()}

    def depth(name: str) -> int:
        return 1 + max((depth(other) for other in needs[name] if other in needs), default=-1)

    return {name: depth(name) for name in needs}


def test_the_services_are_started_in_reverse_order(night: Any) -> None:
    """By hand, those that need others first: each stands the absence of what it needs."""
    target = night.target
    by_depth = depths(target)
    assert by_depth["biometric-production"] > by_depth["auren-kafka"]
    with night.stream("started in reverse order"):
        target.docker("stop", *by_depth)
        for depth in sorted(set(by_depth.values()), reverse=True):
            target.docker("start", *(name for name, own in by_depth.items() if own == depth))
            time.sleep(5)
        night.settle("started in reverse order", within=120)
