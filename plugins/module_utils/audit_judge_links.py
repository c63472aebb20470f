# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges claims about who needs, asks and watches whom. Pure."""

from __future__ import annotations

import re

from ansible_collections.auren.stack.plugins.module_utils.audit_case import Case, Verdict, decided, false, several, true, unprovable
from ansible_collections.auren.stack.plugins.module_utils.audit_judge_containers import told
from ansible_collections.auren.stack.plugins.module_utils.audit_model import ScrapeTarget
from ansible_collections.auren.stack.plugins.module_utils.model import Container

SPEAKS_NO_HTTP = ("redis", "postgres", "timescale", "kafka")  # parts of images that have no /metrics of their own
EXPORTERS = ("exporter",)


def arrow(case: Case) -> Verdict:
    ends = [case.names.resolve(end) for end in (case.claim.subject, case.claim.value)]
    outside = [said for said, name in zip((case.claim.subject, case.claim.value), ends) if not name]
    if outside:
        return unprovable(f"no container of this host is called {several(outside)}")
    client, server = (case.find(name) for name in ends)
    if client.name == server.name:
        return unprovable(f"both ends are {client.name}")
    return _link(case, client, server, case.claim.other == "dotted")


def _link(case: Case, client: Container, server: Container, dotted: bool = False) -> Verdict:
    """Whether one asks the other: proved, broken, or only made for it."""
    for one, other in ((client, server), (server, client)):
        checks = [c for c in case.facts.checks if (c.get("client"), c.get("service")) == (one.name, other.name)]
        wrong = [c for c in checks if c.get("status") in ("fail", "blocked")]
        if wrong:
            return false(told(wrong[0]))
        if any(c.get("status") in ("pass", "warn") for c in checks):
            return true(f"verification: {one.name} reaches {other.name}")
    down = [f"{one.name} is {one.state}" for one in (client, server) if not one.running]
    if down:
        return false(f"{several(down)}: nothing goes this way")
    if not {e.network for e in client.endpoints} & {e.network for e in server.endpoints} and client.endpoints and server.endpoints:
        return false(f"{client.name} and {server.name} have no network in common")
    return _traces(case, client, server, dotted)


def _traces(case: Case, client: Container, server: Container, dotted: bool) -> Verdict:
    for one, other in ((client.name, server.name), (server.name, client.name)):
        if (one, other) in case.facts.flows:
            return true(f"{one} holds a connection to {other} now")
    for one, other in ((client.name, server.name), (server.name, client.name)):
        if (one, other) in case.facts.references:
            return true(f"{one} is told of {other} in {case.facts.references[(one, other)]}; that it works was not verified")
        if other in _needs(case, one):
            return true(f"{one} is declared to need {other}; that it works was not verified")
    if dotted:
        scraped = _target_of(case, server.name) if "prometheus" in client.name else None
        if scraped:
            return decided(scraped.health == "up", f"{client.name} scrapes {scraped.address}, which is {scraped.health}")
    return unprovable(f"nothing shows that {client.name} asks {server.name}: no check, no connection now, no setting")


def _needs(case: Case, name: str) -> tuple[str, ...]:
    known = case.facts.services.get(name)
    return known.needs if known else ()


def depends(case: Case) -> Verdict:
    one = case.container
    other = case.names.resolve(case.claim.value)
    if not other:
        return unprovable(f"no container of this host is called {case.claim.value}")
    if case.facts.container(other) is None:
        return false(f"there is no container {other}")
    if other in _needs(case, one.name):
        return true(f"{one.name} is declared to need {other}")
    return _traces(case, one, case.find(other), dotted=False)


def nodepends(case: Case) -> Verdict:
    one = case.container
    needs = _needs(case, one.name)
    if one.name not in case.facts.services:
        return unprovable(f"{one.name} is not declared, so nobody says what it needs")
    return decided(not needs, f"{one.name} needs nobody", f"{one.name} needs {several(needs)}")


