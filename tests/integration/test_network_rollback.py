"""network_rollback on a real Engine: what runs of streamline did is taken back, and nothing else."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import docker
from tests.integration.network_mess import KEPT, Mess, address, shared

OLD = ("--alias", "store", "--driver-opt", "x.y=z")


def pile(mess: Mess) -> None:
    """A database on two networks, one of them with all that a network and a place on it can have, a client and somebody superfluous."""
    mess.network("home")
    mess.network("old", "--label", "team=a", "-o", "com.docker.network.driver.mtu=1400", "--attachable", "--internal")
    mess.container("db", "--network", mess.called("home"), "--network-alias", "pg")
    mess.join("db", "old", *OLD, "--ip", address(mess.subnets["old"], 50))
    mess.container("app", *KEPT, "--network", mess.called("home"))
    mess.container("idle", "--restart", "on-failure:3", "--network", mess.called("home"))


@pytest.fixture(scope="module")
def piles(images: None) -> Iterator[Callable[[Path], Mess]]:
    with shared(pile) as give:
        yield give


@pytest.fixture
def piled(piles: Callable[[Path], Mess], tmp_path: Path) -> Mess:
    return piles(tmp_path)


def streamline(mess: Mess, *containers: Any, **more: Any) -> str:
    """Everything at once; the run's name."""
    done = mess.do(*(containers or ("db", "app")), **{"detach": True, "remove_sources": True, "stop": [mess.called("idle")], **more})
    return str(done.output["run"])


def minute(began: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))


def test_everything_comes_back_as_it_was(piled: Mess) -> None:
    """Places, names, fixed address, options, policies, what was stopped, and a network with its range, options and labels."""
    before, started = piled.meant(), piled.started()
    streamline(piled)
    assert piled.network_names() == ["home", "target"]
    assert piled.meant()["containers"]["idle"] == {
        "runs": False,
        "policy": "no",
        "networks": {"home": {"aliases": [], "ipv4": "", "options": {}, "links": []}},
    }
    checked, done = piled.rollback(check=True), piled.rollback()
    assert checked.actions == done.actions
    assert checked.output["markdown"] == done.output["markdown"]
    assert piled.actions(done) == [
        "create network old: it was there",
        "set restart policy of db: it was no",
        "set restart policy of idle: it was on-failure:3",
        "connect db to old: it was on it; names db, store",
        "connect app to home: it was on it; names app",
        "connect db to home: it was on it; names db, pg",
        "disconnect app from target: it was not on it (names may fail for moments)",
        "disconnect db from target: it was not on it (names may fail for moments)",
        "start idle: it ran",
        "remove network target: it was not there",
    ]
    assert piled.meant() == before
    assert docker("inspect", "-f", "{{.HostConfig.RestartPolicy.MaximumRetryCount}}", piled.called("idle")) == "3"
    assert {name: at for name, at in piled.started().items() if "idle" not in name} == {
        name: at for name, at in started.items() if "idle" not in name
    }
    assert piled.answer("app", "pg") == piled.address_of("db", "home")


def test_of_two_runs_the_later_one_first_and_none_twice(piled: Mess) -> None:
    before = piled.meant()
    first = streamline(piled, "app", stop=[])
    second = streamline(piled, "app", {"name": "db", "aliases": ["database"]}, stop=[])
    done = piled.rollback()
    assert piled.meant() == before
    assert piled.journals()[-1][0]["undoes"] == [second, first]
    days = [minute(float(lines[0]["began"])) for lines in piled.journals()]
    assert f"## Takes back\n\n- connect of {days[1]}: " in done.output["markdown"]
    again = piled.rollback()
    assert (again.changed, again.actions, again.output["run"]) == (False, [], "")
    assert "Takes back" not in again.output["markdown"]
    docker("network", "disconnect", piled.called("old"), piled.called("db"))  # by hand, as the second run had done it
    streamline(piled, "app", stop=[])
    piled.rollback()
    assert sorted(piled.places("db")) == ["home"]
    piled.join("db", "old", *OLD, "--ip", address(piled.subnets["old"], 50))


def test_a_container_is_never_left_without_a_network(mess: Mess) -> None:
    """What it was on before is gone, and nobody wrote down how that was."""
    mess.network("old")
    mess.network("target")
    mess.container("app", *KEPT)
    mess.join("app", "old")
    mess.do("app", detach=True, sources=["bridge", mess.called("old")])
    docker("network", "rm", mess.called("old"))
    notes = mess.notes(mess.rollback())
    assert notes == ["app cannot go back to old: the network is gone, and no journal tells how it was"]
    assert sorted(mess.places("app")) == ["bridge"]


def test_only_runs_of_the_last_days_are_taken_back(piled: Mess) -> None:
    streamline(piled, stop=[])
    path = next((piled.directory / ".auren" / "journal").iterdir())
    lines = path.read_text().splitlines()
    head = json.loads(lines[0])
    path.write_text("\n".join([json.dumps({**head, "began": head["began"] - 8 * 86400}), *lines[1:]]) + "\n")
    before = piled.facts()
    assert piled.rollback().actions == []
    assert piled.rollback(window=7.9).actions == []
    assert piled.facts() == before
    assert len(piled.rollback(window=8.1).actions) == 8


