# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A document → what it claims. Pure: Markdown without secrets and the names of a host in, claims out; never an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.auren.stack.plugins.module_utils import audit_code, audit_mermaid, audit_prose
from ansible_collections.auren.stack.plugins.module_utils import audit_fields as fields
from ansible_collections.auren.stack.plugins.module_utils.audit_fields import Scope
from ansible_collections.auren.stack.plugins.module_utils.audit_markdown import Code, Heading, Prose, Table, blocks
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Claim
from ansible_collections.auren.stack.plugins.module_utils.audit_names import is_machine_name
from ansible_collections.auren.stack.plugins.module_utils.audit_prose import Known

MOST_LINES = 20000  # of a document that are read; what is longer was not written by hand
ASIDE = re.compile(
    r"\b(history|change ?log|changes|planned|roadmap|lessons|known issues|issues|before|old|legacy|migration|examples?|future|todo"
    r"|troubleshooting|next steps|previous(ly)?|deprecated|archive|incident|runbook|recommendations?|fixed|fixes|problems?|template"
    r"|rollback|alerts?|risks?|scenarios?|disaster|failures?|upgrad(e|es|ing))\b",
    re.IGNORECASE,
)
# Heads of tables that tell of changes, or of what may happen; the second ones only where they are the first.
OTHER_TIMES = re.compile(r"(?i)\W*(changes?|changed|before|(old|previous|planned)( \w+)?|symptoms?|scenarios?|mitigations?)\W*")
OTHER_ROWS = re.compile(
    r"(?i)\W*(dates?|when|if|risks?|alerts?|alert name|problems?|errors?|failures?|issues?|incidents?|triggers?|causes?|events?)\W*"
)
EARLIER = re.compile(r"\b(was|were|will|should|planned|previously|formerly|earlier|deprecated|until)\b", re.IGNORECASE)  # in a value
OBSERVED = re.compile(r"\bobserved\b|\bas of now\b", re.IGNORECASE)
_PAIR = re.compile(r"[`*]*([A-Za-z✅❌][\w ()/.&+-]{0,48}?)[`*]*\s*(?::\s|\s[\u2013\u2014-]\s|:$)\s*(.+)")
MONITORS = re.compile(r"\b(scrap(e|es|ing)|metrics?|monitor(s|ing)?)\b", re.IGNORECASE)
BROWSED = re.compile(  # a heading of addresses that people open
    r"(?i)\W*(?:(?:how to|the|public|external|quick|user|users|web|service|services|access|live|production|and|browser|your)\s+)*"
    r"(?:access|urls?|links|dashboards?|(?:web|user) ?(?:interfaces?|uis?)|interfaces|(?:access|service) (?:points?|endpoints?))"
    r"(?:\s*(?:&|and|/|,)\s*(?:urls?|links|access|dashboards?|(?:web )?interfaces?))*\W*"
)
WITHIN = re.compile(
    r"\b(internal(ly)?|inside|containers?|docker|between|networks?|upstreams?|backends?|data ?sources?|targets?)\b", re.IGNORECASE
)
# Who is told to ask for a URL, and not to open it.
ASKED = re.compile(
    r"\b(data ?sources?|targets?|containers?|exporters?|talks?|connects?|uses?|reads?|calls?|sends?|points?|asks?|queries)\b", re.I
)
_LEAD = 8  # the level of a paragraph that ends with a colon, below every heading
ASKS = re.compile(r"(?i)\W*(?:from|source|client)\W*")  # heads of tables of who asks whom
ANSWERS = re.compile(r"(?i)\W*(?:to|destination|server)\W*")
_KEYS = re.compile(r"(property|key|field|setting|item|attribute|parameter|aspect|what|)", re.IGNORECASE)


@dataclass(frozen=True)
class _Section:
    """What a heading says of the text below it. audience: who follows a URL; None when it says nothing of that."""

    level: int
    aside: bool
    audience: str | None
    subject: str = ""
    network: str = ""
    observed: bool = False


@dataclass
class _Sections:
    """Those that a line is in, the outermost first."""

    open: list[_Section] = field(default_factory=list)

    def enter(self, heading: Heading, known: Known) -> None:
        self._leave(heading.level)
        bare = re.sub(r"^[\d.)\s]+", "", heading.text)
        words = re.findall(r"[\w-]+", bare)
        network = next((word for word in words if word in known.networks), "")
        subject = known.names.resolve(bare) if len(words) <= 5 and not network else ""
        aside, observed = bool(ASIDE.search(bare)), bool(OBSERVED.search(bare))
        self.open.append(_Section(heading.level, aside, _audience(bare), subject, network, observed))

    def lead(self, block: Prose) -> None:
        """A paragraph that ends with a colon says of the list or the table behind it whether it is of now, and for whom."""
        if not block.item:
            self._leave(_LEAD)
            if block.text.rstrip().endswith(":"):
                self.open.append(_Section(_LEAD, bool(ASIDE.search(block.text)), _audience(block.text)))

    def _leave(self, level: int) -> None:
        self.open = [one for one in self.open if one.level < level]

    def scope(self, line: int, text: str) -> Scope:
        subject = next((one.subject for one in reversed(self.open) if one.subject), "")
        network = next((one.network for one in reversed(self.open) if one.network), "")
        audience = next((one.audience for one in reversed(self.open) if one.audience is not None), "")
        return Scope(line, text, subject, any(one.aside for one in self.open), any(one.observed for one in self.open), network, audience)


