# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fields of a container's Config and HostConfig, and the Compose keys that make the same of them. Pure.

Each reader takes a ``Reading`` and adds to it. Sources: Engine API 1.41 to 1.45, ``GET /containers/{id}/json``; the Compose
specification; and what Docker Compose 2.26 makes of each key, tried.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

OWN_LABELS = ("com.docker.compose.", "auren.stack.")
NOT_FOUND = object()

_CPU_PERIOD = 100_000  # µs, in which the Engine enforces NanoCpus (CFS quota)
_UNITS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
_SIZES = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))
_SHM_SIZE = 64 << 20

# Every Engine masks the first ones; later ones mask more. What else is in the list, somebody asked for.
_MASKED = {"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi"}
_MASKED_LATER = re.compile(
    r"/proc/(asound|interrupts|latency_stats)|/sys/firmware|/sys/devices/(virtual/powercap|system/cpu/cpu\d+/thermal_throttle)"
)
_READONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}


@dataclass
class Reading:
    """One container on its way to Compose's words.

    config, host, image (the image's Config, empty when it is gone): raw. defaults: see ``engine_defaults``. gone: the image is not there.
    compose: the service as far as it is read. lost: field → a sentence that says what cannot be expressed.
    """

    container: Mapping[str, Any]
    config: Mapping[str, Any]
    host: Mapping[str, Any]
    image: Mapping[str, Any]
    defaults: Mapping[str, str]
    gone: bool = False
    compose: dict[str, Any] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: Any) -> None:
        """Nothing is written for what is empty; False and 0 are something."""
        if value is not None and value not in ("", [], {}):
            self.compose[key] = value


def duration(nanoseconds: int) -> str:
    """As Compose and people write it: ``1m30s``."""
    left, text = abs(nanoseconds), ""
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return ("-" if nanoseconds < 0 else "") + (text or "0s")


def size(count: int) -> str | int:
    """Bytes as Compose and people write them: ``256m``; a plain number where no unit is exact."""
    return next((f"{count // unit}{letter}" for letter, unit in _SIZES if count and count % unit == 0), count)


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def cpu_quota(nano: int) -> int:
    """What a NanoCpus does: µs of processor time in each period of 100 ms."""
    return nano * _CPU_PERIOD // 10**9


def cpus(nano: int) -> tuple[float, bool]:
    """The number for ``cpus``, and whether it does the same.

    Compose keeps it as a 32-bit float (1.501 becomes 1501000064 NanoCpus), so it is the quota that has to be the same.
    """
    for step in (0, 1, -1, 2, -2):
        value = (nano + step * max(1, nano >> 24)) / 10**9  # a 32-bit float has 24 bits
        if cpu_quota(int(_float32(_float32(value) * 1e9))) == cpu_quota(nano):
            return (int(value) if value == int(value) else value), True
    return nano / 10**9, False


def engine_defaults(info: Mapping[str, Any] | None) -> dict[str, str]:
    """What the Engine takes where nothing is said. info: raw ``GET /info``; without it the usual, and no default cgroup namespace."""
    known = info or {}
    return {
        "runtime": str(known.get("DefaultRuntime") or "runc"),
        "logging": str(known.get("LoggingDriver") or "json-file"),
        "cgroup": {"1": "host", "2": "private"}.get(str(known.get("CgroupVersion") or ""), ""),
        "hostname": str(known.get("Name") or ""),
    }


