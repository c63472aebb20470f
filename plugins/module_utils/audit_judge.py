# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a document claims, and the facts → verdicts and a report. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils import audit_document as document
from ansible_collections.auren.stack.plugins.module_utils import audit_judge_containers as containers
from ansible_collections.auren.stack.plugins.module_utils import audit_judge_links as links
from ansible_collections.auren.stack.plugins.module_utils import audit_judge_places as places
from ansible_collections.auren.stack.plugins.module_utils import audit_secrets, audit_text
from ansible_collections.auren.stack.plugins.module_utils.audit_case import Case, UndecidableError, Verdict, unprovable
from ansible_collections.auren.stack.plugins.module_utils.audit_model import FALSE, TRUE, UNPROVABLE, Claim, Facts, Judged
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names
from ansible_collections.auren.stack.plugins.module_utils.audit_prose import Known
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import HIDDEN

ORDER = (FALSE, UNPROVABLE, TRUE)  # of the report


def _unread(case: Case) -> Verdict:
    return unprovable(f"the document is longer than {audit_text.MOST_LINES} lines; the rest was not read, but for secrets")


JUDGES: dict[str, Callable[[Case], Verdict]] = {
    "container": containers.container,
    "image": containers.image,
    "pull": containers.pull,
    "status": containers.status,
    "count": containers.count,
    "version": containers.version,
    "restart": containers.restart,
    "volume": containers.volume,
    "path": containers.path,
    "env": containers.env,
    "port": places.port,
    "mapping": places.mapping,
    "published": places.published,
    "unpublished": places.unpublished,
    "reach": places.reach,
    "address": places.address,
    "network": places.network,
    "subnet": places.subnet,
    "driver": places.driver,
    "url": places.url,
    "arrow": links.arrow,
    "depends": links.depends,
    "nodepends": links.nodepends,
    "scrape": links.scrape,
    "unread": _unread,
}
NAMED = {"mapping": "port", "published": "port", "unpublished": "port", "reach": "port", "depends": "dependency", "nodepends": "dependency"}
NAMED.update({"status": "health", "pull": "image"})
OWN_WORDS = " ".join(
    [*JUDGES, *NAMED.values(), *ORDER, "secret", "missing", "line", "kind", "text", "verdict", "evidence", "claims", "summary"]
)


@dataclass(frozen=True)
class Audit:
    """claims: by line. hidden: values that must not be shown by anybody."""

    claims: tuple[Judged, ...]
    hidden: tuple[str, ...]
    path: str = ""

    @property
    def false_claims(self) -> int:
        return sum(one.verdict == FALSE for one in self.claims)

    def __repr__(self) -> str:
        return f"Audit({len(self.claims)} claims)"


def known_of(facts: Facts, names: Names) -> Known:
    repositories = frozenset(reference.partition("@")[0].rpartition(":")[0] for reference in facts.images)
    return Known(names, frozenset(one.name for one in facts.networks), facts.volumes, repositories)


def audit(text: str, facts: Facts, path: str = "") -> Audit:
    """Judge a document. Any text ends with a result."""
    reading, names = audit_secrets.find(_readable(text), facts.secrets, f"{facts.public_words()}\n{OWN_WORDS}"), Names(facts)
    claims = audit_text.read(reading.lines, known_of(facts, names))
    pairs = [(claim, judge(claim, facts, names)) for claim in claims]
    judged = [one for _claim, one in pairs]
    judged += document.secrets(reading.found)
    judged += [*document.floating(pairs), *document.lasting(pairs, facts), *document.port_twice(pairs, names)]
    judged += [*document.drawn_and_listed(claims, names), *document.missing(reading.lines, claims, facts, names)]
    ordered = sorted(judged, key=lambda one: one.line)
    return Audit(tuple(_clean(one, reading.hidden) for one in ordered), reading.hidden, path)


def _readable(text: str) -> str:
    """Without what no terminal and no JSON takes."""
    return re.sub(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\ud800-\udfff]", " ", text)


def _clean(one: Judged, hidden: Sequence[str]) -> Judged:
    """Evidence comes from the host, which may hold the same secret."""
    text, evidence = one.text, one.evidence
    for value in hidden:
        text, evidence = text.replace(value, HIDDEN), evidence.replace(value, HIDDEN)
    return Judged(one.line, one.kind, text, one.verdict, evidence)


def judge(claim: Claim, facts: Facts, names: Names) -> Judged:
    try:
        verdict, evidence = JUDGES[claim.kind](Case(claim, facts, names))
    except UndecidableError as reason:
        verdict, evidence = unprovable(str(reason))
    except ValueError:  # a number or an address that is none
        verdict, evidence = unprovable("what it says cannot be read")
    if claim.hedged and verdict == FALSE:
        verdict, evidence = unprovable(f"it is not so now, and the sentence may not be about now: {evidence}")
    return Judged(claim.line, NAMED.get(claim.kind, claim.kind), claim.text or claim.subject, verdict, evidence)


# --- the report -----------------------------------------------------------------------------------------------------------


def summary(found: Audit) -> str:
    """All of it in a line."""
    counts = document.counts(found.claims)
    said = f"{found.path or 'the document'}: {len(found.claims)} claims"
    return f"{said}, {counts.get(TRUE, 0)} true, {counts.get(FALSE, 0)} false, {counts.get(UNPROVABLE, 0)} unprovable"


def markdown(found: Audit) -> str:
    """The report: the false claims first, each by its line, with what is true instead."""
    rows = sorted(found.claims, key=lambda one: (ORDER.index(one.verdict), one.line))
    head = [f"# Audit of {_cell(found.path) or 'a document'}", "", f"{_cell(summary(found))}.", ""]
    if not rows:
        return "\n".join([*head, "It claims nothing that could be compared with the host.", ""])
    table = ["| Line | Verdict | Kind | Claim | What is true |", "|---:|---|---|---|---|"]
    marks = {FALSE: "**false**", TRUE: "true", UNPROVABLE: "unprovable"}
    table += [f"| {one.line or ''} | {marks[one.verdict]} | {one.kind} | {_cell(one.text)} | {_cell(one.evidence)} |" for one in rows]
    return "\n".join([*head, *table, ""])


def _cell(text: str) -> str:
    """A text that breaks no table and starts no markup."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "")
