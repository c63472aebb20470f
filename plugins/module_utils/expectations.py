# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services promise their clients, as checks: one for each client, and refused as a whole when an entry makes no sense. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.probes import registry

HOST = "host"  # in ``from``: the host itself, through the published port
OWN = {"probe": str, "from": list, "port": int, "secret": str, "timeout": float, "slow": float}  # all others are the probe's options
TIMEOUT, SLOW = 5.0, 2.0  # seconds: what a probe may take, and from when on that is worth a warning
KINDS = {str: "a text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a dictionary"}


@dataclass(frozen=True)
class Check:
    """One expectation, from one place. port: inside the network, 0 for none. secret: whose value the client holds; empty for none.

    timeout: seconds that it may take. slow: seconds from which on it is a warning although it passes. open: it can be asked without the
    secret, too, where nobody has given one. apart: the path, where the service promises several on one port.
    """

    service: Service
    probe: str
    port: int
    client: str
    secret: str
    options: Mapping[str, Any]
    timeout: float = TIMEOUT
    slow: float = SLOW
    open: bool = False
    apart: str = ""

    @property
    def label(self) -> str:
        return f"{self.probe} {self.service.name}" + (f":{self.port}" if self.port else "") + self.apart

    @property
    def speaks(self) -> bool:
        """The answer is the service's own account of itself: what it cannot reach shows in it."""
        return self.probe in ("prometheus", "grafana") or (self.probe == "http" and bool(self.options.get("json")))


def checks_of(services: Iterable[Service], clients: Collection[str] | None = None, timeout: float = TIMEOUT) -> list[Check]:
    """All declared checks, one for each client.

    clients: all names that may stand in ``from``; None where that is not known. timeout: seconds where an entry says nothing of it.
    Raises one StackError for all entries that are wrong.
    """
    found: list[Check] = []
    wrong: list[StackError] = []
    for service in services:
        for number, entry in enumerate(service.entry.get("checks") or []):
            mistakes = list(_mistakes(f"{service.name}.checks[{number}]", entry, clients))
            wrong += mistakes
            found += [] if mistakes else _expanded(service, entry, timeout)
    raise_together(wrong)
    return found


def _expanded(service: Service, entry: Mapping[str, Any], usual: float) -> list[Check]:
    options = {key: value for key, value in entry.items() if key not in OWN}
    timeout, slow = float(entry.get("timeout") or usual), float(entry.get("slow") or SLOW)
    port, secret = int(entry.get("port") or 0), str(entry.get("secret") or "")
    alike = [one for one in service.entry["checks"] if all(str(one.get(key)) == str(entry.get(key)) for key in ("probe", "port"))]
    apart = str(entry.get("path") or "") if len(alike) > 1 else ""
    return [Check(service, entry["probe"], port, str(client), secret, options, timeout, slow, apart=apart) for client in entry["from"]]


def _mistakes(path: str, entry: Any, clients: Collection[str] | None) -> Iterator[StackError]:
    """What is wrong with an entry, each with the path of the key."""
    if not isinstance(entry, Mapping):
        yield _bad(path, "is no dictionary; give it probe, port and from")
        return
    probe = entry.get("probe")
    if probe not in registry.PROBES:
        yield _bad(f"{path}.probe", f"is {probe!r}; known are {', '.join(sorted(registry.PROBES))}")
        return
    known = {**OWN, **registry.OPTIONS[probe]}
    for key, value in entry.items():
        if key not in known:
            yield _bad(f"{path}.{key}", f"is no option of the probe {probe}; known are {', '.join(sorted(known))}")
        elif value is not None and not _fits(value, known[key]):
            yield _bad(f"{path}.{key}", f"is {value!r}, which is not {KINDS[known[key]]}")
    yield from _meaningless(path, entry, probe, clients)


def _meaningless(path: str, entry: Mapping[str, Any], probe: str, clients: Collection[str] | None) -> Iterator[StackError]:
    for key in registry.REQUIRED.get(probe, ()):
        if not entry.get(key):
            yield _bad(f"{path}.{key}", f"is missing; the probe {probe} needs it")
    if probe != "dns" and not entry.get("port"):
        yield _bad(f"{path}.port", "is missing; give the port inside the network")
    if not entry.get("from"):
        yield _bad(f"{path}.from", "names nobody; give the containers that use the service, or host")
    elif isinstance(entry["from"], list) and clients is not None:
        unknown = [str(one) for one in entry["from"] if one not in (HOST, *clients)]
        if unknown:
            yield _bad(f"{path}.from", f"names {', '.join(unknown)}; known are {', '.join(sorted(clients))} and host")
    for key in ("timeout", "slow"):
        if _fits(entry.get(key), float) and float(entry[key]) <= 0:
            yield _bad(f"{path}.{key}", f"is {entry[key]}; give seconds above 0, for a check without an end cannot end")


def _fits(value: Any, kind: type) -> bool:
    if kind in (int, float):
        if isinstance(value, bool) or value is None:
            return False
        try:
            kind(str(value))
        except ValueError:
            return False
        return True
    return isinstance(value, kind) and (kind is not str or bool(value))


def _bad(path: str, said: str) -> StackError:
    return StackError(f"{path} {said}. Nothing was asked", "bad_check", path)
