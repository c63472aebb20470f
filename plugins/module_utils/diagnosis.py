# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of many failed checks is the reason, and which only follow from it. Pure.

A check is an arrow: somebody (client) asks somebody (service). What explains what:

- a container that is down explains every check of it, every check from it, and whatever is wrong with those that need it;
- one that is not on the network explains every check of it and from it that got no answer, and one that lost a name those by name;
- another one that answers to its name explains whatever is wrong with checks of it;
- a check from inside a container explains what that container itself answers wrongly: it says so because it cannot do its work;
- what a service says of others follows from whatever is wrong with them, if something is with each;
- whatever is wrong with a service, with those it needs, or on its way to them explains a hop of a heartbeat that it does not do;
- the same thing seen from several places is one reason.

So there is an order, and a reason always stands before what follows from it: containers, then arrows between services, then what
services say of themselves, then hops, and within that, those whom others need come first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.auren.stack.plugins.module_utils import runbooks

DEAD = ("absent", "down", "loop")  # kinds of a container that serves nobody
AWAY = {"network": ("dns", "refused", "timeout", "unreachable"), "alias": ("dns",)}  # kinds of a container → of arrows that follow
TWICE = "twice"  # kind of a container whose name leads to another one, too
REFUSED = ("auth", "no_password")  # kinds that a client's own password is the matter with
REACHING = ("dns", "refused", "timeout", "unreachable", "protocol", "client")  # kinds that a dead container explains


@dataclass(frozen=True)
class Checked:
    """One check and how it ended. client: who asked, ``host``, or the service itself where its container was looked at.

    status: pass, warn, fail, blocked or skipped. kind: of the failure, as the probe or the look at the container calls it. speaks: the
    answer is the service's own account of itself (a health address), so that what it cannot reach shows in it. hop: one of a heartbeat,
    which the service does. about: other services that are the matter with it. because: the reason, when blocked. outside: the host asked in
    the client's place, so that nothing follows about names and networks of the client.
    """

    check: str
    service: str
    client: str
    status: str
    kind: str = ""
    evidence: str = ""
    seconds: float = 0.0
    speaks: bool = False
    because: str = ""
    attempts: int = 1
    hop: bool = False
    about: tuple[str, ...] = ()
    outside: bool = False

    @property
    def of_container(self) -> bool:
        return self.client == self.service


@dataclass(frozen=True)
class Cause:
    """One reason. line: for people, in one sentence. clients: who sees it. blocked: labels of the checks that follow from it.

    page: of the runbooks, its name; empty for what the table does not know.
    """

    line: str
    service: str
    kind: str
    clients: tuple[str, ...]
    blocked: tuple[str, ...]
    page: str = ""


def diagnose(checks: Sequence[Checked], needs: Mapping[str, Collection[str]]) -> tuple[list[Checked], list[Cause]]:
    """The checks with what follows from others marked as blocked, in their order, and the reasons, the first to look at first.

    needs: service → those that it cannot work without. Warnings and skipped checks explain nothing and are left as they are.
    """
    failed = [one for one in checks if one.status == "fail"]
    reach = {name: _all_needs(name, needs) for name in {*needs, *(one.service for one in checks), *(one.client for one in checks)}}
    reasons = {one: _reason(one, failed, reach) for one in failed}
    roots = sorted(
        (one for one in failed if reasons[one] is None), key=lambda one: (_rank(one), len(reach[one.service]), one.service, one.client)
    )
    groups: dict[tuple[str, str, str], list[Checked]] = {}
    for one in roots:
        groups.setdefault(_sameness(one), []).append(one)
    marked = [_marked(one, reasons) for one in checks]
    return marked, [_cause(group, marked) for group in groups.values()]


def _all_needs(name: str, needs: Mapping[str, Collection[str]]) -> set[str]:
    """Directly and through others."""
    found: set[str] = set()
    left = [name]
    while left:
        fresh = set(needs.get(left.pop(), ())) - found
        found |= fresh
        left += fresh
    return found - {name}


def _rank(one: Checked) -> int:
    """Only what has a lower rank can be the reason of another, or the same rank further down the needs."""
    if one.of_container:
        return 0 if one.kind in (*DEAD, *AWAY, TWICE) else 2
    return 3 if one.hop else 2 if one.speaks else 1


