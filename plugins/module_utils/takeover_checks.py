# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What forbids a takeover, all of it at once, before anything is changed. Reads sizes of directories; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import tree
from ansible_collections.auren.stack.plugins.module_utils.data_places import SIGNS, below, holder, holds, inner
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError, extra_vars
from ansible_collections.auren.stack.plugins.module_utils.guards import holds_data
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Image, Mount, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.takeover import (
    BACKED_UP,
    DROP,
    KEEP,
    Choices,
    Copy,
    Swap,
    data_entry,
    expected,
    used_volumes,
)
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import KEPT
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED
from ansible_collections.auren.stack.plugins.module_utils.validate import bindings

FULLER = 4  # times as much data in another volume of the same kind looks like a mistake
MENTIONED = 1_000_000  # bytes; less than that is nobody's lost data
SPARE = 1.1  # of the size of what is copied has to be free
LABEL_COPIED = "auren.stack.copied-from"  # on a volume: the id of the container whose layer it was filled from


def conflicts(
    state: HostState,
    snapshot: Snapshot,
    labels: Mapping[str, Mapping[str, str]],
    wrote: Collection[str],
    swaps: Sequence[Swap],
    choices: Choices,
) -> list[StackError]:
    """labels: of the volumes, by name. wrote: ids of containers whose successors may have written to what was copied."""
    found = [*ports_in_turn(swaps), *_room(snapshot, swaps)]
    for swap in swaps:
        found += [*_state(swap), *_image(swap), *_network(state, swap), *_sharing(state, swap), *_neighbours(state, swap, swaps, choices)]
        found += [*_data(swap), *_others_on_data(state, swap), *_fuller(snapshot, swap, choices), *_patches(swap, choices)]
        found += [*_unwanted(swap, choices), *_copied_elsewhere(swap)]
        found += [problem for copy in swap.copies for problem in _copy(snapshot, labels, wrote, swap, copy)]
        found += _backup(swap, choices)
    return found


def ports_in_turn(swaps: Sequence[Swap]) -> Iterator[StackError]:
    """Somebody who comes first cannot have a port that one has who comes later."""
    for number, swap in enumerate(swaps):
        for later in swaps[number + 1 :]:
            for wanted in bindings(swap.service):
                if any(wanted.collides(port) for port in later.old.container.bindings if later.old.container.running):
                    said = f"{swap.name} is to publish port {wanted.host_port}, which {later.name} has until its own turn comes later"
                    yield StackError(f"{said}. Set {swap.service.role}_port for now. {UNTOUCHED}", "port_taken", swap.name)


def backup_room(needed: Mapping[str, int], choices: Choices) -> Iterator[StackError]:
    """needed: by service, bytes that its backup takes at most, about."""
    room, wanted = tree.room(choices.backup_dir), sum(needed.values())
    if wanted and room < wanted * SPARE:
        said = f"the backups of {', '.join(needed)} take about {wanted / 1e6:.1f} MB, and {choices.backup_dir} has {room / 1e6:.1f} MB"
        remedy = "Make room, set auren_backup_dir, or say auren_backup=done if there are backups"
        yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "no_space", choices.backup_dir)


def unknown(services: Mapping[str, Service], state: HostState, named: Mapping[str, Sequence[str]]) -> Iterator[StackError]:
    """named: variable → the names in it. All have to be services that are there, or (auren_takeover_leave) containers."""
    for variable, names in named.items():
        for name in names:
            if name not in services and (variable != "auren_takeover_leave" or state.container(name) is None):
                known = ", ".join(sorted(services))
                yield StackError(f"{variable} names {name}, which is no service; known are {known}. {UNTOUCHED}", "unknown_service", name)
            elif state.container(name) is None and not any(
                (m := KEPT.fullmatch(c.name)) and m["service"] == name for c in state.containers
            ):
                said = f"{variable} names {name}, and there is no such container on this host; take it out, `site` makes what is missing"
                yield StackError(f"{said}. {UNTOUCHED}", "missing_container", name)


# --- the container itself ----------------------------------------------------------------------------------------------------


