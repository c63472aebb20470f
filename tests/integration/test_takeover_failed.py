"""A takeover that fails: the old containers are what they were, and so is what starts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.hand_run import SERVER, HandRun

SICK = {"healthcheck": {"test": ["CMD", "false"], "interval": "200ms", "retries": 1}}


def sick(hand: HandRun, short: str, volume: str, **more: Any) -> dict[str, Any]:
    return hand.service(short, volume, compose=SICK, gate={"deadline": 3}, **more)


@pytest.mark.parametrize("lines", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4, 6, 7, 8)), 9, 10])
def test_a_full_disk_keeps_nobody_from_coming_back(hand: HandRun, lines: int) -> None:
    """lines: the heading, then two for each step: hand over, stop, rename, copy, make."""
    hand.in_layer("db", keys=20)
    before, keys = hand.meant(), hand.keys("db")
    result = hand.run_on_a_full_disk(lines, hand.service("db", hand.project.volume("copied")))
    assert "cannot write the journal" in str(result.msg)
    assert "The old db runs again, as it was" in hand.short(str(result.msg))
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])
    hand.rollback()
    assert (hand.meant(), hand.keys("db")) == (before, keys)


def test_a_new_redis_that_cannot_be_asked_keeps_nobody_from_coming_back(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    before, keys = hand.meant(), hand.keys("db")
    silent = {**SICK, "command": ["sh", "-c", "sleep 600; exec redis-server --appendonly yes --save ''"]}
    result = hand.run(hand.service("db", volume, compose=silent, gate={"deadline": 3}))
    assert "The old db runs again, as it was" in hand.short(str(result.msg))
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])


def test_what_starts_the_old_one_does_so_again(hand: HandRun, boot: Path) -> None:
    volume, line = hand.project.volume("data"), boot.read_text()
    hand.redis("db", "--volume", f"{volume}:/data")
    before = hand.meant()
    result = hand.run(sick(hand, "db", volume))
    assert "The old db runs again, as it was" in hand.short(str(result.msg))
    assert (hand.meant(), boot.read_text()) == (before, line)


def test_what_would_start_one_that_was_taken_over_stays_disabled(hand: HandRun, boot: Path) -> None:
    volumes, line = [hand.project.volume("data"), hand.project.volume("more")], boot.read_text()
    for short, volume in zip(("db", "more"), volumes):
        hand.redis(short, "--volume", f"{volume}:/data")
    before = hand.meant()
    result = hand.run(hand.service("db", volumes[0]), sick(hand, "more", volumes[1], needs=[hand.called("db")]))
    assert f"Still disabled, as others are taken over: {boot}:1 (rollback enables it)" in str(result.msg)
    assert boot.read_text() != line
    hand.rollback()
    assert (hand.meant(), boot.read_text()) == (before, line)


def test_what_was_to_hold_the_volumes_of_one_that_did_not_stop_goes(hand: HandRun) -> None:
    """Started with --rm; its keys cannot be saved, so it is not stopped."""
    volume = hand.project.volume("data")
    hand.redis("db", "--rm", "--volume", f"{volume}:/data", command=[*SERVER, "--rename-command", "SAVE", ""])
    before = hand.meant()
    result = hand.run(hand.service("db", volume))
    assert "The old db runs again, as it was" in hand.short(str(result.msg))
    assert (hand.meant(), hand.files()) == (before, [])
