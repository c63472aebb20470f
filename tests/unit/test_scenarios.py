"""The tests of the Molecule scenarios, which take minutes to begin: that each of them can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "molecule" / "shared"
SCENARIOS = sorted(path.parent for path in ROOT.glob("molecule/*/molecule.yml"))


IMPORTING = """
import contextlib, importlib, pytest, sys
for name in sys.argv[1:]:
    with contextlib.suppress(pytest.skip.Exception):  # what it needs is not installed here, and it says so itself
        importlib.import_module(name)
"""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_what_a_scenario_imports_is_there(scenario: Path) -> None:
    files = sorted([*(scenario / "tests").glob("test_*.py"), *(SHARED / "tests").glob("test_*.py")])
    folders = [str(folder) for folder in (SHARED, scenario / "tests", SHARED / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, *(path.stem for path in files)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
