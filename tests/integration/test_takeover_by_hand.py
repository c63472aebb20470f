"""Old containers that somebody starts by hand after a takeover has moved them out of their places."""

from __future__ import annotations

from tests.integration.hand_run import TAKEOVER, HandRun
from tests.integration.harness import docker


def kept(hand: HandRun, short: str) -> str:
    """The name of the old container."""
    return str(hand.containers()[f"{short}-replaced"]["Name"]).lstrip("/")


def test_the_new_one_does_not_start_beside_it(hand: HandRun) -> None:
    """Whoever goes on, a takeover or `site`, finds two containers on one volume."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    service, keys = hand.service("db", volume), hand.keys("db")
    assert hand.killed(TAKEOVER, hand.arguments(service), "done", 4)  # hand over, stop, rename, make
    docker("stop", hand.called("db"))
    docker("start", kept(hand, "db"))
    name = hand.short(kept(hand, "db"))
    assert f"{name} runs again although a new db was made, and two must never write to one volume. Stop it" in hand.refused(service)
    said = hand.short(str(hand.project.fails(service).msg))
    assert said.startswith(f"{name}, which a takeover has kept, runs on data, where db keeps its data: two must never write there. "), said
    docker("stop", kept(hand, "db"))
    hand.do(service)
    assert hand.keys("db") == keys
