# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of changes: one JSON line a run that changed something, in ``<project>/.auren/changes.jsonl``, root only, append-only.

A record says nothing that the journal of its run does not say, but for what was verified after it. So there is no second place in
which changes are written down: whoever comes next adds the records of the runs that have none, also of those that were killed. Who came
while a run was still being verified wrote that it was not: its play adds a second line with the result, and the last line of a run counts.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import Run, journal_directory, read_run

NOT_VERIFIED = "not run"


def changes_path(project: Path) -> Path:
    return project / ".auren" / "changes.jsonl"


def utc(seconds: float) -> str:
    """``2026-11-26T05:52:59Z``; empty for 0."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def record_of(run: Run, verification: str = "") -> dict[str, Any]:
    """What one run changed. verification: the result of the play that made it, in a line; empty where none was made.

    Keys: run, kind, outcome (done, failed, cut off), began and ended (UTC), seconds, who, host, version, plan (id, where one was
    approved), operations (dicts of kind, target, cause, before, after, notice, as planned), done (lines with seconds), images (lines),
    replaced (lines), downtime, verification, way_back, error. No value is a secret: a journal holds none.
    """
    told = run.record
    ended = float(told.get("ended") or 0)
    proved = [text for text in (told.get("verification"), verification) if text]
    return {
        "run": run.id,
        "kind": run.kind,
        "outcome": run.outcome,
        "began": utc(run.began),
        "ended": utc(ended),
        "seconds": float(told.get("seconds") or (round(ended - run.began, 2) if ended else 0)),
        "who": run.who,
        "host": told.get("host", ""),
        "version": told.get("version", ""),
        "plan": told.get("plan", ""),
        "operations": list(run.planned),
        "done": [line for line in told.get("operations", []) if isinstance(line, str)],
        "images": list(told.get("images", [])),
        "replaced": [*told.get("replaced", []), *told.get("refused", [])],
        "downtime": told.get("downtime") or "none",
        "verification": "; ".join(proved) or NOT_VERIFIED,
        "way_back": told.get("way_back", ""),
        "error": told.get("error", ""),
    }


def line_of(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False)


def latest(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One a run, where its first line was: the last."""
    return list({record["run"]: record for record in records}.values())


def read(project: Path) -> list[dict[str, Any]]:
    """All records, one a run, the oldest first; a line that was cut off by a full disk is passed over.

    Raises StackError for a file that is none.
    """
    path = changes_path(project)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            record = json.loads(line)
            found.append({**record, "run": str(record["run"])})
        except (ValueError, KeyError, TypeError):
            continue
    if lines and not found:
        raise StackError(f"{path} holds no record of a change; move it away: it is begun anew", "changes", str(path))
    return latest(found)


def unrecorded(project: Path, known: set[str]) -> list[Run]:
    """The runs in the journal that have no record and are not at work any more, the oldest first. known: ids of those that have one."""
    paths = [path for path in sorted(journal_directory(project).glob("*.jsonl")) if path.stem not in known]
    runs = [run for path in paths if (run := read_run(path)) is not None and not run.at_work and run.id not in known]
    return sorted(runs, key=lambda run: (run.began, run.id))


def missing(project: Path, verified: Mapping[str, str]) -> list[dict[str, Any]]:
    """The records that are not written yet, and those that say of a run that it was not verified. verified: run → what was verified after
    it."""
    known = read(project)
    late = [
        {**record, "verification": verified[record["run"]]}
        for record in known
        if record.get("verification") == NOT_VERIFIED and verified.get(record["run"])
    ]
    return late + [record_of(run, verified.get(run.id, "")) for run in unrecorded(project, {record["run"] for record in known})]


def add(project: Path, verified: Mapping[str, str]) -> list[dict[str, Any]]:
    """Write what is ``missing``, on the disk when this returns, and return it. Two at once write no run twice.

    Raises StackError when that is not possible.
    """
    path = changes_path(project)
    if not missing(project, verified):
        return []
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            records = missing(project, verified)  # another one may have been here before
            _append(handle, "".join(line_of(record) + "\n" for record in records).encode())
        finally:
            os.close(handle)
    except OSError as error:
        said = f"cannot write {path}: {error.strerror}; what was done is in the journal, and the next run writes it down"
        raise StackError(said, "changes", str(path), str(error)) from error
    return records


def _append(handle: int, data: bytes) -> None:
    size = os.fstat(handle).st_size
    torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
    if data:
        os.write(handle, (b"\n" if torn else b"") + data)
        os.fsync(handle)


def close(project: Path) -> str:
    """Record at once what no verification follows, such as a run that failed; a warning when that is not possible."""
    try:
        add(project, {})
    except StackError as error:
        return error.message
    return ""
