# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write files on the controller; see the module of the same name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()


def write(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.chmod(0o644)
    beside.replace(path)


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = dict(super().run(None, task_vars))
        spec = {"dir": {"type": "path", "required": True}, "files": {"type": "dict", "required": True}}
        _valid, given = self.validate_argument_spec(spec)
        folder = Path(given["dir"])
        texts = {name: text_of(content) for name, content in given["files"].items()}
        try:
            changed = [name for name, text in texts.items() if differs(folder / name, text)]
            if changed and not self._task.check_mode:
                folder.mkdir(parents=True, exist_ok=True)
                for name in changed:
                    write(folder / name, texts[name])
        except OSError as problem:
            raise AnsibleActionFail(
                f"{problem.filename or folder}: {problem.strerror}. Give a directory that can be written on the controller"
            ) from None
        return {**result, "changed": bool(changed), "actions": [f"write {folder / name}: its content differs" for name in sorted(changed)]}
