# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which fields a live container is not what was declared: after `docker update`, or Compose called on an edited file. Pure.

The label with its spec says what a container was meant to be; here is asked what it is. What an Engine, an image or Compose adds where
nothing is declared is no difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import definition
from ansible_collections.auren.stack.plugins.module_utils import run_config_fields as fields
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.model import ANONYMOUS
from ansible_collections.auren.stack.plugins.module_utils.run_config import compose_of
from ansible_collections.auren.stack.plugins.module_utils.run_differences import NOT_SET, Difference, differences

# Ports, names and networks are the checks' and the plan's; `expose` does nothing; an Engine on cgroup v2 discards swappiness.
_COMPARED = {
    *(key for key, _words, _usual in (*fields.HOST_KEYS.values(), *fields.CONFIG_KEYS.values())),
    *fields.FROM_IMAGE_KEYS.values(),
    *("command", "entrypoint", "environment", "labels", "volumes", "tmpfs", "healthcheck", "stop_grace_period", "restart", "init", "cpus"),
    *("memswap_limit", "pids_limit", "ulimits", "devices", "security_opt", "cgroup", "runtime", "network_mode", "logging", "hostname"),
    "blkio_config",
}
# What the Engine takes from its own configuration, or the kernel has not; where it is not declared, nobody knows who said it.
_ENGINES_OWN = ("cgroup", "ipc", "mac_address", "runtime", "shm_size", "ulimits")
_NOT_HERE = {"mem_limit": "MemoryLimit", "memswap_limit": "SwapLimit", "pids_limit": "PidsLimit", "oom_kill_disable": "OomKillDisable"}
# What `deploy` may say as well, in its own words, and where.
_DEPLOYED = {
    "mem_limit": "resources.limits.memory",
    "mem_reservation": "resources.reservations.memory",
    "cpus": "resources.limits.cpus",
    "pids_limit": "resources.limits.pids",
    "restart": "restart_policy",
}
_MOUNTING = ("configs", "secrets", "volumes_from")  # keys that mount something, too
_PROXIES = re.compile("(http|https|ftp|no|all)_proxy", re.IGNORECASE)  # Compose gives these, of the client's own configuration, to all
# How a value begins that Compose makes another one of.
_RESOLVED = {"volumes": (".", "~"), **dict.fromkeys(("network_mode", "ipc", "pid"), ("service:", "container:"))}
_LIMITLESS = ("0", "0.0", "-1", "0s")
_SHOWN = (*definition.PLAIN, "mem_reservation", "memswap_limit", "pids_limit", "cpu_shares", "cpu_quota", "cpu_period", "cpuset", "user")


def differing(service: Service, raw: Mapping[str, Any], image: Mapping[str, Any], info: Mapping[str, Any]) -> list[Difference]:
    """What is not as declared, by name. Environment entries with secrets are left to the plan, which knows their values.

    raw, image, info: the container, the image that it was made from, and the Engine, each as the Engine says it. A restart policy that is
    not there is a finding of ``container_checks``.
    """
    if "extends" in service.compose:
        return []
    secret, wanted = definition.secret_environment(service), _wanted(service, image.get("Config") or {})
    running = dict(compose_of(_as_asked(raw, _named(wanted)), image, info).compose)
    running["environment"] = {key: value for key, value in (running.get("environment") or {}).items() if key not in secret}
    config = raw.get("Config") or {}
    running.update(_process(config.get("Entrypoint"), config.get("Cmd")))
    found = [one for one in differences(running, wanted, _inherited(image)) if _counts(one, service, wanted, info)]
    limits = {one.name for one in found}
    return [one for one in found if one.name != "memswap_limit" or "mem_limit" not in limits]  # it is twice what the limit was


def told(found: Sequence[Difference]) -> str:
    """For people; a value only where none can be a secret."""
    return "; ".join(_told(one) for one in found)


