# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two Compose services compared field by field, for a person: what changes when one replaces the other. Pure; never a secret."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import run_secrets
from ansible_collections.auren.stack.plugins.module_utils.run_config_fields import OWN_LABELS, clean_path, duration, size
from ansible_collections.auren.stack.plugins.module_utils.run_ports import published

NOT_SET, SET, OTHER = "not set", "set", "another value"

# What is not read from a container: whoever takes it over chooses it.
_CHOSEN = ("image", "container_name", "networks", "depends_on", "build", "pull_policy", "profiles")
_SIZES = ("mem_limit", "memswap_limit", "mem_reservation", "shm_size")
_MAPS = ("environment", "labels", "sysctls", "annotations", "storage_opt", "ulimits")
_COMMANDS = ("command", "entrypoint")
_ORDERED = ("dns", "dns_search")
# What Docker takes where nothing is said.
_USUAL: dict[str, Any] = {
    "restart": "no",
    "ipc": "private",
    "shm_size": "64m",
    "logging.driver": "json-file",
    "network_mode": "bridge",
    "stop_grace_period": "10s",
    "healthcheck.interval": "30s",
    "healthcheck.timeout": "30s",
    "healthcheck.start_period": "0s",
    "healthcheck.start_interval": "5s",
    "healthcheck.retries": "3",
}


@dataclass(frozen=True)
class Difference:
    """One field: what the running container has, and what is declared. Texts for people; no secret in them."""

    name: str
    current: str
    desired: str


def differences(running: Mapping[str, Any], declared: Mapping[str, Any], inherited: Mapping[str, Any] | None = None) -> list[Difference]:
    """What differs between two services, sorted by name; names are Compose keys, one more level where one can be named.

    inherited: what holds on both sides where nothing is said, as from an image; else it is what Docker takes.
    Image, names and networks are not compared. Of the environment, and of anything whose name looks like a secret's, only ``set``,
    ``another value`` and ``not set`` are told.
    """
    known = [*_secrets(running), *_secrets(declared)]
    first, second, usual = _leaves(running), _leaves(declared), {**_USUAL, **_leaves(inherited or {})}
    found = []
    for name in sorted({*first, *second}):
        one, other = first.get(name, usual.get(name)), second.get(name, usual.get(name))
        if one != other and not (one in (None, False, 0) and other in (None, False, 0)):
            found.append(_difference(name, one, other, known))
    return found


