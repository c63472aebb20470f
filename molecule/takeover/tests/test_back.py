"""All of it taken back: the old containers, what would start them, their networks, and what was written meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hand_run import HOTFIX, MEASURED, SERVICES, HandRun, lost
from plans import approved, record, shown
from runs import ROLLBACK, connect, reports, take_over
from target import play


@pytest.fixture(scope="module")
def before(hand: HandRun) -> dict[str, Any]:
    """The host as it was, taken over, with something written since."""
    hand.build()
    state = {"places": places(hand), "facts": hand.facts(), "starters": starters(hand), "ids": ids(hand)}
    connect()
    take_over()
    return state


def ids(hand: HandRun) -> dict[str, str]:
    return {name: one["Id"] for name, one in hand.containers().items()}


def places(hand: HandRun) -> dict[str, Any]:
    """What a way back has to bring back of every container."""
    return {
        name: (
            one["State"]["Running"],
            one["HostConfig"]["RestartPolicy"],
            {
                network: sorted(set(place["Aliases"] or ()) - {name, one["Id"][:12]})
                for network, place in one["NetworkSettings"]["Networks"].items()
            },
            one["HostConfig"]["PortBindings"],
        )
        for name, one in hand.containers().items()
    }


def starters(hand: HandRun) -> str:
    """What systemd and cron have, byte for byte."""
    return hand.target.run(
        "sh", "-c", "find /etc/systemd/system -type l -printf '%p %l\\n'; stat -c '%a %U %n' /etc/cron.d/*; cat /etc/cron.d/*"
    )


def test_what_was_written_since_comes_back_with_the_containers(hand: HandRun, before: dict[str, Any]) -> None:
    volume = hand.target.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "auren_grafana_data")
    hand.target.run("sh", "-c", f"echo 'written since' > {volume}/since.txt && chown 472:0 {volume}/since.txt")
    done = approved(ROLLBACK)
    MEASURED.append(record(done.output))
    hand.settle(60)
    assert hand.target.docker("exec", "auren-grafana", "cat", "/var/lib/grafana/since.txt") == "written since"
    assert lost(before["facts"], hand.facts()) == []
    assert hand.hotfix() == HOTFIX


def test_everything_else_is_as_it_was(hand: HandRun, before: dict[str, Any]) -> None:
    """Only what was started with --rm is another container now."""
    now = ids(hand)
    assert sorted(name for name in before["ids"] if now.get(name) != before["ids"][name]) == ["auren-prometheus"]
    assert places(hand) == before["places"]
    assert starters(hand) == before["starters"]
    assert hand.doubles() == {}


def test_the_way_back_is_written_down(hand: HandRun, before: dict[str, Any]) -> None:
    last = hand.target.changes()[-1]
    assert last["kind"] == "rollback"
    files = reports()
    assert json.loads(files["changes.jsonl"].splitlines()[-1]) == last
    assert b"put back auren-postgres" in files["CHANGELOG.md"]


def test_a_second_rollback_plans_nothing(before: dict[str, Any]) -> None:
    again = play(playbook=ROLLBACK)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "Nothing to do." in shown(again.output)


def test_it_can_be_taken_over_again(hand: HandRun, before: dict[str, Any]) -> None:
    connect()
    take_over()
    assert lost(before["facts"], hand.facts()) == []
    assert sorted(name for name in SERVICES if hand.containers()[name]["State"]["Running"]) == sorted(SERVICES)
    assert hand.hotfix() == HOTFIX
