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