def clean_path(path: str) -> str:
    """As the Engine writes the place of a mount: no double slashes, none at the end."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


# --- fields that are one key -------------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def _seconds(value: int) -> str:
    return duration(value * 10**9)


# field → Compose key, its words, the value besides empty and zero that needs no word
HOST_KEYS: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "Annotations": ("annotations", dict, None),
    "CapAdd": ("cap_add", list, None),
    "CapDrop": ("cap_drop", list, None),
    "CgroupParent": ("cgroup_parent", _same, None),
    "CpuCount": ("cpu_count", _same, None),
    "CpuPeriod": ("cpu_period", _same, None),
    "CpuQuota": ("cpu_quota", _same, None),
    "CpuRealtimePeriod": ("cpu_rt_period", _same, None),
    "CpuRealtimeRuntime": ("cpu_rt_runtime", _same, None),
    "CpuShares": ("cpu_shares", _same, None),
    "CpusetCpus": ("cpuset", _same, None),
    "DeviceCgroupRules": ("device_cgroup_rules", list, None),
    "Dns": ("dns", list, None),
    "DnsOptions": ("dns_opt", list, None),
    "DnsSearch": ("dns_search", list, None),
    "ExtraHosts": ("extra_hosts", list, None),
    "GroupAdd": ("group_add", list, None),
    "IpcMode": ("ipc", _same, "private"),
    "Isolation": ("isolation", _same, None),
    "Memory": ("mem_limit", size, None),
    "MemoryReservation": ("mem_reservation", size, None),
    "OomKillDisable": ("oom_kill_disable", _same, None),
    "OomScoreAdj": ("oom_score_adj", _same, None),
    "PidMode": ("pid", _same, None),
    "Privileged": ("privileged", _same, None),
    "ReadonlyRootfs": ("read_only", _same, None),
    "ShmSize": ("shm_size", size, _SHM_SIZE),
    "StorageOpt": ("storage_opt", dict, None),
    "Sysctls": ("sysctls", dict, None),
    "UTSMode": ("uts", _same, None),
    "UsernsMode": ("userns_mode", _same, None),
}
CONFIG_KEYS: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "Domainname": ("domainname", _same, None),
    "MacAddress": ("mac_address", _same, None),
    "OpenStdin": ("stdin_open", _same, None),
    "Tty": ("tty", _same, None),
}
FROM_IMAGE_KEYS = {"StopSignal": "stop_signal", "User": "user", "WorkingDir": "working_dir"}


def plain(reading: Reading) -> None:
    """Every field that is one Compose key."""
    for source, table in ((reading.host, HOST_KEYS), (reading.config, CONFIG_KEYS)):
        for name, (key, words, usual) in table.items():
            value = source.get(name)
            if value and value != usual:
                reading.put(key, words(value))
    for name, key in FROM_IMAGE_KEYS.items():
        if reading.config.get(name) != reading.image.get(name):
            reading.put(key, reading.config.get(name))


# --- the process -------------------------------------------------------------------------------------------------------


def process(reading: Reading) -> None:
    """Entrypoint and Cmd. An image's Cmd is inherited only where the entrypoint is not said (moby, ``merge`` of two Configs)."""
    entrypoint, command = (list(reading.config.get(name) or []) for name in ("Entrypoint", "Cmd"))
    inherited, usual = (list(reading.image.get(name) or []) for name in ("Entrypoint", "Cmd"))
    if entrypoint == inherited and command == usual and not reading.gone:
        return
    if entrypoint != inherited or not command or reading.gone:
        reading.compose["entrypoint"] = entrypoint or [""]  # [""]: none, also where the image has one
    reading.put("command", command)


def names(reading: Reading) -> None:
    """The host name, where somebody chose it: else it is the short id, or that of the host or of the container whose network it is in."""
    name, mode = str(reading.config.get("Hostname") or ""), str(reading.host.get("NetworkMode") or "")
    given = name and name != str(reading.container.get("Id", ""))[:12]
    elsewhere = mode.startswith("container:") or reading.host.get("UTSMode") or (mode == "host" and name == reading.defaults["hostname"])
    if given and not elsewhere:
        reading.compose["hostname"] = name


def environment(reading: Reading) -> None:
    """Of a key that is there twice the last one counts, as for the Engine."""
    inherited = dict(line.split("=", 1) for line in reading.image.get("Env") or [] if "=" in line)
    found: dict[str, str] = {}
    for line in reading.config.get("Env") or []:
        key, equals, value = line.partition("=")
        found.pop(key, None)
        if not equals or not key:
            reading.lost[f"Config.Env.{key}"] = (
                f"environment key {key}: it has no value, which takes it away from what the image sets; Compose would fill it from its own "
                "environment"
            )
        else:
            reading.lost.pop(f"Config.Env.{key}", None)
            found[key] = value
    reading.put("environment", {key: value for key, value in found.items() if inherited.get(key, NOT_FOUND) != value})


def labels(reading: Reading) -> None:
    inherited = reading.image.get("Labels") or {}
    own = {key: value for key, value in (reading.config.get("Labels") or {}).items() if not key.startswith(OWN_LABELS)}
    reading.put("labels", {key: value for key, value in own.items() if inherited.get(key, NOT_FOUND) != value})


