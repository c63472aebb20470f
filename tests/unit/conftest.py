"""What tests of several planners share."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.definition import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House("stack", str(tmp_path), "net")
