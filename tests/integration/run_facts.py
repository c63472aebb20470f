"""Two containers compared by what the Engine says of them. Nothing is left out that is not listed here with its reason."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

IGNORED = {  # everything that is not compared, and why
    "Id": "of each container its own",
    "Created": "when it was made",
    "Name": "both are there at the same time",
    "State": "neither runs",
    "RestartCount": "neither runs",
    "ExecIDs": "neither runs",
    "ResolvConfPath": "a path below its own id",
    "HostnamePath": "a path below its own id",
    "HostsPath": "a path below its own id",
    "LogPath": "a path below its own id",
    "GraphDriver": "paths below its own id",
    "NetworkSettings": "networks are another module's; the MAC address that was asked for is compared as Config.MacAddress",
    "Config.Image": "the reference that was typed; the image itself is compared as Image",
    "Config.AttachStdin": "what the client was attached to when it created it",
    "Config.AttachStdout": "what the client was attached to when it created it",
    "Config.AttachStderr": "what the client was attached to when it created it",
    "HostConfig.ConsoleSize": "the terminal of the client",
    "HostConfig.ContainerIDFile": "where the client wrote the id",
}
RETOLD = {  # what is compared in another form, and why
    "Mounts": "by target, with the flags of HostConfig.Binds and options of HostConfig.Mounts: one mount can be asked for in both ways",
    "Config.Volumes": "makes a volume where nothing else is mounted; that volume is in Mounts, by its name",
    "HostConfig.Binds": "see Mounts",
    "HostConfig.Mounts": "see Mounts",
    "HostConfig.VolumesFrom": "what came from there is in Mounts",
    "HostConfig.VolumeDriver": "the driver of each volume is in Mounts",
    "Config.ExposedPorts": "port by port: what it holds of each is always empty",
    "Config.Labels": "without those that say whose it is (com.docker.compose.*, auren.stack.*)",
    "Config.Env": "by key; of one that is there twice the last one",
    "Config.Hostname": "not where it is the short id, which each has its own of",
    "Config.MacAddress": "Compose asks for it at the network",
    "HostConfig.NetworkMode": "host, none and container: alone; see NetworkSettings",
    "HostConfig.NanoCpus": "as the µs in 100 ms that the Engine makes of it: Compose keeps a 32-bit float",
    "HostConfig.MemorySwap": "twice the memory is what the Engine takes when nothing is said",
    "HostConfig.PortBindings": "of each port a set",
    "HostConfig.PublishAllPorts": "as each exposed port published on one that the Engine chooses, which is the same",
    "HostConfig.SecurityOpt": "by kind",
    "HostConfig.RestartPolicy": "no policy is the policy no",
}
# Of these nothing (null) and an empty value are not the same; of all other fields they are.
TOLD_WHEN_EMPTY = (
    "Config.StopTimeout",
    "HostConfig.Init",
    "HostConfig.MaskedPaths",
    "HostConfig.MemorySwappiness",
    "HostConfig.ReadonlyPaths",
)
SETS = (
    "CapAdd",
    "CapDrop",
    "Devices",
    "DeviceCgroupRules",
    "DnsOptions",
    "ExtraHosts",
    "GroupAdd",
    "Ulimits",
    "MaskedPaths",
    "ReadonlyPaths",
)


def facts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What a container is made of: path in its inspect → value, for comparison."""
    found = dict(_retold(raw))
    for group, fields in (("", raw), ("Config.", raw["Config"]), ("HostConfig.", raw["HostConfig"])):
        for name, value in fields.items():
            path = group + name
            if path in IGNORED or path in RETOLD or path in ("Config", "HostConfig"):
                continue
            if path in TOLD_WHEN_EMPTY and value is not None:
                found[path] = sorted(value) if isinstance(value, list) else value
            elif value:
                found.update(_flat(path, sorted(value, key=json.dumps) if name in SETS else value))
    return found


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A nested value leaf by leaf: nothing that is in a map is taken for empty but null and what holds nothing."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{path}.{key}", item)
    elif isinstance(value, list) and any(isinstance(item, (list, Mapping)) for item in value):
        for number, item in enumerate(value):
            yield from _flat(f"{path}.{number}", item)
    elif value is not None and value != []:
        yield path, value


