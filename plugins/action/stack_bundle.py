# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the bundle that the module of the same name has packed, and keep it on the controller for its owner alone."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def write(folder: Path, content: bytes, now: float) -> Path:
    """A file of a new name, readable by its owner from its first byte on. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    for count in range(1000):
        path = folder / f"troubleshoot-{stamp}{f'-{count}' if count else ''}.tar.gz"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return path
    raise FileExistsError(17, "a thousand bundles of one second are there", str(folder))


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = dict(super().run(None, task_vars))
        result.update(self._execute_module(module_name="auren.stack.stack_bundle", module_args=self._task.args, task_vars=task_vars))
        folder = str(self._task.args.get("dir") or "")
        if not folder or result.get("failed") or "bundle" not in result:
            return result
        try:
            path = write(Path(folder), base64.b64decode(result.pop("bundle")), time.time())
        except OSError as problem:
            raise AnsibleActionFail(
                f"{problem.filename or folder}: {problem.strerror}. Give a directory that can be written on the controller"
            ) from None
        return {**result, "path": str(path)}
