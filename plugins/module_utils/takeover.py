# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of others and what is declared in their place → the plan that takes them over. Reads sizes; changes nothing.

One swap for each service, in the order of what they need. What forbids one is in `takeover_checks`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import tree
from ansible_collections.auren.stack.plugins.module_utils.data_places import Program, below, directories, holder
from ansible_collections.auren.stack.plugins.module_utils.definition import Service, definition_of, start_order
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Mount, Snapshot, split_env
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.run_differences import Difference, differences, narrowed
from ansible_collections.auren.stack.plugins.module_utils.secrets import fill
from ansible_collections.auren.stack.plugins.module_utils.starters import Starter
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND

KEEP, DROP = "keep", "drop"
BACKED_UP = {"postgres": "pg_dump of every database", "redis": "a snapshot of its keys", "grafana": "a copy of its data"}


@dataclass(frozen=True)
class Choices:
    """What the operator decided. patched: service → keep or drop what was edited in it. copy: services whose anonymous volumes are copied
    into the declared ones. sure: services whose volume is the right one although another one holds more. backup: empty, or done.

    leave: containers that are not taken over, and may lose the way to those that are.
    """

    patched: Mapping[str, str] = field(default_factory=dict)
    copy: tuple[str, ...] = ()
    sure: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    backup: str = ""
    backup_dir: str = ""


@dataclass(frozen=True)
class Copy:
    """Data that cannot stay where it is. path: in the old container. source: the directory on the host; empty for the
    container's own layer. volume: where it goes, below. size: bytes.
    """

    path: str
    source: str
    volume: str
    below: str
    size: int


@dataclass(frozen=True)
class Before:
    """How a container was before anybody began to take it over, and how far that went.

    policy: its restart policy. ran; served: it was healthy, where it says so. listened: on which ports. places: where its program kept
    data. backed_up, copied, handed (a Redis, its keys over): that was done. made: a new one was begun, so it may have written to what was
    copied. redis: its keys are saved before it is stopped. vanishes: it goes at its stop (--rm). stopping: the Engine was told to stop it,
    and may still be about it.
    """

    policy: str
    ran: bool
    served: bool = True
    places: tuple[str, ...] = ()
    backed_up: bool = False
    handed: bool = False
    copied: tuple[Copy, ...] = ()
    made: bool = False
    redis: bool = False
    listened: tuple[int, ...] = ()
    vanishes: bool = False
    stopping: bool = False


@dataclass(frozen=True)
class Swap:
    """One service that changes hands. before: what a way back restores. snapshot: the name under which its edited content is kept."""

    old: Old
    service: Service
    before: Before
    copies: tuple[Copy, ...] = ()
    snapshot: str = ""

    @property
    def name(self) -> str:
        return self.service.name

    def to_data(self, kept: str) -> dict[str, Any]:
        """What the way back has to know, for the journal. kept: the name of the old container afterwards."""
        return {
            "name": self.name,
            "id": self.old.container.id,
            "kept": kept,
            "policy": self.before.policy,
            "ran": self.before.ran,
            "served": self.before.served,
            "redis": self.before.redis,
            "listened": list(self.before.listened),
            "project": self.service.house.project,
            "places": list(self.old.places),
            "auto_remove": self.old.container.auto_remove,
            "copies": [vars(copy) for copy in self.copies],
            "networks": sorted(endpoint.network for endpoint in self.old.container.endpoints),
        }


@dataclass(frozen=True)
class Doing:
    """One line of a plan for approval and journal: everything that is decided about it. data: plain."""

    verb: str
    target: str
    data: Mapping[str, Any] = field(default_factory=dict)
    network: str = ""

    @property
    def steps(self) -> tuple[Doing, ...]:
        return (self,)

    def to_data(self) -> dict[str, Any]:
        return {"verb": self.verb, "target": self.target, **self.data}


@dataclass
class Takeover:
    """The plan and what is behind its lines, in the same order."""

    plan: Plan = field(default_factory=Plan)
    doings: list[Doing] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)
    starters: list[Starter] = field(default_factory=list)

    def add(self, doing: Doing, operation: Operation) -> None:
        self.doings.append(doing)
        self.plan.operations.append(operation)


def before_of(swap: Mapping[str, Any]) -> Before:
    """How a container was, from what `Swap.to_data` has written."""
    listened = tuple(swap["listened"])
    places, vanishes = tuple(swap["places"]), bool(swap["auto_remove"])
    return Before(swap["policy"], swap["ran"], swap["served"], places, redis=swap["redis"], listened=listened, vanishes=vanishes)


def snapshot_name(service: str, day: str) -> str:
    """The image that keeps what was edited in a container. day: as in 20260131, UTC."""
    return f"{service}:{KIND}-{day}"