def _state(swap: Swap) -> Iterator[StackError]:
    state = swap.old.container.state
    remedy = {
        "restarting": f"it crashes again and again: look at docker logs {swap.name}, repair or stop it first",
        "paused": f"let it go on (docker unpause {swap.name}) or stop it first",
        "removing": "wait for its end, then run again",
        "dead": f"remove it (docker rm {swap.name}; its volumes stay), `site` makes a new one",
    }
    if state in remedy:
        yield StackError(f"{swap.name} is {state}, so it cannot be taken over: {remedy[state]}. {UNTOUCHED}", "bad_state", swap.name, state)
    if swap.old.successor and swap.old.container.alive:  # the run that was cut off had stopped it: somebody has started it since
        name = swap.old.container.name
        said = f"{name} runs again although a new {swap.name} was made, and two must never write to one volume"
        wanted = f"Stop it (docker stop {name}) and run again, or take that run back (rollback)"
        yield StackError(f"{said}. {wanted}. {UNTOUCHED}", "runs_again", name)


def _image(swap: Swap) -> Iterator[StackError]:
    old, service = swap.old, swap.service
    if old.image is None:
        said = f"the image of {swap.name} ({old.container.image}) is no longer on this host, so nothing can be started from it"
        yield StackError(f"{said}. Pull or load it again, then run again. {UNTOUCHED}", "image_missing", swap.name)
    elif swap.before.vanishes and old.successor:
        return  # what is kept of it runs a snapshot, and what was made of its image is there already
    elif swap.before.vanishes and old.kept and service.image != old.ref:
        said = f"{swap.name} vanished at its stop (--rm) in a run that was cut off, and what is kept of it is a snapshot"
        yield StackError(f"{said}. Take that run back first (rollback), then look at the plan again. {UNTOUCHED}", "vanished", swap.name)
    elif service.image not in (old.ref, swap.snapshot, old.container.image_id, *(old.image.get("RepoTags") or ())):
        said = f"{swap.name} runs {old.ref}, and the declaration is made for {service.image}: taking over changes no image"
        yield StackError(f"{said}. Set {service.role}_image: {old.ref}. {UNTOUCHED}", "other_image", swap.name)


def refuse_other_image(swap: Swap, image: Image | None) -> None:
    """image: that the name in the declaration stands for, now that it is this service's turn. Raises StackError."""
    told = (swap.before.vanishes and swap.old.successor) or swap.service.image == swap.snapshot
    if not told and (image is None or image.id != swap.old.container.image_id):
        said = f"{swap.service.image} is no longer the image that {swap.name} runs: somebody has pulled or built another one meanwhile"
        raise StackError(f"{said}. {swap.name} was not touched; look at the plan again", "image_moved", swap.name, swap.service.image)


def _network(state: HostState, swap: Swap) -> Iterator[StackError]:
    container, target = swap.old.container, swap.service.house.network
    if container.network_mode.startswith("container:"):
        said = f"{swap.name} uses the network of another container ({container.network_mode[:22]}), so it has no place of its own"
        yield StackError(f"{said}. Leave it (auren_takeover_leave), or make it anew without that. {UNTOUCHED}", "network_mode", swap.name)
    elif container.running and not outside_networks(container) and container.endpoint(target) is None:
        said = f"{swap.name} is not on {target} yet: run streamline with auren_streamline_phase=connect first"
        yield StackError(f"{said}. {UNTOUCHED}", "not_connected", swap.name)


def _sharing(state: HostState, swap: Swap) -> Iterator[StackError]:
    modes = (f"container:{swap.old.container.id}", f"container:{swap.name}")
    for other in state.containers:
        if other.network_mode in modes and other.alive:
            said = f"{other.name} uses the network of {swap.name} and would lose it; stop it, or leave {swap.name} (auren_takeover_leave)"
            yield StackError(f"{said}. {UNTOUCHED}", "network_mode", other.name)


def _neighbours(state: HostState, swap: Swap, swaps: Sequence[Swap], choices: Choices) -> Iterator[StackError]:
    mine = {one.old.container.name for one in swaps} | set(choices.leave)
    for other in state.containers:
        lost = _lost(swap, other) if other.running and other.name not in mine else None
        if lost:
            said = f"{lost[0]}; {lost[1]}, or say {extra_vars('auren_takeover_leave', [other.name])}"
            yield StackError(f"{said}. {UNTOUCHED}", "neighbour", other.name)


