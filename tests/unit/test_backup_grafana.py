"""Databases of Grafana that were copied in the middle of a change."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import backup_grafana
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

from tests.unit.builders import foreign


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """What a power cut leaves: half of a change in the database, and the journal that takes it back."""
    source, work = tmp_path / "grafana.db", tmp_path / "work"
    work.mkdir()
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as base:
        base.executescript("PRAGMA journal_mode=delete; PRAGMA cache_size=1; CREATE TABLE t (v INT, fill TEXT)")
        base.executemany("INSERT INTO t VALUES (1, ?)", (("x" * 900,) for _ in range(100)))
        base.execute("BEGIN")
        base.execute("UPDATE t SET v = 2, fill = hex(randomblob(450))")
        for path in (source, Path(f"{source}-journal")):
            shutil.copy(path, work)
        base.execute("ROLLBACK")
    return work


def test_our_own_copy_recovers(cut: Path, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    backup_grafana._filled(foreign("grafana"), str(cut), tmp_path / "part", "rw")
    with contextlib.closing(sqlite3.connect(tmp_path / "part" / "databases" / "grafana.db")) as base:
        assert base.execute("SELECT sum(v) FROM t").fetchone() == (100,)


def test_what_a_program_works_with_is_not_touched(cut: Path, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    before = {path.name: path.read_bytes() for path in cut.iterdir()}
    with pytest.raises(StackError, match="cannot be copied"):
        backup_grafana._filled(foreign("grafana"), str(cut), tmp_path / "part", "ro")
    assert {path.name: path.read_bytes() for path in cut.iterdir()} == before
