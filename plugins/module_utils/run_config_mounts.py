# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that is mounted into a container, in Compose's words. Pure.

``Mounts`` of the container says what is there, also what came from an image or another container; ``HostConfig.Binds`` and
``HostConfig.Mounts`` say how it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.run_config_fields import Reading, clean_path

VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_BIND_OPTIONS = {
    "NonRecursive": "without what is mounted below it",
    "ReadOnlyNonRecursive": "read-only, but not what is mounted below it",
    "ReadOnlyForceRecursive": "read-only by force, with what is mounted below it",
}


def mounts(reading: Reading) -> None:
    """Binds and volumes, also those without a name, and tmpfs mounts. Volumes are named in ``reading.volumes``."""
    binds = {clean_path(words[1]): words for words in (text.split(":") for text in reading.host.get("Binds") or []) if len(words) > 1}
    asked = {clean_path(one["Target"]): one for one in reading.host.get("Mounts") or []}
    found, present = [], set()
    for point in sorted(reading.container.get("Mounts") or [], key=lambda one: str(one["Destination"])):
        target = str(point["Destination"])
        present.add(target)
        flags = [flag for flag in (binds[target][2].split(",") if len(binds.get(target, ())) > 2 else ()) if flag]
        found += _one(reading, point, flags, asked.get(target))
    for target in sorted({*binds, *asked} - present):
        reading.lost[f"Mounts.{target}"] = f"mount {target}: it was asked for, but the container does not have it"
    reading.put("volumes", found)
    tmpfs = reading.host.get("Tmpfs") or {}
    reading.put("tmpfs", [f"{target}:{options}" if options else target for target, options in sorted(tmpfs.items())])


def _one(reading: Reading, point: Mapping[str, Any], flags: list[str], asked: Mapping[str, Any] | None) -> list[Any]:
    """The entry of one mount; none for what Compose cannot say."""
    kind, target = point.get("Type"), str(point["Destination"])
    if kind == "tmpfs" and asked:
        return [_tmpfs(reading, asked, target)]
    if kind == "volume" and VOLUME.fullmatch(str(point.get("Name") or "")):
        return [_volume(reading, point, flags, asked or {})]
    if kind == "bind":
        return [_bind(reading, point, flags, asked)]
    reading.lost[f"Mounts.{target}"] = f"mount {target}: a mount of type {kind} has no word here, and is left out"
    return []


def _note(reading: Reading, target: str, what: str, sentence: str) -> None:
    reading.lost[f"Mounts.{target}.{what}"] = f"mount {target}: {sentence}"


def _unknown(reading: Reading, target: str, options: Mapping[str, Any], known: set[str]) -> None:
    for name in sorted(name for name, value in options.items() if value and name not in known):
        _note(reading, target, name, f"the option {name} is not known here, and is left out")


def _text(source: str, target: str, flags: list[str]) -> str:
    return f"{source}:{target}" + (f":{','.join(flags)}" if flags else "")


def _bind(reading: Reading, point: Mapping[str, Any], flags: list[str], asked: Mapping[str, Any] | None) -> Any:
    """As text where the Engine was asked with one, or the mount came from another container."""
    source, target = str(point["Source"]), str(point["Destination"])
    if asked is not None or ":" in source + target:
        return _long_bind(reading, point, source, target, asked or {})
    kept = ([] if point.get("RW", True) else ["ro"]) + [flag for flag in flags if flag in ("z", "Z")]
    if point.get("Propagation") not in (None, "", "rprivate") or point.get("Propagation") in flags:
        kept.append(str(point["Propagation"]))
    for flag in sorted(set(flags) - {"ro", "rw", "z", "Z", *PROPAGATION}):
        _note(reading, target, f"Mode.{flag}", f"the flag {flag} has no word in Compose; it means nothing to an Engine on Linux")
    return _text(source, target, kept)


def _long_bind(reading: Reading, point: Mapping[str, Any], source: str, target: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    options = asked.get("BindOptions") or {}
    bind: dict[str, Any] = {"create_host_path": bool(options.get("CreateMountpoint")) and ":" not in source + target}
    propagation = options.get("Propagation") or point.get("Propagation")
    if propagation not in (None, "", "rprivate") or options.get("Propagation"):
        bind["propagation"] = propagation
    for name, sentence in _BIND_OPTIONS.items():
        if options.get(name):
            _note(reading, target, name, f"it is mounted {sentence}, which Compose 2.26 cannot say")
    _unknown(reading, target, options, {"CreateMountpoint", "Propagation", *_BIND_OPTIONS})
    entry: dict[str, Any] = {"type": "bind", "source": source, "target": target, "bind": bind}
    entry.update({} if point.get("RW", True) else {"read_only": True})
    entry.update({"consistency": asked["Consistency"]} if asked.get("Consistency") else {})
    return entry


def _volume(reading: Reading, point: Mapping[str, Any], flags: list[str], asked: Mapping[str, Any]) -> Any:
    """By name, also where nobody gave it one. Its labels and driver are its own: it is there already."""
    name, target, options = str(point["Name"]), str(point["Destination"]), asked.get("VolumeOptions") or {}
    if name not in reading.volumes:
        reading.volumes.append(name)
    for flag in sorted(set(flags) - {"ro", "rw", "z", "nocopy"}):
        _note(reading, target, f"Mode.{flag}", f"the flag {flag} of a volume is lost in Compose")
    _unknown(reading, target, options, {"NoCopy", "Subpath", "Labels", "DriverConfig"})
    nocopy = "nocopy" in flags or bool(options.get("NoCopy"))
    if not options.get("Subpath") and ":" not in target:
        return _text(name, target, ([] if point.get("RW", True) else ["ro"]) + (["nocopy"] if nocopy else []))
    entry: dict[str, Any] = {"type": "volume", "source": name, "target": target}
    entry.update({} if point.get("RW", True) else {"read_only": True})
    volume = {**({"nocopy": True} if nocopy else {}), **({"subpath": options["Subpath"]} if options.get("Subpath") else {})}
    return {**entry, "volume": volume} if volume else entry


def _tmpfs(reading: Reading, asked: Mapping[str, Any], target: str) -> dict[str, Any]:
    options = asked.get("TmpfsOptions") or {}
    _unknown(reading, target, options, {"SizeBytes", "Mode"})
    chosen = {key: options[name] for name, key in (("SizeBytes", "size"), ("Mode", "mode")) if options.get(name)}
    entry: dict[str, Any] = {"type": "tmpfs", "target": target}
    entry.update({"read_only": True} if asked.get("ReadOnly") else {})
    return {**entry, "tmpfs": chosen} if chosen else entry
