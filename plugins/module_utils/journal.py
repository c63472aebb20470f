# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was done to a host, written down before it is done, so that it can be taken back.

One file a run below ``<project>/.auren/journal``, readable by root only: a heading, a line before and a line after every step,
each on the disk before the work goes on, and an end. A run that was killed has no end; its last step may or may not have happened.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import make_directory
from ansible_collections.auren.stack.plugins.module_utils.topology import Step, step_from_data
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

ROLLBACK = "rollback"  # the kind of run that takes others back
STAMP = "%Y%m%dT%H%M%SZ"


def journal_directory(project: Path) -> Path:
    return project / ".auren" / "journal"


@dataclass(frozen=True)
class Run:
    """One run as its file tells it. id: the file's name. began: seconds since 1970. containers: name → id of those it was about.

    steps: all that were begun, in order; completed: the numbers, from 1, of those that are known to be done; moments: when each was begun.
    undoes: the runs that a rollback takes back. outcome: done, failed, or cut off.
    planned: the operations of its plan, as data. at_work: somebody is still writing it.
    """

    id: str
    kind: str
    began: float
    who: str = ""
    containers: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    undoes: tuple[str, ...] = ()
    outcome: str = "cut off"
    record: Mapping[str, Any] = field(default_factory=dict)
    completed: frozenset[int] = frozenset()
    planned: tuple[Mapping[str, Any], ...] = ()
    at_work: bool = False
    moments: tuple[float, ...] = ()

    def did(self, verb: str, target: str, completed: bool = True) -> bool:
        """Whether such a step was done; or, with completed false, at least begun."""
        numbers = [number for number, step in enumerate(self.steps, 1) if (step.verb, step.target) == (verb, target)]
        return any(number in self.completed for number in numbers) if completed else bool(numbers)

    def when(self, verb: str, target: str) -> float:
        """When such a step was last begun; the beginning of the run where none was."""
        found = [moment for moment, step in zip(self.moments, self.steps) if (step.verb, step.target) == (verb, target)]
        return max(found, default=self.began)


class Journal:
    """The file of one run. Every method has its line on the disk when it returns, or raises StackError: then nothing was done."""

    def __init__(self, project: Path, kind: str, heading: Mapping[str, Any]) -> None:
        self.directory, self.kind, self.heading = journal_directory(project), kind, heading
        self.id, self.number, self._handle = "", 0, -1

    def open(self) -> None:
        """Make the file and write its heading. Raises StackError, and leaves no file of a run that did not begin."""
        make_directory(self.directory.parent, 0o700)
        make_directory(self.directory, 0o700)
        now = time.time()
        stamp = datetime.fromtimestamp(now, timezone.utc).strftime(STAMP)
        for count in range(1000):
            self.id = f"{stamp}-{self.kind}" + (f"-{count}" if count else "")
            with contextlib.suppress(FileExistsError):
                self._handle = self._make(self.directory / f"{self.id}.jsonl")
                break
        try:
            self._write({"run": self.id, "kind": self.kind, "began": now, "version": VERSION, **self.heading}, "nothing was done")
        except StackError:
            os.close(self._handle)
            os.unlink(self.directory / f"{self.id}.jsonl")
            raise
        self._sync_directory()

    def begin(self, step: Step) -> None:
        self.number += 1
        self._write({"step": self.number, "do": step.to_data(), "when": time.time()}, "the step it was for was not done")

    def done(self, seconds: float) -> None:
        self._write({"done": self.number, "seconds": round(seconds, 3)})

    def end(self, outcome: str, **record: Any) -> None:
        """The last line. outcome: done or failed."""
        self._write({"ended": time.time(), "outcome": outcome, **record})
        os.close(self._handle)

    def failed(self, error: str, done: list[str], **record: Any) -> None:
        """The last line of a run that stopped. Of its error the first line: what follows may be a log, with whatever its program wrote."""
        self.end("failed", error=error.partition("\n")[0], operations=done, **record)

    def fail(self, error: str, done: list[str]) -> None:
        """The same; on a full disk it is missing, and the run counts as cut off."""
        with contextlib.suppress(StackError):
            self.failed(error, done)

    def _make(self, path: Path) -> int:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)  # until this process ends, however it does: who reads it knows that it is at work
            return handle
        except FileExistsError:
            raise
        except OSError as error:
            raise self._cannot(error, "nothing was done") from error

    def _write(self, line: Mapping[str, Any], so: str = "every step that was begun is in it") -> None:
        data = json.dumps(line, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        try:
            written = os.write(self._handle, data)
            os.fsync(self._handle)
        except OSError as error:
            raise self._cannot(error, so) from error
        if written != len(data):  # the disk took a part of it; readers pass over such a line
            raise self._cannot(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), so)

    def _sync_directory(self) -> None:
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _cannot(self, error: OSError, so: str) -> StackError:
        path = str(self.directory / f"{self.id}.jsonl")
        said = f"cannot write the journal {path}: {error.strerror}; {so}. Make room, then run again"
        return StackError(said, "journal", path, str(error))


def read_runs(project: Path) -> list[Run]:
    """All runs that the host remembers, oldest first. Raises StackError for a file that is no journal."""
    try:
        paths = sorted(journal_directory(project).glob("*.jsonl"))
    except OSError:
        return []
    runs = [run for path in paths if (run := read_run(path)) is not None]
    return sorted(runs, key=lambda run: (run.began, run.id))


def undoable(runs: Sequence[Run], since: float) -> list[Run]:
    """The runs that began after ``since`` (seconds since 1970), changed networks or containers, and were not taken back. Newest first.

    A takeover writes its definitions before its first step, so one that was cut off there has something to take back as well.
    """
    taken_back = {one for run in runs if run.kind == ROLLBACK and run.outcome == "done" for one in run.undoes}
    began = [run for run in reversed(runs) if run.kind != ROLLBACK and (run.steps or run.record.get("swaps"))]
    return [run for run in began if run.began >= since and run.id not in taken_back]


def _at_work(path: Path) -> bool:
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read_run(path: Path) -> Run | None:
    """One run. None for one that was cut off before its heading was written: nothing had been done.

    Raises StackError for a file that is no journal.
    """
    at_work = _at_work(path)  # asked first: what is read after it has an end
    lines = list(_entries(path))
    if not lines:
        return None
    try:
        head, end = lines[0], next((line for line in lines if "ended" in line), {})
        done = sum("seconds" in line and "done" in line for line in lines)
        whole = head.get("steps") == done and "swaps" not in head  # its last line alone is missing; a takeover's plan counts no steps
        return Run(
            head["run"],
            head["kind"],
            float(head["began"]),
            head.get("who", ""),
            head.get("containers", {}),
            tuple(step_from_data(line["do"]) for line in lines if "do" in line),
            tuple(head.get("undoes", ())),
            end.get("outcome", "done" if whole else "cut off"),
            {**head, **end},
            frozenset(line["done"] for line in lines if "done" in line),
            tuple(one for one in head.get("operations", ()) if isinstance(one, dict)),
            at_work,
            tuple(float(line.get("when", head["began"])) for line in lines if "do" in line),
        )
    except (KeyError, TypeError, ValueError) as error:
        said = f"{path} is no journal of this collection ({error}); move it away, and what it tells of cannot be taken back"
        raise StackError(said, "journal", str(path), str(error)) from error


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines; a torn last one was never acted upon."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
