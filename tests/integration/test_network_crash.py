"""A run that is killed at any step, whose disk is full, or that the Engine refuses: nobody is without a network, a second run finishes,
a rollback restores."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import docker
from tests.integration.network_mess import KEPT, Mess, address, free_subnet, made

PAGE, PAGES = 4096, 16  # a file on a tmpfs grows by pages
STREAMLINE, ROLLBACK = "network_consolidation", "network_rollback"
MOMENTS = ("planned", "begun", "done")


class Host:
    """A host before its run, and the run's arguments; every round of a test leaves it as it was."""

    def __init__(self, mess: Mess, arguments: dict[str, Any], steps: int) -> None:
        self.mess, self.arguments, self.steps = mess, arguments, steps
        self.before = mess.meant()
        self.wanted: dict[str, Any] = {}
        self.lines: list[int] = []

    def in_project(self, directory: Path) -> None:
        """The next round has journals of its own alone."""
        self.mess.directory = directory
        self.arguments = {**self.arguments, "project_dir": str(directory)}

    def run(self) -> None:
        """The run to its end, which is the same whatever was before it."""
        result = self.mess.module(STREAMLINE, self.arguments)
        assert result.status == 0, result.text
        self.wanted = self.wanted or self.mess.meant()
        assert self.mess.meant() == self.wanted

    def restore(self) -> None:
        self.mess.rollback()
        assert self.mess.meant() == self.before

    def killed(self, module: str, moment: str, count: int) -> bool:
        """Whether there was such a moment. Nobody is without a network after it."""
        arguments = self.arguments if module == STREAMLINE else {"project_dir": str(self.mess.directory)}
        died = self.mess.killed(module, arguments, moment, count)
        assert bare(self.mess) == [], (module, moment, count)
        return died


def bare(mess: Mess) -> list[str]:
    """The containers without a place on any network."""
    return [
        mess.short(one["Name"]) for one in mess.containers() if not any(n["NetworkID"] for n in one["NetworkSettings"]["Networks"].values())
    ]


def together(mess: Mess) -> Host:
    """Every kind of step but the repair: one network made, two policies, a stop, two connects,
    three disconnects, one network removed."""
    mess.network("home")
    mess.network("old", "--label", "team=a", "-o", "com.docker.network.driver.mtu=1400")
    mess.container("db", "--network", mess.called("home"), "--network-alias", "pg")
    mess.container("app", *KEPT, "--network", mess.called("home"))
    mess.container("idle", *KEPT, "--network", mess.called("home"))
    mess.join("db", "old", "--alias", "store", "--ip", address(mess.subnets["old"], 50), "--driver-opt", "x.y=z")
    wish = {"detach": True, "remove_sources": True, "sources": [mess.called("home"), mess.called("old")], "subnet": free_subnet()}
    return Host(mess, mess.arguments(["db", "app"], stop=[mess.called("idle")], **wish), steps=10)


def repair(mess: Mess) -> Host:
    """A name is missing where the container is already: create, connect, disconnect, connect, disconnect, remove."""
    mess.network("target")
    mess.container("db", *KEPT, "--network", mess.target, "--network-alias", "pg", "--ip", address(mess.subnets["target"], 50))
    mess.container("app", *KEPT, "--network", mess.target)
    return Host(mess, mess.arguments(["app", {"name": "db", "aliases": ["postgres"]}], detach=True, remove_sources=True), steps=6)


PLANS: dict[str, Callable[[Mess], Host]] = {"together": together, "repair": repair}


@pytest.fixture(scope="module")
def hosts(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Host]]:
    """Makes a host by the name of its plan, and makes it anew after a test that did not leave it as it was."""
    known: dict[str, Host] = {}
    with ExitStack() as stack:

        def host(plan: str) -> Host:
            if plan not in known or known[plan].mess.meant() != known[plan].before:
                known[plan] = PLANS[plan](stack.enter_context(made(tmp_path_factory.mktemp(plan))))
            return known[plan]

        yield host


@pytest.fixture(params=PLANS)
def host(request: pytest.FixtureRequest, hosts: Callable[[str], Host]) -> Host:
    return hosts(request.param)


@pytest.fixture
def whole(host: Host, tmp_path: Path) -> list[int]:
    """A run from beginning to end, for comparison; the sizes of the lines in its journal."""
    if not host.lines:
        host.in_project(tmp_path / "whole")
        host.run()
        path = next((host.mess.directory / ".auren" / "journal").iterdir())
        host.lines = [len(line) for line in path.read_bytes().splitlines(keepends=True)]
        host.restore()
    return host.lines


# --- killed -----------------------------------------------------------------------------------------------------------


def rounds(host: Host, directory: Path, moments: Sequence[tuple[str, int]], again: bool = True) -> list[tuple[str, int]]:
    """Killed at each of these moments, run again, taken back. The moments that there were none of."""
    missing = []
    for moment, count in moments:
        host.in_project(directory / f"{moment}-{count}-{again}")
        missing += [] if host.killed(STREAMLINE, moment, count) else [(moment, count)]
        if again:
            host.run()
        host.restore()
    return missing


@pytest.mark.usefixtures("whole")
def test_killed_at_some_steps_a_second_run_finishes_and_a_rollback_restores(host: Host, tmp_path: Path) -> None:
    """In the middle of an endpoint that is made anew, or between what adds and what takes away; the slow test tries all."""
    assert rounds(host, tmp_path, [("done", 3)] if host.steps == 6 else [("done", 4), ("begun", 9)]) == []


