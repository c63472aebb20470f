"""Units that systemd has active are told, enabled or not: disabling a link stops nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.starters import find
from ansible_collections.auren.stack.plugins.module_utils.starters_active import active_units, not_asked, refusals

from tests.unit.starter_hosts import OLDS, START, SYSTEM, Files, enabled, tree, unit

TIMER = "[Timer]\nOnCalendar=*:0/5\n"
LIST = "systemctl list-units --type=service,timer,path,socket --state=active,activating,reloading --plain --no-legend --no-pager --full"
SHOW = "systemctl show --property=ActiveState,SubState "


class Systemctl:
    """Answers as systemd's does. states: by unit, as in "active running". broken: a command that fails."""

    def __init__(self, states: Mapping[str, str], broken: str = "") -> None:
        self.states, self.broken = states, broken
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        command = " ".join(arguments)
        self.asked.append(command)
        if self.broken and self.broken in command:
            return 1, "ActiveState=active\nSubState=running\nauren.service loaded active running Failed to connect to bus"
        if command == LIST:
            busy = [(name, state) for name, state in self.states.items() if not state.startswith(("inactive", "failed"))]
            return 0, "".join(f"{name} loaded {state} Some unit.service of Auren\n" for name, state in busy)
        assert command.startswith(SHOW)
        active, sub = self.states.get(arguments[-1], "inactive dead").split()
        return 0, f"ActiveState={active}\nSubState={sub}\n"


def host(root: Path, files: Files) -> Path:
    """One that systemd runs."""
    (root / "run/systemd/system").mkdir(parents=True)
    return tree(root, files)


def told(root: Path, states: Mapping[str, str], broken: str = "") -> list[str]:
    return active_units(find(OLDS, root), OLDS, Systemctl(states, broken), root)


STATES = [
    ("active running", True),
    ("active exited", False),
    ("inactive dead", False),
    ("failed failed", False),
    ("activating auto-restart", True),  # it starts again what is stopped in a moment
    ("activating start", True),
    ("deactivating stop", False),
]


@pytest.mark.parametrize(("state", "expected"), STATES)
def test_a_service_that_runs_is_told_whether_or_not_it_is_enabled(tmp_path: Path, state: str, expected: bool) -> None:
    host(tmp_path, {**enabled(unit(START), "a.service"), f"{SYSTEM}/b.service": unit(START), f"{SYSTEM}/c.service": unit("/bin/true")})
    found = told(tmp_path, dict.fromkeys(("c.service", "b.service", "a.service"), state))
    assert found == (["a.service", "b.service"] if expected else [])


@pytest.mark.parametrize("kind", ["timer", "path", "socket"])
def test_what_fires_is_told_while_its_service_rests(tmp_path: Path, kind: str) -> None:
    """Its service ran, has ended and is inactive until the next time. Without its link it is as active as before."""
    key = "Service" if kind == "socket" else "Unit"
    host(tmp_path, {**enabled(f"[X]\n{key}=up.service\n", f"a.{kind}", "x.wants"), f"{SYSTEM}/up.service": unit(START)})
    assert told(tmp_path, {f"a.{kind}": "active waiting"}) == [f"a.{kind}"]
    assert told(tmp_path, {f"a.{kind}": "inactive dead"}) == []
    assert told(tmp_path, {f"a.{kind}": "active running", "up.service": "activating start"}) == [f"a.{kind}", "up.service"]
    (tmp_path / f"{SYSTEM[1:]}/x.wants/a.{kind}").unlink()
    assert told(tmp_path, {f"a.{kind}": "active waiting", "other.timer": "active waiting"}) == [f"a.{kind}"]


