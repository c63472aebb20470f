# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Engine holds, as frozen data: the planners see nothing else of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABEL_SERVICE = "auren.stack.service"  # ours, and which service it is
LABEL_SPEC = "auren.stack.spec"  # digest per leaf of the definition it was made from
PREVIOUS = ":previous"  # the tag under which the image that a service ran before is kept
LABEL_BASES = "auren.stack.bases"  # digest of the ids of the images it was built on
LABEL_CONTEXT = "auren.stack.context"  # digest of the files an image was built from
LABEL_IMAGE = "auren.stack.image"  # the name an image was built as here; what is built on it inherits the label
LABEL_OFFLINE = "auren.stack.offline"  # image of the offline set
LABEL_STANDS_IN = "auren.stack.stands-in"  # what it stands in for, in a sentence
LABEL_COMPOSE_PROJECT = "com.docker.compose.project"
LABEL_COMPOSE_HASH = "com.docker.compose.config-hash"  # of all that it made the container of, its environment included
LABEL_COMPOSE_VERSION = "com.docker.compose.version"
BUILD_PROJECT = "auren-stack-build"  # the Compose project in which images are built; no container is ever made in it


@dataclass(frozen=True)
class Endpoint:
    """A container's place on one network.

    ipv4: the address it has now, empty while it does not run. The rest was asked for: aliases (without the container's name and id,
    which Docker answers to anyway), fixed_ipv4, options of the driver, links, and from API 1.48 on the priority as a gateway.
    """

    network: str
    network_id: str
    ipv4: str
    aliases: tuple[str, ...]
    fixed_ipv4: str = ""
    driver_opts: dict[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    gateway_priority: int = 0


@dataclass(frozen=True)
class Binding:
    """A published port: host address and port, container port as ``6379/tcp``."""

    host_ip: str
    host_port: int
    container_port: str

    def __str__(self) -> str:
        address = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip or "0.0.0.0"
        return f"{address}:{self.host_port or 'a free port'} → {self.container_port}"

    def collides(self, other: Binding) -> bool:
        """True when both cannot listen on one host at the same time."""
        same_protocol = self.container_port.rpartition("/")[2] == other.container_port.rpartition("/")[2]
        wildcard = {"", "0.0.0.0", "::"}
        overlap = self.host_ip == other.host_ip or bool({self.host_ip, other.host_ip} & wildcard)
        return self.host_port == other.host_port and same_protocol and overlap


ANONYMOUS = re.compile(r"[0-9a-f]{64}")  # the name of a volume that nobody named


@dataclass(frozen=True)
class Mount:
    """kind: volume, bind or tmpfs. name: of a volume. source: the path on the host. driver: of a volume."""

    destination: str
    kind: str
    name: str = ""
    source: str = ""
    driver: str = ""
    writable: bool = True

    @property
    def anonymous(self) -> bool:
        return self.kind == "volume" and bool(ANONYMOUS.fullmatch(self.name))

    @property
    def lasting(self) -> bool:
        """Outlives the container."""
        return self.kind in ("volume", "bind")

    @property
    def reference(self) -> str:
        """How a Compose file names it: a volume's name, a directory's path."""
        return self.name if self.kind == "volume" else self.source

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}" + ("" if self.writable else " (read-only)")


