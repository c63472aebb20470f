# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is a declared service's container what it should be, and does it run? What the Engine says against what was declared.

A container that is not there or does not run says nothing else: the first reason is the one to look at.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.auren.stack.plugins.module_utils import traces, validate
from ansible_collections.auren.stack.plugins.module_utils.definition import Service, definition_of
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.files import legible
from ansible_collections.auren.stack.plugins.module_utils.hand_edits import policy_operation
from ansible_collections.auren.stack.plugins.module_utils.host_state import outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Network

FRESH = 60.0  # seconds: a restart that is not longer ago is told
LOOP = 3  # restarts, the last of them fresh, that are called a loop
CODE = ("/app", "/srv", "/usr/lib", "/usr/local", "/opt/venv")  # programs; elsewhere images write by themselves, or something is mounted


@dataclass(frozen=True)
class Finding:
    """kind: absent (not there), down (does not run), loop, restarted, unhealthy, oom, network, alias, twice (another answers to its name),
    twice_alias (to one of its aliases), cannot_start, ports, policy, image, edited.

    status: fail, or warn for what works now and will not for ever. evidence: a sentence with what to do.
    """

    kind: str
    status: str
    evidence: str


@dataclass(frozen=True)
class Seen:
    """What was read of one service's container. image_id: of the image that its name stands for now; empty when there is none.

    edited: paths below `CODE` that differ from its image. others: the other containers on the host. now: seconds since 1970.
    """

    container: Container | None
    networks: Collection[Network] = ()
    image_id: str = ""
    edited: Sequence[str] = ()
    others: Collection[Container] = ()
    now: float = 0.0


def seen_of(engine: Engine, service: Service, containers: Collection[Container], networks: Collection[Network]) -> Seen:
    """Reads what is not in a reading of all containers and networks."""
    container = next((one for one in containers if one.name == service.name), None)
    image = engine.image(service.image) if service.image else None
    edited = [legible(path) for path in engine.edited(container, CODE)] if container and container.running else []
    return Seen(container, networks, image.id if image else "", edited, containers, time.time())


def findings(service: Service, seen: Seen) -> list[Finding]:
    """All that is wrong with it; empty when it is as it was declared, runs, and is healthy."""
    container = seen.container
    if container is None:
        return [Finding("absent", "fail", f"{service.name} is not there: run site")]
    stopped = list(_stopped(service, container))
    lasting = [*_cannot_start(container, seen.networks), *_policy(service, container)]
    if stopped:
        return [*stopped, *lasting]
    place = [*_place(service, container), *_twice(service, container, seen.others)]
    return [*_life(container, seen.now), *place, *lasting, *_ports(service, container), *_content(service, seen)]


def _stopped(service: Service, container: Container) -> Iterator[Finding]:
    name = container.name
    if container.state == "restarting":
        yield Finding(
            "loop", "fail", f"{name} crashes and is restarted again and again (exit code {container.exit_code}): docker logs {name}"
        )
    elif container.state == "paused":
        yield Finding("down", "fail", f"{name} is paused: docker unpause {name}")
    elif not container.running:
        killed = "; it had no memory left" if container.oom_killed else ""
        yield Finding("down", "fail", f"{name} is {container.state} (exit code {container.exit_code}{killed}): docker start {name}")


def _life(container: Container, now: float) -> Iterator[Finding]:
    age = now - moment(container.started_at)
    if container.restart_count and age < FRESH:
        times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
        kind, status = ("loop", "fail") if container.restart_count >= LOOP else ("restarted", "warn")
        yield Finding(kind, status, f"{container.name} was restarted {times}, {age:.0f} s ago the last time: docker logs {container.name}")
    if container.health == "unhealthy":
        yield Finding("unhealthy", "fail", f"the health check of {container.name} fails")
    if container.oom_killed:
        yield Finding("oom", "warn", f"a process of {container.name} was killed for want of memory")


def moment(stamp: str) -> float:
    """Docker's time, ``2026-11-24T17:50:45.123456789Z``, in seconds since 1970; 0 for what is none."""
    fraction = stamp[19:].rstrip("Z")
    try:
        return datetime.fromisoformat(stamp[:19]).replace(tzinfo=timezone.utc).timestamp() + float(fraction or 0)
    except ValueError:
        return 0.0