def _audience(heading: str) -> str | None:
    """Who follows the URLs below a heading; empty where that may be a container, None when it says nothing of it."""
    if WITHIN.search(heading):
        return ""
    return "browser" if BROWSED.fullmatch(heading) else None


def read(lines: Sequence[str], known: Known) -> list[Claim]:
    """All claims of a document, by line, each once. lines: without secrets."""
    sections, found = _Sections(), []
    for block in blocks(lines[:MOST_LINES]):
        if isinstance(block, Heading):
            sections.enter(block, known)
            found += audit_prose.read(sections.scope(block.number, block.text), block.text, known) if _tells(block.text) else []
        elif isinstance(block, Table):
            found += _table(block, sections, known)
        elif isinstance(block, Prose):
            sections.lead(block)
            found += _prose(block, sections, known)
        else:
            found += _code(block, sections, known)
    if len(lines) > MOST_LINES:
        found.append(Claim(MOST_LINES, "unread", f"{len(lines) - MOST_LINES} more lines"))
    return _once(found, known)


def _tells(heading: str) -> bool:
    return bool(re.search(r"[✅❌]", heading))


def _once(found: Sequence[Claim], known: Known) -> list[Claim]:
    """Each claim once on its line; that a known container is there once in a document."""
    kept: dict[tuple[object, ...], Claim] = {}
    there: set[str] = set()
    for one in sorted(found, key=lambda claim: claim.line):
        name = known.names.called(one.subject) if one.kind == "container" else ""
        if name in there:
            continue
        there |= {name} - {""}
        kept.setdefault(
            (one.line, one.kind, known.names.resolve(one.subject) or one.subject, one.value, one.other if one.kind != "container" else ""),
            one,
        )
    return list(kept.values())


# --- tables -------------------------------------------------------------------------------------------------------------


def _table(table: Table, sections: _Sections, known: Known) -> Iterator[Claim]:
    kinds = [fields.kind_of(head) for head in table.heads]
    about = _about(table, kinds)
    aside = bool(OTHER_ROWS.fullmatch(table.heads[0])) or any(OTHER_TIMES.fullmatch(head) for head in table.heads)
    for number, row in table.rows:
        scope = sections.scope(number, "")
        scope = replace(scope, hedged=scope.hedged or aside)
        if about == "pairs":
            yield from _pair(replace(scope, text=f"{row[0]}: {row[1]}"), row[0], row[1], known)
        elif about == "network":
            yield from _network_row(table, kinds, scope, row)
        elif about == "container":
            yield from _container_row(table, kinds, scope, row, known)
        else:
            text = " · ".join(cell for cell in row if cell)
            yield from _scrape_row(table, kinds, scope, row)
            yield from _flow_row(table, kinds, scope, row, known)
            yield from audit_prose.read(replace(scope, text=text, audience=""), " ; ".join(row), known)


def _about(table: Table, kinds: Sequence[str]) -> str:
    """What the rows of a table are: containers, networks, pairs of a key and a value, or only text."""
    if len(table.heads) == 2 and _KEYS.fullmatch(table.heads[0].strip("*` ")) and not kinds[1]:
        return "pairs"
    if "subnet" in kinds or ("driver" in kinds and kinds[0] == "network"):
        return "network"
    if _column(table, ASKS) >= 0 and _column(table, ANSWERS) >= 0:
        return ""
    told = {
        "port",
        "inner",
        "published",
        "public",
        "image",
        "status",
        "depends",
        "network",
        "volume",
        "address",
        "restart",
        "url",
        "version",
    }
    named = _subject_column(table, kinds)
    return "container" if named >= 0 and told & {kind for place, kind in enumerate(kinds) if place != named} else ""


def _subject_column(table: Table, kinds: Sequence[str]) -> int:
    """The column that says whom a row is about: one called container, else the first that is called like a name."""
    heads = [head.strip("*` ").lower() for head in table.heads]
    for wanted in (lambda head: head.startswith("container"), fields.is_name_head):
        for place, head in enumerate(heads):
            if wanted(head) and fields.is_name_head(head):
                return place
    return -1


