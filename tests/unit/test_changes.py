"""Records of changes come from the journal, one a run, and nothing is recorded twice."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import changes
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

OPERATION = {"kind": "recreate", "target": "one", "cause": "mem_limit changed", "before": "mem_limit 1g", "after": "mem_limit 2g"}


def begun(project: Path, kind: str = "site", **heading: Any) -> Journal:
    journal = Journal(project, kind, {"who": "ann", "host": "web", "operations": [OPERATION], **heading})
    journal.open()
    return journal


def test_a_record_says_all_that_its_run_says(tmp_path: Path) -> None:
    journal = begun(tmp_path, "connect", plan="ab12-0123456789")
    journal.end("done", operations=["recreate one (1.0 s)"], seconds=1.5, downtime="one 1.0 s", verification="3 names", way_back="rollback")
    [record] = changes.missing(tmp_path, {journal.id: "all pass"})
    assert record.pop("began")[:4].isdigit()
    assert record.pop("ended").endswith("Z")
    assert record == {
        "run": journal.id,
        "kind": "connect",
        "outcome": "done",
        "seconds": 1.5,
        "who": "ann",
        "host": "web",
        "version": VERSION,
        "plan": "ab12-0123456789",
        "operations": [OPERATION],
        "done": ["recreate one (1.0 s)"],
        "images": [],
        "replaced": [],
        "downtime": "one 1.0 s",
        "verification": "3 names; all pass",
        "way_back": "rollback",
        "error": "",
    }


def test_each_run_has_one_record(tmp_path: Path) -> None:
    for round_ in (1, 2):
        journal = begun(tmp_path)
        journal.end("done")
        records = changes.missing(tmp_path, {})
        assert [record["run"] for record in records] == [journal.id]
        assert records[0]["verification"] == changes.NOT_VERIFIED
        assert changes.add(tmp_path, {}) == records
        assert changes.missing(tmp_path, {}) == []
        assert len(changes.read(tmp_path)) == round_
    assert changes.changes_path(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_run_that_is_at_work_has_none_yet_and_one_that_was_killed_has(tmp_path: Path) -> None:

    journal = begun(tmp_path)
    assert changes.missing(tmp_path, {}) == []
    os.close(journal._handle)  # as the end of its process does
    assert [record["outcome"] for record in changes.missing(tmp_path, {})] == ["cut off"]


def test_a_failed_run_is_recorded_at_once(tmp_path: Path) -> None:
    begun(tmp_path).fail("it did not become healthy", ["write x (0.1 s)"])
    assert changes.close(tmp_path) == ""
    [record] = changes.read(tmp_path)
    assert (record["outcome"], record["error"], record["done"]) == ("failed", "it did not become healthy", ["write x (0.1 s)"])


def test_the_file_only_grows_and_a_torn_line_costs_nothing(tmp_path: Path) -> None:
    begun(tmp_path).end("done")
    changes.add(tmp_path, {})
    path = changes.changes_path(tmp_path)
    before = path.read_bytes() + b'{"run": "torn'
    path.write_bytes(before)
    begun(tmp_path).end("done")
    changes.add(tmp_path, {})
    assert path.read_bytes().startswith(before + b"\n")
    assert len(changes.read(tmp_path)) == 2


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = changes.changes_path(tmp_path)
    path.parent.mkdir()
    path.write_text("something\n")
    with pytest.raises(StackError, match="holds no record"):
        changes.read(tmp_path)


def test_what_was_written_down_before_it_was_verified_says_so_in_the_end(tmp_path: Path) -> None:
    """Somebody documents while `site` still verifies. The file only grows, and a result that is there stays."""
    journals = [begun(tmp_path, kind) for kind in ("site", "connect")]
    for journal in journals:
        journal.end("done")
    changes.add(tmp_path, {})
    before = changes.changes_path(tmp_path).read_bytes()
    [late] = changes.add(tmp_path, {journals[0].id: "all pass", "nobody": "x"})
    assert (late["run"], late["verification"]) == (journals[0].id, "all pass")
    assert changes.changes_path(tmp_path).read_bytes().startswith(before)
    told = {one["run"]: one["verification"] for one in changes.read(tmp_path)}
    assert told == {journals[0].id: "all pass", journals[1].id: changes.NOT_VERIFIED}
    assert changes.add(tmp_path, {journals[0].id: "another"}) == []


def test_two_who_write_at_once_write_a_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path).end("done")
    read, both, added = changes.read, threading.Barrier(2), []

    def slow(project: Path) -> list[dict[str, Any]]:
        found = read(project)
        time.sleep(0.05)
        return found

    def write() -> None:
        both.wait()
        added.extend(changes.add(tmp_path, {}))

    monkeypatch.setattr(changes, "read", slow)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(added) == len(changes.changes_path(tmp_path).read_text().splitlines()) == 1
