# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What shells and programs write by themselves while they run: histories, caches, logs. Known by its path alone; pure.

In a folder of logs only what looks like one counts as one: a package may be called ``logs``, and its code is code.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

LOG_FOLDERS = frozenset(("log", "logs"))
_CACHES = frozenset(("__pycache__", ".cache"))
_LEFT = re.compile(r"\.\w+_history|\.lesshst|\.viminfo|.*\.(pyc|cache|lock|pid)")
_ROTATED = r"([._-]?\d[\d.:_T-]*)?(\.(old|current|gz|bz2|xz|zst))?"  # access.log.2, server.log.2026-11-24-17, gc.log.0.current
_LOG = re.compile(rf".*\.log{_ROTATED}(\.json|\.jsonl)?")
_AMONG_LOGS = re.compile(rf"([^.]+|.*\.(out|err|txt|jsonl)){_ROTATED}")


def log(path: str) -> bool:
    """Whether a program writes down there what it does."""
    one = PurePosixPath(path)
    return bool(_LOG.fullmatch(one.name) or (LOG_FOLDERS & set(one.parts[:-1]) and _AMONG_LOGS.fullmatch(one.name)))


def left(path: str) -> bool:
    """Whether a file that differs from its image is nothing that somebody put there."""
    one = PurePosixPath(path)
    return bool(_CACHES & set(one.parts) or _LEFT.fullmatch(one.name) or log(path))