def _lost(swap: Swap, other: Container) -> tuple[str, str] | None:
    """How another container would lose it, and what is to be done; None when it would not.

    It reaches it by a link, or over a network that it will not be on any more, and is not on the one that it will be on. A link on
    Docker's own bridge leads to the old container for good: the other one does not start, nor run a command, while that is stopped (tried).
    """
    name, target, old = swap.name, swap.service.house.network, swap.old.container
    ids, names = (name, old.name, old.id, old.id[:12]), [name, *swap.service.aliases]
    legacy = {e.network for e in old.endpoints} - {target, *PREDEFINED}
    if known_as := _linked(other.links, ids):
        said = f"{other.name} is linked to {name} (--link, as {known_as[0]}): it would lose {name} and could not start again"
        return said, f"make it anew on {target} without the link"
    shared = sorted(legacy & {e.network for e in other.endpoints})
    if shared and other.endpoint(target) is None:
        said = f"{other.name} is on {shared[0]} with {name} and not on {target}: it would lose {name}"
        return said, "list it (auren_streamline_containers) and connect first"
    links = [link for e in other.endpoints if e.network in legacy for link in e.links]
    if called := sorted(set(_linked(links, ids)) - set(names)):
        said = f"{other.name} calls {name} {called[0]} by a link, and the new one has no such name on {target}: it would lose {name}"
        return said, f"say {extra_vars('auren_overrides', {name: {'aliases': [*swap.service.aliases, *called]}})}"
    return None


def linked_to(container: Container) -> list[str]:
    """Names of those that its links on Docker's own bridge lead to: it does not start while one of them is stopped (tried)."""
    return list(dict.fromkeys(link.partition(":")[0] for link in container.links))


def _linked(links: Iterable[str], names: Collection[str]) -> list[str]:
    """Under which names these links lead to a container."""
    return [alias or name for name, _colon, alias in (link.partition(":") for link in links) if name in names]


def _patches(swap: Swap, choices: Choices) -> Iterator[StackError]:
    chosen = choices.patched.get(swap.name, "")
    if swap.old.edited and chosen not in (KEEP, DROP):
        files = ", ".join(swap.old.edited[:10]) + (f" and {len(swap.old.edited) - 10} more" if len(swap.old.edited) > 10 else "")
        said = f"{swap.name} was edited while it ran: {files}; a new container from its image would not have that"
        remedy = f"Say {extra_vars('auren_takeover_patched', {swap.name: KEEP})} (it runs a snapshot) or {DROP} (the snapshot is only kept)"
        yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "edited", swap.name)


def _backup(swap: Swap, choices: Choices) -> Iterator[StackError]:
    container = swap.old.container
    if choices.backup != "done" and swap.service.role in BACKED_UP and not container.running and not swap.before.backed_up:
        said = f"{swap.name} is {container.state}, so {BACKED_UP[swap.service.role]} cannot be made"
        yield StackError(f"{said}. Start it, or say auren_backup=done if there is a backup. {UNTOUCHED}", "backup", swap.name)


# --- its data ------------------------------------------------------------------------------------------------------------------


def _data(swap: Swap) -> Iterator[StackError]:
    """The new container has to find the bytes that the old one has, where it looks for them."""
    old, service = swap.old, swap.service
    if old.successor and swap.copies and not swap.before.copied:
        said = f"{swap.name} was made anew while its data was not copied as a whole: the run that was to do it was cut off"
        yield StackError(f"{said}. Take that run back first (rollback). {UNTOUCHED}", "made_meanwhile", swap.name)
    if not old.places or old.successor or swap.before.copied:
        return
    place = old.places[0]
    if not service.data:
        yield _choose_running(swap, f"{swap.name} keeps data in {place}, and nothing is declared to hold it")
        return
    mount = holder(old.mounts, place)
    lost = list(_unreadable(swap, mount, place))
    yield from lost or _elsewhere(swap, mount, place)


def _unreadable(swap: Swap, mount: Mount | None, place: str) -> Iterator[StackError]:
    """Data that a takeover cannot carry over."""
    old, role = swap.old, swap.service.role
    if not old.container.running and not old.kept and not _seen(swap, mount, place):
        said = f"{swap.name} does not run, and there is no data of a {role} at {place}: where it is cannot be seen"
        yield StackError(f"{said}. Start it, then run again. {UNTOUCHED}", "unknown_place", swap.name)
    elif mount is not None and not mount.lasting:
        said = f"the data of {swap.name} is in memory only ({place} is a {mount.kind}): it would be lost"
        yield StackError(f"{said}. Save it, then leave {swap.name} or remove it. {UNTOUCHED}", "data_in_memory", swap.name)
    elif mount is None and old.container.auto_remove:
        said = f"the data of {swap.name} is in the container's own layer ({place}) and the container was started with --rm: it would vanish"
        yield StackError(f"{said}. Save it and leave {swap.name} (auren_takeover_leave). {UNTOUCHED}", "auto_remove", swap.name)