def narrowed(running: Mapping[str, Any], declared: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Published addresses of which the declared service leaves some out: (what is now, what will be), as ``0.0.0.0:6379 → 6379/tcp``."""
    will_be, found = published(declared.get("ports")), []
    for one in published(running.get("ports")):
        lost = [part for part in one.families if not any(other.serves(one, part) for other in will_be)]
        same = [other for other in will_be if other.inner == one.inner and other.port == one.port] if len(lost) == len(one.families) else []
        instead = same or ([other for other in will_be if other.inner == one.inner] if len(lost) == len(one.families) else [])
        if lost:
            found.append((one.narrow(lost).text, ", ".join(other.text for other in instead) or "not published"))
    return list(dict.fromkeys(found))


# --- leaves -------------------------------------------------------------------------------------------------------------


def _leaves(service: Mapping[str, Any]) -> dict[str, Any]:
    """name → a value that is equal where the meaning is."""
    found: dict[str, Any] = {}
    for key, value in service.items():
        if key not in _CHOSEN and value is not None:
            found.update(_LEAVES[key](key, value) if key in _LEAVES else _other(key, value))
    return found


def _other(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Maps go one level deeper, other lists are sets."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _other(f"{key}.{name}", item)
    elif isinstance(value, (list, tuple)):
        if value:
            yield key, tuple(sorted(_one_text(item) for item in value))
    else:
        yield key, {"true": True, "false": False}.get(str(value).lower(), str(value))


def _one_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _map(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A dict, or Compose's list of ``NAME=value``."""
    pairs = value.items() if isinstance(value, Mapping) else (str(one).partition("=")[::2] for one in value)
    for name, item in pairs:
        if item is not None and not (key == "labels" and str(name).startswith(OWN_LABELS)):
            yield f"{key}.{name}", _plain(item)


def _hosts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """``host:address`` or ``host=address``; a host may have several."""
    addresses: dict[str, list[str]] = {}
    pairs = value.items() if isinstance(value, Mapping) else (re.split("[=:]", str(one), maxsplit=1) for one in value)
    for host, item in pairs:
        addresses.setdefault(host, []).extend(address.strip("[]") for address in ([item] if isinstance(item, str) else item))
    yield from ((f"{key}.{host}", tuple(found)) for host, found in addresses.items())


def _devices(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    parts = [[*str(one).split(":"), "", ""][:3] for one in value]
    yield key, tuple(sorted(f"{outer}:{inner or outer}:{may or 'rwm'}" for outer, inner, may in parts))


def _exposed(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield key, tuple(sorted(text if "/" in text else f"{text}/tcp" for text in map(str, value)))


def _security(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    texts = [re.sub(r"^([\w-]+):", r"\1=", str(one)) for one in value]
    yield key, tuple(sorted("no-new-privileges=true" if text == "no-new-privileges" else text for text in texts))


def _plain(value: Any) -> Any:
    """As Compose writes it into the container: booleans are true and false, numbers digits; limits are soft and hard."""
    if isinstance(value, Mapping):
        return f"{value.get('soft')}:{value.get('hard')}" if value.get("soft") != value.get("hard") else str(value.get("soft"))
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _command(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield key, tuple(_words(value))


def _words(value: Any) -> list[str]:
    """As Compose splits a command that is one text."""
    if not isinstance(value, str):
        return [str(word) for word in value]
    try:
        return shlex.split(value)
    except ValueError:
        return [value]


def _size(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    matched = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?", str(value).strip().lower())
    exact = float(matched[1]) * {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[matched[2]] if matched else value
    yield key, str(size(int(exact)) if isinstance(exact, float) else exact)


def _duration(value: Any) -> str:
    """``60s`` and ``1m0s`` are ``1m``."""
    units = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)", str(value))
    if not parts or "".join(number + unit for number, unit in parts) != str(value).lstrip("-"):
        return str(value)
    total = round(sum(float(number) * units[unit] for number, unit in parts))
    return duration(-total if str(value).startswith("-") else total)


def _stop(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield key, _duration(value)


def _health(key: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    test = value.get("test")
    if value.get("disable") or test in ("NONE", ["NONE"]):
        yield f"{key}.test", ("NONE",)
        return
    if test is not None:
        yield f"{key}.test", ("CMD-SHELL", test) if isinstance(test, str) else tuple(map(str, test))
    for name, item in value.items():
        if name not in ("test", "disable"):
            yield f"{key}.{name}", str(item) if name == "retries" else _duration(item)


def _ordered(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield key, (value,) if isinstance(value, str) else tuple(map(str, value))


def _cpus(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """To the fifth place, as the Engine counts µs of 100 ms; Compose keeps a 32-bit float."""
    yield key, str(round(float(value), 5)) if re.fullmatch(r"\d+(\.\d+)?", str(value)) else str(value)


def _capabilities(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield (
        key,
        tuple(
            sorted(str(one).upper().replace("CAP_", "", 1) if str(one).upper().startswith("CAP_") else str(one).upper() for one in value)
        ),
    )


def _ports(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """By port of the container: the set of places."""
    places: dict[str, set[str]] = {}
    for one in published(value):
        places.setdefault(one.inner, set()).add(one.outside)
    for inner, texts in places.items():
        yield f"{key}.{inner}", tuple(sorted(texts))


def _volumes(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """By target: type, source, and what is not as usual, in both forms of the same words."""
    for one in value:
        entry = one if isinstance(one, Mapping) else _long(str(one))
        flags = {"ro"} if entry.get("read_only") else set()
        for kind in ("bind", "volume", "tmpfs"):
            flags |= {_flag(name, item) for name, item in (entry.get(kind) or {}).items() if item and name != "create_host_path"}
        source = (
            clean_path(str(entry["source"])) if str(entry.get("source", "")).startswith("/") else str(entry.get("source") or entry["type"])
        )
        yield f"{key}.{clean_path(str(entry['target']))}", ":".join(filter(None, [source, ",".join(sorted(flags - {"rprivate"}))]))


def _flag(name: str, value: Any) -> str:
    if name in ("propagation", "selinux"):
        return str(value)
    if name == "size":
        return f"size={dict(_size(name, value))[name]}"
    return name if value is True else f"{name}={value}"


def _long(text: str) -> dict[str, Any]:
    """``source:target[:flags]``, or a target alone: a volume without a name."""
    source, target, flags = [*text.split(":"), "", ""][:3] if ":" in text else ("", text, "")
    given = set(flags.split(",")) - {"", "rw"}
    options = {"propagation": next((flag for flag in given if flag.endswith(("private", "shared", "slave"))), None)}
    options["selinux"] = next((flag for flag in given if flag in ("z", "Z")), None)
    kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    entry: dict[str, Any] = {"type": kind, "source": source, "target": target, "read_only": "ro" in given, "bind": options}
    return {**entry, "volume": {"nocopy": "nocopy" in given}}


def _tmpfs(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    for one in [value] if isinstance(value, str) else value:
        target, _colon, options = str(one).partition(":")
        yield f"{key}.{clean_path(target)}", ",".join(sorted(filter(None, options.split(",")))) or "mounted"


_LEAVES = {
    **dict.fromkeys(_SIZES, _size),
    **dict.fromkeys(_MAPS, _map),
    **dict.fromkeys(_COMMANDS, _command),
    **dict.fromkeys(_ORDERED, _ordered),
    "cap_add": _capabilities,
    "cap_drop": _capabilities,
    "cpus": _cpus,
    "devices": _devices,
    "expose": _exposed,
    "extra_hosts": _hosts,
    "healthcheck": _health,
    "ports": _ports,
    "security_opt": _security,
    "stop_grace_period": _stop,
    "tmpfs": _tmpfs,
    "volumes": _volumes,
}


# --- what is shown ------------------------------------------------------------------------------------------------------


def _secrets(service: Mapping[str, Any]) -> list[str]:
    """Values of the environment that are hidden wherever they are."""
    pairs = ((name.partition(".")[2], str(value)) for name, value in _map("environment", service.get("environment") or {}))
    return [secret for key, value in pairs for secret in run_secrets.values_in(key, value)]


def _difference(name: str, one: Any, other: Any, known: list[str]) -> Difference:
    key = name.partition(".")[2]
    if name.startswith("environment.") or (key and run_secrets.is_secret_key(key)):
        return Difference(name, NOT_SET if one is None else SET, NOT_SET if other is None else SET if one is None else OTHER)
    current, desired = _shown(name, one, known), _shown(name, other, known)
    return Difference(name, current, f"{desired} ({OTHER})" if current == desired else desired)


def _shown(name: str, value: Any, known: list[str]) -> str:
    if value is None:
        return NOT_SET
    if isinstance(value, tuple):
        if name in (*_COMMANDS, "healthcheck.test"):
            return " ".join(_quoted(word) for word in run_secrets.hide_words(value, known)) or NOT_SET
        return ", ".join(run_secrets.hide(word, known) for word in value)
    return run_secrets.hide(json.dumps(value) if isinstance(value, bool) else str(value), known)


def _quoted(word: str) -> str:
    return shlex.quote(word) if not word or re.search(r"[\s'\"$`\\;|&<>()]", word) else word
