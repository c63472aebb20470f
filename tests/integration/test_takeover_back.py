"""The way back of a takeover: the old containers are what they were, and serve."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.integration.hand_run import ROLLBACK, TAKEOVER, HandRun
from tests.integration.harness import docker, run_module


def test_all_of_it_is_taken_back(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--restart", "on-failure:3")
    hand.redis("cache", "--restart", "always")
    before, keys = hand.meant(), [hand.keys("db"), hand.keys("cache")]
    anonymous = hand.containers()["cache"]["Mounts"][0]["Name"]
    hand.project.volumes.append(anonymous)
    hand.do(hand.service("cache", anonymous, needs=[hand.called("db")]), hand.service("db", volume))
    assert sorted(hand.containers()) == ["cache", "cache-replaced", "db", "db-replaced"]
    back = hand.rollback()
    assert [hand.short(line).partition(":")[0] for line in back.actions] == ["put back db", "put back cache"]
    assert hand.meant() == before
    assert [hand.keys("db"), hand.keys("cache")] == keys
    assert hand.files() == []
    assert hand.rollback().actions == []


def test_one_that_was_not_healthy_comes_back_as_it_was(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "1")
    before, keys = hand.meant(), hand.keys("db")
    hand.do(hand.service("db", volume))
    hand.rollback()
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])


def test_it_is_back_when_it_listens_again(hand: HandRun) -> None:
    """Without a health check, running is not serving: what follows, its networks among it, waits for that."""
    volume = hand.project.volume("data")
    slow = "sleep 2; exec redis-server --appendonly yes --save ''"
    hand.redis("db", "--volume", f"{volume}:/data", "--expose", "6380", command=["sh", "-c", slow])
    before = hand.meant()
    hand.do(hand.service("db", volume))
    back = hand.rollback()
    assert docker("exec", hand.called("db"), "redis-cli", "ping") == "PONG"
    assert float(back.output["operations"][0].rsplit("(", 1)[1].split()[0]) > 2
    assert hand.meant() == before


def test_what_a_run_that_failed_had_copied_stays_out_of_the_way_back(hand: HandRun) -> None:
    """The first run copied and was put back; what was written since is in the volume that the second one went on with."""
    hand.redis("db", "--volume", "/data")
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    health = {"test": ["CMD", "false"], "interval": "200ms", "retries": 1}
    sick = hand.service("db", hand.project.volume("copied"), compose={"healthcheck": health}, gate={"deadline": 3})
    assert hand.run(sick, copy=[hand.called("db")]).status != 0
    docker("update", "--restart", "always", hand.called("db"))
    hand.ask("db", "SET", "between", "the runs")
    before = hand.meant()
    hand.do(hand.service("db", mount["Name"]))
    hand.ask("db", "SET", "since", "taken over")
    since = hand.keys("db")
    hand.rollback()
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, since, [])


def test_data_whose_copy_is_gone_stays_as_it_is(hand: HandRun) -> None:
    """Somebody has removed the service and its volume: an empty volume would be copied over the old data."""
    hand.in_layer("db")
    before, keys, volume = hand.meant(), hand.keys("db"), hand.project.volume("copied")
    hand.do(hand.service("db", volume))
    hand.project.do(state="absent", names=[hand.called("db")])
    docker("volume", "rm", volume)
    back = hand.rollback()
    assert f"nothing is in {volume} any more, where its data was copied to" in " ".join(back.output["notes"])
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])
    assert docker("volume", "ls", "-q", "--filter", f"name={volume}") == ""


def test_it_waits_until_nobody_else_is_on_its_data(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    before, keys = hand.meant(), hand.keys("db")
    hand.do(hand.service("db", volume))
    docker("stop", hand.called("db"))
    hand.start("look", "--volume", f"{volume}:/data", both=False, command=["sleep", "600"])
    result = run_module(ROLLBACK, {"project_dir": str(hand.project.directory)}, False)
    said = "look runs on the data of db, and two must never write there. Stop it first (docker stop look). Nothing was changed"
    assert hand.short(str(result.msg)) == said
    docker("rm", "-f", hand.called("look"))
    hand.rollback()
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])


@pytest.mark.parametrize("killed", [False, True])
def test_what_was_stopped_for_it_is_not_started_beside_it(hand: HandRun, killed: bool) -> None:
    """Both ran on the volume, so the takeover asked for the stop of the one. A rollback that was cut off has put the other one back."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    twin = hand.start("twin", "--volume", f"{volume}:/data", "--restart", "always", command=["sleep", "600"])
    assert "Stop twin first (auren_streamline_stop)" in hand.refused(hand.service("db", volume))
    directory = {"project_dir": str(hand.project.directory)}
    stopped = run_module("network_consolidation", {**directory, "name": hand.project.network, "stop": [twin]}, False)
    assert stopped.status == 0, stopped.text
    hand.do(hand.service("db", volume))
    if killed:
        assert hand.killed(ROLLBACK, directory, "done", 1)
        assert hand.containers()["db"]["State"]["Running"]
    back = hand.rollback()
    assert "kept: twin stays stopped: db runs on its data" in hand.short(" ".join(back.output["notes"]))
    there = {name: (one["State"]["Running"], one["HostConfig"]["RestartPolicy"]["Name"]) for name, one in hand.containers().items()}
    assert there == {"db": (True, "no"), "twin": (False, "no")}
    assert hand.rollback().actions == []


def test_a_stop_that_is_under_way_takes_no_data_along(hand: HandRun) -> None:
    """Started with --rm: at its end the Engine removes it with the volumes that have no name of their own and that nobody else holds."""
    deaf = "trap '' TERM; while :; do sleep 1; done"
    name = hand.start("db", "--rm", "--volume", "/data", "--stop-timeout", "6", command=["sh", "-c", deaf])
    docker("exec", name, "sh", "-c", "echo mine > /data/file")
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    assert hand.killed(TAKEOVER, hand.arguments(hand.service("db")), "begun", 3)  # snapshot, hold, stop
    with subprocess.Popen(["docker", "stop", name], stdout=subprocess.DEVNULL) as stop:
        time.sleep(1)
        hand.rollback()
        assert stop.wait(30) == 0
    assert [(short, one["State"]["Running"]) for short, one in hand.containers().items()] == [("db", True)]
    assert docker("exec", name, "cat", "/data/file") == "mine"


def test_what_one_is_linked_to_comes_back_before_it(hand: HandRun) -> None:
    hand.linked("app")
    before = hand.meant()
    hand.do(hand.service("app"), hand.service("db"))
    back = hand.rollback()
    assert [hand.short(line).partition(":")[0] for line in back.actions] == ["put back db", "put back app"]
    assert hand.meant() == before


def test_one_that_cannot_come_back_before_what_it_is_linked_to_says_how_it_can(hand: HandRun) -> None:
    hand.linked("app")
    before = hand.meant()
    sick = {"healthcheck": {"test": ["CMD", "false"], "interval": "200ms", "retries": 1}}
    result = hand.run(hand.service("db"), hand.service("app", compose=sick, gate={"deadline": 3}, needs=[hand.called("db")]))
    said = hand.short(str(result.msg)).splitlines()[0]
    assert "The old app did not come back: cannot start " in said
    assert said.endswith(". It starts only while the old db runs, which it is linked to (--link): run rollback, which brings both back."), (
        said
    )
    hand.rollback()
    assert hand.meant() == before
