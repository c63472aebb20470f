"""Containers that run with random options, taken over as they run: old and new differ in who owns them, and in their networks."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine

from tests.integration.hand_run import HandRun
from tests.integration.harness import run_module
from tests.integration.run_again import read
from tests.integration.run_facts import differing
from tests.integration.run_options import FAMILIES, World

STARTING = (  # the families with which anything starts, here as well
    *("annotations", "anonymous volumes", "binds", "cpu", "cpu shares", "cpuset", "devices", "environment", "expose", "groups", "hosts"),
    *("init", "labels", "logging", "memory", "named volumes", "pids", "read-only", "restart", "shm", "sysctls", "tmpfs"),
    *("ulimits", "workdir"),
)
CHANGED = {"PATH": "PATHS=", "rsha": "rprivate", "rsla": "private"}  # it has to find its program; and the host's mounts are not shared
SAMPLE = 8  # families in a case


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_what_runs_goes_on_as_it_ran(hand: HandRun, world: World, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    families = chance.sample(STARTING, SAMPLE)
    words = [word for family in families for word in FAMILIES[family](chance, world)]
    words = [re.sub(r"^PATH=|(?<=[:,])r?(shared|slave)$", lambda found: CHANGED[found[0][:4]], word) for word in words]
    name = hand.start("box", *words, "--stop-signal", "KILL", command=["sleep", "infinity"])
    before = hand.containers()["box"]
    declared = hand.service("box", compose={"mem_limit": "1g", "healthcheck": {"test": ["NONE"]}})
    told = run_module("takeover_info", {**hand.project.arguments(declared), "choices": {name: "running"}})
    assert told.status == 0, told.text
    lost = read(Engine(), before).unexpressed  # of which each is a sentence of the plan
    assert bool(lost) == bool(told.output["unexpressed"]), words
    hand.do({**declared, **told.output["variables"]["auren_overrides"][name]})
    now = hand.containers()["box"]
    hand.project.volumes += [mount["Name"] for mount in now["Mounts"] if mount["Type"] == "volume" and len(mount["Name"]) == 64]
    differences = [path for path in differing(before, now) if not any(path == one or path.startswith(f"{one}.") for one in lost)]
    assert differences in ([], ["Config.MacAddress"]), words  # of a place on a network, and that is another one
    hand.rollback()
    assert hand.containers()["box"]["Id"] == before["Id"]