def _container_row(table: Table, kinds: Sequence[str], scope: Scope, row: Sequence[str], known: Known) -> Iterator[Claim]:
    column = _subject_column(table, kinds)
    name = row[column].strip()
    bare = name.strip("`* ✅❌🟢🔴")
    if not bare or re.fullmatch(r"(?i)\W*(total|sum|all)?\W*", bare):
        return
    scope = replace(scope, subject=bare)
    if is_machine_name(bare) or known.names.called(bare):
        yield replace(scope, text=name).claim(
            "container", other="name" if "container" in table.heads[column].lower() or "`" in name else "cell"
        )
    for place, cell in enumerate(row):
        if place == column or not cell.strip():
            continue
        inner = fields.with_audience(replace(scope, text=f"{bare} · {table.heads[place].strip('*` ')}: {cell}"), table.heads[place])
        if kinds[place] and not fields.is_name_head(table.heads[place]):
            yield from fields.field(inner, kinds[place], cell)
        elif not fields.is_name_head(table.heads[place]):
            yield from audit_prose.read(inner, cell, known)


def _network_row(table: Table, kinds: Sequence[str], scope: Scope, row: Sequence[str]) -> Iterator[Claim]:
    named = next((place for place, head in enumerate(table.heads) if kinds[place] == "network" or head.strip("*` ").lower() == "name"), 0)
    network = row[named].strip("`* ")
    scope = replace(scope, network=network, subject="", text=row[named])
    if not re.fullmatch(r"[\w.-]+", network):
        return
    yield scope.claim("network", network)
    for place, cell in enumerate(row):
        inner = replace(scope, text=f"{network} · {table.heads[place].strip('*` ')}: {cell}")
        if kinds[place] in ("subnet", "driver"):
            yield from fields.field(inner, kinds[place], cell)
        elif kinds[place] == "members" or (fields.is_name_head(table.heads[place]) and place != named):
            yield from _members(inner, cell)


def _members(scope: Scope, cell: str) -> Iterator[Claim]:
    number = re.fullmatch(r"\W*(\d+)(?: containers)?\W*", cell)
    if number:
        yield scope.claim("count", number[1], f"on:{scope.network}", "")
    for piece in fields.pieces(cell) if not number else ():
        if is_machine_name(piece):
            yield scope.claim("network", scope.network, subject=piece)


def _column(table: Table, called: re.Pattern[str]) -> int:
    return next((place for place, head in enumerate(table.heads) if called.fullmatch(head)), -1)


def _flow_row(table: Table, kinds: Sequence[str], scope: Scope, row: Sequence[str], known: Known) -> Iterator[Claim]:
    """``From | To | Port``: a container asks another one at a port inside, anybody else at any port of it."""
    asks, answers = _column(table, ASKS), _column(table, ANSWERS)
    if min(asks, answers) < 0 or "port" not in kinds:
        return
    client, server, port = (row[place].strip("*` ") for place in (asks, answers, kinds.index("port")))
    number = re.fullmatch(r"(\d{2,5})(?:/tcp)?", port)
    if number and known.names.resolve(server):
        inner = replace(scope, text=f"{client} → {server} · {port}")
        if known.names.resolve(client):
            yield inner.claim("reach", number[1], server, subject=server)
        else:
            yield inner.claim("port", number[1], subject=server)


def _scrape_row(table: Table, kinds: Sequence[str], scope: Scope, row: Sequence[str]) -> Iterator[Claim]:
    for place, cell in enumerate(row):
        if kinds[place] == "scrape":
            yield from fields.field(replace(scope, text=f"{table.heads[place]}: {cell}"), "scrape", cell)


# --- text ---------------------------------------------------------------------------------------------------------------


def _prose(block: Prose, sections: _Sections, known: Known) -> Iterator[Claim]:
    if len(block.lines) > 1 and all(_PAIR.fullmatch(line.text.strip()) for line in block.lines):
        for line in block.lines:
            yield from _prose(Prose((line,), block.item), sections, known)
        return
    pair = _PAIR.fullmatch(block.text) if block.item or len(block.lines) == 1 else None
    if pair:
        scope = sections.scope(block.lines[0].number, block.text)
        scope = replace(scope, audience="" if ASKED.search(block.text) else scope.audience)
        found = list(_pair(scope, pair[1], pair[2], known))
        if found:
            yield from found
            return
    for begin, sentence in audit_prose.sentences(block.text):
        scope = sections.scope(block.line_of(begin), sentence.strip())
        opened = block.item and not pair and not ASKED.search(block.text)
        yield from audit_prose.read(replace(scope, audience=scope.audience if opened else ""), sentence, known)


