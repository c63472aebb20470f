"""Data on volumes of another driver than the Engine's own.

What the Engine says of them was tried with a driver served to an Engine 26; none can be served to the one that the other tests use:
once it is gone, every list of volumes waits 15 s for it until that Engine is restarted.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from ansible_collections.auren.stack.plugins.module_utils import takeover, tree
from ansible_collections.auren.stack.plugins.module_utils.data_places import holds
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, extra_vars
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Image, Snapshot
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Choices, Copy, Swap, copies_of
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import conflicts, refuse_other_image
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


# --- what changed between plan and turn, and what a run that was cut off has left --------------------------------------


@pytest.mark.parametrize("image", [None, Image("sha256:other", {}, {}, ())], ids=["gone", "another"])
def test_an_image_that_moved_since_the_plan_is_not_started(image: Image | None) -> None:
    with pytest.raises(StackError, match=r"img:1 is no longer the image that db runs: .* db was not touched; look at the plan again"):
        refuse_other_image(replace(swap(()), service=service("db", compose={"image": "img:1"})), image)


def test_its_own_image_and_its_snapshot_are_started() -> None:
    refuse_other_image(swap(()), Image("sha", {}, {}, ()))
    kept = service("db", compose={"image": "db:takeover-20260101"})
    refuse_other_image(replace(swap(()), service=kept, snapshot="db:takeover-20260101"), Image("sha256:new", {}, {}, ()))


def test_a_copy_that_a_run_left_in_another_volume_is_not_forgotten() -> None:
    before = Before("no", True, copied=(Copy("/data", "", "first", "", 1),))
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {}), {}, (), [replace(swap(()), before=before)], Choices())
    [said] = [problem.message for problem in found if problem.kind == "copied_elsewhere"]
    assert said == (
        "the data of db was copied to first by a run that was cut off, and the declaration says another volume. "
        "Declare first again and run again, or take that run back first (rollback). Nothing was changed"
    )


def test_several_directories_stay_where_each_is_declared() -> None:
    mounts = [
        {"Type": "volume", "Name": name, "Source": "", "Destination": f"/{name}", "Driver": "local", "RW": True} for name in ("d1", "d2")
    ]
    old = replace(swap(()).old, raw={"Mounts": mounts, "HostConfig": {}}, places=("/d1", "/d2"))
    data = [{"volume": name, "target": f"/{name}"} for name in ("d1", "d2")]
    for declared, wanted in ((data, []), (data[:1], ["other_place"])):
        one = replace(swap(()), old=old, service=service("db", data=declared))
        found = conflicts(HostState((), ()), Snapshot((1, 44), (), {}), {}, (), [one], Choices())
        assert [problem.kind for problem in found if problem.kind == "other_place"] == wanted


def test_a_program_that_looks_beside_all_that_is_declared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(swap(()), service=service("db", data=[{"volume": "other", "target": "/backup"}]))
    monkeypatch.setattr(takeover, "expected", lambda *_: "/data")
    assert copies_of(one.old, one.service, Snapshot((1, 44), (), {}), False) == []
    assert copies_of(replace(one.old, raw={"Mounts": [], "HostConfig": {}}), one.service, Snapshot((1, 44), (), {}), False) == [
        Copy("/data", "", "other", "", 0)
    ]


def test_a_copy_that_would_mix_with_something_says_which_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    declared = service("db", data=[{"volume": "named", "target": "/data", "variable": "where_db_keeps_it"}])
    one = replace(swap((Copy("/data", "/mnt/remote", "named", "", 1),)), service=declared)
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {"named": str(tmp_path)}), {}, (), [one], Choices())
    assert [problem.message for problem in found if problem.kind == "volume_not_empty"] == [
        "the data of db has to be copied to named, which is not empty. Set where_db_keeps_it to a new name. Nothing was changed"
    ]


def test_a_choice_is_said_as_it_is_typed() -> None:
    edited = replace(swap(()), old=replace(swap(()).old, edited=("/app/main.py",)))
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {"remote": ""}), {}, (), [edited], Choices())
    [said] = [problem.message for problem in found if problem.kind == "edited"]
    assert """ Say -e '{"auren_takeover_patched": {"db": "keep"}}' (it runs a snapshot) or drop (the snapshot is only kept). """ in said
    assert shlex.split(extra_vars("auren_takeover_leave", ["one", "two"])) == ["-e", '{"auren_takeover_leave": ["one", "two"]}']


def test_room_is_counted_for_all_copies_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "room", lambda _path: 15_000_000)
    two = [swap((Copy("/data", "", volume, "", 9_000_000),)) for volume in ("one", "two")]
    found = conflicts(HostState((), ()), Snapshot((1, 44), (), {}), {}, (), two, Choices())
    [said] = [problem.message for problem in found if problem.kind == "no_space"]
    assert said.startswith("18.0 MB of db have to be copied to one, two, and only 15.0 MB are free. Make room, then run again."), said
    alone = conflicts(HostState((), ()), Snapshot((1, 44), (), {}), {}, (), two[:1], Choices())
    assert [problem for problem in alone if problem.kind == "no_space"] == []
