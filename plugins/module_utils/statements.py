# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the architecture document says of a host: statements, each with how it was observed and since when it was the same. Pure.

A date is that of a look: what came and went between two looks leaves it as it is.

A statement holds what stays as it is while nothing is changed. So there is no run time, latency, counter, percentage or time of a look in
one, and two documents of an unchanged host are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.layers import BACKEND, LAYERS, MONITORING, USER
from ansible_collections.auren.stack.plugins.module_utils.plan import digest
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED

INSPECT, NETWORK, DECLARED, PROBED = "docker inspect", "docker network inspect", "declaration", "verification"
HOST = "host"
FLEETING = ("loop", "restarted", "disk")  # remarks with counters, times or percentages in them
PROVED, UNPROVED, FAILED = "proved", "unproved", "failed"
SLOW = "slow"  # a warning about how long it took: the connection is proved all the same


@dataclass(frozen=True)
class Statement:
    """about: the part of the document and the object, as in ``service/auren-redis``. what: the property. seen: how it was observed."""

    about: str
    what: str
    value: str
    seen: str

    @property
    def key(self) -> str:
        return f"{self.about}/{self.what}"


def of_service(one: Mapping[str, Any], service: Service | None) -> list[Statement]:
    """One container, as `live_map.containers` tells of it."""
    about, digests = f"service/{one['name']}", [text.rpartition("@")[2] for text in one["digests"]]
    found = {
        "image": one["image"],
        "image digest" if digests else "image id": digests[0] if digests else one["image_id"],
        **({"image stands in": one["stands_in"]} if one["stands_in"] else {}),
        "container": f"{one['id']}, made {one['made']}",
        "status": f"{one['state']}, {one['health'] or 'without a health check'}",
        "ports": ", ".join(one["ports"]) or "none published",
        "restart policy": one["restart_policy"],
        "volumes": ", ".join(one["volumes"]) or "none",
        "directories and files of the host": ", ".join(one["mounts"]) or "none",
    }
    statements = [Statement(about, what, value, INSPECT) for what, value in found.items()]
    statements += [of_place(one["name"], network, place) for network, place in sorted(one["networks"].items())]
    if service:
        statements.append(Statement(about, "purpose", str(service.entry.get("purpose") or "not declared"), DECLARED))
        statements.append(Statement(about, "needs", ", ".join(service.needs) or "nothing", DECLARED))
    return statements


def of_place(name: str, network: str, place: Mapping[str, Any]) -> Statement:
    """A container's place on a network. place: its ``address`` at this moment, and its ``names`` there."""
    return Statement(f"service/{name}", f"on {network}", f"{place['address'] or 'no address'}, as {', '.join(place['names'])}", INSPECT)


def of_absent(service: Service) -> list[Statement]:
    """A declared service without a container."""
    about = f"service/{service.name}"
    return [
        Statement(about, "status", "not there", INSPECT),
        Statement(about, "image", service.image, DECLARED),
        Statement(about, "purpose", str(service.entry.get("purpose") or "not declared"), DECLARED),
        Statement(about, "needs", ", ".join(service.needs) or "nothing", DECLARED),
    ]


def of_network(one: Mapping[str, Any]) -> list[Statement]:
    """One network, as `live_map.networks` tells of it."""
    about = f"network/{one['name']}"
    return [
        Statement(about, "driver", one["driver"], NETWORK),
        Statement(about, "subnets", ", ".join(one["subnets"]) or "none", NETWORK),
        Statement(about, "containers", ", ".join(one["containers"]) or "none", NETWORK),
        Statement(about, "needed to start", ", ".join(one["created_on"]) or "nothing", NETWORK),
    ]


