"""A run of `site` that is cut off by `kill -9`, at every step of compose_project, over SSH and with the real stack.

The controller dies, and with it the module on the host and the Compose that it started; once the controller alone, whose module then
works on without it. Whoever comes next only runs `site` again: it ends what was begun, everything is green, no acknowledged webhook is
lost or doubled by it, and the run after that changes nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

import pytest
from target import PROJECT_DIR, Target, start_play

BRIDGE = "biometric-production"
# Waits for a shell condition, then ends whoever holds the project's lock: the module, and the Compose that inherited it.
REAPER = """
import glob, os, signal, subprocess, sys, time
moment, lock, spare = sys.argv[1:]
deadline = time.monotonic() + 90
while subprocess.run(["sh", "-c", moment], capture_output=True).returncode:
    if time.monotonic() > deadline:
        sys.exit("the moment never came")
    time.sleep(0.02)
holders = set()
for handle in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(handle) == lock:
            holders.add(int(handle.split("/")[2]))
    except OSError:
        continue
if not holders:
    sys.exit("the run had ended before it could be killed")
for pid in holders if not spare else ():
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        continue
"""
STATE = "docker inspect -f '{{.State.Status}} {{.State.Health.Status}} {{.Config.Env}}'"
# Shell conditions on the host; ROUND is the value that the run is about to bring in.
MOMENTS = {
    "the files are written": f"grep -q ROUND {PROJECT_DIR}/.auren/declared.json",
    "Compose makes a container": f"docker ps --all --format '{{{{.Names}}}}' | grep -q '_{BRIDGE}$'",
    "at the gate": f"{STATE} {BRIDGE} | grep -q 'running starting.*=ROUND '",
    "while it has to stay healthy": f"{STATE} {BRIDGE} | grep -q 'running healthy.*=ROUND '",
}


def family(pid: int) -> list[int]:
    """A process and all that it started: each of Ansible's workers leads a session of its own, so no signal to a group reaches it."""
    children = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [pid, *(member for child in children for member in family(int(child)))]


def cut_off(night: Any, moment: str, spare_module: bool = False) -> None:
    """Start `site` and kill it at the moment: the module first, so that nothing can tell it that its controller has gone."""
    with start_play(*night.extra_vars()) as started:
        night.target.run("python3", "-c", REAPER, moment, f"{PROJECT_DIR}/.auren", "spare" if spare_module else "")
        for pid in family(started.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def finished_by_the_next_run(night: Any, what: str) -> None:
    done = night.site()
    assert done.status == 0, done.output
    night.settle(f"killed {what}, after the next run", within=120)


@pytest.mark.parametrize(("moment", "spare_module"), [*((moment, False) for moment in MOMENTS), ("at the gate", True)])
def test_cut_off_while_a_service_is_replaced(night: Any, moment: str, spare_module: bool) -> None:
    value = f"{moment} {spare_module}".replace(" ", "-")
    night.settings["biometric_bridge_extra_environment"] = {"ROUND": value}
    what = f"{moment}, the controller alone" if spare_module else moment
    with night.stream(f"killed {what}"):
        cut_off(night, MOMENTS[moment].replace("ROUND", value), spare_module)
        finished_by_the_next_run(night, what)
    assert f"ROUND={value}" in night.target.containers()[BRIDGE]["Config"]["Env"]
    assert {entry["name"] for entry in night.target.declared()} == everything(night.target)


def everything(target: Target) -> set[str]:
    """Every container on the host: none is left over."""
    return set(target.docker("ps", "--all", "--format", "{{.Names}}").split())


def test_cut_off_before_a_reload(night: Any) -> None:
    """The file is there and the service may not have read it: only the record tells the next run, which reloads."""
    night.settings["prometheus_evaluation_interval"] = "13s"
    with night.stream("killed before a reload"):
        before = night.target.started()
        cut_off(night, f"grep -q 'evaluation_interval: 13s' {PROJECT_DIR}/config/auren-prometheus/prometheus.yml")
        finished_by_the_next_run(night, "before a reload")
        assert night.target.started() == before  # a reload is no restart
    loaded = night.target.http("http://127.0.0.1:9090/api/v1/status/config").json["data"]["yaml"]
    assert "evaluation_interval: 13s" in loaded


def test_cut_off_while_a_password_changes(night: Any) -> None:
    """The server has learned the new password and no client has: clients stay in by their open sessions, the next run tells them."""
    secrets = f"{PROJECT_DIR}/secrets"
    password = "n$ew 'q' \"r\" #s \\t @u :v /w %41 x"
    night.settings["auren_secrets"] = {"postgres_password": password}
    with night.stream("killed in a rotation"):
        cut_off(night, f"cmp -s {secrets}/postgres_password.next {secrets}/postgres_password")
        finished_by_the_next_run(night, "in a rotation")
    assert night.target.secret("postgres_password") == password
    assert night.target.run("ls", secrets).split().count("postgres_password.next") == 0