def swaps_of(
    olds: Mapping[str, Old], services: Mapping[str, Service], snapshot: Snapshot, choices: Choices, before: Mapping[str, Before], day: str
) -> list[Swap]:
    """In the order in which they are done. before: by container id, for those that a run which was cut off has touched."""
    order = [name for wave in start_order(services) for name in wave if name in olds]
    found = []
    for name in order:
        old, container = olds[name], olds[name].container
        now = Before(
            container.restart_policy or "no",
            container.alive,
            container.serving,
            old.places,
            redis=services[name].role == "redis",
            listened=old.listens,
        )
        present = before.get(container.id, now)
        old = old if container.running else replace(old, places=present.places)  # what ran could be seen, what is stopped can be read
        copies = present.copied or tuple(copies_of(old, services[name], snapshot, name in choices.copy))
        kept = services[name].image if services[name].image.startswith(f"{name}:{KIND}-") else snapshot_name(name, day)
        found.append(Swap(old, services[name], present, copies, kept if old.edited or container.auto_remove else ""))
    return found


# --- where the data is, and where it is expected ---------------------------------------------------------------------------


def declared_program(service: Service, old: Old) -> Program:
    """What the declared container would run, on the image of the old one."""
    image = (old.image or {}).get("Config") or {}
    compose = service.compose
    entrypoint = _words(compose.get("entrypoint"))
    command = _words(compose.get("command"))
    inherited = [*(image.get("Entrypoint") or ()), *((image.get("Cmd") or ()) if not command else ())] if not entrypoint else []
    configured, own = {**service.files("recreate"), **service.files("reload")}, service.config_path("")
    targets = [str(volume).split(":") for volume in compose.get("volumes") or [] if isinstance(volume, str)]

    def read(path: str) -> str | None:
        for source, target in (words[:2] for words in targets if len(words) > 1):
            inside = Path(source) / path[len(target) + 1 :]
            if path.startswith(f"{target}/") and own in inside.parents and str(inside.relative_to(own)) in configured:
                return configured[str(inside.relative_to(own))]
        return old.program.read(path) if old.program else None

    env = {**split_env(image.get("Env")), **service.environment}
    return Program(env, [*entrypoint, *inherited, *command], compose.get("working_dir") or image.get("WorkingDir") or "/", read)


def _words(value: Any) -> list[str]:
    return str(value).split() if isinstance(value, str) else [str(word) for word in value or ()]


def expected(service: Service, old: Old) -> str:
    """Where the declared program looks for its data; empty for a service that declares none."""
    found = directories(service.role, declared_program(service, old)) if service.data else []
    return found[0] if found else ""


def data_entry(service: Service, old: Old) -> Mapping[str, str]:
    """The declared volume that the declared program keeps its data in; the first one where that cannot be told."""
    wanted = expected(service, old)
    inside = [data for data in service.data if wanted and (wanted == data["target"] or wanted.startswith(f"{data['target']}/"))]
    return max(inside, key=lambda data: len(data["target"]), default=service.data[0])


def copies_of(old: Old, service: Service, snapshot: Snapshot, copy_anonymous: bool) -> list[Copy]:
    """What has to be copied: data in the container's own layer, and what the operator wants out of an anonymous volume."""
    found = []
    for path in old.places[:1] if service.data else ():
        mount, data, wanted = holder(old.mounts, path), data_entry(service, old), expected(service, old)
        into = below(Mount(data["target"], "volume"), wanted) if wanted.startswith(f"{data['target']}/") else ""
        if mount is None:
            found.append(Copy(path, "", data["volume"], into, _bytes(old.container.upper + path) if old.container.upper else 0))
        elif mount.anonymous and copy_anonymous and data["volume"] != mount.name:
            source = str(Path(snapshot.where(mount.name)) / below(mount, path))
            found.append(Copy(path, source, data["volume"], into, _bytes(source)))
    return found


def used_volumes(service: Service) -> set[str]:
    """Names of volumes, and directories of the host, that the declared container mounts."""
    listed = {str(v).split(":", maxsplit=1)[0] for v in service.compose.get("volumes") or [] if isinstance(v, str)}
    return listed | {data["volume"] for data in service.data}


def _bytes(directory: str) -> int:
    return tree.size(directory).bytes if os.path.isdir(directory) else 0


# --- the words of the plan -------------------------------------------------------------------------------------------------


def plan_takeover(
    swaps: Sequence[Swap], starters: Sequence[Starter], choices: Choices, spec: Mapping[str, Any], values: Mapping[str, str]
) -> Takeover:
    """spec: by service, what the new container is made from, for the plan's id. values: of secrets, to compare with, never to show."""
    work = Takeover(swaps=list(swaps), starters=list(starters))
    for swap in swaps if choices.backup != "done" else ():
        if swap.service.role in BACKED_UP and swap.old.container.running:
            cause = f"{BACKED_UP[swap.service.role]}, proved readable before anything is stopped"
            work.add(
                Doing("back up", swap.name, {"into": choices.backup_dir}), Operation("back up", swap.name, cause, after=choices.backup_dir)
            )
    for starter in starters:
        target = starter.place
        work.add(
            Doing("disable", target, starter.to_data()), Operation("disable", target, starter.what, before="enabled", after="disabled")
        )
    for swap in swaps:
        _lines(work, swap, choices, spec[swap.name], values)
    work.plan.warnings = [sentence for swap in swaps for sentence in _warnings(swap, choices)]
    return work


