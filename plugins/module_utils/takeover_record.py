# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journals of takeovers have written, which services are between two containers, and whose data an old one runs on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Snapshot

KIND = "takeover"
TOUCHING = ("hold", "set policy", "hand over", "stop", "rename", "copy", "make")  # what is done to a container, or in its place

Swaps = Iterator[tuple[Run, Mapping[str, Any]]]


def swaps_in(runs: Iterable[Run]) -> Swaps:
    """What `Swap.to_data` has written into the journals of these runs, each with its run, in their order."""
    for run in runs:
        yield from ((run, swap) for swap in (run.record.get("swaps", ()) if run.kind == KIND else ()))


def touched(run: Run, swap: Mapping[str, Any]) -> bool:
    """Whether the run began to take this container over, and did not put it back."""
    name = swap["name"]
    return any(run.did(verb, name, completed=False) for verb in TOUCHING) and not run.did("put back", name)


def half_taken(runs: Sequence[Run], containers: Collection[Container], names: Collection[str]) -> Iterator[StackError]:
    """Services that a takeover which was cut off has moved out of their place: a new container may not find their data there yet.

    runs: newest first. names: of services without a container.
    """
    known = {word for container in containers for word in (container.id, container.name)}
    for name in names:
        last = next(((run, swap) for run, swap in swaps_in(runs) if swap["name"] == name and touched(run, swap)), None)
        if last and not last[0].did("make", name) and known & {last[1]["id"], last[1]["kept"]}:
            said = f"{name} was being taken over by a run that was cut off, and its data may not be where a new container looks for it"
            remedy = "Run streamline with auren_streamline_phase=takeover again, or rollback"
            yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "half_taken", name)


def started_again(runs: Sequence[Run], containers: Iterable[Container]) -> list[Container]:
    """Those that a takeover has moved out of their places and that somebody has started since."""
    swaps = [swap for run, swap in swaps_in(runs) if touched(run, swap)]
    return [c for c in containers if c.alive and any(c.name != s["name"] and (c.id == s["id"] or c.name == s["kept"]) for s in swaps)]


def beside(old: Collection[Container], services: Iterable[Service], snapshot: Snapshot) -> Iterator[StackError]:
    """Services that would start on data that one of these runs on. old: as of `started_again`, with all that an inspect knows."""
    for service in services:
        for data in (one for one in service.data if one.get("mode") != "ro"):
            place = snapshot.where(data["volume"])
            for container in (one for one in old if place and one.writes_to(place)):
                said = f"{container.name}, which a takeover has kept, runs on {data['volume']}, where {service.name} keeps its data"
                remedy = f"Stop it (docker stop {container.name}), or take the takeover back (rollback)"
                yield StackError(f"{said}: two must never write there. {remedy}. {UNTOUCHED}", "shared_data", container.name)