def healthcheck(reading: Reading) -> None:
    """What the container's differs in from the image's is all of it: the Engine fills in field by field."""
    check, inherited = reading.config.get("Healthcheck") or {}, reading.image.get("Healthcheck") or {}
    if {k: v for k, v in check.items() if v} == {k: v for k, v in inherited.items() if v}:
        return
    found: dict[str, Any] = {"test": list(check["Test"])} if check.get("Test") else {}
    keys = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "start_period", "StartInterval": "start_interval"}
    found.update({key: duration(check[name]) for name, key in keys.items() if check.get(name)})
    if check.get("Retries"):
        found["retries"] = check["Retries"]
    for name in sorted(set(check) - {"Test", "Retries", *keys}):
        reading.lost[f"Config.Healthcheck.{name}"] = f"health check: {name} is not known here, and is left out"
    reading.put("healthcheck", found)


def stopping(reading: Reading) -> None:
    if reading.config.get("StopTimeout") is not None:
        reading.compose["stop_grace_period"] = _seconds(reading.config["StopTimeout"])
    policy = reading.host.get("RestartPolicy") or {}
    if policy.get("Name") not in (None, "", "no"):
        count = policy.get("MaximumRetryCount")
        reading.compose["restart"] = f"{policy['Name']}:{count}" if count else policy["Name"]
    if reading.host.get("Init") is not None:
        reading.compose["init"] = bool(reading.host["Init"])


# --- limits ------------------------------------------------------------------------------------------------------------


def limits(reading: Reading) -> None:
    """Memory, processors, processes: what an Engine fills in by itself is left out."""
    host = reading.host
    if host.get("NanoCpus"):
        reading.compose["cpus"], exact = cpus(host["NanoCpus"])
        if not exact:
            reading.lost["HostConfig.NanoCpus"] = "cpus: Compose keeps so large a number as a 32-bit float, and so not exactly"
    swap = host.get("MemorySwap") or 0
    if swap and swap != 2 * (host.get("Memory") or 0):
        reading.compose["memswap_limit"] = size(swap) if swap > 0 else -1
    swappiness = host.get("MemorySwappiness")
    if swappiness == 0:
        reading.lost["HostConfig.MemorySwappiness"] = "memory swappiness: it is 0, which Compose takes for not set"
    elif swappiness not in (None, -1):
        reading.compose["mem_swappiness"] = swappiness
    if (host.get("PidsLimit") or 0) > 0:
        reading.compose["pids_limit"] = host["PidsLimit"]
    found = {one["Name"]: _ulimit(one["Soft"], one["Hard"]) for one in host.get("Ulimits") or []}
    reading.put("ulimits", found)


def _ulimit(soft: int, hard: int) -> Any:
    return soft if soft == hard else {"soft": soft, "hard": hard}


BLOCK_RATES = {
    "BlkioDeviceReadBps": "device_read_bps",
    "BlkioDeviceReadIOps": "device_read_iops",
    "BlkioDeviceWriteBps": "device_write_bps",
    "BlkioDeviceWriteIOps": "device_write_iops",
}


def block_io(reading: Reading) -> None:
    host, found = reading.host, {}
    if host.get("BlkioWeight"):
        found["weight"] = host["BlkioWeight"]
    if host.get("BlkioWeightDevice"):
        found["weight_device"] = [{"path": one["Path"], "weight": one["Weight"]} for one in host["BlkioWeightDevice"]]
    for name, key in BLOCK_RATES.items():
        if host.get(name):
            found[key] = [{"path": one["Path"], "rate": one["Rate"]} for one in host[name]]
    reading.put("blkio_config", found)


def devices(reading: Reading) -> None:
    found = []
    for one in reading.host.get("Devices") or []:
        outside, inside, may = one["PathOnHost"], one["PathInContainer"] or one["PathOnHost"], one["CgroupPermissions"] or "rwm"
        if ":" in outside + inside:
            reading.lost[f"HostConfig.Devices.{inside}"] = f"device {outside}: Compose takes no colon in the path of a device"
        elif may != "rwm":
            found.append(f"{outside}:{inside}:{may}")
        else:
            found.append(outside if inside == outside else f"{outside}:{inside}")
    reading.put("devices", found)
    _device_requests(reading)