def _lines(work: Takeover, swap: Swap, choices: Choices, spec: Any, values: Mapping[str, str]) -> None:
    old, name = swap.old, swap.name
    if swap.snapshot:
        edited = (
            f"edited in it: {', '.join(old.edited[:5])}{' and more' if len(old.edited) > 5 else ''}"
            if old.edited
            else "it was started with --rm"
        )
        kept = "; the new container runs the snapshot" if choices.patched.get(name) == KEEP else ""
        work.add(
            Doing("snapshot", name, {"keep": choices.patched.get(name, "")}),
            Operation("snapshot", name, f"{edited}; kept as the image {swap.snapshot}{kept}", after=swap.snapshot),
        )
    for one in swap.copies:
        where = f"the anonymous volume at {one.path}" if one.source else f"its own layer at {one.path}"
        work.add(
            Doing("copy", name, {"path": one.path, "volume": one.volume}),
            Operation(
                "copy data of", name, f"{_size(one.size)} from {where} to {one.volume}, while it is stopped", before=where, after=one.volume
            ),
        )
    for before, after in narrowed(old.config.compose, definition_of(swap.service)):
        work.add(
            Doing("narrow", name, {"before": before, "after": after}),
            Operation("narrow", f"port of {name}", f"{before} becomes {after}: other machines reach it no more", before, after),
        )
    work.add(
        Doing("take over", name, {"id": old.container.id, "image": old.container.image_id, "spec": spec}),
        _swap_line(swap, changes(swap, values)),
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _swap_line(swap: Swap, changed: Sequence[Difference]) -> Operation:
    """The line of the swap itself; what becomes different is its before and after."""
    old = swap.old
    made = f"it was made {old.container.origin()}" + (" and renamed by a run that was cut off" if old.kept else "")
    made += "" if old.container.alive or old.kept else "; it does not run, and the new one will"
    cause = f"{made}; {len(changed)} settings become others" if changed else f"{made}; no setting becomes another"
    before, after = ("; ".join(f"{d.name} {getattr(d, side)}" for d in changed) for side in ("current", "desired"))
    if not old.container.alive:
        return Operation("take over", swap.name, cause, before=before, after=after)
    vanishes = (
        "; it was started with --rm and vanishes at its stop, a copy of it that never ran is kept" if old.container.auto_remove else ""
    )
    notice = f"it is away from its stop (at most {old.container.grace} s) until it is healthy again, usually some seconds{vanishes}"
    return Operation("take over", swap.name, cause, before=before, after=after, notice=notice)


def declared_compose(swap: Swap, values: Mapping[str, str]) -> dict[str, Any]:
    """What the new container is made from, with the values of its secrets: to compare with, never to show."""
    service = swap.service
    environment = {key: fill(text, values) for key, text in service.environment.items()}
    return {**definition_of(service), **({"environment": environment} if environment else {})}


def changes(swap: Swap, values: Mapping[str, str]) -> list[Difference]:
    """What the new container has otherwise than the old one; of the environment only the keys are told."""
    return differences(swap.old.config.compose, declared_compose(swap, values))


def told_changes(swap: Swap, values: Mapping[str, str]) -> list[str]:
    """The same for people: a line for each setting, one for all keys of the environment that become alike."""
    found: list[str] = []
    keys: dict[str, list[str]] = {"become others": [], "are new": [], "go": []}
    for one in changes(swap, values):
        head, _dot, key = one.name.partition(".")
        if head != "environment":
            found.append(f"{one.name}: {one.current} → {one.desired}")
        else:
            keys["are new" if one.current == "not set" else "go" if one.desired == "not set" else "become others"].append(key)
    return found + [f"environment: {', '.join(names)} {what}" for what, names in keys.items() if names]


def _warnings(swap: Swap, choices: Choices) -> list[str]:
    old, told = swap.old, []
    used = used_volumes(swap.service)
    for mount in old.mounts:
        copied = any(one.path.startswith(mount.destination) for one in swap.copies)
        if mount.lasting and mount.writable and mount.reference not in used and not copied and _bytes(mount.source):
            told.append(
                f"{swap.name}: {mount.destination} ({mount.reference}) is not part of the declaration: it stays on the host, unused"
            )
    told += [f"{swap.name}: {sentence}" for sentence in old.config.sentences]
    if old.edited and choices.patched.get(swap.name) == DROP:
        told.append(f"{swap.name}: the new container runs its image without what was edited; {swap.snapshot} has it")
    return told


def with_snapshots(services: Mapping[str, Service], swaps: Sequence[Swap], choices: Choices) -> dict[str, Service]:
    """The services, on the snapshot where what was edited is to be kept."""
    kept = {swap.name: swap.snapshot for swap in swaps if swap.snapshot and choices.patched.get(swap.name) == KEEP}
    return {
        name: replace(s, entry={**s.entry, "compose": {**s.compose, "image": kept[name]}}) if name in kept else s
        for name, s in services.items()
    }


def restored(container: Container, before: Before) -> bool:
    """Whether a container is as it was before anybody began to take it over."""
    return (container.restart_policy or "no") == before.policy and container.alive == before.ran
