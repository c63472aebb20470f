# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host, whoever has made it, and what is remarkable about it. Pure: one reading against what was declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import container_checks, redundancy, takeover_kept
from ansible_collections.auren.stack.plugins.module_utils.container_checks import Seen
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Wish
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_OFFLINE,
    LABEL_SERVICE,
    LABEL_STANDS_IN,
    Binding,
    Container,
    Image,
    Network,
)
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED


@dataclass(frozen=True)
class Remark:
    """kind: that of container_checks, or superfluous, unknown, kept, address, disk, field, file.

    target: container, network, directory or file. status: fail, or warn for what works now. line: a sentence.
    """

    kind: str
    target: str
    status: str
    line: str


def containers(state: HostState, services: Mapping[str, Service], images: Mapping[str, Image]) -> list[dict[str, Any]]:
    """All of them by name. images: id → image, for those that are known."""
    return [_container(one, services.get(one.name), images.get(one.image_id)) for one in sorted(state.containers, key=lambda c: c.name)]


def _container(one: Container, service: Service | None, image: Image | None) -> dict[str, Any]:
    labels = image.labels if image else {}
    return {
        "name": one.name,
        "id": one.id[:12],
        "image_id": one.image_id,
        "role": service.role if service else "",
        "made": "by auren.stack" if one.as_made else "with the labels of auren.stack" if one.ours else one.origin(),
        "image": one.image,
        "digests": list(image.digests) if image else [],
        "stands_in": labels.get(LABEL_STANDS_IN, "") if LABEL_OFFLINE in labels else "",
        "state": one.state,
        "health": one.health,
        "restarts": one.restart_count,
        "restart_policy": one.restart_policy or "no",
        "networks": {e.network: {"address": e.ipv4, "names": sorted({one.name, *e.aliases})} for e in one.endpoints},
        "ports": sorted(told_ports(one)),
        "volumes": sorted(one.volumes),
        "mounts": sorted(str(mount) for mount in one.mounts),
        "needs": service.needs if service else [],
    }


def told_ports(one: Container) -> Iterator[str]:
    """What it publishes, in words. One that does not run may have been given a range, of which the Engine takes one at its start."""
    if one.published is not None:
        yield from map(str, one.published)
        return
    ranges: dict[tuple[str, str], list[Binding]] = {}
    for binding in one.bindings:
        ranges.setdefault((binding.host_ip, binding.container_port), []).append(binding)
    for found in ranges.values():
        ports = sorted(binding.host_port for binding in found)
        whole = len(ports) > 1 and ports == list(range(ports[0], ports[-1] + 1))
        text = str(found[0]).replace(f":{found[0].host_port} →", f":{ports[0]}-{ports[-1]} →")
        yield from [text] if whole else map(str, found)


def networks(state: HostState) -> list[dict[str, Any]]:
    """All of them by name, with those who are on them and those who cannot start without them."""
    return [_network(state, one) for one in sorted(state.networks, key=lambda n: n.name)]


def _network(state: HostState, one: Network) -> dict[str, Any]:
    return {
        "name": one.name,
        "driver": one.driver,
        "subnets": list(one.subnets),
        "containers": sorted(c.name for c in state.containers if c.endpoint(one.name)),
        "created_on": state.created_on(one.name),
    }


def remarks(
    state: HostState, services: Mapping[str, Service], seen: Mapping[str, Seen], network: str, runs: Sequence[Run] = ()
) -> list[Remark]:
    """Drift from the declaration, what looks superfluous, who nobody knows, what a takeover kept, and addresses that are written down.

    runs: of the journal that are not taken back.
    """
    wish = Wish(network, containers=tuple(Listed(name, optional=True) for name in services))
    found = [
        Remark(f.kind, name, f.status, f.evidence)
        for name in sorted(services)
        for f in container_checks.findings(services[name], seen[name])
    ]
    kept = list(_kept(state, runs))
    known = {one.target for one in kept}
    doubled = [one for one in redundancy.findings(state, wish) if one.target not in known]
    found += [Remark("superfluous", one.target, "warn", one.text()) for one in doubled]
    return [*found, *_unknown(state, services, known | {one.target for one in doubled}), *kept, *_addresses(state)]


def _kept(state: HostState, runs: Sequence[Run]) -> Iterator[Remark]:
    containers = takeover_kept.kept_containers(state, runs)
    way = "streamline's cleanup removes it after the rollback window"
    for one in containers:
        yield Remark("kept", one.name, "warn", f"{one.name} ({one.image}, {one.state}) is kept by a takeover; {way}")
    for name in takeover_kept.kept_networks(state, [one.name for one in containers]):
        yield Remark("kept", name, "warn", f"the network {name} is kept by a takeover: only what it kept needs it; {way}")


def _unknown(state: HostState, services: Mapping[str, Service], told: set[str]) -> Iterator[Remark]:
    for one in sorted(state.containers, key=lambda c: c.name):
        if one.name not in services and not one.as_made and one.name not in told:
            copied = f"has the labels of {one.labels[LABEL_SERVICE]}, as a copy has," if one.ours else f"was made {one.origin()}"
            yield Remark(
                "unknown", one.name, "warn", f"{one.name} ({one.image}, {one.state}) {copied} and is not declared: it is left alone"
            )


def _addresses(state: HostState) -> Iterator[Remark]:
    """An address of a Docker network changes when a container is made anew."""
    for one in sorted(state.networks, key=lambda n: n.name):
        where = [] if one.name in PREDEFINED else state.container_address_users(one.name)
        if where:
            more = f" and {len(where) - 5} more" if len(where) > 5 else ""
            yield Remark(
                "address", one.name, "warn", f"an address of {one.name} is written down in {', '.join(where[:5])}{more}: use the name"
            )


def changed_by_hand(service: Service, told: str) -> Remark:
    """A container whose settings are not as they were declared. told: which."""
    file = service.house.directory / "docker-compose.yml"
    way = f"declare it so, or run site and then docker compose -f {file} up -d --no-deps --force-recreate {service.name}"
    return Remark("field", service.name, "warn", f"{service.name} was changed by hand ({told}): {way}")


def not_declared(target: str, paths: Sequence[str]) -> Remark:
    """Files of nobody. target: the service that they lie with, or the one file. paths: below the project's directory."""
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    what = "is a file that nobody declared" if len(paths) == 1 else "are files that nobody declared"
    return Remark("file", target, "warn", f"{shown} {what}, and that Compose or a container may read: declare what is in it, or remove it")
