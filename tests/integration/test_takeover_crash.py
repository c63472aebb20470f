"""A takeover that is killed at any step: two never run on one volume, a second run finishes, a rollback restores, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hand_run import ROLLBACK, TAKEOVER, HandRun
from tests.integration.harness import Project, docker

MOMENTS = ("planned", "begun", "done")
STEPS = 10  # set policy, hand over, stop, rename, make; hand over, stop, rename, copy, make
IN_LAYER = ["sh", "-c", "mkdir -p -m 750 /tmp/layer && exec redis-server --appendonly yes --save '' --dir /tmp/layer"]


class Host:
    """One service whose data is in a volume, one whose data is in its layer."""

    def __init__(self, hand: HandRun) -> None:
        self.hand = hand
        self.volumes = [hand.project.volume("data"), hand.project.volume("copied")]
        hand.redis("db", "--volume", f"{self.volumes[0]}:/data", "--restart", "always")
        hand.redis("layer", command=IN_LAYER)
        self.before, self.keys = hand.meant(), self.read()
        self.arguments = hand.arguments(
            hand.service("db", self.volumes[0]), hand.service("layer", self.volumes[1], needs=[hand.called("db")])
        )

    def read(self) -> list[str]:
        return [self.hand.keys("db"), self.hand.keys("layer")]

    def killed(self, module: str, arguments: dict[str, Any], moment: str, count: int) -> bool:
        died = self.hand.killed(module, arguments, moment, count)
        assert self.shared() == []
        return died

    def shared(self) -> list[str]:
        """Volumes that more than one running container writes to."""
        used = [
            m["Name"] for one in self.hand.containers().values() if one["State"]["Running"] for m in one["Mounts"] if m["Type"] == "volume"
        ]
        return sorted(name for name in self.volumes if used.count(name) > 1)

    def finish(self) -> None:
        result = self.hand.run(*self.arguments["services"])
        assert result.status == 0, result.text
        assert sorted(self.hand.containers()) == ["db", "db-replaced", "layer", "layer-replaced"]
        assert self.read() == self.keys

    def restore(self) -> None:
        self.hand.rollback()
        assert self.hand.meant() == self.before
        assert (self.read(), self.hand.files()) == (self.keys, [])


@pytest.fixture(scope="module")
def host(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    project: Project
    with new_project(tmp_path_factory.mktemp("crash")) as project:
        hand = HandRun(project)
        try:
            yield Host(hand)
        finally:
            hand.remove()


def survives(host: Host, moment: str, count: int) -> None:
    """Killed, and taken back; killed again, and finished; and taken back."""
    assert host.killed(TAKEOVER, host.arguments, moment, count)
    host.restore()
    assert host.killed(TAKEOVER, host.arguments, moment, count)
    host.finish()
    host.restore()


@pytest.mark.parametrize(("moment", "count"), [("done", 3), ("done", 4), ("begun", 9)], ids=["stopped", "renamed", "copying"])
def test_a_takeover_that_is_killed(host: Host, moment: str, count: int) -> None:
    survives(host, moment, count)


def test_what_was_started_by_hand_meanwhile_is_copied_again(host: Host) -> None:
    """A copy that a run which was cut off has made is older than what the old one wrote then."""
    assert host.killed(TAKEOVER, host.arguments, "planned", STEPS)
    kept = host.hand.containers()["layer-replaced"]["Id"]
    docker("start", kept)
    docker("exec", kept, "sh", "-c", "until redis-cli SET written later; do sleep 0.1; done")
    result = host.hand.run(*host.arguments["services"])
    assert result.status == 0, result.text
    assert host.hand.ask("layer", "GETDEL", "written") == "later"
    assert host.read() == host.keys
    host.restore()


def test_nobody_serves_on_half_a_copy(host: Host) -> None:
    """The definition is there already: `site` refuses it, and one that Compose made of it by hand is not gone on with."""
    assert host.killed(TAKEOVER, host.arguments, "begun", STEPS - 1)
    layer = host.hand.called("layer")
    said = host.hand.short(str(host.hand.project.fails(host.arguments["services"][1]).msg))
    assert said.startswith("layer was being taken over by a run that was cut off, and its data may not be where a new container looks")
    host.hand.project.compose("up", "-d", "--no-deps", layer)
    again = host.hand.run(*host.arguments["services"])
    assert again.status != 0
    assert "layer was made anew while its data was not copied as a whole" in host.hand.short(str(again.output["msg"]))
    host.restore()


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, STEPS + 1))
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_takeover_that_is_killed_anywhere(host: Host, moment: str, count: int) -> None:
    survives(host, moment, count)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_rollback_that_is_killed_anywhere(host: Host, moment: str) -> None:
    host.finish()
    back = {"project_dir": str(host.hand.project.directory)}
    count = 0
    while host.killed(ROLLBACK, back, moment, count := count + 1):
        host.restore()
        host.finish()
    assert count == 3  # put back, twice
    assert host.hand.meant() == host.before


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 6))  # snapshot, hold, hand over, stop, make
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_vanishes_at_its_stop_is_killed_anywhere(hand: HandRun, moment: str, count: int) -> None:
    """A run that goes on finishes it, but for one that has vanished and has no successor: that one is taken back."""
    volume = hand.project.volume("data")
    hand.redis("db", "--rm", "--volume", f"{volume}:/data")
    keys, arguments = hand.keys("db"), hand.arguments(hand.service("db", volume))
    assert hand.killed(TAKEOVER, arguments, moment, count)
    again = hand.run(*arguments["services"])
    if (count, moment) in [(4, "done"), (5, "planned"), (5, "begun")]:
        assert "db vanished at its stop (--rm) in a run that was cut off" in hand.short(again.text)
    else:
        assert again.status == 0, again.text
    hand.rollback()
    assert (hand.keys("db"), hand.files()) == (keys, [])
    assert hand.containers()["db"]["State"]["Running"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_backup_and_boot_are_killed_anywhere(hand: HandRun, boot: Path, tmp_path: Path, moment: str) -> None:
    """The backup and the switching off of what would start the old one; the way back of both, and switching on again."""
    volume, line = hand.project.volume("data"), boot.read_text()
    hand.redis("db", "--volume", f"{volume}:/data")
    before, keys = hand.meant(), hand.keys("db")
    service, saved = hand.service("db", volume), tmp_path / "saved"
    arguments = hand.arguments(service, backup_dir=str(saved))
    for count in (1, 2):  # back up, disable
        assert hand.killed(TAKEOVER, arguments, moment, count)
        hand.rollback()
        assert (hand.meant(), hand.keys("db"), hand.files(), boot.read_text()) == (before, keys, [], line)
        assert hand.killed(TAKEOVER, arguments, moment, count)
        hand.do(service, backup_dir=str(saved))
        assert (hand.keys("db"), boot.read_text()[:1]) == (keys, "#")
        back, step = {"project_dir": str(hand.project.directory)}, 0
        while hand.killed(ROLLBACK, back, moment, step := step + 1):
            pass  # what is done is not done again: each of them has fewer steps
        assert (hand.meant(), hand.keys("db"), hand.files(), boot.read_text()) == (before, keys, [], line)
    assert list(saved.rglob("*.rdb"))


def test_there_are_no_more_steps(host: Host) -> None:
    """So the tests above are about all of them."""
    assert not host.killed(TAKEOVER, host.arguments, "begun", STEPS + 1)
    host.restore()