def _elsewhere(swap: Swap, mount: Mount | None, place: str) -> Iterator[StackError]:
    """Data that the declared program would not find."""
    old, service, wanted = swap.old, swap.service, expected(swap.service, swap.old)
    entry = data_entry(service, old)
    parts = inner(old.mounts, place)
    if len(old.places) > 1 and not all(_stays(swap, one) for one in old.places):
        said = f"{swap.name} keeps data in several directories ({', '.join(old.places)}), the declaration in one"
        yield _choose_running(swap, said)
    elif wanted and wanted != entry["target"] and not wanted.startswith(f"{entry['target']}/"):
        yield _choose_running(swap, f"the declared program of {swap.name} looks for its data at {wanted}, where nothing is mounted")
    elif not {m.reference for m in parts} <= {data["volume"] for data in service.data}:
        said = f"{swap.name} has more of its data on mounts of their own ({', '.join(m.destination for m in parts)})"
        yield _choose_running(swap, said)
    elif mount is not None and not swap.copies:
        yield from _not_there(swap, mount, place, wanted)


def _stays(swap: Swap, place: str) -> bool:
    """Whether the declared container has what holds this directory where the old one has it."""
    mount = holder(swap.old.mounts, place)
    return any(mount and (data["volume"], data["target"]) == (mount.reference, mount.destination) for data in swap.service.data)


def _not_there(swap: Swap, mount: Mount, place: str, wanted: str) -> Iterator[StackError]:
    service, entry = swap.service, data_entry(swap.service, swap.old)
    targets = [data["target"] for data in service.data if data["volume"] == mount.reference]
    if not targets:
        said = f"the data of {swap.name} is in {mount.reference}, the declaration says {entry['volume']}"
        yield StackError(f"{said}. Set {service.volume_variable(entry)}: {mount.reference}. {UNTOUCHED}", "other_volume", swap.name)
        return
    found = str(Path(targets[0]) / below(mount, place)) if below(mount, place) else targets[0]
    if wanted and found != wanted:
        yield _choose_running(swap, f"the data of {swap.name} would be at {found}, and the declared program looks at {wanted}")


def _seen(swap: Swap, mount: Mount | None, place: str) -> bool:
    """Whether data of its kind is where a stopped container is said to keep it."""
    root = mount.source and os.path.join(mount.source, below(mount, place)) if mount else swap.old.container.upper + place
    return holds(swap.service.role, root) or swap.service.role not in SIGNS


def _choose_running(swap: Swap, said: str) -> StackError:
    running = extra_vars("auren_takeover", {swap.name: "running"})
    return StackError(f"{said}. Choose running for it: {running}. {UNTOUCHED}", "other_place", swap.name)


def _mount_of_data(swap: Swap) -> Mount | None:
    places = swap.old.places
    return holder(swap.old.mounts, places[0]) if places and swap.service.data else None


def _others_on_data(state: HostState, swap: Swap) -> Iterator[StackError]:
    """Two containers never run on one writable mount."""
    mount = _mount_of_data(swap)
    for other in state.containers if mount else ():
        starts = other.alive or other.restart_policy == "always"  # a stopped one comes back with the Engine
        if mount and starts and other.id != swap.old.container.id and other.name != swap.name and other.writes_to(mount.source):
            does = "runs" if other.running else f"is {other.state}{'' if other.alive else ', with restart policy always,'} and would run"
            said = f"{other.name} {does} on {mount.reference} as well, where {swap.name} keeps its data: two must never write there"
            yield StackError(f"{said}. Stop {other.name} first (auren_streamline_stop). {UNTOUCHED}", "shared_data", other.name)


def _fuller(snapshot: Snapshot, swap: Swap, choices: Choices) -> Iterator[StackError]:
    """Somebody started it on a new, nearly empty volume, while the data is in another one."""
    mount, kind = _mount_of_data(swap), swap.service.role
    if mount is None or mount.kind != "volume" or swap.name in choices.sure or not os.path.isdir(mount.source):
        return
    mine = tree.size(mount.source).bytes
    used = {volume for c in snapshot.containers if c.running for volume in c.volumes}
    for name, place in sorted(snapshot.volumes.items()):
        if (
            name != mount.name
            and name not in used
            and holds(kind, place)
            and (size := tree.size(place).bytes) > max(FULLER * mine, MENTIONED)
        ):
            said = f"{swap.name} runs on {mount.name} ({mine / 1e6:.1f} MB), and {name} holds {size / 1e6:.1f} MB of the same kind of data"
            remedy = f"Look which one is right; if it is {mount.name}, say {extra_vars('auren_takeover_sure', [swap.name])}"
            yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "fuller_volume", swap.name, name)


