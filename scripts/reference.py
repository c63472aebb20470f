"""Write the reference from the specs: `docs/reference` and the README of each role. With `--check`, say what there differs from them.

The specs are read by `ansible-doc`, all in one call. Its markup (O(option), V(value), M(module)) becomes Markdown by
antsibull-docs-parser, the pages come from the templates beside this file. The same specs give the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from antsibull_docs_parser import dom
from antsibull_docs_parser.format import LinkProvider
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, parse

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = "auren.stack"
MEANS_SOMETHING = re.compile(r"[*<>\[\]`|\\]|(?<!\w)_|_(?!\w)")  # in Markdown; an underscore inside a word does not
INDEX = "docs/reference/README.md"
PAGES = {  # Galaxy wants a README in each role, so that is where a role's page is
    "module": "docs/reference/modules/{}.md",
    "lookup": "docs/reference/lookups/{}.md",
    "filter": "docs/reference/filters/{}.md",
    "role": "roles/{}/README.md",
}


class Markdown(MDFormatter):  # type: ignore[misc]
    """Code in backticks, and only those characters escaped that would mean something: the pages are read as text, too."""

    def format_text(self, part: dom.TextPart) -> str:
        return MEANS_SOMETHING.sub(r"\\\g<0>", str(part.text))

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return f"[{part.fqcn}]({url})" if url else code(part.fqcn)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return f"[{part.plugin.fqcn}]({url})" if url else code(part.plugin.fqcn)

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return code(part.name)

    @staticmethod
    def _format_option_like(part: dom.OptionNamePart | dom.ReturnValuePart, url: str | None) -> str:
        return code(part.name if part.value is None else f"{part.name}={part.value}")


@dataclass(frozen=True)
class Page(LinkProvider):  # type: ignore[misc]
    """Where a page is, as a path from the root: what links from it depend on."""

    path: str

    def to(self, path: str) -> str:
        return os.path.relpath(path, os.path.dirname(self.path))

    def plugin_link(self, plugin: dom.PluginIdentifier) -> str | None:
        home, _, name = plugin.fqcn.rpartition(".")
        return self.to(PAGES[plugin.type].format(name)) if home == COLLECTION and plugin.type in PAGES else None

    def prose(self, text: str | list[str] | None, separator: str = "\n\n") -> str:
        """A description as Markdown, its paragraphs apart; markup that cannot be read is an error, not a page."""
        paragraphs = [text] if isinstance(text, str) else text or []
        parsed = parse(paragraphs, Context(), errors="exception")
        return str(to_md(parsed, formatter=Markdown(), link_provider=self, par_sep=separator))


def code(text: str) -> str:
    """A code span. In a table a `|` needs an escape even there."""
    return f"`{text}`".replace("|", "\\|") if "`" not in text else f"`` {text} ``".replace("|", "\\|")


def value(what: Any) -> str:
    """A default or a choice as it is written in YAML on one line."""
    if isinstance(what, str):
        return code(" ".join(what.split()) or '""')
    return code(json.dumps(what))


def default(spec: dict[str, Any]) -> str:
    return "**required**" if spec.get("required") else value(spec["default"]) if spec.get("default") is not None else ""


def choices(spec: dict[str, Any]) -> str:
    return "<br>One of " + ", ".join(map(value, spec["choices"])) + "." if spec.get("choices") else ""


def kind(spec: dict[str, Any]) -> str:
    return spec.get("type", "raw") + (f" of {spec['elements']}" if "elements" in spec else "")


def rows(tree: dict[str, Any] | None, parent: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each option or return value with its spec in the order of names, what lies in another one as `outer.inner` after it."""
    for name, spec in sorted((tree or {}).items()):
        yield parent + name, spec
        yield from rows(spec.get("options") or spec.get("suboptions") or spec.get("contains"), f"{parent}{name}.")


def dump() -> dict[str, dict[str, Any]]:
    """Kind → name → what `ansible-doc` knows of it."""
    command = [str(Path(sys.executable).parent / "ansible-doc"), "--metadata-dump", COLLECTION]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["all"]
    return {kind: dict(sorted(found[kind].items())) for kind in PAGES}


def pages(specs: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Path from the root → the page."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    house = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    house.globals.update(default=default, choices=choices, kind=kind, rows=rows, code=code)
    made = {INDEX: house.get_template("index.md.j2").render(page=Page(INDEX), specs=specs, pages=PAGES)}
    for what, place in PAGES.items():
        template = house.get_template("role.md.j2" if what == "role" else "plugin.md.j2")
        for fqcn, spec in specs[what].items():
            path = place.format(fqcn.rpartition(".")[2])
            made[path] = template.render(what=what, fqcn=fqcn, spec=spec, page=Page(path))
    return made


def present(root: Path) -> dict[str, str]:
    """The pages that are there, in the same shape."""
    paths = [*root.glob("docs/reference/**/*.md"), *root.glob("roles/*/README.md")]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def differences(wanted: dict[str, str], there: dict[str, str]) -> list[str]:
    """What is not as the specs have it, one line a page."""
    lines = [f"{name}: {'differs from its specs' if name in there else 'is missing'}" for name in wanted if there.get(name) != wanted[name]]
    return sorted(lines + [f"{name}: nothing has these specs any more" for name in there.keys() - wanted.keys()])


def write(wanted: dict[str, str], root: Path) -> None:
    for name in present(root).keys() - wanted.keys():
        (root / name).unlink()
    for name, text in wanted.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def main(words: list[str]) -> int:
    wanted = pages(dump())
    found = differences(wanted, present(ROOT))
    if words != ["--check"]:
        write(wanted, ROOT)
        print(f"ok: {len(wanted)} pages, {len(found)} changed")
        return 0
    print("\n".join(found) or f"ok: {len(wanted)} pages are what the specs say")
    if found:
        print("run: make docs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
