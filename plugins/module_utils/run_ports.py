# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Published ports in all forms that Compose takes, one by one. Pure.

Source: Compose specification, "ports": ``[ip:][host[-host]:]container[-container][/protocol]``, or a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|\d+(?:\.\d+){3}):)?(?:(?P<host>\d+(?:-\d+)?)?:)?(?P<inner>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
ALL = {"0.0.0.0": 4, "::": 6}  # an address of everybody, and its family


@dataclass(frozen=True)
class Published:
    """One port of a container. address: empty for all of both families. port: empty where the Engine chooses it. inner: ``6379/tcp``."""

    address: str
    port: str
    inner: str

    @property
    def families(self) -> tuple[str, ...]:
        """The addresses it is on; all of IPv4 and all of IPv6 where none is said."""
        return (self.address,) if self.address else tuple(ALL)

    @property
    def outside(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address or "0.0.0.0"
        return f"{address}:{self.port or '(any)'}"

    @property
    def text(self) -> str:
        return f"{self.outside} → {self.inner}"

    def serves(self, other: Published, address: str) -> bool:
        """Whether who reached the other one at this address reaches the same port here. One that is chosen anew each time is no promise."""
        everybody = "::" if ":" in address else "0.0.0.0"
        return self.inner == other.inner and other.port in ("", self.port) and bool({address, everybody} & set(self.families))

    def narrow(self, addresses: list[str]) -> Published:
        """The same port at the address of these that says most."""
        return self if len(addresses) == len(self.families) else replace(self, address=addresses[0])


def published(ports: Any) -> list[Published]:
    """Every port that a service publishes; what cannot be read is left as it is, with itself as the inner port."""
    return [port for one in ports or [] for port in (_of_mapping(one) if isinstance(one, Mapping) else _of_text(str(one)))]


def _of_mapping(one: Mapping[str, Any]) -> Iterator[Published]:
    outer = str(one.get("published") or "")
    yield from _each(str(one.get("host_ip") or ""), outer, str(one["target"]), str(one.get("protocol") or "tcp"))


def _of_text(text: str) -> Iterator[Published]:
    matched = _SHORT.fullmatch(text)
    if not matched:
        yield Published("", "", text)
        return
    address = (matched["ip"] or "").strip("[]")
    yield from _each(address, matched["host"] or "", matched["inner"], matched["protocol"] or "tcp")


def _each(address: str, outer: str, inner: str, protocol: str) -> Iterator[Published]:
    """Ranges of the same length are pairs; of a range for one port the Engine takes one."""
    inside, outside = _range(inner), _range(outer)
    for number, port in enumerate(inside):
        chosen = outside[number] if len(outside) == len(inside) else outer
        yield Published(address, str(chosen), f"{port}/{protocol}")


def _range(text: str) -> list[int]:
    if not text:
        return []
    first, _dash, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))