def _place(service: Service, container: Container) -> Iterator[Finding]:
    """On the one network, with all its names."""
    network = service.house.network
    if outside_networks(container) or service.compose.get("network_mode"):
        return
    endpoint = container.endpoint(network)
    if endpoint is None:
        on = ", ".join(sorted(e.network for e in container.endpoints)) or "none"
        yield Finding("network", "fail", f"{container.name} is not on {network} (it is on {on}): run site or streamline")
        return
    missing = sorted(set(service.aliases) - set(endpoint.aliases))
    if missing:
        yield Finding("alias", "fail", f"{container.name} has lost the name {', '.join(missing)} on {network}: run site or streamline")


def _twice(service: Service, container: Container, others: Collection[Container]) -> Iterator[Finding]:
    """Docker gives a name that two answer to in turns: a client gets the one today and the other tomorrow."""
    network, own = service.house.network, {container.name, *service.aliases}
    for other in others if container.endpoint(network) else ():
        place = other.endpoint(network) if other.running and other.name != container.name else None
        shared = sorted(own & {other.name, *place.aliases}) if place else []
        if shared:
            kind, status = ("twice", "fail") if container.name in shared else ("twice_alias", "warn")
            way = f"docker network disconnect {network} {other.name}, or give it another name"
            yield Finding(kind, status, f"{other.name} answers to {', '.join(shared)} on {network} as well as {container.name}: {way}")


def _cannot_start(container: Container, networks: Collection[Network]) -> Iterator[Finding]:
    mode = container.network_mode
    known = {"", "default", "bridge", *(network.name for network in networks), *(network.id for network in networks)}
    if not outside_networks(container) and mode not in known:
        said = f"the network {mode[:40]} that it was created on is gone"
        yield Finding("cannot_start", "fail", f"{container.name} will not start again after a stop or a reboot: {said}; run streamline")


def _policy(service: Service, container: Container) -> Iterator[Finding]:
    """One that is missing, where `site` would set it; streamline gives one to what others made."""
    if container.restart_policy in ("", "no") and policy_operation(service, container):
        said = f"has no restart policy, and stays down after a crash or a reboot: run {'site' if container.ours else 'streamline'}"
        yield Finding("policy", "warn", f"{container.name} {said}")


def _ports(service: Service, container: Container) -> Iterator[Finding]:
    wanted = {(b.host_ip or "0.0.0.0", b.host_port, b.container_port) for b in validate.bindings(service)}
    actual = {(b.host_ip or "0.0.0.0", b.host_port, b.container_port) for b in container.bindings}
    for address, port, inside in sorted(wanted - actual):
        yield Finding("ports", "fail", f"{container.name} does not publish {inside} as {address}:{port}: run site")
    for address, port, inside in sorted(actual - wanted):
        yield Finding("ports", "warn", f"{container.name} publishes {inside} as {address}:{port}, which was not declared")


def _content(service: Service, seen: Seen) -> Iterator[Finding]:
    """It runs the image that its name stands for, as it was built."""
    container = seen.container
    if container is None:
        return
    if seen.image_id and container.image_id != seen.image_id:
        yield Finding("image", "warn", f"{container.name} runs an older image than the one that {service.image} is now: run site")
    mounted = _mounted(service)
    paths = [path for path in seen.edited if _by_hand(path) and not inside(path, mounted)]
    if paths:
        shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        said = "was changed inside the running container, and is lost when it is made anew: put it into the image"
        yield Finding("edited", "warn", f"{container.name}: {shown} {said}")


def _mounted(service: Service) -> list[str]:
    """Where something is mounted: for a file the Engine makes an empty one in the container's layer."""
    volumes = definition_of(service).get("volumes") or []
    texts = [one.split(":") for one in volumes if isinstance(one, str)]
    return [words[min(1, len(words) - 1)] for words in texts] + [str(one["target"]) for one in volumes if isinstance(one, Mapping)]


def inside(path: str, places: Collection[str]) -> bool:
    """Whether it is one of these places, or in one of them."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _by_hand(path: str) -> bool:
    """Code that somebody changed: a patch, or a package that was installed."""
    return any(path.startswith(f"{place}/") for place in CODE) and not traces.left(path)