def of_remarks(remarks: Iterable[Mapping[str, Any]]) -> list[Statement]:
    """What is remarkable, without what changes by itself."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in remarks:
        if one["kind"] not in FLEETING:
            lines.setdefault((str(one["target"]), str(one["kind"])), []).append(str(one["line"]))
    return [Statement(f"remark/{target}", kind, "; ".join(sorted(said)), INSPECT) for (target, kind), said in sorted(lines.items())]


@dataclass(frozen=True)
class Connection:
    """An arrow. status: proved, unproved (it answers, but the client did not ask) or failed. checks: what was asked. outside: the host
    asked in the client's place. monitoring: somebody watches, nobody works over it."""

    client: str
    service: str
    status: str
    checks: tuple[str, ...]
    told: str
    monitoring: bool
    outside: bool = False

    @property
    def statement(self) -> Statement:
        said = f"{self.status}: {', '.join(self.checks)}" + (f" ({self.told})" if self.told else "")
        return Statement(f"connection/{self.client} → {self.service}", "status", said, f"{PROBED} from {self._place}")

    @property
    def _place(self) -> str:
        if self.client == HOST:
            return "the host, through the published port"
        return f"the host in the place of {self.client}" if self.outside else f"inside {self.client}"


def connections(checks: Iterable[Mapping[str, Any]], layer: Mapping[str, str]) -> list[Connection]:
    """All pairs that were asked in this verification, by name; what was skipped proves nothing and is none. layer: name → layer."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in checks:
        if one["client"] != one["service"] and not one.get("hop") and one["status"] != "skipped":
            pairs.setdefault((one["client"], one["service"]), []).append(one)
    return [_connection(client, service, found, layer) for (client, service), found in sorted(pairs.items())]


def _connection(client: str, service: str, found: Sequence[Mapping[str, Any]], layer: Mapping[str, str]) -> Connection:
    bad = [one for one in found if one["status"] in ("fail", "blocked")]
    noted = [one for one in found if one["status"] == "warn" and one["kind"] != SLOW]
    told = sorted({f"because of {one['because']}" if one.get("because") else str(one["kind"]) for one in [*bad, *noted]})
    watched = client != HOST and MONITORING in (layer.get(client), layer.get(service))
    checks = tuple(sorted({str(one["check"]) for one in (bad or found)}))
    outside = any(one.get("outside") for one in found)
    return Connection(client, service, FAILED if bad else UNPROVED if outside else PROVED, checks, ", ".join(told), watched, outside)


def layers_of(services: Mapping[str, Service], clients: Collection[str]) -> dict[str, str]:
    """Name → layer, for all that is drawn; a service that names none is one that works for others."""
    told = {name: str(service.entry.get("layer") or BACKEND) for name, service in services.items()}
    return {**dict.fromkeys(clients, BACKEND), HOST: USER, **{name: word if word in LAYERS else BACKEND for name, word in told.items()}}


Known = Mapping[str, Mapping[str, str]]


def held(statements: Iterable[Statement], known: Known, now: str) -> dict[str, dict[str, str]]:
    """Key → ``value`` (a digest) and ``since``: as it was known where the value is the same, else now."""
    found: dict[str, dict[str, str]] = {}
    for one in statements:
        value, before = digest([one.value, one.seen], 16), known.get(one.key) or {}
        found[one.key] = {"value": value, "since": before["since"] if before.get("value") == value and before.get("since") else now}
    return found


def rows(statements: Iterable[Statement], since: Known) -> list[dict[str, str]]:
    """For templates: what, value, seen, since."""
    return [{"what": one.what, "value": one.value, "seen": one.seen, "since": since[one.key]["since"]} for one in statements]


def changed(before: Known, after: Known) -> list[str]:
    """The keys of what is new, another, or not said any more."""
    values = [{key: one.get("value") for key, one in known.items()} for known in (before, after)]
    return sorted(key for key in {*values[0], *values[1]} if values[0].get(key) != values[1].get(key))


def strange_networks(networks: Iterable[Mapping[str, Any]], home: str) -> list[str]:
    """Networks that are neither Docker's own nor the one of the stack."""
    return sorted(str(one["name"]) for one in networks if one["name"] not in PREDEFINED and one["name"] != home)
