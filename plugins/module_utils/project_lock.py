# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time in a project's directory."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

POLL = 0.25


class Lock:
    """flock(2) on the directory of the project's record, held until this process and the Compose it started have ended.

    A run that was killed leaves a Compose that works on for seconds: the next run must not look before that is done.
    """

    def __init__(self, directory: Path, patience: float = 120.0) -> None:
        self.directory, self.patience = directory, patience
        self.handles: tuple[int, ...] = ()

    def take(self) -> None:
        """Wait for the lock; nothing on a host that has no project yet. Raises StackError after ``patience`` seconds."""
        record = self.directory / ".auren"
        if self.handles or not record.is_dir():
            return
        handle = os.open(record, os.O_RDONLY | os.O_DIRECTORY)
        deadline = time.monotonic() + self.patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    os.close(handle)
                    raise StackError(
                        f"another run is at work on the project in {self.directory}; wait for its end, then run again",
                        "busy",
                        str(self.directory),
                    ) from error
                time.sleep(POLL)
        self.handles = (handle,)