@dataclass(frozen=True)
class Container:
    """One container in any state.

    state: Docker's word (created, running, paused, restarting, removing, exited, dead).
    health: "" when it has no health check, else starting, healthy or unhealthy.
    bindings: what it was told to publish. published: what the Engine publishes of it at this moment; None where it does not run or that is
    not known.
    env, command, binds (paths on the host that are mounted), mounts (the same with where they are in it), writes (directories on the host
    that it may write to), auto_remove, grace (seconds between asking it to end and killing it), extra_hosts, oom_killed, created_at,
    aliases, links (``name:alias`` of others, by ``docker run --link``), upper (the directory on the host with what differs from its image,
    where its storage driver has one): only known after a full inspect.
    """

    id: str
    name: str
    image: str
    image_id: str
    state: str
    health: str = ""
    exit_code: int = 0
    started_at: str = ""
    restart_count: int = 0
    restart_policy: str = ""
    network_mode: str = ""
    pid: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    bindings: tuple[Binding, ...] = ()
    volumes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    auto_remove: bool = False
    extra_hosts: tuple[str, ...] = ()
    oom_killed: bool = False
    upper: str = ""
    writes: tuple[str, ...] = ()
    created_at: str = ""
    links: tuple[str, ...] = ()
    grace: int = 10
    published: tuple[Binding, ...] | None = None
    mounts: tuple[Mount, ...] = ()

    @property
    def ports(self) -> tuple[Binding, ...]:
        """What it publishes: of one that runs what the Engine does, also at a port that it chose; of another what it was told to."""
        return self.bindings if self.published is None else self.published

    @property
    def ours(self) -> bool:
        return LABEL_SERVICE in self.labels

    @property
    def as_made(self) -> bool:
        """Ours, and called as its service, or for the moment as Compose calls one that is to take another's place.

        An image of ``docker commit`` keeps the labels, so what somebody makes of it has them, too.
        """
        label = self.labels.get(LABEL_SERVICE, "")
        return self.ours and (self.name == label or self.for_the_moment)

    @property
    def for_the_moment(self) -> bool:
        """Called as Compose calls one of ours until it has the other's place: ``<the other's short id>_<its service>``."""
        label = self.labels.get(LABEL_SERVICE, "")
        return bool(label) and bool(re.fullmatch("[0-9a-f]{12}_" + re.escape(label), self.name))

    def belongs(self, project: str) -> bool:
        """Ours, and of this Compose project: one host may have two."""
        return self.ours and self.labels.get(LABEL_COMPOSE_PROJECT) == project

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def alive(self) -> bool:
        """Has to be stopped before it can be removed: also a paused one, and one that crashes and is started again and again."""
        return self.state in ("running", "restarting", "paused")

    @property
    def serving(self) -> bool:
        """Running, and healthy where a health check exists."""
        return self.running and self.health in ("", "healthy")

    def endpoint(self, network: str) -> Endpoint | None:
        return next((e for e in self.endpoints if e.network == network), None)

    @property
    def made(self) -> str:
        """What Compose made it of, as ``version hash``; each version of Compose has a hash of its own."""
        return f"{self.labels.get(LABEL_COMPOSE_VERSION, '')} {self.labels.get(LABEL_COMPOSE_HASH, '')}".strip()

    def writes_to(self, directory: str) -> bool:
        """Whether it may write to a directory of the host. One in the other, whichever way, counts as well."""
        mine = Path(directory)
        return any(mine == Path(one) or mine in Path(one).parents or Path(one) in mine.parents for one in self.writes)

    def origin(self) -> str:
        """Who made it, for messages."""
        project = self.labels.get(LABEL_COMPOSE_PROJECT)
        return f"by the Compose project {project}" if project else "by hand"


@dataclass(frozen=True)
class Pool:
    """A range of addresses of a network, as the Engine has it."""

    subnet: str
    gateway: str = ""
    ip_range: str = ""


@dataclass(frozen=True)
class Network:
    id: str
    name: str
    driver: str
    subnets: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    ipv6: bool = False
    scope: str = "local"


@dataclass(frozen=True)
class Image:
    """An image on the host. env: as a dict; digests: ``name@sha256:…``."""

    id: str
    env: dict[str, str]
    labels: dict[str, str]
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """One reading of the Engine."""

    api_version: tuple[int, ...]
    containers: tuple[Container, ...]
    volumes: dict[str, str]  # name → mount point on the host

    def container(self, name: str) -> Container | None:
        return next((c for c in self.containers if c.name == name), None)

    def where(self, volume: str) -> str:
        """The directory on the host of a volume, which may be a path itself; empty when there is none."""
        return volume if volume.startswith("/") else self.volumes.get(volume, "")


def _bindings(ports: dict[str, Any]) -> tuple[Binding, ...]:
    found: list[Binding] = []
    for container_port, hosts in (ports or {}).items():
        for host in hosts or []:
            first, _dash, last = (host.get("HostPort") or "").partition("-")  # of a range the Engine takes a free one at each start
            for port in range(int(first), int(last or first) + 1) if first else ():
                found.append(Binding(host.get("HostIp", ""), port, container_port))
    return tuple(found)


def _published(ports: dict[str, Any]) -> tuple[Binding, ...]:
    """A port that the Engine opened for both families is one, as it was asked for."""
    found = _bindings(ports)
    return tuple(one for one in found if one.host_ip != "::" or Binding("0.0.0.0", one.host_port, one.container_port) not in found)


def _endpoints(networks: dict[str, Any], own: tuple[str, str], up: bool = False) -> tuple[Endpoint, ...]:
    """own: the container's name and id. Before API 1.45 the Engine lists the short id among the aliases, Compose asks for the name.

    up: it has a network namespace. What the Engine would not give to such a container stays behind as an entry without an endpoint: none.
    """
    return tuple(
        Endpoint(
            name,
            n.get("NetworkID", ""),
            n.get("IPAddress", ""),
            tuple(sorted({a for a in n.get("Aliases") or () if a not in (own[0], own[1], own[1][:12])})),
            (n.get("IPAMConfig") or {}).get("IPv4Address", ""),
            n.get("DriverOpts") or {},
            tuple(n.get("Links") or ()),
            n.get("GwPriority", 0),
        )
        for name, n in (networks or {}).items()
        if n.get("EndpointID") or not up
    )


