"""Mermaid flow charts: every shape, every arrow, chains, subgraphs, and what is none of them."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_mermaid


def graph(text: str) -> audit_mermaid.Graph:
    found = audit_mermaid.read(list(enumerate(f"flowchart LR\n{text}".split("\n"), 1)))
    assert found is not None
    return found


def arrows(text: str) -> list[tuple[str, str, str]]:
    return [(one.start, one.end, one.text) for one in graph(text).arrows]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A --> B", ("A", "B", "")),
        ("A-->B", ("A", "B", "")),
        ("A ----> B", ("A", "B", "")),
        ("A --- B", ("A", "B", "")),
        ("A -.-> B", ("A", "B", "")),
        ("A -..-> B", ("A", "B", "")),
        ("A ==> B", ("A", "B", "")),
        ("A === B", ("A", "B", "")),
        ("A --o B", ("A", "B", "")),
        ("A --x B", ("A", "B", "")),
        ("A <--> B", ("A", "B", "")),
        ("A o--o B", ("A", "B", "")),
        ("A <-- B", ("B", "A", "")),
        ("A -->|text here| B", ("A", "B", "text here")),
        ('A -->|"quoted, with (brackets)"| B', ("A", "B", "quoted, with (brackets)")),
        ("A -- text here --> B", ("A", "B", "text here")),
        ("A -- text --- B", ("A", "B", "text")),
        ("A -. text .-> B", ("A", "B", "text")),
        ("A == text ==> B", ("A", "B", "text")),
        ("A e1@--> B", ("A", "B", "")),
        ("auren-redis-->auren-kafka", ("auren-redis", "auren-kafka", "")),
        ("auren-redis-.->auren-kafka", ("auren-redis", "auren-kafka", "")),
        ("A[x --> y] --> B(z)", ("A", "B", "")),
        ("A:::hot --> B:::cold", ("A", "B", "")),
    ],
)
def test_every_arrow(text: str, wanted: tuple[str, str, str]) -> None:
    assert arrows(text) == [wanted]


def test_dotted_and_double_arrows_are_told_apart() -> None:
    seen = {(one.start, one.end): (one.dotted, one.both) for one in graph("A -.-> B\nB --> C\nC <--> D\nD --- E\nE -. x .-> F").arrows}
    expected = {
        ("A", "B"): (True, False),
        ("B", "C"): (False, False),
        ("C", "D"): (False, True),
        ("D", "E"): (False, True),
        ("E", "F"): (True, False),
    }
    assert seen == expected


def test_chains_and_lists() -> None:
    assert arrows("A --> B --> C") == [("A", "B", ""), ("B", "C", "")]
    assert arrows("A & B -->|t| C & D") == [("A", "C", "t"), ("A", "D", "t"), ("B", "C", "t"), ("B", "D", "t")]
    assert arrows("A --> B; C --> D") == [("A", "B", ""), ("C", "D", "")]
    assert arrows('A["a; b"] --> B') == [("A", "B", "")]
    assert arrows("A ~~~ B") == []


@pytest.mark.parametrize(
    "shape",
    [
        "[{}]",
        "({})",
        "([{}])",
        "[[{}]]",
        "[({})]",
        "(({}))",
        "((({})))",
        "{{{{{}}}}}",
        "{{{}}}",
        ">{}]",
        "[/{}/]",
        "[\\{}\\]",
        "[/{}\\]",
        "[\\{}/]",
    ],
)
@pytest.mark.parametrize("label", ["auren-redis<br/>Port 6379", '"auren-redis<br>Port 6379"'])
def test_every_shape(shape: str, label: str) -> None:
    found = graph(f"A{shape.format(label)} --> B")
    assert found.nodes["A"].label == ("auren-redis", "Port 6379")
    assert [(one.start, one.end) for one in found.arrows] == [("A", "B")]


def test_a_label_may_come_later_and_in_the_new_words() -> None:
    found = graph('A --> B\nA["auren-redis"]\nB@{ shape: cyl, label: "auren-kafka" }\nA[[again]]')
    assert {name: node.label for name, node in found.nodes.items()} == {"A": ("auren-redis",), "B": ("auren-kafka",)}


def test_subgraphs_are_groups_and_no_nodes() -> None:
    found = graph('subgraph data [Data layer]\n  direction TB\n  A[(auren-redis)]\nend\nsubgraph "The rest"\n  B\nend\ndata --> B')
    assert found.groups == {"data": "Data layer", "The": "The rest"} or found.groups["data"] == "Data layer"
    assert (found.nodes["A"].group, found.nodes["A"].line) == ("data", 4)
    assert "data" not in found.nodes
    assert [(one.start, one.end) for one in found.arrows] == [("data", "B")]


def test_styles_and_comments_are_nothing() -> None:
    text = '%% A --> B\nclassDef x fill:#fff\nclass A,B x\nstyle A fill:#eee\nlinkStyle 0 stroke:red\nclick A href "https://x.example"'
    assert graph(text).nodes == {}


@pytest.mark.parametrize("text", ["sequenceDiagram\n A->>B: x", "pie\n A: 1", "curl http://x", "", "erDiagram"])
def test_other_diagrams_are_none(text: str) -> None:
    assert audit_mermaid.read(list(enumerate(text.split("\n"), 1))) is None


@pytest.mark.parametrize(
    "text", ["A -->", "--> B", "A[never closed --> B", "A -->|never closed B", "& & &", "end\nend", "subgraph", "A --> --> B", "[[[["]
)
def test_what_is_broken_is_left_out(text: str) -> None:
    graph(text)
