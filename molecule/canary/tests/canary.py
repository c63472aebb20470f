"""Marked values, and what finds them again in any form."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "postgres_password", "redis_password", "grafana_admin_password", "openai_api_key", "oura_webhook_secret", "whoop_webhook_secret",
    "apple_health_webhook_secret", "garmin_webhook_secret", "fitbit_webhook_secret",
)  # fmt: skip
# What shells, URLs, JSON, YAML, Compose, .pgpass and redis.conf each read in their own way.
SPECIAL = """ $a ${HOME} 'q' "r" #s \\t @u:v/w %41 &y=z"""
CONTEXT = 60  # characters shown around a hit


@dataclass(frozen=True)
class Marked:
    """A secret between two marks of letters and digits, which every encoding but base64 leaves as they are.

    Either mark gives the value away: the value may have been cut in two, or written in parts.
    """

    name: str
    head: str
    tail: str

    @classmethod
    def new(cls, name: str) -> Marked:
        return cls(name, f"CANARY{secrets.token_hex(6)}", f"{secrets.token_hex(6)}YRANAC")

    @property
    def value(self) -> str:
        return self.head + SPECIAL + self.tail

    @property
    def traces(self) -> list[str]:
        """The two marks, and what base64 makes of them wherever they begin."""
        return [trace for mark in (self.head, self.tail) for trace in (mark, *base64_forms(mark))]


def base64_forms(mark: str) -> list[str]:
    """What is the same in base64 whatever stands before and after the mark, for each of the three ways it can be aligned."""
    forms = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + mark.encode()).decode().rstrip("=")
        forms.append(text[-(-shift * 8 // 6) : (shift + len(mark)) * 8 // 6])
    return forms


def hits(text: str, marked: Iterable[Marked]) -> list[str]:
    """The name of every secret of which the text holds a trace, with what stands before the first one."""
    found = []
    for secret in marked:
        places = [place for trace in secret.traces if (place := text.find(trace)) >= 0]
        if places:
            found.append(f"{secret.name} after …{text[max(0, min(places) - CONTEXT) : min(places)]!r}")
    return found


class Given:
    """Secrets as an operator gives them: in a file of variables that only its owner reads."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "secrets.json"
        self.now = {name: Marked.new(name) for name in NAMES}
        self.ever = list(self.now.values())

    def renew(self, *names: str) -> None:
        """Other values for these from now on."""
        for name in names:
            self.now[name] = Marked.new(name)
            self.ever.append(self.now[name])

    def arguments(self) -> list[str]:
        return self.arguments_of({name: marked.value for name, marked in self.now.items()})

    def arguments_of(self, value: object) -> list[str]:
        """Arguments of ansible-playbook that give this as auren_secrets."""
        self._file.touch(0o600)
        self._file.write_text(json.dumps({"auren_secrets": value}))
        return ["-e", f"@{self._file}"]