def test_the_journal_is_for_root_alone_and_says_everything(piled: Mess) -> None:
    run = streamline(piled, who="ada")
    directory = piled.directory / ".auren" / "journal"
    path = directory / f"{run}.jsonl"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (directory.parent, directory, path)] == [0o700, 0o700, 0o600]
    lines = piled.journals()[0]
    assert (lines[0]["kind"], lines[0]["who"], lines[-1]["outcome"]) == ("connect", "ada", "done")
    steps = [line["do"] for line in lines if "do" in line]
    assert [line["done"] for line in lines if "done" in line] == list(range(1, len(steps) + 1))
    policies = [(piled.short(step["target"]), step["before"], step["policy"]) for step in steps if step["verb"] == "set policy"]
    assert policies == [("db", "no", "unless-stopped"), ("idle", "on-failure:3", "no")]
    assert {piled.short(name): identity for name, identity in lines[0]["containers"].items()} == {
        piled.short(one["Name"]).lstrip("/"): one["Id"] for one in piled.containers()
    }
    piled.rollback()


def test_a_rollback_is_approved_like_any_other_plan(piled: Mess) -> None:
    streamline(piled, stop=[])
    before = piled.facts()
    piled.view.read_only = True
    checked = piled.rollback(check=True)
    shown = piled.rollback(approve="")
    assert (shown.changed, shown.output["approved"], piled.facts()) == (False, False, before)
    piled.view.read_only = False
    plan = shown.output["plan"]["id"]
    assert checked.output["plan"] == shown.output["plan"]
    docker("update", "--restart", "always", piled.called("app"))
    refused = piled.try_rollback(approve=plan)
    assert "the container " in refused.msg
    assert "has changed (restart policy)" in piled.short(refused.msg)
    docker("update", "--restart", "unless-stopped", piled.called("app"))
    assert piled.rollback(approve=plan).output["approved"] is True


def test_the_target_stays_when_somebody_else_is_on_it(piled: Mess) -> None:
    streamline(piled, stop=[])
    piled.container("guest", *KEPT, "--network", piled.target)
    done = piled.rollback()
    assert "kept: the network target, which guest needs" in piled.notes(done)
    assert {name: sorted(one["networks"]) for name, one in piled.meant()["containers"].items()} == {
        "app": ["home"],
        "db": ["home", "old"],
        "guest": ["target"],
        "idle": ["home"],
    }


def test_a_container_that_was_made_anew_is_left_as_it_is(piled: Mess) -> None:
    streamline(piled)
    docker("rm", "-f", piled.called("app"))
    piled.container("app", *KEPT, "--network", piled.target)
    docker("rm", "-f", piled.called("idle"))
    made = piled.containers()[0]["Id"]
    notes = piled.notes(piled.rollback())
    day = minute(float(piled.journals()[0][0]["began"]))
    assert sorted(notes) == [
        "kept: the network target, which app needs",
        f"left as it is: app was made anew since {day}",
        f"left as it is: idle is gone since {day}",
    ]
    assert piled.containers()[0]["Id"] == made
    assert sorted(piled.places("app")) == ["target"]
    assert sorted(piled.places("db")) == ["home", "old"]


def test_a_rollback_that_is_killed_at_its_very_end_is_done_all_the_same(piled: Mess) -> None:
    """Its last line is missing. What somebody does afterwards by hand is not taken back by the next one."""
    streamline(piled, stop=[])
    assert piled.killed("network_rollback", {"project_dir": str(piled.directory)}, "end", 1)
    assert piled.rollback().actions == []
    docker("network", "create", piled.target)
    piled.join("app", "target")
    assert piled.actions(piled.rollback()) == []
    assert sorted(piled.places("app")) == ["home", "target"]


def test_runs_of_site_are_told_and_not_taken_back(mess: Mess) -> None:
    mess.container("app", *KEPT)
    write_run(mess, {"kind": "site", "replaced": ["image of redis: a → b"]})
    done, day = mess.rollback(), minute(float(mess.journals()[0][0]["began"]))
    assert (done.actions, done.output["records"]) == ([], [f"site of {day}: image of redis: a → b"])
    assert "## Not taken back here" in done.output["markdown"]


def write_run(mess: Mess, heading: dict[str, Any], *lines: str) -> Path:
    directory = mess.directory / ".auren" / "journal"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "20260101T000000Z-x.jsonl"
    path.write_text("\n".join([json.dumps({"run": path.stem, "began": time.time(), "version": "0", **heading}), *lines]) + "\n")
    return path


@pytest.mark.parametrize("line", ['{"step": 1, "do": {"verb": "burn", "target": "x"}}', '{"step": 1, "do": {}}'])
def test_a_file_that_is_no_journal(mess: Mess, line: str) -> None:
    mess.container("app", *KEPT)
    path = write_run(mess, {"kind": "connect"}, line)
    before, result = mess.facts(), mess.try_rollback()
    assert result.status != 0
    assert result.msg.startswith(f"{path} is no journal of this collection (")
    assert result.msg.endswith("); move it away, and what it tells of cannot be taken back")
    assert mess.facts() == before


def test_a_host_without_any_run(mess: Mess) -> None:
    done = mess.rollback()
    assert (done.changed, done.actions, done.output["approved"]) == (False, [], True)
    assert os.listdir(mess.directory) == []