def _pair(scope: Scope, key: str, value: str, known: Known) -> Iterator[Claim]:
    """``Port: 6379`` below a heading, or ``auren-redis: port 6379, healthy``."""
    key = key.strip("*` ")
    kind = fields.kind_of(key)
    named = known.names.called(key) or (known.names.resolve(key) if not kind else "")
    scope = replace(scope, hedged=scope.hedged or bool((EARLIER if kind else audit_prose.HEDGE).search(value)))
    if kind == "members":
        number = re.match(r"\W*(\d+)", value)
        what = re.search(r"containers|services|networks", key.lower())
        if number and what:
            yield scope.claim("count", number[1], what[0], "")
    elif kind == "network":
        yield from fields.field(scope if scope.subject else replace(scope, subject=""), kind, value)
        yield from audit_prose.read(replace(scope, network=value.strip("`* ").split()[0] if value.strip("`* ") else ""), value, known)
    elif kind and (scope.subject or kind in ("subnet", "status", "env", "url", "scrape")):
        yield from fields.field(fields.with_audience(scope, key), kind, value)
    elif named:
        inner = replace(scope, subject=named)
        yield from _named(inner, key, value, known)


def _named(scope: Scope, key: str, value: str, known: Known) -> Iterator[Claim]:
    """What stands behind a container's name: perhaps only its port, its status or its image."""
    if known.names.called(key):
        yield scope.claim("container")
    bare = value.strip("`* .")
    if re.fullmatch(r"[\d:./> →-]*\d{2,5}(/tcp)?", bare) and not re.search(r"\d\.\d+$", bare):
        yield from fields.field(scope, "port", bare)
    elif URLS_ONLY.fullmatch(bare):
        yield from fields.field(replace(scope, audience="browser" if audit_prose.USER.search(scope.text) else scope.audience), "url", bare)
    elif re.fullmatch(r"[\W]*[\w -]{0,30}[\W]*", value) and fields.status_of(value):
        yield from fields.field(scope, "status", value)
    else:
        yield from (claim for _at, part in audit_prose.sentences(value) for claim in audit_prose.read(scope, part, known))


URLS_ONLY = re.compile(r"https?://\S+")


# --- code ---------------------------------------------------------------------------------------------------------------


def _code(block: Code, sections: _Sections, known: Known) -> Iterator[Claim]:
    scope = sections.scope(block.number, "")
    graph = audit_mermaid.read([(line.number, line.text) for line in block.lines]) if block.language in ("mermaid", "") else None
    if graph is None:
        yield from audit_code.read(block, scope, known) if block.language != "mermaid" else ()
        printed = audit_code.listing(block)
        yield from _table(printed, sections, known) if printed else ()
        return
    lines = {
        name: [part for one in node.label for part in _PORT_BEHIND.sub(r"\1\n\2", one).split("\n")] for name, node in graph.nodes.items()
    }
    labels = {name: _label(label, name, known) for name, label in lines.items()}
    for node in graph.nodes.values():
        yield from _node(replace(scope, line=node.line, text=" ".join(node.label), subject=labels[node.id]), lines[node.id][1:], known)
    for arrow in graph.arrows:
        ends = [graph.groups.get(end, labels.get(end, end)) for end in (arrow.start, arrow.end)]
        text = f"{ends[0]} → {ends[1]}" + (f" ({arrow.text})" if arrow.text else "")
        inner = replace(scope, line=arrow.line, text=text)
        kind = "dotted" if arrow.dotted or MONITORS.search(arrow.text) else arrow.text
        yield inner.claim("arrow", ends[1], kind, ends[0])


_PORT_BEHIND = re.compile(r"([A-Za-z][\w .-]*?)\s*(:(?:80|443|\d{4,5}))")  # name:port, in one line of a node; 16 would be a tag


def _label(label: Sequence[str], name: str, known: Known) -> str:
    """How a node is called: the line of its label, or the id, that a container answers to; else the first line."""
    return next((one for one in (*label, name) if known.names.called(one)), "") or next(
        (one for one in (label[0], name) if known.names.resolve(one)), label[0]
    )


def _node(scope: Scope, more: Sequence[str], known: Known) -> Iterator[Claim]:
    if known.names.called(scope.subject):
        yield scope.claim("container")
    for line in more if known.names.resolve(scope.subject) else ():
        inner = replace(scope, text=f"{scope.subject} · {line}")
        number = re.fullmatch(r":?(\d{2,5})(?:/tcp)?", line)
        if number or fields.MAPPING.fullmatch(line):
            yield from fields.field(inner, "port", number[1] if number else line)
        elif re.fullmatch(r"[a-z0-9][\w./-]*:[\w.-]+", line):
            yield from fields.field(inner, "image", line)
        else:
            yield from audit_prose.read(inner, line, known)
