"""The controller keeps the records of changes that it has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.auren.stack.plugins.filter.merged_changes import merged


def test_the_controller_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    assert merged([{"run": "b"}], str(path)) == [{"run": "b"}]
    path.write_text(json.dumps({"run": "a"}) + "\n" + json.dumps({"run": "b", "kept": 1}) + "\n")
    assert merged([{"run": "b"}, {"run": "c"}], str(path)) == [{"run": "a"}, {"run": "b", "kept": 1}, {"run": "c"}]
    path.write_text("no json\n")
    with pytest.raises(AnsibleFilterError, match="move it away"):
        merged([], str(path))


def test_a_run_that_was_verified_after_it_was_written_down_is_one(tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    lines = [{"run": "a", "verification": "not run"}, {"run": "b", "verification": "not run"}, {"run": "b", "verification": "well"}]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    late = {"run": "a", "verification": "all pass"}
    assert merged([late, {"run": "b", "verification": "another"}], str(path)) == [late, lines[2]]
