"""What is written for people and Compose reads back as the same data."""

from __future__ import annotations

import json
import random
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.auren.stack.plugins.module_utils.yaml_text import dump, inventory

NASTY = [
    *[
        "",
        " ",
        "a b",
        " lead",
        "trail ",
        "true",
        "True",
        "NO",
        "off",
        "y",
        "null",
        "Null",
        "~",
        "none",
        "=",
        "<<",
        "-",
        "- a",
        "---",
        "...",
    ],
    *["1", "1.5", ".5", ".inf", ".NaN", "1e3", "0x1f", "0o17", "017", "1_000", "1:30", "12:30:45", "2020-01-01", "+1", "-.5", "._", "_1"],
    *["a: b", "a:", ":a", "a #b", "#a", "a,b", "[a]", "{a}", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a`", "'a'", '"a"', "\\", "\\n"],
    *[
        "$a ${b}",
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\n",
        "tab\t",
        "é 漢 😀",
        "\x00\x01\x1f",
        "\x7f",
        "\x85",
        "\x9f",
        "\xa0",
        "\u2028",
        "\u2029",
        "\ufeff",
    ],
    *["/run/secrets", "./a", "../a", "a/b", "redis:7-alpine", "127.0.0.1:6379:6379", "a" * 5000],
]
ALPHABET = "".join(NASTY[:-1]) + "abc"


@pytest.mark.parametrize("text", NASTY)
def test_a_text_comes_back_as_value_key_and_item(text: str) -> None:
    key = text[:100]  # YAML's own limit for a key on one line is 1024 characters
    for value in (text, {key: "v"}, {"k": text}, [text], {"k": [text, {"k": text, key: [text]}]}, [[text, [text]], {"a": {key: text}}]):
        assert yaml.safe_load(dump(value)) == value


def arbitrary(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [arbitrary(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {"".join(rng.choices(ALPHABET, k=rng.randrange(6))): arbitrary(rng, depth + 1) for _ in range(rng.randrange(4))}
    scalars = [None, rng.choice([True, False]), rng.randint(-10, 10**12), rng.uniform(-1e3, 1e3), rng.choice(NASTY)]
    return scalars[kind] if kind < 5 else "".join(rng.choices(ALPHABET, k=rng.randrange(12)))


@pytest.mark.parametrize("seed", range(300))
def test_arbitrary_data_comes_back(seed: int) -> None:
    value = arbitrary(random.Random(seed))
    assert yaml.safe_load(dump(value)) == value


def test_it_reads_like_what_a_person_would_write() -> None:
    one = {"image": "redis:7", "command": ["a", "b c"], "ports": [], "x": {}, "m": 1, "on": True, "l": [{"a": 1, "b": [2]}]}
    assert dump({"services": {"one": one}}) == (
        'services:\n  one:\n    image: "redis:7"\n    command:\n      - a\n      - "b c"\n    ports: []\n    x: {}\n'
        '    m: 1\n    "on": true\n    l:\n      - a: 1\n        b:\n          - 2\n'
    )


TEMPLATES = ["{{.Name}}", "{{ lookup('pipe', 'touch MARK') }}", "{% set x = 1 %}y", "a {# b", "#jinja2: x\n{{ 1 }}", "é\u2028{{ 'q\"' }}\\"]
PLAY = """\
- hosts: localhost
  gather_facts: false
  vars_files: [taken-over.yml]
  tasks:
    - ansible.builtin.set_fact: {again: "{{ variables | combine({'more': 1}) }}"}
    - ansible.builtin.copy: {content: "{{ [variables, again] | to_json }}", dest: "{{ playbook_dir }}/read.json"}
"""


@pytest.mark.skipif(find_spec("jinja2") is None, reason="this is the Python of a target")
def test_ansible_reads_what_a_container_says_and_evaluates_nothing_of_it(tmp_path: Path) -> None:
    variables = {"n": 1, "plain": "a b", "list": [*TEMPLATES, {TEMPLATES[1]: TEMPLATES[1]}], "deep": {"a": {"b": TEMPLATES[1]}}}
    variables = json.loads(json.dumps(variables).replace("MARK", str(tmp_path / "evaluated")))
    (tmp_path / "taken-over.yml").write_text(inventory({"variables": variables}))
    (tmp_path / "play.yml").write_text(PLAY)
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "read.json").read_text()) == [variables, {**variables, "more": 1}]
    assert not (tmp_path / "evaluated").exists()


def test_only_what_looks_like_a_template_is_marked() -> None:
    plain = {"a": ["}} {", "{ {", "${x}", "", 1, None, True], "{{ k }}": {}}
    assert inventory(plain) == dump(plain)
    assert inventory({"tag": "{{.Name}}", "list": ["{% x"]}) == 'tag: !unsafe "{{.Name}}"\nlist:\n  - !unsafe "{% x"\n'
