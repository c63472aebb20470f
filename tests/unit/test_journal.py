"""What was done to a host is on its disk before it is done, and what was only half written is told from what was done."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal, Run, journal_directory, read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.rollback import day, plan_rollback, records, taken_back
from ansible_collections.auren.stack.plugins.module_utils.topology import Attachment, NetworkSpec, Step
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

SPEC = NetworkSpec("bridge", (Pool("10.0.0.0/24", "10.0.0.1"),), (("mtu", "1400"),), (("team", "a"),), True, True)
STEPS = (
    Step("create network", "net", spec=SPEC),
    Step("connect", "app", "net", Attachment(("web",), "10.0.0.9", (("x.y", "z"),), ("db:d",), -100)),
    Step("set policy", "app", policy="unless-stopped", before="no"),
    Step("stop", "idle"),
    Step("disconnect", "app", "old", Attachment()),
    Step("remove network", "old", spec=NetworkSpec()),
)


def begun(project: Path, kind: str = "connect", **heading: Any) -> Journal:
    one = Journal(project, kind, heading)
    one.open()
    return one


def whole(project: Path, kind: str = "connect", steps: tuple[Step, ...] = STEPS, **heading: Any) -> Journal:
    one = begun(project, kind, **heading)
    for step in steps:
        one.begin(step)
        one.done(0.5)
    one.end("done", operations=["x"])
    return one


def path_of(one: Journal) -> Path:
    return one.directory / f"{one.id}.jsonl"


# --- written ----------------------------------------------------------------------------------------------------------


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = whole(tmp_path, who="ada", containers={"app": "id"}, undoes=["x"])
    (found,) = read_runs(tmp_path)
    assert (found.id, found.kind, found.who, found.containers, found.undoes) == (one.id, "connect", "ada", {"app": "id"}, ("x",))
    assert (found.steps, found.outcome) == (STEPS, "done")
    assert (found.record["operations"], found.record["version"]) == (["x"], VERSION)
    lines = [json.loads(line) for line in path_of(one).read_text().splitlines()]
    assert [sorted(line)[0] for line in lines[1:-1]] == ["do", "done"] * len(STEPS)


def test_it_says_when_a_step_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000, 2_000))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    whole(tmp_path, steps=(STEPS[3], STEPS[2], STEPS[3]))
    (found,) = read_runs(tmp_path)
    assert (found.began, found.when("stop", "idle"), found.when("set policy", "app")) == (1000.0, 1003.0, 1002.0)
    assert found.when("stop", "another") == 1000.0


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_root_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        one = begun(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path_of(one).stat().st_mode) == 0o600
    assert [stat.S_IMODE(path.stat().st_mode) for path in (one.directory, one.directory.parent)] == [0o700, 0o700]


def test_two_runs_in_one_second_have_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_750_000_000.0)
    made = [whole(tmp_path, kind).id for kind in ("connect", "connect", "rollback")]
    assert made == ["20250615T150640Z-connect", "20250615T150640Z-connect-1", "20250615T150640Z-rollback"]
    assert [run.id for run in read_runs(tmp_path)] == made


def test_every_line_is_on_the_disk_before_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, real = begun(tmp_path), os.fsync
    synced: list[int] = []

    def fsync(handle: int) -> None:
        real(handle)
        synced.append(path_of(one).read_text().count("\n"))

    monkeypatch.setattr(os, "fsync", fsync)
    one.begin(STEPS[0])
    one.done(0.1)
    one.end("done")
    assert synced == [2, 3, 4]


# --- cut off ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", range(1, 40, 3))
def test_a_torn_last_line_was_never_acted_upon(tmp_path: Path, lost: int) -> None:
    one = begun(tmp_path)
    for step in STEPS[:3]:
        one.begin(step)
    path_of(one).write_bytes(path_of(one).read_bytes()[:-lost])
    (found,) = read_runs(tmp_path)
    assert (found.steps, found.outcome) == (STEPS[:3] if lost == 1 else STEPS[:2], "cut off")


def test_a_run_that_lacks_only_its_last_line_is_done(tmp_path: Path) -> None:
    """But for a takeover, whose plan has one line for several steps: as many may be done long before its end."""
    for number, heading in enumerate(({}, {"swaps": [{"name": "db"}]})):
        one = begun(tmp_path / str(number), steps=2, **heading)
        for step in STEPS[:2]:
            one.begin(step)
            one.done(0.1)
    assert [read_runs(tmp_path / name)[0].outcome for name in ("0", "1")] == ["done", "cut off"]


def test_a_run_that_was_killed_before_its_heading_had_done_nothing(tmp_path: Path) -> None:
    one = begun(tmp_path)
    for content in (b"", path_of(one).read_bytes()[:-10]):
        path_of(one).write_bytes(content)
        assert read_runs(tmp_path) == []


def test_a_run_that_stopped_says_why(tmp_path: Path) -> None:
    one = begun(tmp_path)
    one.begin(STEPS[0])
    one.fail("the Engine said no", ["x"])
    (found,) = read_runs(tmp_path)
    assert (found.outcome, found.record["error"], found.steps) == ("failed", "the Engine said no", STEPS[:1])


def refusing(number: int) -> Any:
    def write(handle: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "No space left on device"), (errno.EIO, "Input/output error")])
def test_a_line_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    one = begun(tmp_path)
    monkeypatch.setattr(os, "write", refusing(number))
    with pytest.raises(StackError) as caught:
        one.begin(STEPS[0])
    assert caught.value.message == (
        f"cannot write the journal {path_of(one)}: {said}; the step it was for was not done. Make room, then run again"
    )
    assert (caught.value.kind, caught.value.target) == ("journal", str(path_of(one)))
    one.fail("it was full", [])  # on a full disk nothing more can be said
    assert read_runs(tmp_path)[0].outcome == "cut off"


def test_a_heading_that_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", refusing(errno.ENOSPC))
    with pytest.raises(StackError, match="No space left on device; nothing was done"):
        begun(tmp_path)
    monkeypatch.undo()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert begun(tmp_path).id


@pytest.mark.parametrize("method", ["done", "end"])
def test_a_step_that_was_done_is_not_said_to_be_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    one = begun(tmp_path)
    one.begin(STEPS[0])
    monkeypatch.setattr(os, "write", refusing(errno.ENOSPC))
    with pytest.raises(StackError) as caught:
        one.done(0.1) if method == "done" else one.end("done")
    assert caught.value.message.startswith(f"cannot write the journal {path_of(one)}: No space left on device")
    assert "was not done" not in caught.value.message


def test_a_line_of_which_a_part_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, real = begun(tmp_path), os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:20]))
    with pytest.raises(StackError, match="No space left on device"):
        one.begin(STEPS[0])
    monkeypatch.undo()
    one.fail("it was full", [])
    (found,) = read_runs(tmp_path)
    assert (found.steps, found.outcome) == ((), "cut off")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".auren").write_text("")
    with pytest.raises(StackError) as caught:
        begun(tmp_path)
    assert caught.value.message == f"cannot make the directory {tmp_path}/.auren: File exists"


# --- what is no journal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"run": "x"}',
        '{"run": "x", "kind": "connect", "began": "soon"}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": {"verb": "burn", "target": "x"}}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": {"target": "x"}}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": {"verb": "stop", "target": "x", "speed": 1}}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": []}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": null}',
        '{"run": "x", "kind": "connect", "began": 1}\n{"do": "stop"}',
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = journal_directory(tmp_path) / "x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(StackError) as caught:
        read_runs(tmp_path)
    assert caught.value.message.startswith(f"{path} is no journal of this collection (")
    assert caught.value.message.endswith("); move it away, and what it tells of cannot be taken back")


def test_other_files_and_other_lines_are_passed_over(tmp_path: Path) -> None:
    one = whole(tmp_path)
    (one.directory / "README").write_text("by hand")
    path_of(one).write_text('[1]\n"x"\n\n' + path_of(one).read_text())
    assert len(read_runs(tmp_path)) == 1
    assert read_runs(tmp_path / "nowhere") == []


# --- which runs are taken back ----------------------------------------------------------------------------------------


def run(name: str, kind: str = "connect", began: float = 10, **more: Any) -> Run:
    return Run(name, kind, began, **{"steps": STEPS[:1], "outcome": "done", **more})


def test_the_newest_first_and_none_twice() -> None:
    first, second = run("1", began=1), run("2", began=2)
    assert undoable([first, second], 0) == [second, first]
    assert undoable([first, second], 1.5) == [second]
    assert undoable([first, run("b", "rollback", 3, undoes=("1",)), second], 0) == [second]
    assert undoable([first, run("b", "rollback", 3, undoes=("1",), outcome="cut off")], 0) == [first]
    assert undoable([run("3", steps=())], 0) == []
    cut_off = run("6", "takeover", steps=(), record={"swaps": [{"name": "db"}]}, outcome="cut off")
    assert undoable([cut_off], 0) == [cut_off]  # its definitions may have been written
    assert undoable([run("4", outcome="failed"), run("5", outcome="cut off")], 0) != []


def test_runs_are_told_in_a_line() -> None:
    one = run("1", began=1_750_000_000, who="ada", record={"replaced": ["image of redis: a → b"]})
    assert day(one) == "2025-06-15 15:06 UTC"
    assert taken_back(one) == "connect of 2025-06-15 15:06 UTC by ada: 1 steps (done)"
    assert records([one], 0) == ["connect of 2025-06-15 15:06 UTC: image of redis: a → b"]
    assert records([one], 1_750_000_001) == []


def test_a_network_that_is_called_like_a_container_comes_back_all_the_same() -> None:
    """The container was made anew since; that is no matter of the network."""
    gone = Step("remove network", "app", spec=SPEC)
    bridge = Network("b", "bridge", "bridge", ())
    state = HostState((Container("new", "app", "i", "s", "running"),), (bridge,))
    undoing = plan_rollback(state, [run("1", steps=(gone,), containers={"app": "old"})])
    assert undoing.plan.actions() == ["create network app: it was there"]
