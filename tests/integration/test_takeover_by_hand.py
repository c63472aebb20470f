"""Old containers that somebody starts by hand after a takeover has moved them out of their places."""

from __future__ import annotations

from tests.integration.hand_run import ROLLBACK, TAKEOVER, HandRun
from tests.integration.harness import docker, run_module


def kept(hand: HandRun, short: str) -> str:
    """The name of the old container."""
    return str(hand.containers()[f"{short}-replaced"]["Name"]).lstrip("/")


def test_the_new_one_does_not_start_beside_it(hand: HandRun) -> None:
    """Whoever goes on, a takeover or `site`, finds two containers on one volume."""
    volume = hand.project.volume("data")
    hand.start("db", "--volume", f"{volume}:/data")  # on no port of this machine, which would keep the two apart
    hand.ask("db", "SET", "key", "value")
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


def test_what_it_wrote_since_is_not_copied_over(hand: HandRun) -> None:
    """The new one was cut off half-made and is removed; the old one serves for hours, and then somebody thinks of rollback."""
    hand.in_layer("db")
    before, volume = hand.meant(), hand.project.volume("copied")
    assert hand.killed(TAKEOVER, hand.arguments(hand.service("db", volume)), "done", 5)  # hand over, stop, rename, copy, make
    docker("rm", "-f", hand.called("db"))
    old = kept(hand, "db")
    docker("start", old)
    docker("exec", old, "sh", "-c", "until redis-cli SET written later; do sleep 0.1; done")
    for state in ("start", "stop"):
        docker(state, old)
        said = hand.short(str(run_module(ROLLBACK, {"project_dir": str(hand.project.directory)}, False).msg))
        assert said.startswith(f"{hand.short(old)} was started again after its data had been copied to {hand.short(volume)}, and "), said
    docker("rename", old, hand.called("db"))
    hand.rollback()
    assert (hand.meant(), hand.ask("db", "GET", "written"), hand.files()) == (before, "later", [])
