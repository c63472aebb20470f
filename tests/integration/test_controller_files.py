"""Reports are written on the controller, whole, and again only when they differ."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {"report.md": "# Grün\n", "result.json": {"host": "one"}}


def run(folder: Path, files: object = FILES, check: bool = False) -> dict[str, Any]:
    """What ansible says about one task of the module."""
    command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "auren.stack.controller_files"]
    command += ["-a", json.dumps({"dir": str(folder), "files": files}), *(["--check"] if check else [])]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout
    return dict(json.loads(said[said.index(">> {" if ">> {" in said else "=> {") + 3 :]))


@pytest.fixture(autouse=True)
def as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", "json")


def test_files_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "one"
    assert run(folder, check=True)["changed"]
    assert not folder.exists()
    assert run(folder)["actions"] == [f"write {folder / name}: its content differs" for name in sorted(FILES)]
    assert (folder / "report.md").read_text() == "# Grün\n"
    assert json.loads((folder / "result.json").read_text()) == {"host": "one"}
    assert not run(folder, check=True)["changed"]
    assert run(folder)["actions"] == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = run(tmp_path / "file" / "reports")["msg"]
    assert said.endswith("Give a directory that can be written on the controller")
    assert str(tmp_path / "file") in said


def test_files_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    assert "convert to dict" in run(tmp_path, files="text")["msg"]