def test_a_run_that_was_killed_can_be_taken_back_without_being_finished(host: Host, tmp_path: Path) -> None:
    assert rounds(host, tmp_path, [("begun", 3)], again=False) == []


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_killed_at_every_step_a_second_run_finishes_and_a_rollback_restores(host: Host, tmp_path: Path) -> None:
    """Before its line in the journal, after that, and after it was done."""
    every = [(moment, count) for count in range(1, host.steps + 2) for moment in MOMENTS]
    assert rounds(host, tmp_path, every) == every[-len(MOMENTS) :]


@pytest.mark.slow
def test_a_rollback_that_is_killed_at_every_step_is_finished_by_the_next(host: Host, tmp_path: Path) -> None:
    for moment in ("begun", "done"):
        count, died = 0, True
        while died:
            count += 1
            host.in_project(tmp_path / f"{moment}-{count}")
            host.run()
            died = host.killed(ROLLBACK, moment, count)
            host.restore()
        assert count > 5


# --- the disk is full -------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """Of memory, and mounted on the project alone: nothing else on this machine can run full."""
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={PAGE * PAGES},mode=0755", "tmpfs", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


TORN = {"confirmation": (2, 1, 0), "later step": (11, 5, 5), "end": (21, 10, 10)}  # line; steps known, confirmed


@pytest.mark.parametrize("where", TORN)
@pytest.mark.parametrize("host", ["together"], indirect=True)
def test_a_full_disk_stops_a_run_before_what_is_not_written_down(host: Host, whole: list[int], tmp_path: Path, where: str) -> None:
    """The line is torn: a part of it fits."""
    mess, (number, *known) = host.mess, TORN[where]
    inside = sum(whole[:number]) + whole[number] // 3
    pages = -(-inside // PAGE)
    with small_disk(tmp_path / "disk"):
        host.in_project(tmp_path / "disk")
        filler = mess.directory / "filler"
        filler.write_bytes(bytes(PAGE * (PAGES - pages)))
        mess.view.calls.clear()
        result = mess.module(STREAMLINE, {**host.arguments, "who": "x" * (pages * PAGE - inside)})
        assert result.status != 0
        assert result.msg.startswith(f"cannot write the journal {mess.directory}/.auren/journal/")
        assert ": No space left on device; " in result.msg
        assert "\n" not in result.msg
        lines = [line for lines in mess.journals() for line in lines]
        assert [sum(word in line for line in lines) for word in ("do", "done")] == known
        assert len(mess.view.changes) == known[0]
        assert bare(mess) == []
        filler.unlink()
        host.run()
        host.restore()


# --- the Engine refuses -----------------------------------------------------------------------------------------------


def test_a_place_that_the_engine_did_not_give_is_no_place(mess: Mess) -> None:
    """A running container keeps an entry of a connect that failed, without an endpoint behind it."""
    mess.network("old")
    mess.network("target")
    mess.container("app", *KEPT, "--network", mess.called("old"))
    docker("network", "connect", "--ip", address(mess.subnets["target"], 1), mess.target, mess.called("app"), check=False)
    assert mess.address_of("app") == ""
    actions = mess.actions(mess.do("app", detach=True))
    assert [line.partition(":")[0] for line in actions] == ["connect app to target", "disconnect app from old"]
    assert mess.address_of("app") != ""
    assert bare(mess) == []


def test_after_a_run_that_the_engine_refused_every_container_can_start_again(mess: Mess) -> None:
    """The target has room for one: wherever the run ends, nobody is left where he cannot start, nor without a network."""
    mess.network("old")
    docker("network", "create", "--subnet", free_subnet().replace("0/24", "0/30"), mess.target)
    for name in ("one", "two"):
        mess.container(name, *KEPT, "--network", mess.called("old"))
    for _again in range(2):
        assert mess.run("one", "two", detach=True).status != 0
        assert bare(mess) == []
    for name in ("one", "two"):
        docker("restart", mess.called(name))
    mess.rollback()
    assert {name: sorted(one["networks"]) for name, one in mess.meant()["containers"].items()} == {"one": ["old"], "two": ["old"]}


@pytest.mark.parametrize("there", [False, True], ids=["connect", "reconnect"])
def test_an_address_that_the_engine_refuses_leaves_nobody_who_cannot_start(mess: Mess, there: bool) -> None:
    """It is reserved in the network, which no container's place tells."""
    mess.network("old")
    subnet = free_subnet()
    docker("network", "create", "--subnet", subnet, "--aux-address", f"router={address(subnet, 50)}", mess.target)
    mess.container("app", *KEPT, "--network", mess.called("old"), "--network-alias", "web")
    if there:
        mess.join("app", "target", "--alias", "api")
    result = mess.run({"name": "app", "ipv4_address": address(subnet, 50)}, detach=True)
    assert result.status != 0
    assert f"It is on {mess.target} with an address that the Engine chose; choose a free one and run again" in result.msg
    assert set(mess.meant()["containers"]["app"]["networks"]) == {"old", "target"}
    docker("restart", mess.called("app"))
    assert mess.address_of("app") != address(subnet, 50)
    assert mess.actions(mess.do("app", detach=True)) != []
    assert mess.do("app", detach=True).changed is False
    mess.rollback()
    assert set(mess.meant()["containers"]["app"]["networks"]) == {"old", "target"} if there else {"old"}


def test_a_container_that_crashes_again_and_again_does_not_stop_a_run(mess: Mess) -> None:
    mess.network("old")
    mess.container("app", *KEPT, "--network", mess.called("old"), command=("sleep", "1"))
    mess.do("app", detach=True)
    assert set(mess.meant()["containers"]["app"]["networks"]) == {"target"}
    mess.rollback()
    assert set(mess.meant()["containers"]["app"]["networks"]) == {"old"}
