# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a document as a whole: it contradicts itself, promises what does not last, holds secrets, omits services. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.auren.stack.plugins.module_utils.audit_case import several
from ansible_collections.auren.stack.plugins.module_utils.audit_model import FALSE, TRUE, Claim, Facts, Judged
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names, is_machine_name
from ansible_collections.auren.stack.plugins.module_utils.audit_secrets import Found

FLOATING = re.compile(r"(^|[-_.])(latest|stable|edge|nightly|mainline|rolling|main|master|dev|develop)([-_.]|$)")
Pairs = Sequence["tuple[Claim, Judged]"]


def secrets(found: Iterable[Found]) -> Iterator[Judged]:
    for one in found:
        yield Judged(
            one.line, "secret", f"{one.kind} in clear text", FALSE, "it can be read by whoever has the document: change it, and take it out"
        )


def floating(pairs: Pairs) -> Iterator[Judged]:
    """Tags that stand for another image tomorrow, where no digest stands with them."""
    told: set[str] = set()
    for claim, _judged in pairs:
        if claim.kind not in ("image", "pull") or claim.hedged or "sha256:" in f"{claim.text} {claim.value}" or claim.value in told:
            continue
        name, colon, tag = claim.value.rpartition(":")
        if not colon or "/" in tag:
            name, tag = claim.value, "latest"
        if FLOATING.search(tag):
            told.add(claim.value)
            said = "has no tag, which means latest" if not colon else f"has the tag {tag}"
            yield Judged(
                claim.line,
                "floating_tag",
                claim.text,
                FALSE,
                f"{name} {said}: that is another image tomorrow; name a version or the digest",
            )


def lasting(pairs: Pairs, facts: Facts) -> Iterator[Judged]:
    """Addresses of containers that are right now, and will not be when the container is made anew."""
    fixed = {e.fixed_ipv4 for one in facts.containers for e in one.endpoints if e.fixed_ipv4}
    held = {e.ipv4: one.name for one in facts.containers for e in one.endpoints if e.ipv4}
    for claim, judged in pairs:
        now = claim.kind == "address" and judged.verdict == TRUE and not (claim.hedged or claim.observed)
        if now and claim.value in held and claim.value not in fixed:
            said = f"{held[claim.value]} has it by chance, and another one when it is made anew: write the name"
            yield Judged(claim.line, "lasting_address", claim.text, FALSE, said)


def port_twice(pairs: Pairs, names: Names) -> Iterator[Judged]:
    """A port of the host that is given to two services."""
    holders: dict[str, list[tuple[str, Claim, Judged]]] = {}
    for claim, judged in pairs:
        who = names.resolve(claim.subject) or claim.subject
        number = _host_port(claim)
        if number and who and not claim.hedged:
            holders.setdefault(number, []).append((who, claim, judged))
    for number, found in holders.items():
        owners = list(dict.fromkeys(who for who, _claim, _judged in found))
        if len(owners) < 2 or all(judged.verdict == TRUE for _who, _claim, judged in found):
            continue
        claim = [claim for who, claim, _judged in found if who == owners[1]][0]  # noqa: RUF015  next() may end a generator
        right = [who for who, _claim, judged in found if judged.verdict == TRUE]
        said = f"{several(owners)} cannot both have {number} of the host" + (f"; {several(right)} has it" if right else "")
        yield Judged(claim.line, "port_twice", claim.text, FALSE, said)


def _host_port(claim: Claim) -> str:
    if claim.kind == "port" and claim.other != "inner":
        return claim.value
    if claim.kind == "mapping":
        return claim.value.split(":")[-2]
    return claim.value.rpartition(":")[2] if claim.kind == "published" and claim.subject else ""


# --- drawn and listed ----------------------------------------------------------------------------------------------------


def drawn_and_listed(claims: Sequence[Claim], names: Names) -> Iterator[Judged]:
    """Dependencies that only the diagram or only the lists know. Whose dependencies are nowhere listed is not compared."""
    drawn, nodes = _drawn(claims, names)
    listed, lists = _listed(claims, names)
    if not drawn:
        return
    for (client, server), claim in drawn.items():
        if client in lists and (client, server) not in listed and (server, client) not in listed:
            said = f"the diagram draws {client} → {server}, but {server} is not listed among what {client} needs"
            yield Judged(claim.line, "drawn_not_listed", claim.text, FALSE, said)
    for (client, server), claim in listed.items():
        if {client, server} <= nodes and (client, server) not in drawn and (server, client) not in drawn:
            said = f"{client} is listed to need {server}, but the diagram draws no arrow between them"
            yield Judged(claim.line, "listed_not_drawn", claim.text, FALSE, said)


def _drawn(claims: Sequence[Claim], names: Names) -> tuple[dict[tuple[str, str], Claim], set[str]]:
    """Arrows of diagrams between containers, without those of monitoring; and all who stand in one."""
    found: dict[tuple[str, str], Claim] = {}
    nodes: set[str] = set()
    for claim in claims:
        pair = names.resolve(claim.subject), names.resolve(claim.value)
        if claim.kind != "arrow" or " → " not in claim.text or not all(pair) or claim.hedged:
            continue
        nodes |= set(pair)
        if claim.other != "dotted":
            found.setdefault(pair, claim)
    return found, nodes


def _listed(claims: Sequence[Claim], names: Names) -> tuple[dict[tuple[str, str], Claim], set[str]]:
    """Dependencies that are written, and whose are: also those who are said to need nobody."""
    found: dict[tuple[str, str], Claim] = {}
    lists: set[str] = set()
    for claim in claims:
        client = names.resolve(claim.subject)
        if claim.kind not in ("depends", "nodepends") or not client or claim.hedged:
            continue
        lists.add(client)
        server = names.resolve(claim.value)
        if server and server != client:
            found.setdefault((client, server), claim)
    return found, lists


# --- what is missing -----------------------------------------------------------------------------------------------------


def missing(lines: Sequence[str], claims: Sequence[Claim], facts: Facts, names: Names) -> Iterator[Judged]:
    """Services of the host that the document does not speak of: declared ones, and those on a network of the stack."""
    text = "\n".join(lines).lower()
    told = {
        names.resolve(end)
        for claim in claims
        for end in (claim.subject, claim.value if claim.kind in ("arrow", "depends", "scrape") else "")
        if end
    }
    told |= {names.called(claim.value.partition(":")[0]) for claim in claims if claim.kind == "scrape"}
    spoken = {facts.network, *(one.name for one in facts.networks if _names_network(one.name, text))}
    wanted = {one.name: one.state for one in facts.containers if one.running and spoken & {e.network for e in one.endpoints}}
    wanted.update({name: _state(name, facts) for name in facts.services})
    for name, state in sorted(wanted.items()):
        if name not in told and not _word(name, text):
            yield Judged(
                0, "missing", name, FALSE, f"{name} ({_image(name, facts)}{state}) is on this host, and the document does not mention it"
            )


def _names_network(name: str, text: str) -> bool:
    """A name that may be any word only counts in backticks."""
    return f"`{name.lower()}`" in text or (is_machine_name(name.lower()) and _word(name, text))


def _word(name: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", text))


def _state(name: str, facts: Facts) -> str:
    one = facts.container(name)
    return one.state if one else "declared, but not there"


def _image(name: str, facts: Facts) -> str:
    one = facts.container(name)
    return f"{one.image}, " if one else ""


def counts(judged: Iterable[Judged]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for one in judged:
        found[one.verdict] = found.get(one.verdict, 0) + 1
    return found
