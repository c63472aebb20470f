"""One swap, as far as it can be followed without an Engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.project_apply import Apply
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Swap
from ansible_collections.auren.stack.plugins.module_utils.takeover_apply import SwapApply
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old

from tests.unit.builders import foreign, service


def swapping(journalled: Any) -> SwapApply:
    """One that has only its new container to make."""
    old = Old("db", foreign("db-replaced-T", state="exited"), {}, None, RunConfig({}, {}, ()), "img:1", kept=True, successor=True)
    apply = object.__new__(SwapApply)
    apply.swap, apply.journalled, apply.making = Swap(old, service("db"), Before("no", True)), journalled, False
    return apply


@pytest.mark.parametrize("full", [True, False], ids=["not begun", "begun"])
def test_what_was_never_begun_has_written_nothing_that_goes_back(monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """The journal has no line of it, so a rollback would know of no copy, should the way back be cut off in the middle of one."""

    def failing(*_words: Any) -> None:
        raise StackError("the disk is full", "journal")

    monkeypatch.setattr(Apply, "_containers", failing)
    apply = swapping(failing if full else lambda _verb, _target, change: change())
    with pytest.raises(StackError, match="the disk is full"):
        apply._containers()
    assert apply.making is not full


def test_files_that_cannot_go_back_do_not_say_that_the_old_one_is_away() -> None:
    def full() -> None:
        raise StackError("cannot write x: the disk is full", "write")

    apply = swapping(lambda _verb, _target, change: change())
    apply.before, apply.left, apply.stopped_at = {"x": SimpleNamespace(restore=full)}, "", 0.0
    apply.engine, apply._old_back = SimpleNamespace(container=lambda _name: None), lambda: None
    said = apply._put_back(StackError("it is sick", "gate")).message
    assert said.startswith("it is sick. The old db runs again, as it was, after ")
    assert "Files of the project are not what they were (cannot write x: the disk is full)" in said
