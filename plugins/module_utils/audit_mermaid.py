# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Mermaid flow chart → nodes and arrows, each with its line. Pure, and never an error: what is not understood is left out.

Source: Mermaid documentation, "Flowcharts - Basic Syntax": nodes of every shape, subgraphs, chains, ``&``, all arrows with their texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_BEGIN = re.compile(r"\s*(?:graph|flowchart(?:-elk)?)\b\s*(?:TB|TD|BT|RL|LR)?\s*;?(.*)", re.IGNORECASE)
_IGNORED = re.compile(r"\s*(?:classDef|class|style|linkStyle|click|direction|accTitle|accDescr|%%|---)(?:\s|:|\{|$)")
_SUBGRAPH = re.compile(r"\s*subgraph\b\s*(.*)", re.IGNORECASE)
_NODE = re.compile(r"\s*([^\W_](?:[\w./]|-(?![-.>=ox]))*|_\w+)")
_SHAPES: tuple[tuple[str, str], ...] = (
    ("(((", ")))"),
    ("([", "])"),
    ("[[", "]]"),
    ("[(", ")]"),
    ("((", "))"),
    ("{{", "}}"),
    ("[/", "/]"),
    ("[/", "\\]"),
)
_SHAPES += (("[\\", "\\]"), ("[\\", "/]"), ("[", "]"), ("(", ")"), ("{", "}"), (">", "]"))
_NAMED = re.compile(r"@\{[^}]*?label\s*:\s*\"?([^\",}]*)\"?[^}]*\}|@\{[^}]*\}")
_STYLED = re.compile(r":::[\w-]+")
_ARROW = re.compile(
    r"\s*(?:[\w]+@)?(?P<left>[<ox](?=[-=~]))?(?P<line>~~~+|--+|==+|-\.+-?)(?P<right>[>ox](?![\w])|>)?"
    r"(?:\s*\|(?P<piped>[^|\n]*)\|)?"
)
_TEXTED = re.compile(
    r"\s*(?:[\w]+@)?(?P<left>[<ox](?=[-=]))?(?P<open>--|==|-\.)(?![->=ox.](?:\s|$|[->|]))(?P<text>\"[^\"]*\"|[^|\n]*?)\s*(?P<line>--+|==+|\.+-)"
    r"(?P<right>[>ox](?!\w)|>)?"
)
_BREAK = re.compile(r"<br\s*/?>|\\n", re.IGNORECASE)
_MOST = 5000  # arrows of one diagram


@dataclass(frozen=True)
class Node:
    """label: its lines, without quotes and tags. group: of the subgraph that it stands in first; empty for none."""

    id: str
    label: tuple[str, ...]
    line: int
    group: str = ""


@dataclass(frozen=True)
class Arrow:
    """From one node's id to another's. both: it has two heads, or none. dotted: as monitoring is drawn."""

    start: str
    end: str
    text: str
    line: int
    both: bool = False
    dotted: bool = False


@dataclass
class Graph:
    nodes: dict[str, Node] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)  # id → title


def read(lines: Sequence[tuple[int, str]]) -> Graph | None:
    """The graph of a diagram's lines; None for a diagram of another kind."""
    graph, begun = Graph(), False
    inside: list[str] = []
    for number, text in lines:
        begin = None if begun else _BEGIN.fullmatch(text)
        if begin:
            begun = True
        elif not begun and text.strip() and not _IGNORED.match(text):
            return None
        for statement in _statements(begin[1] if begin else text):
            _statement(graph, inside, number, statement)
    return graph if begun else None


def _statements(text: str) -> list[str]:
    """What stands between semicolons that are not in quotes or brackets."""
    if ";" not in text:
        return [text]
    found, depth, quoted, begin = [], 0, False, 0
    for place, sign in enumerate(text):
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign in "[({") - (sign in "])}")
        if sign == ";" and not quoted and depth <= 0:
            found.append(text[begin:place])
            begin = place + 1
    return [*found, text[begin:]]


