"""Write the index of docs/runbooks from the table that verification uses."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.auren.stack.plugins.module_utils import runbooks  # noqa: E402

(ROOT / runbooks.FOLDER / "README.md").write_text(runbooks.index())