def _told(one: Difference) -> str:
    head, _dot, rest = one.name.partition(".")
    name = f"{head} {rest}" if head in ("environment", "labels", "volumes", "tmpfs") else one.name
    declared = "not declared" if one.desired == NOT_SET else f"declared {one.desired}"
    return f"{name} {one.current}, {declared}" if head in _SHOWN else name


# --- the two sides ------------------------------------------------------------------------------------------------------


def _process(entrypoint: Any, command: Any) -> dict[str, Any]:
    return {"entrypoint": entrypoint if entrypoint and entrypoint != [""] else [""], "command": command or []}


def _wanted(service: Service, image: Mapping[str, Any]) -> dict[str, Any]:
    """The definition, with what an image says where it says nothing. An image's Cmd goes with its Entrypoint."""
    compose = {key: value for key, value in definition.definition_of(service).items() if value is not None}
    inherited = None if "entrypoint" in compose else image.get("Cmd")
    return {**compose, **_process(compose.get("entrypoint", image.get("Entrypoint")), compose.get("command", inherited))}


def _inherited(image: Mapping[str, Any]) -> dict[str, Any]:
    """What every container of the image has: a container for which nothing was said, and its volumes without a name."""
    config = image.get("Config") or {}
    plain = compose_of({"Config": config, "HostConfig": {}}, None).compose
    return {**plain, "volumes": list(config.get("Volumes") or {})}


def _named(wanted: Mapping[str, Any]) -> set[str]:
    """What is mounted by name. A volume that the Engine named is one of these when it was adopted."""
    return {str(one.get("source") if isinstance(one, Mapping) else one).partition(":")[0] for one in wanted.get("volumes") or []}


def _as_asked(raw: Mapping[str, Any], named: Collection[str]) -> dict[str, Any]:
    """The container with its mounts as they were asked for: how one is propagated, and the name of one without a name, the Engine chose."""
    words = [text.split(":") for text in (raw.get("HostConfig") or {}).get("Binds") or []]
    flags = {fields.clean_path(parts[1]): parts[2].split(",") for parts in words if len(parts) > 2}
    mounts = []
    for point in raw.get("Mounts") or []:
        asked = point.get("Propagation") in flags.get(str(point["Destination"]), ())
        name = str(point.get("Name") or "")
        chosen = ANONYMOUS.fullmatch(name) and name not in named
        mounts.append({**point, "Name": "volume" if chosen else name, "Propagation": point.get("Propagation") if asked else ""})
    return {**raw, "Mounts": mounts}


# --- what counts --------------------------------------------------------------------------------------------------------


def _within(tree: Any, path: str) -> bool:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree is not None


def _counts(one: Difference, service: Service, wanted: Mapping[str, Any], info: Mapping[str, Any]) -> bool:
    """Whether somebody made it so: not the Engine, the kernel, Compose, or a key of Compose's that says the same in other words."""
    head, _dot, rest = one.name.partition(".")
    compose, nested, extra = service.compose, wanted.get(head) or {}, one.desired == NOT_SET
    otherwise = (
        one.name == "restart" and one.current == "no",
        head in _ENGINES_OWN and head not in wanted,
        info.get(_NOT_HERE.get(head, "")) is False,
        head in _DEPLOYED and _within(compose.get("deploy"), _DEPLOYED[head]),
        head in _RESOLVED and one.desired.startswith(_RESOLVED[head]),
        one.current == NOT_SET and one.desired in _LIMITLESS,
        head == "logging" and "driver" not in nested,
        one.name == "healthcheck.start_interval" and "start_interval" not in nested,  # ours, on Engines that know it
        head == "blkio_config" and rest != "weight",
        extra and head == "environment" and ("env_file" in compose or bool(_PROXIES.fullmatch(rest))),
        extra and head == "volumes" and any(key in compose for key in _MOUNTING),
    )
    return head in _COMPARED and not any(otherwise)
