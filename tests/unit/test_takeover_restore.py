"""An old container gets its data, its place and its life back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import takeover_restore
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Copy
from ansible_collections.auren.stack.plugins.module_utils.takeover_restore import Place, copy_back, put_back

OLD = Container("old", "db-replaced-T", "i", "sha", "exited", restart_policy="no")


class Host(Engine):
    """An Engine with these containers and nothing else, and a clock. ends: when a stop that it is about comes to its end, in seconds."""

    def __init__(self, *containers: Container, ends: float = 1e9) -> None:
        self.there = {one.id: one for one in containers}
        self.ends, self.now = ends, 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for one in [one for one in self.there.values() if one.alive and self.now - seconds < self.ends <= self.now]:
            self.there[one.id] = replace(one, state="exited")
            if one.auto_remove:
                del self.there[one.id]

    def container(self, name: str) -> Container | None:
        return next((one for one in self.there.values() if name in (one.id, one.name)), None)

    def start(self, name: str) -> None:
        self.there[name] = replace(self.there[name], state="running")

    def rename(self, name: str, new: str) -> None:
        self.there[name] = replace(self.there[name], name=new)

    def remove_container(self, name: str) -> None:
        del self.there[name]


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


VANISHING = Container("old", "db", "i", "sha", "running", auto_remove=True, grace=120)
HOLDER = Container("holder", "db-replaced-T", "i", "sha", "created", restart_policy="no")
PLACE = Place("db", "stack", "db-replaced-T")


def returned(monkeypatch: pytest.MonkeyPatch, host: Host, old: Container, stopping: bool) -> str:
    monkeypatch.setattr(takeover_restore, "time", host)
    monkeypatch.setattr(takeover_restore, "_as_before", lambda now, _before: now.running)
    return put_back(host, PLACE, old, Before("no", True, vanishes=old.auto_remove, stopping=stopping), ())


@pytest.mark.parametrize("ends", [0.2, 3.0, 120.5])
def test_one_that_vanishes_while_it_is_put_back_goes_on_as_its_copy(monkeypatch: pytest.MonkeyPatch, ends: float) -> None:
    """The Engine is still about a stop: it would take the volumes along that have no name of their own, and nobody would serve."""
    host = Host(VANISHING, HOLDER, ends=ends)
    assert returned(monkeypatch, host, VANISHING, stopping=True) == ""
    assert list(host.there.values()) == [replace(HOLDER, name="db", state="running")]


def test_what_holds_the_volumes_stays_where_a_stop_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(VANISHING, HOLDER)
    assert returned(monkeypatch, host, VANISHING, stopping=True) == (
        "db-replaced-T stays: it holds the volumes of db, which was told to stop and vanishes when it does. "
        "Remove it when db has stayed (docker rm db-replaced-T)"
    )
    assert list(host.there.values()) == [VANISHING, HOLDER]
    assert host.now > VANISHING.grace
    assert returned(monkeypatch, host, VANISHING, stopping=False) == ""
    assert list(host.there.values()) == [VANISHING]


def test_a_stop_that_comes_to_its_end_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = replace(VANISHING, auto_remove=False, restart_policy="no")
    host = Host(there, ends=100.0)
    assert returned(monkeypatch, host, there, stopping=True) == ""
    assert list(host.there.values()) == [there]
    assert host.now > 100


def test_one_that_vanishes_and_has_no_copy_is_not_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match="db-replaced-T is gone, so db cannot be what it was; its volumes are still there"):
        returned(monkeypatch, Host(VANISHING, ends=0.2), VANISHING, stopping=True)
