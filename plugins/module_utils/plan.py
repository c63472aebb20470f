# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module is about to do, as data: the same object is check mode, diff and work list."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together


@dataclass(frozen=True)
class Operation:
    """One change to one object.

    kind: verb (create, recreate, start, write, reload, remove …).
    target: the object's name, as an operator would type it.
    cause: why, readable after "kind target: ".
    before, after: what differs, for the diff; never a secret.
    notice: what people and programs may feel while it is done ("its published ports refuse for about 0.1 s"); empty for nothing.
    """

    kind: str
    target: str
    cause: str
    before: str = ""
    after: str = ""
    notice: str = ""

    def text(self) -> str:
        return f"{self.kind} {self.target}: {self.cause}" + (f" ({self.notice})" if self.notice else "")

    def to_data(self) -> dict[str, str]:
        """As a plan, a journal and a record of changes hold it: what is empty is left out."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass
class Plan:
    """Operations in the order they are done, and what forbids doing them."""

    operations: list[Operation] = field(default_factory=list)
    conflicts: list[StackError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse_conflicts(self) -> None:
        """Raise every conflict as one error, so that an operator sees them all at once."""
        raise_together(self.conflicts)

    @property
    def changed(self) -> bool:
        return bool(self.operations)

    def targets(self, *kinds: str) -> list[str]:
        """Targets of the operations of these kinds, in order."""
        return [op.target for op in self.operations if op.kind in kinds]

    def actions(self) -> list[str]:
        return [op.text() for op in self.operations]

    def diff(self) -> dict[str, str]:
        """Ansible's diff: one line per operation, before and after."""
        changed = [op for op in self.operations if op.before or op.after]
        rows: tuple[list[str], list[str]] = ([], [])
        for op in changed:
            rows[0].append(f"{op.target}: {op.before}\n" if op.before else "")
            rows[1].append(f"{op.target}: {op.after}\n" if op.after else "")
        return {"before": "".join(rows[0]), "after": "".join(rows[1])}


def digest(value: Any, length: int = 12) -> str:
    """Stable hexadecimal digest of plain data (dict order does not matter)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