OTHERS: list[tuple[str, str, Files, bool]] = [
    ("template", "box@auren-kafka.service", {f"{SYSTEM}/box@.service": unit("/usr/bin/docker start -a %i")}, True),
    ("template of others", "box@web.service", {f"{SYSTEM}/box@.service": unit("/usr/bin/docker start -a %i")}, False),
    ("systemd-run", "run-7.service", {"/run/systemd/transient/run-7.service": unit("@/usr/bin/docker docker start -a auren-redis")}, True),
    (
        "watchdog",
        "w.service",
        {f"{SYSTEM}/w.service": unit("/opt/w"), "/opt/w": "#!/bin/sh\nsystemctl start k\n", **enabled("", "x")},
        False,
    ),
    (
        "watchdog of a unit",
        "w.service",
        {f"{SYSTEM}/w.service": unit("/opt/w"), "/opt/w": "#!/bin/sh\nsystemctl start k\n", f"{SYSTEM}/k.service": unit(START)},
        True,
    ),
    (
        "SysV",
        "auren.service",
        {"/run/systemd/generator.late/auren.service": unit("/opt/init start"), "/opt/init": f"#!/bin/sh\n{START}\n"},
        True,
    ),
    ("no file", "gone.service", {}, False),
]


@pytest.mark.parametrize(("name", "files", "expected"), [pytest.param(*row[1:], id=row[0]) for row in OTHERS])
def test_what_was_started_by_hand(tmp_path: Path, name: str, files: Files, expected: bool) -> None:
    host(tmp_path, files)
    assert told(tmp_path, {name: "active running"}) == ([name] if expected else [])


def test_dots_before_a_name_are_passed_over(tmp_path: Path) -> None:
    host(tmp_path, {f"{SYSTEM}/a.service": unit(START)})
    rows = "● a.service loaded active running x\n* b.timer loaded active waiting y\n\n2 loaded units listed.\n"

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        return 0, rows if arguments[1] == "list-units" else "SubState=running\nActiveState=active\n"

    assert active_units([], OLDS, run, tmp_path) == ["a.service"]


def test_nobody_is_asked_without_systemd_or_without_need(tmp_path: Path) -> None:
    tree(tmp_path, enabled(unit(START)))
    ask = Systemctl({"auren.service": "active running"})
    assert active_units(find(OLDS, tmp_path), OLDS, ask, tmp_path) == []
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert active_units([], [], ask, tmp_path) == []
    assert ask.asked == []
    assert active_units(find(OLDS, tmp_path), OLDS, ask, tmp_path) == ["auren.service"]


def test_what_systemctl_does_not_answer_is_not_told(tmp_path: Path) -> None:
    host(tmp_path, {**enabled(unit(START)), f"{SYSTEM}/b.service": unit(START)})
    states = {"auren.service": "active running", "b.service": "active running"}
    assert told(tmp_path, states, broken="list-units") == ["auren.service"]
    assert told(tmp_path, states, broken="show") == []
    assert told(tmp_path, states, broken="systemctl") == []


def test_the_refusal_says_what_can_be_done() -> None:
    timer, service = refusals(["a.timer", "b.service"])
    assert timer.message == (
        "a.timer is active and goes on starting what is stopped although it is disabled. Stop it (systemctl stop a.timer): that stops no "
        "container, and a rollback does not start it again. Nothing was changed"
    )
    assert service.message.startswith("the unit b.service runs and starts what is stopped. Stopping it may remove the container with its")
    assert [(one.kind, one.target) for one in (timer, service)] == [("starter", "a.timer"), ("starter", "b.service")]


def test_units_of_a_users_own_systemd_are_named(tmp_path: Path) -> None:
    folder = "/home/ops/.config/systemd/user"
    files = {f"{folder}/a.timer": TIMER, f"{folder}/t.wants/a.timer": "-> ../a.timer", f"{folder}/a.service": unit(START)}
    tree(tmp_path, {**files, "/etc/cron.d/x": f"@daily root {START}\n"})
    assert not_asked(find(OLDS, tmp_path), tmp_path) == []
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert not_asked(find(OLDS, tmp_path), tmp_path) == [
        f"a.timer ({folder}/t.wants/a.timer) belongs to a user's own systemd, which was not asked: if it is active there, it goes on "
        "although it is disabled; look as that user first (systemctl --user status a.timer)"
    ]
    assert told(tmp_path, {}) == []
