# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets: placeholders, where a value comes from, its fingerprint. The only place that sees values.

A value comes from, in this order: given (inventory, vault) → its file on the target → what the running containers hold →
offered by whoever can make one, or generated, where that cannot lock anybody out.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import secrets as entropy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Callable
from urllib.parse import quote, unquote

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

PLACEHOLDER = re.compile(r"<<secret:([a-z0-9_]+)(?::([a-z]+))?>>")
_MEANT = re.compile(r"<<secret:[^>\n]*>{0,2}")


def _json_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _from_json_text(text: str) -> str:
    return str(json.loads(f'"{text}"'))


def _pgpass_text(value: str) -> str:
    """A field of a .pgpass file (PostgreSQL documentation, "The Password File")."""
    return value.replace("\\", "\\\\").replace(":", "\\:")


def _from_pgpass_text(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


_ENCODE: dict[str, Callable[[str], str]] = {"": str, "url": lambda v: quote(v, safe=""), "json": _json_text, "pgpass": _pgpass_text}
_DECODE: dict[str, Callable[[str], str]] = {"": str, "url": unquote, "json": _from_json_text, "pgpass": _from_pgpass_text}


@dataclass(frozen=True)
class Spec:
    """What may be done about a secret.

    generate: a random value is made when nobody gives one. optional: absent means empty text.
    volume: the volume that remembers it; with data in it a new value would lock everyone out. rotates: its server can be taught
    another value. offer: the value that is taken instead of a random one; empty for none.
    """

    name: str
    generate: bool = False
    optional: bool = False
    volume: str = ""
    rotates: bool = False
    offer: str = field(default="", repr=False)


@dataclass(frozen=True)
class Secret:
    """A resolved value and its source (given, file, containers, offered, generated, none). Never print the value."""

    name: str
    value: str
    source: str

    def __repr__(self) -> str:
        return f"Secret({self.name}, from {self.source})"


def names_in(text: str) -> list[str]:
    """Names of the secrets that a text refers to, in order, each once."""
    return list(dict.fromkeys(match.group(1) for match in PLACEHOLDER.finditer(text)))


def malformed(text: str) -> list[str]:
    """What looks like a placeholder and is none."""
    matches = ((meant, PLACEHOLDER.fullmatch(meant)) for meant in _MEANT.findall(text))
    return [meant for meant, match in matches if not match or (match.group(2) or "") not in _ENCODE]


def encodings() -> str:
    return ", ".join(filter(None, _ENCODE))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every placeholder by its encoded value; none is ``malformed``."""
    return PLACEHOLDER.sub(lambda match: _ENCODE[match.group(2) or ""](values[match.group(1)]), text)


def forms(value: str) -> list[str]:
    """The value as it may be seen in a log or an error: plain and in every encoding."""
    return list(dict.fromkeys(encode(value) for encode in _ENCODE.values()))


@functools.cache
def fingerprint(name: str, value: str) -> str:
    """A digest that is slow to guess from: labels are seen by everyone who may run ``docker inspect``."""
    return hashlib.pbkdf2_hmac("sha256", value.encode(), f"auren.stack:{name}".encode(), 20000).hex()[:16]


def fill_fingerprints(text: str, values: Mapping[str, str]) -> str:
    """Replace every placeholder by the fingerprint of its value: comparable, and safe in a label."""
    return PLACEHOLDER.sub(lambda match: f"<{match.group(1)}={fingerprint(match.group(1), values[match.group(1)])}>", text)


def harvest(template: str, live: str) -> dict[str, str]:
    """Read the values back out of a text that was filled from ``template``; empty when it does not match.

    A name that occurs twice must have the same value in both places.
    """
    pattern, last, order = "", 0, []
    for match in PLACEHOLDER.finditer(template):
        pattern += re.escape(template[last : match.start()]) + "(.*?)"
        order.append((match.group(1), match.group(2) or ""))
        last = match.end()
    found = re.fullmatch(pattern + re.escape(template[last:]), live, re.DOTALL) if order else None
    if not found:
        return {}
    values: dict[str, str] = {}
    for (name, encoding), text in zip(order, found.groups()):
        try:
            value = _DECODE[encoding](text)
        except (KeyError, ValueError):  # an encoding nobody knows, or text that is not in it
            return {}
        if values.setdefault(name, value) != value:
            return {}
    return values


def candidates(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Values that the running containers hold, by name: from (template, live text) pairs; each distinct value once."""
    held: dict[str, list[str]] = {}
    for template, live in pairs:
        for name, value in harvest(template, live).items():
            if value and value not in held.setdefault(name, []):
                held[name].append(value)
    return held


class Resolver:
    """Finds the value of each secret.

    given: values from the inventory. stored: name → value of its file, or None. held: name → candidates from containers.
    has_data: volume name → whether it holds data. prove: (name, value) → None when the server was asked and accepts it,
    else the reason; used for values from containers whose server remembers the secret.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        stored: Callable[[str], str | None],
        held: Callable[[], dict[str, list[str]]],
        has_data: Callable[[str], bool],
        prove: Callable[[str, str], str | None],
    ) -> None:
        self.given, self.stored, self.has_data, self.prove = given, stored, has_data, prove
        self._held = held

    def resolve(self, spec: Spec) -> Secret:
        given, stored = self.given.get(spec.name) or None, self.stored(spec.name) or None
        if given is not None:
            self._refuse_silent_rotation(spec, given, stored)
            return Secret(spec.name, given, "given")
        if stored is not None:
            return Secret(spec.name, stored, "file")
        return self._from_containers(spec) or self._made(spec)

    def _refuse_silent_rotation(self, spec: Spec, given: str, stored: str | None) -> None:
        if stored is None or stored == given or spec.rotates or not spec.volume or not self.has_data(spec.volume):
            return
        raise StackError(
            f"{spec.name}: the value given in auren_secrets is not the one that the data in volume {spec.volume} was made with; "
            f"changing only the clients would lock them out. Change it in the service itself first and put it into the file of that "
            f"name in the project's secrets directory, or take {spec.name} out of auren_secrets to keep the present one",
            "secret_differs",
            spec.name,
        )

    def _from_containers(self, spec: Spec) -> Secret | None:
        reasons = []
        for value in self._held().get(spec.name, []):
            reason = self.prove(spec.name, value) if spec.volume and self.has_data(spec.volume) else None
            if reason is None:
                return Secret(spec.name, value, "containers")
            reasons.append(reason)
        if reasons:
            raise StackError(
                f"{spec.name}: its file is gone and the value that the containers hold was not accepted ({reasons[0]}); "
                f"give it in auren_secrets: {spec.name}",
                "secret_unproved",
                spec.name,
                reasons[0],
            )
        return None

    def _made(self, spec: Spec) -> Secret:
        if spec.offer:
            return Secret(spec.name, spec.offer, "offered")
        if spec.generate and not (spec.volume and self.has_data(spec.volume)):
            return Secret(spec.name, entropy.token_urlsafe(24), "generated")
        if spec.generate:
            raise StackError(
                f"{spec.name} is not known, but volume {spec.volume} holds data that was made with it; a new one would lock "
                f"everyone out: give the old one in auren_secrets: {spec.name}",
                "secret_missing",
                spec.name,
            )
        if spec.optional:
            return Secret(spec.name, "", "none")
        raise StackError(
            f"{spec.name} has no value and is never generated: give it in auren_secrets: {spec.name}", "secret_missing", spec.name
        )
