"""What is read of a container that is to be taken over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from ansible_collections.auren.stack.plugins.module_utils import layer, takeover_read
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.model import Container

from tests.unit.builders import foreign

WRITTEN = ["/app/hot.py", "/app/logs/__init__.py", "/etc/app.conf", "/opt/x/rotate.log.py"]
LEFT = ["/root/.psql_history", "/root/.cache/x", "/root/.viminfo", "/app/error.log", "/opt/x/logs/access.log.1", "/app/__pycache__/a.pyc"]


class OnDisk:
    """An Engine whose containers' layers can be read on this host."""

    def edited(self, container: Container, places: tuple[str, ...]) -> list[str]:
        return layer.changed(container.upper, places) or []


def test_what_shells_and_programs_leave_behind_is_no_edit(tmp_path: Path) -> None:
    for path in (*WRITTEN, *LEFT, "/etc/hosts", "/opt/made-at-start"):
        file = Path(f"{tmp_path}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (1_000_000_000, 1_000_000_000 + 1_000_000 * (path == "/opt/made-at-start")))
    more: dict[str, Any] = {"upper": str(tmp_path), "started_at": "2001-09-20T15:33:20Z", "created_at": "2001-09-20T15:33:20Z"}
    assert takeover_read.hot_patches(cast(Engine, OnDisk()), foreign("db", **more)) == WRITTEN
