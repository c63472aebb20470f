"""The pages of the reference: what the specs say, all of it, and a check that sees every difference."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytest.importorskip("antsibull_docs_parser", reason="only where the reference is made")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module  # a dataclass asks for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(reference: ModuleType) -> dict[str, str]:
    found: dict[str, str] = reference.pages(reference.dump())
    return found


def options(tree: dict[str, Any]) -> list[str]:
    return [name for key, spec in tree.items() for name in [key, *(f"{key}.{inner}" for inner in options(spec.get("options", {})))]]


def test_every_module_plugin_and_role_has_a_page(pages: dict[str, str]) -> None:
    modules = {f"docs/reference/modules/{path.stem}.md" for path in ROOT.glob("plugins/modules/[a-z]*.py")}
    lookups = {f"docs/reference/lookups/{path.stem}.md" for path in ROOT.glob("plugins/lookup/[a-z]*.py")}
    filters = {f"docs/reference/filters/{path.stem}.md" for path in ROOT.glob("plugins/filter/[a-z]*.py")}
    roles = {f"roles/{path.parent.parent.name}/README.md" for path in ROOT.glob("roles/*/tasks/main.yml")}
    assert set(pages) == modules | lookups | filters | roles | {"docs/reference/README.md"}


def test_every_option_of_a_role_is_there_with_its_default(pages: dict[str, str]) -> None:
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        role = path.parent.parent.name
        main = yaml.safe_load(path.read_text())["argument_specs"]["main"]
        rows = {line.split(" | ")[0][2:]: line for line in pages[f"roles/{role}/README.md"].splitlines() if line.startswith("| `")}
        assert set(rows) == {f"`{name}`" for name in options(main.get("options", {}))}, role
        for name, spec in main.get("options", {}).items():
            if isinstance(spec.get("default"), int) and not isinstance(spec["default"], bool):
                assert f"| `{spec['default']}` |" in rows[f"`{name}`"], name


def test_what_is_committed_is_what_the_specs_say(reference: ModuleType, pages: dict[str, str]) -> None:
    assert reference.differences(pages, reference.present(ROOT)) == [], "run: make docs"


def test_every_difference_is_seen(reference: ModuleType, pages: dict[str, str], tmp_path: Path) -> None:
    reference.write(pages, tmp_path)
    assert reference.differences(pages, reference.present(tmp_path)) == []
    (tmp_path / "roles/redis/README.md").write_text("# by hand\n")
    (tmp_path / "docs/reference/modules/image_set.md").unlink()
    (tmp_path / "docs/reference/modules/gone.md").write_text("# gone\n")
    assert reference.differences(pages, reference.present(tmp_path)) == [
        "docs/reference/modules/gone.md: nothing has these specs any more",
        "docs/reference/modules/image_set.md: is missing",
        "roles/redis/README.md: differs from its specs",
    ]


def test_markup_becomes_markdown(reference: ModuleType) -> None:
    page = reference.Page("docs/reference/modules/x.md")
    said = page.prose("With O(state=absent), C(a|b) and V(x); see M(auren.stack.image_set). A *star*, snake_case, _under_, <tag>.")
    assert said == (
        "With `state=absent`, `a\\|b` and `x`; see [auren.stack.image_set](image_set.md). A \\*star\\*, snake_case, \\_under\\_, \\<tag\\>."
    )
