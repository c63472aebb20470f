"""An old container gets its data, its place and its life back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover import Copy
from ansible_collections.auren.stack.plugins.module_utils.takeover_restore import copy_back

OLD = Container("old", "db-replaced-T", "i", "sha", "exited", restart_policy="no")


class Host(Engine):
    """An Engine with these containers and nothing else."""

    def __init__(self, *containers: Container) -> None:
        self.there = {one.id: one for one in containers}

    def container(self, name: str) -> Container | None:
        return next((one for one in self.there.values() if name in (one.id, one.name)), None)


@pytest.mark.parametrize("layer", [False, True])
def test_nothing_is_copied_under_a_program_that_runs(tmp_path: Path, layer: bool) -> None:
    place, source = tmp_path / "copied", tmp_path / "anonymous"
    for directory, text in ((place, "copied"), (source, "since")):
        directory.mkdir()
        (directory / "file").write_text(text)
    copy = Copy("/data", "" if layer else str(source), str(place), "", 1)
    with pytest.raises(StackError, match="cannot put /data back into db-replaced-T: it is running, and its files change; stop it first"):
        copy_back(Host(replace(OLD, state="running")), OLD, copy)
    assert (source / "file").read_text() == "since"
    if not layer:
        copy_back(Host(OLD), OLD, copy)
        assert (source / "file").read_text() == "copied"