def _device_requests(reading: Reading) -> None:
    """GPUs and other devices that a driver of the Engine finds."""
    wanted = []
    for number, one in enumerate(reading.host.get("DeviceRequests") or []):
        where = f"HostConfig.DeviceRequests.{number}"
        sets, ids, count = one.get("Capabilities") or [], one.get("DeviceIDs") or [], one.get("Count") or 0
        if len(sets) > 1 or not (ids or count):
            reading.lost[where] = "device request: Compose takes one set of capabilities, and a count or ids; this one is left out"
            continue
        entry: dict[str, Any] = {"capabilities": list(sets[0] or []) if sets else []}
        entry.update({"driver": one["Driver"]} if one.get("Driver") else {})
        entry.update({"device_ids": list(ids)} if ids else {"count": "all" if count == -1 else count})
        if one.get("Options"):
            entry["options"] = dict(one["Options"])
            reading.lost[f"{where}.Options"] = "device request: Compose 2.26 loses its options"
        wanted.append(entry)
    if wanted:
        memory = {"memory": reading.compose["mem_reservation"]} if "mem_reservation" in reading.compose else {}  # or Compose refuses it
        reading.compose["deploy"] = {"resources": {"reservations": {**memory, "devices": wanted}}}


# --- the Engine's surroundings -----------------------------------------------------------------------------------------


def security(reading: Reading) -> None:
    """Security options, and the paths of /proc and /sys that are hidden. A profile's text is in the option; Compose takes a file."""
    options = []
    for option in reading.host.get("SecurityOpt") or []:
        kind, _sign, value = re.match(r"([^=:]*)([=:]?)(.*)", option, re.DOTALL).groups()  # type: ignore[union-attr]
        if kind == "seccomp" and value != "unconfined":
            reading.lost["HostConfig.SecurityOpt.seccomp"] = (
                "security option seccomp: the container has a profile of its own, which Compose reads from a file only; write it to a file "
                "and name that in security_opt"
            )
        else:
            options.append(option)
    masked, fixed = reading.host.get("MaskedPaths"), reading.host.get("ReadonlyPaths")
    if masked == [] and fixed == []:
        options.append("systempaths=unconfined")
    elif not reading.host.get("Privileged"):
        _system_paths(reading, masked, fixed)
    reading.put("security_opt", options)


def _system_paths(reading: Reading, masked: list[str] | None, fixed: list[str] | None) -> None:
    others = {path for path in set(masked or ()) - _MASKED if not _MASKED_LATER.fullmatch(path)}
    if masked is not None and (others or not set(masked) >= _MASKED):
        reading.lost["HostConfig.MaskedPaths"] = "masked paths: they are not the Engine's own, and Compose takes all of those or none"
    if fixed is not None and set(fixed) - {"/proc/asound"} != _READONLY:
        reading.lost["HostConfig.ReadonlyPaths"] = "read-only paths: they are not the Engine's own, and Compose takes all of those or none"


def surroundings(reading: Reading) -> None:
    """Namespaces, runtime and logging, where they are not what the Engine takes by itself."""
    host, usual = reading.host, reading.defaults
    if host.get("CgroupnsMode") and host["CgroupnsMode"] != usual["cgroup"]:
        reading.compose["cgroup"] = host["CgroupnsMode"]
    if host.get("Runtime") and host["Runtime"] != usual["runtime"]:
        reading.compose["runtime"] = host["Runtime"]
    mode = str(host.get("NetworkMode") or "")
    if mode in ("host", "none") or mode.startswith("container:"):
        reading.compose["network_mode"] = mode
    log = host.get("LogConfig") or {}
    if log.get("Type") and (log["Type"] != usual["logging"] or log.get("Config")):
        reading.compose["logging"] = {"driver": log["Type"], **({"options": dict(log["Config"])} if log.get("Config") else {})}


def ports(reading: Reading) -> None:
    """Published and exposed ports; one that the Engine chooses a host port for has none in its text."""
    published = reading.host.get("PortBindings") or {}
    texts = [_port(inner, one) for inner, places in published.items() for one in places or []]
    exposed = reading.config.get("ExposedPorts") or {}
    if str(reading.host.get("NetworkMode") or "").startswith("container:"):
        exposed = {}  # the Engine refuses to expose any there: these are the image's
    if reading.host.get("PublishAllPorts"):
        texts += [inner.replace("/tcp", "") for inner in exposed if not published.get(inner)]
    reading.put("ports", texts)
    known = {**(reading.image.get("ExposedPorts") or {}), **{inner: {} for inner, places in published.items() if places}}
    reading.put("expose", [inner for inner in exposed if inner not in known])


def _port(inner: str, place: Mapping[str, str]) -> str:
    address, outer = place.get("HostIp") or "", (place.get("HostPort") or "").lstrip("0")
    text = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
    if outer or text:
        text += f"{outer}:"
    return text + inner.replace("/tcp", "")