def _statement(graph: Graph, inside: list[str], number: int, text: str) -> None:
    subgraph = _SUBGRAPH.fullmatch(text)
    if not text.strip() or _IGNORED.match(text):
        return
    if subgraph:
        name, label, _rest = _node(subgraph[1].strip())
        title = " ".join(label) or subgraph[1].strip().strip('"')
        inside.append(name or title)
        graph.groups[name or title] = title
    elif text.strip().lower() == "end":
        del inside[-1:]
    else:
        _chain(graph, inside[-1] if inside else "", number, text)


def _chain(graph: Graph, group: str, number: int, text: str) -> None:
    """``A & B --> C -- text --> D``."""
    before, text = _nodes(graph, group, number, text)
    while before and text.strip():
        arrow = _arrow(text)
        if arrow is None:
            return
        match, said = arrow
        after, text = _nodes(graph, group, number, text[match.end() :])
        line, left, right = match["line"], match["left"], match["right"]
        heads, dotted = bool(right) - bool(left), "." in line or match.groupdict().get("open") == "-."
        if not line.startswith("~"):
            for start in before:
                for end in after:
                    ends = (start, end) if heads >= 0 else (end, start)
                    if len(graph.arrows) < _MOST:
                        graph.arrows.append(Arrow(*ends, said, number, heads == 0, dotted))
        before = after


def _arrow(text: str) -> tuple[re.Match[str], str] | None:
    """The arrow that a text begins with, and what is written at it."""
    texted = _TEXTED.match(text)
    bare = _ARROW.match(text)
    if texted and texted["text"].strip() and not (bare and (bare["right"] or bare["piped"])):
        return texted, _text(texted["text"])
    return (bare, _text(bare["piped"] or "")) if bare else None


def _nodes(graph: Graph, group: str, number: int, text: str) -> tuple[list[str], str]:
    """The ids at the begin of a text, joined by ``&``, and what is left of it."""
    found: list[str] = []
    while True:
        name, label, text = _node(text)
        if not name:
            return found, text
        known = graph.nodes.get(name)
        if name not in graph.groups and (known is None or (label and known.label == (name,))):
            graph.nodes[name] = Node(name, label or (name,), number, known.group if known else group)
        found.append(name)
        if not text.lstrip().startswith("&"):
            return found, text
        text = text.lstrip()[1:]


def _node(text: str) -> tuple[str, tuple[str, ...], str]:
    """One node: id, label (empty where it has none here), and what is left."""
    match = _NODE.match(text)
    if not match:
        return "", (), text
    rest = text[match.end() :]
    label, rest = _shape(rest.lstrip() if rest.lstrip()[:1] in ("[", "(", "{") else rest)
    named = _NAMED.match(rest)
    if named:
        label, rest = _label(named[1] or ""), rest[named.end() :]
    styled = _STYLED.match(rest)
    return match[1], label, rest[styled.end() :] if styled else rest


def _shape(text: str) -> tuple[tuple[str, ...], str]:
    for opening, closing in _SHAPES:
        if not text.startswith(opening):
            continue
        quoted = re.match(r'\s*"([^"]*)"\s*', text[len(opening) :])
        if quoted and text.startswith(closing, len(opening) + quoted.end()):
            return _label(quoted[1]), text[len(opening) + quoted.end() + len(closing) :]
        end = text.find(closing, len(opening))
        if not quoted and end >= 0:
            return _label(text[len(opening) : end]), text[end + len(closing) :]
    return (), text


def _label(text: str) -> tuple[str, ...]:
    return tuple(line for line in (_text(part) for part in _BREAK.split(text)) if line)


def _text(text: str) -> str:
    text = re.sub(r"</?[a-zA-Z][^<>]{0,60}>", "", text)
    return re.sub(r"#(quot|35|amp);", " ", text).strip().strip('"`').strip()