def _copy(
    snapshot: Snapshot, labels: Mapping[str, Mapping[str, str]], wrote: Collection[str], swap: Swap, copy: Copy
) -> Iterator[StackError]:
    mount, place = _mount_of_data(swap), snapshot.where(copy.volume)
    if mount is not None and mount.driver not in ("", "local"):
        said = f"the volume {mount.name} of {swap.name} has the driver {mount.driver}, which this host cannot read, so it cannot be copied"
        yield StackError(
            f"{said}. Take {swap.name} out of auren_takeover_copy: it stays where it is. {UNTOUCHED}", "volume_driver", swap.name
        )
    if not copy.source and not swap.old.container.upper:
        said = f"the data of {swap.name} is in its own layer, and the Engine's storage driver does not say where"
        yield StackError(f"{said}. Copy it to a volume by hand (docker cp). {UNTOUCHED}", "storage_driver", swap.name)
    own = labels.get(copy.volume, {}).get(LABEL_COPIED) == swap.old.container.id and swap.old.container.id not in wrote
    if place and not swap.before.copied and holds_data(str(Path(place) / copy.below)) and not own:
        said = f"the data of {swap.name} has to be copied to {copy.volume}, which is not empty"
        variable = swap.service.volume_variable(data_entry(swap.service, swap.old))
        yield StackError(f"{said}. Set {variable} to a new name. {UNTOUCHED}", "volume_not_empty", copy.volume)


def _room(snapshot: Snapshot, swaps: Sequence[Swap]) -> Iterator[StackError]:
    """For all copies on one file system together. What was copied already is there."""
    somewhere = next(filter(None, snapshot.volumes.values()), "/var/lib/docker")
    disks: dict[int, list[tuple[Swap, Copy, str]]] = {}
    for swap in swaps:
        for copy in () if swap.before.copied else swap.copies:
            place = snapshot.where(copy.volume) or somewhere
            root = place if os.path.isdir(place) else "/"
            disks.setdefault(os.stat(root).st_dev, []).append((swap, copy, root))
    for found in disks.values():
        size, room = sum(copy.size for _swap, copy, _root in found), tree.room(found[0][2])
        if room < size * SPARE:
            names = ", ".join(sorted({swap.name for swap, _copy_of, _root in found}))
            volumes = ", ".join(sorted({copy.volume for _swap, copy, _root in found}))
            said = f"{size / 1e6:.1f} MB of {names} have to be copied to {volumes}, and only {room / 1e6:.1f} MB are free"
            yield StackError(f"{said}. Make room, then run again. {UNTOUCHED}", "no_space", volumes)


def _copied_elsewhere(swap: Swap) -> Iterator[StackError]:
    """A run that was cut off copied its data to a volume that is not the declared one any more; its successor may have written there."""
    lost = sorted({copy.volume for copy in swap.before.copied} - {data["volume"] for data in swap.service.data})
    if lost:
        said = f"the data of {swap.name} was copied to {', '.join(lost)} by a run that was cut off, and the declaration says another volume"
        remedy = f"Declare {', '.join(lost)} again and run again, or take that run back first (rollback)"
        yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "copied_elsewhere", swap.name)


def _unwanted(swap: Swap, choices: Choices) -> Iterator[StackError]:
    """Data beside its own in a volume that nobody named: it would be forgotten, and hardly be found again."""
    copied = {holder(swap.old.mounts, copy.path) for copy in swap.copies}
    for mount in swap.old.mounts if swap.name not in choices.sure else ():
        known = mount in copied or mount == _mount_of_data(swap) or mount.reference in used_volumes(swap.service)
        size = tree.size(mount.source).bytes if mount.anonymous and not known and os.path.isdir(mount.source) else 0
        if size:
            said = f"{swap.name} has {size / 1e6:.1f} MB at {mount.destination} in a volume without a name, and nothing is declared there"
            running, sure = extra_vars("auren_takeover", {swap.name: "running"}), extra_vars("auren_takeover_sure", [swap.name])
            remedy = f"Choose running for it ({running}), or go without: {sure}"
            yield StackError(f"{said}. {remedy}. {UNTOUCHED}", "unnamed_volume", swap.name, mount.name)
