"""Containers and images as the Engine tells of them, for the tests of what is read from them."""

from __future__ import annotations

from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.run_config import compose_of

ID = "0123456789ab" + "c" * 52
OTHER = "f" * 64
INFO = {"CgroupVersion": "2", "DefaultRuntime": "runc", "LoggingDriver": "json-file", "Name": "host1"}
IMAGE = {
    "Env": ["PATH=/bin", "LANG=C"],
    "Cmd": ["serve"],
    "Entrypoint": ["/entry"],
    "User": "999",
    "WorkingDir": "/srv",
    "ExposedPorts": {"80/tcp": {}},
    "Labels": {"a": "1", "b": "2"},
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 7_000_000_000},
    "StopSignal": "SIGQUIT",
    "Volumes": {"/data": {}},
    "Shell": ["/bin/bash", "-c"],
}
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
HOST = {  # what an Engine reports of a container for which nothing was said
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "bridge",
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "ConsoleSize": [24, 80],
    "CgroupnsMode": "private",
    "IpcMode": "private",
    "ShmSize": 67108864,
    "Runtime": "runc",
    "OomKillDisable": False,
    "MaskedPaths": [*MASKED, "/proc/asound", "/sys/firmware", "/sys/devices/system/cpu/cpu12/thermal_throttle"],
    "ReadonlyPaths": READONLY,
    "PortBindings": {},
    "Binds": None,
}
CONFIG = {"Hostname": ID[:12], "Image": "x", "AttachStdout": True, "Tty": False, "OnBuild": None, **IMAGE}


def container(config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, mounts: list[dict[str, Any]] | None = None) -> Any:
    return {"Id": ID, "Config": {**CONFIG, **(config or {})}, "HostConfig": {**HOST, **(host or {})}, "Mounts": mounts or []}


def read(config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, mounts: list[dict[str, Any]] | None = None) -> Any:
    return compose_of(container(config, host, mounts), {"Config": IMAGE}, INFO)


def bind(target: str, source: str = "/src", rw: bool = True, propagation: str = "rprivate") -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Destination": target, "RW": rw, "Propagation": propagation, "Mode": ""}


def volume(target: str, name: str = "vol", rw: bool = True) -> dict[str, Any]:
    return {"Type": "volume", "Name": name, "Source": f"/v/{name}", "Destination": target, "RW": rw, "Driver": "local", "Propagation": ""}
