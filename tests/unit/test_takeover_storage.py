"""Data on volumes of another driver than the Engine's own.

What the Engine says of them was tried with a driver served to an Engine 26; none can be served to the one that the other tests use:
once it is gone, every list of volumes waits 15 s for it until that Engine is restarted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker.errors
import pytest
from ansible_collections.auren.stack.plugins.module_utils.data_places import holds
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Choices, Copy, Swap
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import conflicts
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old

from tests.unit.builders import service

FOREIGN = {"Type": "volume", "Name": "remote", "Source": "", "Destination": "/data", "Driver": "nfs", "Mode": "", "RW": True}


class Recorded:
    """The answers of the Engine for a container on such a volume, before anybody has asked for the volume itself."""

    def inspect_container(self, _name: str) -> dict[str, Any]:
        return {"Mounts": [dict(FOREIGN)]}

    def inspect_volume(self, name: str) -> dict[str, Any]:
        return {"Name": name, "Driver": "nfs", "Mountpoint": "/mnt/remote"}


class WithoutDriver(Recorded):
    """When the driver does not answer any more."""

    def inspect_volume(self, name: str) -> dict[str, Any]:
        raise docker.errors.NotFound(f'get {name}: error looking up volume plugin nfs: plugin "nfs" not found')


@pytest.mark.parametrize(("answers", "place"), [(Recorded(), "/mnt/remote"), (WithoutDriver(), "")], ids=["known", "driver gone"])
def test_the_engine_is_asked_where_such_a_volume_is(answers: Recorded, place: str) -> None:
    engine = object.__new__(Engine)
    engine.api = answers
    raw = engine.inspect("db")
    assert raw is not None
    assert raw["Mounts"][0]["Source"] == place


def swap(copies: tuple[Copy, ...]) -> Swap:
    container = Container(id="a", name="db", image="img:1", image_id="sha", state="running")
    raw = {"Mounts": [FOREIGN], "HostConfig": {}}
    old = Old("db", container, raw, {"RepoTags": ["img:1"]}, RunConfig({}, {}, ()), "img:1", ("/data",))
    declared = service("db", data=[{"volume": "named", "target": "/data"}])
    return Swap(old, declared, Before("no", True), copies)


def test_it_is_not_copied() -> None:
    one = swap((Copy("/data", "/mnt/remote", "named", "", 1),))
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {"remote": ""}), {}, (), [one], Choices(copy=("db",), sure=("db",)))
    assert [problem.message for problem in found if problem.kind == "volume_driver"] == [
        "the volume remote of db has the driver nfs, which this host cannot read, so it cannot be copied. "
        "Take db out of auren_takeover_copy: it stays where it is. Nothing was changed"
    ]


def test_nothing_is_measured_where_it_cannot_be_seen() -> None:
    """A volume without a directory is neither this process's own directory nor an empty one."""
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {"remote": "", "other": ""}), {}, (), [swap(())], Choices())
    assert [problem.kind for problem in found] == ["not_connected", "other_volume"]


def test_no_directory_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dump.rdb").touch()
    monkeypatch.chdir(tmp_path)
    assert holds("redis", ".")
    assert not holds("redis", "")
