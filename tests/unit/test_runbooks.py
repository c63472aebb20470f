"""One table, and nothing beside it: every kind that can be found has a page, every page is led to, every fault names its own."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import runbooks
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import Checked, diagnose
from ansible_collections.auren.stack.plugins.module_utils.probes.registry import PROBES

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
FOLDER = ROOT / runbooks.FOLDER
HEADINGS = [
    "What you see",
    "What it means",
    "Prove it",
    "Fix it",
    "Is it fixed?",
    "How it comes about",
    "How it is kept from happening",
]
LONGEST = 90  # lines of a page that is read at night
# Where a kind stands in the calls that make one, and which sources find it. A probe's own file finds it as that probe.
MADE = {"ProbeError": 0, "Finding": 0, "Remark": 0, "Matter": 2, "Answer": 1, "said": None}
SOURCES = {"container_checks": ["container"], "live_map": ["host"], "heartbeat_hops": ["heartbeat"]}
ANYWHERE = ["contract", "names", "verification", "heartbeat"]  # found by any of the probes


def constants(node: ast.AST, function: ast.AST | None) -> set[str]:
    """The texts that an expression may be: itself, one of two, or what a name was given in the function around it."""
    if isinstance(node, ast.Constant):
        return {str(node.value)} - {""}
    if isinstance(node, ast.IfExp):
        return constants(node.body, function) | constants(node.orelse, function)
    if not isinstance(node, ast.Name) or function is None:
        return set()
    found: set[str] = set()
    for given in (one for one in ast.walk(function) if isinstance(one, ast.Assign)):
        target = given.targets[0]
        if isinstance(target, ast.Name) and target.id == node.id:
            found |= constants(given.value, None)
        names = [one.id for one in target.elts if isinstance(one, ast.Name)] if isinstance(target, ast.Tuple) else []
        if node.id in names:
            tuples = [one for one in ast.walk(given.value) if isinstance(one, ast.Tuple) and len(one.elts) == len(names)]
            found |= {text for one in tuples for text in constants(one.elts[names.index(node.id)], None)}
    return found


def made_in(path: Path) -> Iterator[str]:
    """The kinds of failures that a file makes."""
    tree = ast.parse(path.read_text())
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)):
        place = MADE.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if place is not None and len(call.args) > place:
            around = [one for one in functions if one.lineno <= call.lineno <= (one.end_lineno or 0)]
            yield from constants(call.args[place], around[-1] if around else None)


def emitted() -> set[tuple[str, str]]:
    """Source and kind of all that the code can find."""
    found = {("disk", "disk"), ("heartbeat", "timeout")}
    for name, sources in SOURCES.items():
        found |= {(source, kind) for source in sources for kind in made_in(UTILS / f"{name}.py")}
    probes = {path.stem: path for path in (UTILS / "probes").glob("*.py") if path.stem in PROBES}
    for name, path in probes.items():
        found |= {(source, kind) for kind in made_in(path) for source in ([name, "page", "proxy"] if name == "http" else [name])}
    for path in [UTILS / f"{name}.py" for name in ANYWHERE if name != "contract"] + [UTILS / "probes" / "contract.py"]:
        kinds = set(made_in(path)) | ({"slow"} if path.stem == "verification" else set())
        found |= {(source, kind) for kind in kinds for source in (*probes, "page", "proxy", "heartbeat")}
    bundle = ast.parse((ROOT / "plugins" / "modules" / "stack_bundle.py").read_text())
    for call in (one for one in ast.walk(bundle) if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "Matter"):
        if isinstance(call.args[1], ast.Constant) and isinstance(call.args[2], ast.Constant):
            found.add((str(call.args[1].value), str(call.args[2].value)))
    return found | {("engine", kind) for kind in engine_kinds()}


def engine_kinds() -> set[str]:
    """What an Engine that cannot be used is told as."""
    tree = ast.parse((UTILS / "engine.py").read_text())
    parts = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name in ("_unreachable", "__init__")]
    calls = [one for part in parts for one in ast.walk(part) if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "StackError"]
    return {str(call.args[1].value) for call in calls if isinstance(call.args[1], ast.Constant)} | {"engine"}


def test_what_is_searched_for_is_found() -> None:
    found = emitted()
    assert {("container", "twice_alias"), ("container", "loop"), ("kafka", "advertised"), ("host", "unknown"), ("redis", "dns")} <= found
    assert {("engine", "no_sdk"), ("bundle", "clear_text"), ("heartbeat", "auth"), ("grafana", "slow"), ("postgres", "client")} <= found


def test_every_kind_that_the_code_can_find_has_a_page() -> None:
    assert sorted(pair for pair in emitted() if runbooks.page_of(*pair) is None) == []


def test_no_line_of_the_table_is_about_what_nothing_finds() -> None:
    found = emitted()
    kinds = {kind for _source, kind in found}
    dead = [rule for rule in runbooks.RULES if rule not in found and not (rule[0] == runbooks.ANY and rule[1] in kinds)]
    assert dead == []


def test_every_page_is_there_and_none_is_an_orphan() -> None:
    there = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert there == set(runbooks.PAGES) == {*runbooks.RULES.values(), *runbooks.BY_HAND}


def test_every_pain_of_the_operators_has_a_page() -> None:
    assert {pain for page in runbooks.PAGES.values() for pain in page.pains} == set(range(1, 19))


def test_the_index_is_made_from_the_table() -> None:
    assert (FOLDER / "README.md").read_text() == runbooks.index(), "run python scripts/runbooks.py"


@pytest.mark.parametrize("name", sorted(runbooks.PAGES))
def test_a_page_has_all_its_parts_and_is_short(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text()
    assert text.startswith(f"# {runbooks.PAGES[name].title}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE))
    assert len(text.splitlines()) <= LONGEST
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not (FOLDER / link).exists()] == []


def test_pages_call_playbooks_that_are_there() -> None:
    texts = [path.read_text() for path in FOLDER.glob("*.md")] + [page.fix for page in runbooks.PAGES.values()]
    called = {name for text in texts for name in re.findall(r"auren\.stack\.([a-z_]+)", text)}
    assert "site" in called
    assert [name for name in sorted(called) if not (ROOT / "playbooks" / f"{name}.yml").exists()] == []


def faults() -> list[dict[str, Any]]:
    """The table of molecule/verify, imported and not run: it needs a host."""
    folders = [str(ROOT / "molecule" / "shared"), str(ROOT / "molecule" / "verify" / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", "import faults, json; print(json.dumps([[f.name, f.kinds, f.page, f.fix] for f in faults.FAULTS]))"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [dict(zip(("name", "kinds", "page", "fix"), fault)) for fault in json.loads(done.stdout)]


NAMES = re.compile(r"(?<![\w/-])(auren-(?!network)[a-z-]+|neuros-advanced|biometric-production|intruder)(?![\w/-])")


def typed(line: str) -> str:
    """A command without the remark behind it, and whichever container it is about."""
    return NAMES.sub("NAME", re.split(r"\s{2,}# ", line)[0].strip())


def said_to_be_typed(name: str) -> set[str]:
    """The commands of a page that fix what it is about, and that show that it is fixed."""
    text = (FOLDER / f"{name}.md").read_text()
    parts = re.findall(r"^## (?:Fix it|Is it fixed\?)\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return {typed(line) for part in parts for line in part.splitlines() if line.startswith("    ")}


def test_every_fault_has_the_page_that_the_table_gives() -> None:
    table = faults()
    assert len(table) >= 20
    for fault in table:
        pages = {page.name if (page := runbooks.page_of(*kind.split())) else "" for kind in fault["kinds"]}
        assert pages == {fault["page"]} != {""}, fault


def test_the_fix_of_every_fault_is_a_line_of_its_page() -> None:
    """molecule/verify does just that, and looks whether it is gone."""
    anywhere = {line for name in runbooks.PAGES for line in said_to_be_typed(name)}
    for fault in faults():
        lines = [typed(line) for line in fault["fix"]]
        assert set(lines[:1]) <= said_to_be_typed(fault["page"]), fault
        assert set(lines) <= anywhere, fault
    assert [fault["page"] for fault in faults() if not fault["fix"]] == ["disk-full"]


def test_what_the_table_says_that_fixes_it_is_on_the_page() -> None:
    for name, page in runbooks.PAGES.items():
        fix = (FOLDER / f"{name}.md").read_text().partition("## Fix it")[2].partition("## Is it fixed?")[0]
        commands = re.findall(r"ansible-playbook auren\.stack\.\w+(?: --tags \w+| -e \w+=\w+)?|docker (?:re)?start auren-\w+", page.fix)
        assert [command for command in commands if command not in fix] == [], name


def test_a_label_says_which_part_of_a_page_it_is_about() -> None:
    assert runbooks.source_of("http auren-pwa:8080/") == "page"
    assert runbooks.source_of("http auren-pwa:8080/api/neuros/health") == "proxy"
    assert runbooks.source_of("http neuros-advanced:8000") == runbooks.source_of("http one:80/metrics") == "http"
    assert (runbooks.source_of("container auren-redis"), runbooks.source_of("disk /opt/x")) == ("container", "disk")


def test_a_cause_says_its_page_and_pages_are_named_once() -> None:
    checks = [
        Checked("postgres db:5432", "db", "app", "fail", "auth", "does not accept the password"),
        Checked("redis cache:6379", "cache", "app", "fail", "auth", "does not accept the password"),
        Checked("container bridge", "bridge", "bridge", "fail", "absent", "bridge is not there: run site"),
        Checked("grafana panels:3000", "panels", "app", "fail", "auth", "does not accept the password of its administrator"),
        Checked("tcp odd:1", "odd", "app", "fail", "nobody knows", "?"),
    ]
    _marked, causes = diagnose(checks, {})
    assert {cause.service: cause.page for cause in causes} == {
        "bridge": "removed-container",
        "db": "password-drift",
        "cache": "password-drift",
        "panels": "grafana-password",
        "odd": "",
    }
    assert "site" not in runbooks.PAGES["grafana-password"].fix  # which writes the file, and Grafana does not look there any more
    assert runbooks.see(cause.page for cause in causes) == (
        "see docs/runbooks/removed-container.md, docs/runbooks/password-drift.md, docs/runbooks/grafana-password.md"
    )
    assert runbooks.see([]) == ""
