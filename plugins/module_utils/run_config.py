# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container that was started by hand → the Compose service that makes the same container again. Pure: no Engine, no disk.

No field is dropped in silence: what Compose has no word for, and what is not known here, is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import run_config_fields as fields
from ansible_collections.auren.stack.plugins.module_utils.run_config_mounts import mounts
from ansible_collections.auren.stack.plugins.module_utils.run_differences import Difference, differences, narrowed
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import moved_secrets

__all__ = ["COVERED", "Difference", "RunConfig", "compose_of", "differences", "moved_secrets", "narrowed"]

_READERS = (
    fields.process,
    fields.plain,
    fields.names,
    fields.environment,
    fields.labels,
    mounts,
    fields.ports,
    fields.healthcheck,
    fields.stopping,
    fields.limits,
    fields.block_io,
    fields.devices,
    fields.security,
    fields.surroundings,
)

# Fields that Compose has no word for, and what is said of them when they are set.
_NO_WORD = {
    "Config.NetworkDisabled": "network: it was made without any; give it network_mode none, if it is to stay so",
    "Config.Shell": "shell: its health check is run by a shell of its own, which only an image can say",
    "Config.StdinOnce": "stdin: it is closed when the first client that is attached leaves (run -i), which Compose cannot say",
    "HostConfig.AutoRemove": "removal: the container removes itself when it stops (--rm), which Compose cannot say; the new one stays",
    "HostConfig.Cgroup": "cgroup: it shares that of another container, which Compose cannot say",
    "HostConfig.CpuPercent": "processors: a percentage (Windows) is left out",
    "HostConfig.CpusetMems": "memory nodes: they are fixed (--cpuset-mems), which Compose cannot say",
    "HostConfig.IOMaximumBandwidth": "disk: a limit of its bandwidth (Windows) has no word in Compose",
    "HostConfig.IOMaximumIOps": "disk: a limit of its operations (Windows) has no word in Compose",
    "HostConfig.KernelMemory": "kernel memory: its limit has no word in Compose, and later Engines have none either",
    "HostConfig.KernelMemoryTCP": "kernel memory for TCP: its limit has no word in Compose",
    "HostConfig.Links": "links: {value}; on a network of their own containers find each other by name or alias instead",
}

# Fields that change nothing of a container that is there or of one that is made like it, and why.
NO_EFFECT = {
    "Config.ArgsEscaped": "Windows only: how the command of an image was written",
    "Config.AttachStderr": "what the client that started it was attached to",
    "Config.AttachStdin": "what the client that started it was attached to",
    "Config.AttachStdout": "what the client that started it was attached to",
    "Config.Image": "the image is chosen by who uses this",
    "Config.OnBuild": "for builds on an image only",
    "HostConfig.ConsoleSize": "the size of the terminal of the client that started it",
    "HostConfig.ContainerIDFile": "where the client that started it wrote its id",
    "HostConfig.VolumeDriver": "for volumes that are made with the container; those are there, and have their own",
}

_CONFIG = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Hostname", "Labels", "StopTimeout", "Volumes")
_HOST = (
    *("Binds", "BlkioWeight", "BlkioWeightDevice", *fields.BLOCK_RATES, "CgroupnsMode", "DeviceRequests", "Devices", "Init", "LogConfig"),
    *("MaskedPaths", "MemorySwap", "MemorySwappiness", "Mounts", "NanoCpus", "NetworkMode", "PidsLimit", "PortBindings"),
    *("PublishAllPorts", "ReadonlyPaths", "RestartPolicy", "Runtime", "SecurityOpt", "Tmpfs", "Ulimits", "VolumesFrom"),
)

EXPRESSED: tuple[str, ...] = tuple(
    sorted(
        [f"Config.{name}" for name in (*_CONFIG, *fields.CONFIG_KEYS, *fields.FROM_IMAGE_KEYS)]
        + [f"HostConfig.{name}" for name in (*_HOST, *fields.HOST_KEYS)]
    )
)
NAMED: tuple[str, ...] = tuple(sorted(_NO_WORD))
COVERED: tuple[str, ...] = tuple(sorted({*EXPRESSED, *NAMED, *NO_EFFECT}))


@dataclass(frozen=True)
class RunConfig:
    """A container in Compose's words.

    compose: the service, ``$`` literal, without image, container_name, networks, and labels of Compose's or ours. Its values may be
    secrets. unexpressed: field of ``GET /containers/{id}/json``, as ``HostConfig.Links``, → a sentence; never a value that may be a
    secret. volumes: names of the volumes it uses, also of those that nobody named.
    """

    compose: dict[str, Any] = field(repr=False)
    unexpressed: dict[str, str]
    volumes: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        return list(self.unexpressed.values())


def compose_of(container: Mapping[str, Any], image: Mapping[str, Any] | None, info: Mapping[str, Any] | None = None) -> RunConfig:
    """The service that Compose makes the same container of, from the same image.

    container: raw ``GET /containers/{id}/json``. image: raw ``GET /images/{id}/json``, None when it is gone: then what came from it is said
    too. info: raw ``GET /info``; without it the mode of the cgroup namespace is always said, as its default is the host's.
    """
    config, host = container.get("Config") or {}, container.get("HostConfig") or {}
    reading = fields.Reading(container, config, host, (image or {}).get("Config") or {}, fields.engine_defaults(info), image is None)
    for read in _READERS:
        read(reading)
    _name_the_rest(reading)
    return RunConfig(reading.compose, dict(sorted(reading.lost.items())), tuple(reading.volumes))


def _name_the_rest(reading: fields.Reading) -> None:
    """Sentences for fields that Compose has no word for, and for those that nobody here knows."""
    for group, source in (("Config", reading.config), ("HostConfig", reading.host)):
        for name, value in source.items():
            path = f"{group}.{name}"
            if _empty(value) or (path == "Config.Shell" and value == reading.image.get("Shell")):
                continue
            if path in _NO_WORD:
                reading.lost[path] = _NO_WORD[path].format(value=", ".join(value) if isinstance(value, list) else "")
            elif path not in COVERED:
                reading.lost[path] = f"{path} is set and is not known here; it is left out"


def _empty(value: Any) -> bool:
    """Nothing, zero, false, or a collection of nothing else."""
    if isinstance(value, Mapping):
        return all(_empty(one) for one in value.values())
    return all(_empty(one) for one in value) if isinstance(value, list) else not value