def _reason(one: Checked, failed: Sequence[Checked], reach: Mapping[str, set[str]]) -> Checked | None:
    """The failed check that this one follows from, the deepest there is; None when it is a reason itself."""
    found = [other for other in failed if other is not one and _explains(other, one, reach)]
    if not set(one.about) <= {other.service for other in found}:
        return None
    return min(found, key=lambda other: (_rank(other), len(reach[other.service]), other.service, other.client), default=None)


def _explains(reason: Checked, one: Checked, reach: Mapping[str, set[str]]) -> bool:
    if one.about:
        return reason.service in one.about and not reason.hop
    if reason.hop or one.hop:
        return not reason.hop and _stops_hop(reason, {one.service, *reach[one.service]})
    if reason.of_container and reason.kind in DEAD:
        return _dead_explains(reason, one, reach)
    if reason.of_container and reason.kind == TWICE:
        return one.service == reason.service and not one.of_container
    if reason.of_container and reason.kind in AWAY:
        touches = reason.service in (one.client, one.service) if reason.kind == "network" else one.service == reason.service
        return touches and not one.of_container and one.kind in AWAY[reason.kind]
    if _rank(reason) == 1:
        return _arrow_explains(reason, one, reach)
    own_word = reason.of_container and reason.kind == "unhealthy"
    return own_word and not one.of_container and one.speaks and one.service == reason.service


def _stops_hop(reason: Checked, chain: Collection[str]) -> bool:
    """chain: who does the hop, and those that it needs."""
    if reason.of_container:
        return reason.service in chain and reason.kind in (*DEAD, *AWAY, TWICE, "unhealthy")
    return reason.service in chain and (_rank(reason) != 1 or reason.client in chain)


def _arrow_explains(reason: Checked, one: Checked, reach: Mapping[str, set[str]]) -> bool:
    """An arrow that does not work shows in what its client says of itself. What a server lacks for all of its clients shows in its own
    health as well, and in the time that those take who need it."""
    if reason.kind not in (*REACHING, *REFUSED):
        if one.of_container and one.kind == "unhealthy" and one.service == reason.service:
            return True
        if one.kind == "timeout" and reason.service in reach[one.service]:
            return True
    return _rank(one) == 2 and one.kind not in REACHING and (one.service == reason.client or reason.client in reach[one.service])


def _dead_explains(reason: Checked, one: Checked, reach: Mapping[str, set[str]]) -> bool:
    dead = reason.service
    if one.of_container:
        return dead in reach[one.service] and (one.kind in ("unhealthy", "loop") and one.service != dead)
    touches = one.client == dead or (one.service == dead and one.kind in REACHING)
    waits = one.speaks or one.kind == "timeout"  # who waits for a dead one answers late, or says that it cannot work
    return touches or (waits and dead in reach[one.service])


def _sameness(one: Checked) -> tuple[str, str, str]:
    """What is one reason: the same matter with one service. A client's own password is that client's matter."""
    return one.service, one.kind, one.client if one.kind in (*REFUSED, "dns", "client") else ""


def _marked(one: Checked, reasons: Mapping[Checked, Checked | None]) -> Checked:
    reason = reasons.get(one)
    if reason is None:
        return one
    seen = {one}
    while (deeper := reasons.get(reason)) is not None and deeper not in seen:
        seen.add(reason)
        reason = deeper
    return replace(one, status="blocked", because=_arrow(reason))


def _arrow(one: Checked) -> str:
    return one.service if one.of_container else f"{one.client} → {one.service}"


def _cause(group: Sequence[Checked], marked: Sequence[Checked]) -> Cause:
    first = group[0]
    clients = tuple(sorted({one.client for one in group if not one.of_container}))
    said = first.evidence if first.of_container else f"{_arrow(first)}: {first.evidence}"
    also = f" (seen from {', '.join(clients)})" if len(clients) > 1 else ""
    arrows = {_arrow(one) for one in group}
    blocked = tuple(f"{one.check} from {one.client}" for one in marked if one.status == "blocked" and one.because in arrows)
    page = runbooks.page_of(first.check, first.kind)
    return Cause(said + also, first.service, first.kind, clients, blocked, page.name if page else "")
