"""The playbooks as an operator runs them on such a host."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from plans import approved
from target import ROOT, Recap, play

STREAMLINE, ROLLBACK, SITE, VERIFY = (f"playbooks/{name}.yml" for name in ("streamline", "rollback", "site", "verify"))
PATCHED = json.dumps({"auren_takeover_patched": {"neuros-advanced": "keep"}})
TAKEOVER = ("-e", "auren_streamline_phase=takeover", "-e", PATCHED)
CLEANUP = ("-e", "auren_streamline_phase=cleanup", "-e", "auren_rollback_window=0")


def connect() -> Recap:
    return approved(STREAMLINE)


def take_over() -> Recap:
    return approved(STREAMLINE, *TAKEOVER)


def lines_for_the_inventory(output: str) -> dict[str, object]:
    """What the run says that the inventory has to say from now on, as it printed it."""
    found = re.search(r"Paste this into the inventory .*?\n\s*\n(?P<lines>.*?)\n+TASK ", output, re.DOTALL)
    assert found, output
    return dict(yaml.safe_load(re.sub(r"(?m)^ {8}", "", found["lines"])))


def said(variables: dict[str, object], tmp_path: Path) -> tuple[str, str]:
    """The arguments of a run for which the inventory has these lines."""
    path = tmp_path / "taken-over.yml"
    path.write_text(yaml.safe_dump(variables))
    return "-e", f"@{path}"


def site(variables: dict[str, object], tmp_path: Path) -> Recap:
    return play(*said(variables, tmp_path), playbook=SITE)


def reports() -> dict[str, bytes]:
    """Name → content of what the playbooks wrote about the host on this side."""
    return {path.name: path.read_bytes() for path in (ROOT / "auren-reports" / "target").iterdir() if path.is_file()}
