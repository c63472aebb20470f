# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journals of takeovers say of a container: how it was, what was begun and still counts, what a successor wrote. Pure.

All runs here are those that are not taken back. A run that never touched a container, or put it back itself, says nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.container_checks import moment
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Copy, before_of
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import swaps_in, touched

MAKING = 600.0  # seconds after which what is there was made by somebody else

# A container that is in its place: nothing of it was copied, no successor begun, no stop.
_NOTHING_DONE: Mapping[str, Any] = {"copies": [], "made": 0.0, "stopping": False}


def there(swap: Mapping[str, Any], state: HostState) -> Container | None:
    """The container that a swap is about; of one that vanished at its stop, what was made to be its way back, wherever that is now."""
    found = next((container for container in state.containers if container.id == swap["id"]), None)
    if found is None and swap["auto_remove"]:
        found, present = state.container(swap["kept"]), state.container(swap["name"])
        if found is None and present is not None and not present.belongs(swap["project"]):
            found = present
    return found


def begun(runs: Sequence[Run], state: HostState) -> dict[str, Before]:
    """By container id: how it was before the first of the runs that began to take it over and did not come to an end with it.

    runs: newest first. One whose new container serves has ended with it. What a run did counts no more when the container was started
    again after it: its data may be newer than any copy. A backup counts if the container was stopped after it.
    """
    found: dict[str, Before] = {}
    ended: set[str] = set()
    for run, swap in swaps_in(runs):
        name, now = swap["name"], there(swap, state)
        known = now.id if now else swap["id"]
        if known in ended or run.did("put back", name) or run.did("make", name):
            ended.add(known)
            continue
        if not touched(run, swap):
            continue
        later, ran = found.get(known, Before("", False)), now is not None and moment(now.started_at) > run.when("stop", name)
        found[known] = replace(
            before_of(swap),
            backed_up=later.backed_up or (run.did("back up", name) and run.did("stop", name, completed=False) and not ran),
            handed=later.handed
            or (run.did("hand over", name) and now is not None and moment(now.started_at) <= run.when("hand over", name)),
            copied=later.copied or (() if ran else _copied(run, swap)),
            stopping=later.stopping or _stopping(run, swap),
            made=later.made or (run.did("make", name, completed=False) and not ran),
        )
    return found


def _stopping(run: Run, swap: Mapping[str, Any]) -> bool:
    """Whether the run did not see the end of a stop that it had begun."""
    return run.did("stop", swap["name"], completed=False) and not run.did("stop", swap["name"])


def _copied(run: Run, swap: Mapping[str, Any]) -> tuple[Copy, ...]:
    """What is in its volume as a whole."""
    copies = tuple(Copy(**copy) for copy in swap["copies"])
    done = sum((step.verb, step.target) == ("copy", swap["name"]) and number in run.completed for number, step in enumerate(run.steps, 1))
    return copies if copies and done == len(copies) else ()


def told(runs: Sequence[Run], state: HostState) -> dict[str, dict[str, Any]]:
    """By service, the variables that a run has found for it: one that was cut off, or the one that made the container which is there.

    What somebody has made anew since is what the inventory says. runs: as for `begun`.
    """
    found: dict[str, dict[str, Any]] = {}
    for run, swap in swaps_in(runs):
        name, present = swap["name"], state.container(swap["name"])
        counts = present is None or not present.belongs(swap["project"]) or _made_by(run, present)
        if name not in found and touched(run, swap) and counts:
            found[name] = dict(swap.get("told") or {})
    return found


def _made_by(run: Run, present: Container) -> bool:
    since = moment(present.created_at) - run.when("make", present.name)
    return run.did("make", present.name, completed=False) and -1 <= since <= MAKING


def unfinished(runs: Sequence[Run], state: HostState) -> dict[str, str]:
    """By service, the id of the old container of a run that was cut off before the new one served. runs: as for `begun`."""
    found: dict[str, str] = {}
    ids = begun(runs, state)
    for _run, swap in swaps_in(runs):
        now = there(swap, state)
        if now is not None and now.id in ids:
            found.setdefault(swap["name"], now.id)
    return found


def wrote(runs: Sequence[Run], rollbacks: Sequence[Run], state: HostState) -> set[str]:
    """Ids of old containers whose successors may have written to what was copied, and that were not put back since.

    runs: newest first. rollbacks: those that were cut off, too.
    """
    found: set[str] = set()
    back: set[str] = set()
    for run, swap in swaps_in(runs):
        back |= {swap["id"]} if run.did("put back", swap["name"]) or _came_back(run, swap, rollbacks, state) else set()
        found |= {swap["id"]} - back if run.did("make", swap["name"], completed=False) else set()
    return found


def _came_back(run: Run, swap: Mapping[str, Any], rollbacks: Sequence[Run], state: HostState) -> bool:
    """A rollback was about to put it back, and it has its name again: what was copied goes back before that."""
    present = state.container(swap["name"])
    meant = any(run.id in one.undoes and one.did("put back", swap["name"], completed=False) for one in rollbacks)
    return meant and present is not None and present.id == swap["id"]


def meant(runs: Sequence[Run], state: HostState) -> dict[str, dict[str, Any]]:
    """By service, what a rollback brings back: the container that was there first, of those that still are. In the order of taking over.

    runs: newest first. The oldest run that touched it says how it was; ``copies`` is what its newest successor may have written to,
    ``made`` when that one was begun; ``stopping`` whether a stop may not have come to its end.
    """
    found: dict[str, dict[str, Any]] = {}
    for run, swap in swaps_in(reversed(runs)):
        if not touched(run, swap):
            continue
        name, first = swap["name"], found.get(swap["name"])
        if first is None or there(first, state) is None:
            first = found[name] = {**swap, **_NOTHING_DONE}
        if _same(first, swap, state):
            if run.did("make", name, completed=False):
                first.update(copies=swap["copies"], made=run.when("make", name))
            elif any(run.did(verb, name, completed=False) for verb in ("rename", "copy")):
                first["copies"] = []  # it was in its place again and served, or is being copied anew: what earlier runs copied is old
            first["stopping"] = first["stopping"] or _stopping(run, swap)
            first["kept"] = swap["kept"] if state.container(swap["kept"]) else first["kept"]
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any], state: HostState) -> bool:
    """A run that goes on with what vanished at its stop knows its way back by an id of its own."""
    present = there(one, state)
    return other["id"] in (one["id"], present.id if present else "")


def untouched(runs: Sequence[Run], state: HostState, taken: Collection[str]) -> dict[str, dict[str, Any]]:
    """By service, what no run has touched and is in its place, as it is now: a run that was cut off may have written its definition.

    taken: the services that runs have touched, as of `meant`.
    """
    found: dict[str, dict[str, Any]] = {}
    for _run, swap in swaps_in(runs):
        now = there(swap, state)
        if swap["name"] not in taken and now is not None and now.name == swap["name"]:
            found[swap["name"]] = {**swap, "policy": now.restart_policy or "no", "ran": now.alive, **_NOTHING_DONE}
    return found
