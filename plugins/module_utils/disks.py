# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is there room on the disks that images, data and the project are on?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

ALMOST = 10.0  # percent: what has less free than that is told, too


@dataclass(frozen=True)
class Disk:
    """path: a directory on it. status: pass, warn or fail. evidence: a sentence."""

    path: str
    status: str
    evidence: str


def disks(paths: Iterable[str], wanted: float) -> list[Disk]:
    """One for each file system of the directories that are there. wanted: percent that has to be free."""
    found: dict[int, Disk] = {}
    for path in paths:
        if os.path.isdir(path):
            usage = shutil.disk_usage(path)
            found.setdefault(os.stat(path).st_dev, judged(path, usage.free, usage.total, wanted))
    return list(found.values())


def judged(path: str, free: int, total: int, wanted: float) -> Disk:
    """free, total: bytes."""
    percent = 100 * free / total if total else 100.0
    told = f"{percent:.0f} % of the disk of {path} is free ({free / 1e9:.1f} GB)"
    if percent < wanted:
        return Disk(path, "fail", f"only {told}: docker system df shows what takes it")
    return Disk(path, "warn", f"only {told}") if percent < ALMOST else Disk(path, "pass", told)
