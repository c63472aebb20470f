"""The host under test, once for a file, and the figures at the end."""

from __future__ import annotations

from typing import Any

import pytest
from hand_run import MEASURED, HandRun
from target import Target


@pytest.fixture(scope="module")
def hand(target: Target) -> HandRun:
    """The host; what is on it, each file says itself."""
    return HandRun(target)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures, whether or not something failed."""
    terminalreporter.section("measured")
    for line in MEASURED:
        terminalreporter.write_line(line)
