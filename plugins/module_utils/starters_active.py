# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd has active and would start an old container without any boot: disabling its link stops nothing. Asks, changes nothing.

Stopping such a unit is the operator's decision, because what runs when a service stops may remove a container with its data.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.starter_commands import Old, started
from ansible_collections.auren.stack.plugins.module_utils.starters import LINK, Run, Starter, is_unit_link, systemd_runs
from ansible_collections.auren.stack.plugins.module_utils.systemd_units import RUNTIME, SUFFIX, TRIGGERS, Units

LIST = ("systemctl", "list-units", "--type=service,timer,path,socket", "--state=active,activating,reloading")
SHOW = ("systemctl", "show", "--property=ActiveState,SubState")
USERS = "/systemd/user/"


def active_units(starters: Sequence[Starter], olds: Sequence[Old], run: Run, root: Path = Path("/")) -> list[str]:
    """The units of the host's manager that may start a container again without a boot: a timer, path or socket that is active, a service
    that has a process or is about to have one. Those behind links, enabled ones, first, then those that somebody only started.

    Empty where systemd is not what runs the host; what systemctl does not answer is not told. run: see Run.
    """
    if not systemd_runs(root) or not olds:
        return []
    units, names = Units(HostTree(root), RUNTIME), []
    for link in (os.path.basename(one.path) for one in starters if _is_unit(one) and USERS not in one.path):
        names += [link, *units.triggered(link)] if os.path.splitext(link)[1] in TRIGGERS else [link]
    names += [name for name in _listed(run) if any(started(call, olds, units.tree) for _unit, call in units.calls(name))]
    return [name for name in dict.fromkeys(names) if _acts(name, run)]


def refusals(units: Sequence[str]) -> list[StackError]:
    """Why nothing is taken over while these are active."""
    return [StackError(f"{_advice(unit)}. {UNTOUCHED}", "starter", unit) for unit in units]


def not_asked(starters: Sequence[Starter], root: Path = Path("/")) -> list[str]:
    """A sentence for each unit of a user's own manager, which only that user can ask."""
    found = (
        [(os.path.basename(one.path), one.path) for one in starters if _is_unit(one) and USERS in one.path] if systemd_runs(root) else []
    )
    return [
        f"{unit} ({path}) belongs to a user's own systemd, which was not asked: if it is active there, it goes on although it is disabled; "
        f"look as that user first (systemctl --user status {unit})"
        for unit, path in found
    ]


def _advice(unit: str) -> str:
    if os.path.splitext(unit)[1] in TRIGGERS:
        return (
            f"{unit} is active and goes on starting what is stopped although it is disabled. Stop it (systemctl stop {unit}): that stops "
            "no container, and a rollback does not start it again"
        )
    return (
        f"the unit {unit} runs and starts what is stopped. Stopping it may remove the container with its data: look first, give it "
        f"Restart=no (systemctl edit {unit}), or leave its service (auren_takeover_leave)"
    )


def _is_unit(starter: Starter) -> bool:
    return starter.kind == LINK and is_unit_link(starter.path)


def _listed(run: Run) -> list[str]:
    """All that is active, by the manager's own names; an old systemctl puts a dot before some."""
    status, out = run([*LIST, "--plain", "--no-legend", "--no-pager", "--full"])
    firsts = [next((word for word in row.split() if word not in "●*"), "") for row in out.splitlines()] if not status else []
    return [name for name in firsts if SUFFIX.search(name)]


def _acts(name: str, run: Run) -> bool:
    """A service that has done its work (active, exited) starts nothing more; one in its auto-restart is `activating`."""
    status, out = run([*SHOW, name])
    active, sub = (next((row[len(key) :] for row in out.split() if row.startswith(key)), "") for key in ("ActiveState=", "SubState="))
    if status or active not in ("active", "activating", "reloading"):
        return False
    return active != "active" or sub == "running" or os.path.splitext(name)[1] in TRIGGERS