def network_from_list(raw: dict[str, Any]) -> Network:
    """From an entry of ``GET /networks`` (Engine API 1.41 and later)."""
    ranges = [config for config in (raw.get("IPAM") or {}).get("Config") or [] if config.get("Subnet")]
    pools = tuple(Pool(config["Subnet"], config.get("Gateway", ""), config.get("IPRange", "")) for config in ranges)
    return Network(
        id=raw["Id"],
        name=raw["Name"],
        driver=raw["Driver"],
        subnets=tuple(pool.subnet for pool in pools),
        labels=raw.get("Labels") or {},
        pools=pools,
        options=raw.get("Options") or {},
        internal=bool(raw.get("Internal")),
        attachable=bool(raw.get("Attachable")),
        ipv6=bool(raw.get("EnableIPv6")),
        scope=raw.get("Scope", "local"),
    )


def _policy(raw: dict[str, Any]) -> str:
    """In Docker's own words: ``always``, ``on-failure:5``; empty where none was ever set."""
    count = raw.get("MaximumRetryCount", 0)
    return f"{raw['Name']}:{count}" if count else str(raw.get("Name", ""))


def split_env(lines: Any) -> dict[str, str]:
    """``["A=1", …]`` (the Engine's form) as a dict."""
    return dict(line.split("=", 1) for line in lines or [] if "=" in line)


def _links(raw: list[str] | None) -> tuple[str, ...]:
    """``/db:/app/alias`` (the Engine's form) as endpoints have it."""
    return tuple(f"{name.lstrip('/')}:{alias.rpartition('/')[2]}" for name, _colon, alias in (one.partition(":") for one in raw or ()))


def _labels(raw: dict[str, str] | None) -> dict[str, str]:
    """Of a container. What Compose writes on an image that it builds, the image's containers inherit: that makes none of them Compose's."""
    labels = raw or {}
    if labels.get(LABEL_COMPOSE_PROJECT) != BUILD_PROJECT:
        return labels
    return {name: value for name, value in labels.items() if not name.startswith("com.docker.compose.")}


def container_from_inspect(raw: dict[str, Any]) -> Container:
    """From ``GET /containers/{id}/json`` (Engine API 1.41 and later)."""
    state, config, host = raw["State"], raw["Config"], raw["HostConfig"]
    binds, up = [m for m in raw.get("Mounts") or [] if m.get("Type") == "bind"], state["Status"] in ("running", "paused")
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=config["Image"],
        image_id=raw["Image"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        exit_code=state.get("ExitCode", 0),
        started_at=state.get("StartedAt", ""),
        restart_count=raw.get("RestartCount", 0),
        network_mode=host.get("NetworkMode", ""),
        restart_policy=_policy(host.get("RestartPolicy") or {}),
        pid=state.get("Pid", 0),
        labels=_labels(config.get("Labels")),
        env=split_env(config.get("Env")),
        endpoints=_endpoints(raw["NetworkSettings"]["Networks"], (raw["Name"].lstrip("/"), raw["Id"]), up),
        bindings=_bindings(host.get("PortBindings")),
        volumes=tuple(m["Name"] for m in raw.get("Mounts") or [] if m.get("Type") == "volume"),
        command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        binds=tuple(m["Source"] for m in binds),
        auto_remove=bool(host.get("AutoRemove")),
        extra_hosts=tuple(host.get("ExtraHosts") or ()),
        oom_killed=bool(state.get("OOMKilled")),
        upper=((raw.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir", ""),
        writes=tuple(m["Source"] for m in raw.get("Mounts") or [] if m.get("RW") and m.get("Source")),
        created_at=raw.get("Created", ""),
        links=_links(host.get("Links")),
        grace=10 if config.get("StopTimeout") is None else config["StopTimeout"],
        published=_published(raw["NetworkSettings"].get("Ports") or {}) if up else None,
        mounts=tuple(Mount(m.get("Destination", ""), "bind", source=m["Source"], writable=m.get("RW", True)) for m in binds),
    )


def container_from_list(raw: dict[str, Any]) -> Container:
    """From an entry of ``GET /containers/json``: no environment, no aliases, ports only while running."""
    return Container(
        id=raw["Id"],
        name=(raw.get("Names") or [raw["Id"][:12]])[0].lstrip("/"),
        image=raw["Image"],
        image_id=raw["ImageID"],
        state=raw["State"],
        network_mode=(raw.get("HostConfig") or {}).get("NetworkMode", ""),
        labels=_labels(raw.get("Labels")),
        endpoints=_endpoints((raw.get("NetworkSettings") or {}).get("Networks") or {}, ("", raw["Id"])),
        bindings=tuple(
            Binding(p.get("IP", ""), p["PublicPort"], f"{p['PrivatePort']}/{p['Type']}")
            for p in raw.get("Ports") or []
            if p.get("PublicPort")
        ),
        volumes=tuple(m["Name"] for m in raw.get("Mounts") or [] if m.get("Type") == "volume" and m.get("Name")),
    )