def _retold(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    config, host = raw["Config"], raw["HostConfig"]
    for line in config["Env"] or []:
        key, equals, value = line.partition("=")
        yield f"Config.Env.{key}", value if equals else None
    for key, value in (config["Labels"] or {}).items():
        if not key.startswith(("com.docker.compose.", "auren.stack.")):
            yield f"Config.Labels.{key}", value
    yield from ((f"Config.ExposedPorts.{port}", True) for port in config.get("ExposedPorts") or {})
    if config["Hostname"] != raw["Id"][:12]:
        yield "Config.Hostname", config["Hostname"]
    asked = {config.get("MacAddress")} | {one["MacAddress"] for one in raw["NetworkSettings"]["Networks"].values()}
    yield "Config.MacAddress", sorted(filter(None, asked))
    mode = host["NetworkMode"]
    yield "HostConfig.NetworkMode", mode if mode in ("host", "none") or mode.startswith("container:") else "a network"
    yield "HostConfig.NanoCpus", host["NanoCpus"] * 100_000 // 10**9
    yield "HostConfig.MemorySwap", host["MemorySwap"] or 2 * host["Memory"]
    yield "HostConfig.RestartPolicy", (host["RestartPolicy"]["Name"] or "no", host["RestartPolicy"]["MaximumRetryCount"])
    for option in host["SecurityOpt"] or []:
        kind = option.replace(":", "=").split("=")[0]
        yield f"HostConfig.SecurityOpt.{kind}", sorted(o for o in host["SecurityOpt"] if o.startswith(kind))
    bindings = {inner: [(one["HostIp"], one["HostPort"]) for one in places or []] for inner, places in (host["PortBindings"] or {}).items()}
    if host["PublishAllPorts"]:
        bindings = {**{inner: [("", "")] for inner in config.get("ExposedPorts") or {}}, **bindings}
    for inner, places in bindings.items():
        yield f"HostConfig.PortBindings.{inner}", sorted(places)
    yield from _mounts(raw)


def _mounts(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of each mount what is mounted, and how."""
    host = raw["HostConfig"]
    words = [text.split(":") for text in host["Binds"] or []]
    flags = {posixpath.normpath(one[1]): one[2].split(",") for one in words if len(one) > 2}
    asked = {posixpath.normpath(one["Target"]): one for one in host.get("Mounts") or []}
    for point in raw["Mounts"]:
        target = point["Destination"]
        for name in ("Type", "Name", "Source", "Driver", "RW", "Propagation"):
            if (name, point.get(name)) != ("Propagation", "rprivate"):  # what a bind has by itself, and the Engine does not write always
                yield f"Mounts.{target}.{name}", point.get(name, "")
        options = {key: value for kind in ("BindOptions", "VolumeOptions", "TmpfsOptions")
                   for key, value in (asked.get(target, {}).get(kind) or {}).items()}  # fmt: skip
        for name, value in {**options, "Consistency": asked.get(target, {}).get("Consistency")}.items():
            # told above; of the volume itself, which is there already
            if value and name not in ("Propagation", "Labels", "DriverConfig"):
                yield f"Mounts.{target}.{name}", value
        for flag in flags.get(target, ()):
            # told above; z is what the Engine takes for every volume that is asked for
            told = flag in ("ro", "rw", point["Propagation"], "") or (flag == "z" and point["Type"] == "volume")
            if not told:
                yield (f"Mounts.{target}.NoCopy" if flag == "nocopy" else f"Mounts.{target}.Mode.{flag}"), True


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Paths whose facts are not the same."""
    first, second, nothing = facts(one), facts(other), object()
    return sorted(path for path in {*first, *second} if first.get(path, nothing) != second.get(path, nothing))
