# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One claim before the facts, and what every judge needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ansible_collections.auren.stack.plugins.module_utils.audit_model import FALSE, TRUE, UNPROVABLE, Claim, Facts
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names
from ansible_collections.auren.stack.plugins.module_utils.host_state import outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import Container

Verdict = tuple[str, str]  # true, false or unprovable, and the evidence
EVERYWHERE = ("", "0.0.0.0", "::", "*", "[::]")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class UndecidableError(Exception):
    """A claim that cannot be judged. message: the evidence."""


@dataclass(frozen=True)
class Case:
    claim: Claim
    facts: Facts
    names: Names

    @cached_property
    def container(self) -> Container:
        """Whom it is about. Raises UndecidableError where that is nobody."""
        return self.find(self.claim.subject)

    def find(self, said: str) -> Container:
        if not said:
            raise UndecidableError("the document does not say which container is meant")
        name = self.names.resolve(said)
        found = self.facts.container(name) if name else None
        if found is None:
            raise UndecidableError(
                f"there is no container {name or said} to compare it with"
                if name or _name(said)
                else f"no container of this host is called {said}"
            )
        return found

    def declared(self) -> list[str]:
        """The stack: what is declared here, else all that runs on its network."""
        if self.facts.services:
            return sorted(self.facts.services)
        return sorted(one.name for one in self.facts.containers if one.endpoint(self.facts.network))


def _name(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+", text))


def true(evidence: str) -> Verdict:
    return TRUE, evidence


def false(evidence: str) -> Verdict:
    return FALSE, evidence


def unprovable(evidence: str) -> Verdict:
    return UNPROVABLE, evidence


def decided(right: bool, evidence: str, instead: str = "") -> Verdict:
    return (TRUE, evidence) if right else (FALSE, instead or evidence)


def several(names: Iterable[str], empty: str = "none") -> str:
    """An enumeration for people, cut where it is long."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return (", ".join(found[:6]) + more) or empty


def state(one: Container) -> str:
    """``running, healthy``; the Engine's words."""
    if not one.running:
        return one.state
    return f"{one.state}, {one.health}" if one.health else f"{one.state}, without a health check"


def inside(case: Case, one: Container) -> frozenset[int] | None:
    """TCP ports that somebody listens on inside; None when that is not known."""
    return None if outside_networks(one) and one.network_mode != "none" else case.facts.listening.get(one.name)


def publishes(one: Container) -> str:
    """What it publishes, for people."""
    return several(sorted(set(map(str, one.ports))), "nothing")