# --- monitoring ----------------------------------------------------------------------------------------------------------


def scrape(case: Case) -> Verdict:
    said = case.claim.value
    if said == "*":
        return _scrapes_all(case)
    name, _colon, number = said.partition(":")
    who = case.names.called(name) or case.names.resolve(name)
    one = case.facts.container(who) if who else None
    if case.facts.targets is None:
        return _without_api(one, who or name, number, case.facts.no_targets)
    found = [
        t
        for t in case.facts.targets
        if t.address == said or (who and _is(case, t, who) and (not number or t.address.endswith(f":{number}")))
    ]
    if found:
        best = min(found, key=lambda t: ("up", "unknown", "down").index(t.health) if t.health in ("up", "unknown") else 2)
        error = f" ({best.error[:160]})" if best.error else ""
        verdict = unprovable if best.health == "unknown" else true if best.health == "up" else false
        return verdict(f"Prometheus scrapes {best.address}{best.path}, which is {best.health}{error}")
    exporter = _exporter(case, who) if who and not number else None
    if exporter and exporter.health == "up":
        return true(f"Prometheus scrapes {exporter.address}, the exporter of {who}")
    hint = f"; {who} has no metrics of its own, an exporter has them" if one and _mute(one) else ""
    return false(f"Prometheus does not scrape {said}: it scrapes {several(t.address for t in case.facts.targets)}{hint}")


def _without_api(one: Container | None, who: str, number: str, reason: str) -> Verdict:
    if one is not None and _mute(one) and number:
        return false(f"{who} speaks no HTTP on {number} and has no metrics of its own: an exporter is needed")
    return unprovable(f"what Prometheus scrapes could not be asked: {reason}")


def _mute(one: Container) -> bool:
    return any(word in one.image for word in SPEAKS_NO_HTTP) and not any(word in f"{one.image} {one.name}" for word in EXPORTERS)


def _is(case: Case, target: ScrapeTarget, name: str) -> bool:
    return case.names.called(target.address.rpartition(":")[0]) == name


def _target_of(case: Case, name: str) -> ScrapeTarget | None:
    return next((one for one in case.facts.targets or () if _is(case, one, name)), None) or _exporter(case, name)


def _exporter(case: Case, name: str) -> ScrapeTarget | None:
    """The target of a container that tells of another one: its name has the other's words and ``exporter``."""
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    for one in case.facts.targets or ():
        host = one.address.rpartition(":")[0].lower()
        other = set(re.findall(r"[a-z0-9]+", (case.names.called(host) or host).lower()))
        if "exporter" in other and words - {"auren"} and words - {"auren"} <= other:
            return one
    return None


def _scrapes_all(case: Case) -> Verdict:
    if case.facts.targets is None:
        mute = [name for name in case.declared() for one in [case.facts.container(name)] if one and _mute(one)]
        unwatched = [name for name in mute if not _exporter_runs(case, name)]
        if unwatched:
            return false(f"{several(unwatched)} have no metrics of their own, and no exporter runs for them")
        return unprovable(f"what Prometheus scrapes could not be asked: {case.facts.no_targets}")
    missing, down = [], []
    for name in case.declared():
        found = _target_of(case, name)
        if found is None:
            missing.append(name)
        elif found.health == "down":
            down.append(name)
    if missing or down:
        parts = [f"it does not scrape {several(missing)}"] if missing else []
        return false("; ".join([*parts, *([f"{several(down)} cannot be scraped"] if down else [])]))
    return true(f"Prometheus scrapes all {len(case.declared())} services or their exporters")


def _exporter_runs(case: Case, name: str) -> bool:
    words = set(re.findall(r"[a-z0-9]+", name.lower())) - {"auren"}
    return any(
        one.running and "exporter" in one.name and words <= set(re.findall(r"[a-z0-9]+", one.name.lower())) for one in case.facts.containers
    )
