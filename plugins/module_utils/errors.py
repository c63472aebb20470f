# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception type of the collection."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

UNTOUCHED = "Nothing was changed"  # how a refusal ends


def extra_vars(variable: str, value: Any) -> str:
    """How a list or a dict is said on the command line, to be typed as it stands. value: of names that no shell reads otherwise."""
    return f"-e '{json.dumps({variable: value})}'"


class StackError(Exception):
    """Something that stops a run, told in a sentence an operator can act on.

    message: what failed, on which object, what the Engine said, what to do.
    kind: a stable word for programs (``permission``, ``port_taken``, …).
    target: the object it is about (container, image, variable, path).
    detail: what the other side said, verbatim; never a secret.
    run: the run in the host's journal that it ended, once that had begun to change something; empty for a refusal.
    """

    def __init__(self, message: str, kind: str, target: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.target = target
        self.detail = detail
        self.run = ""

    def failure(self) -> dict[str, str]:
        """The ``failure`` value of a module result."""
        return {"kind": self.kind, "object": self.target, "detail": self.detail}


def raise_together(problems: Iterable[StackError]) -> None:
    """Raise all problems as one error, in order; nothing when there is none."""
    found = list(problems)
    if not found:
        return
    if len(found) == 1:
        raise found[0]
    raise StackError(
        "\n".join(problem.message for problem in found),
        kind=found[0].kind,
        target=", ".join(dict.fromkeys(problem.target for problem in found if problem.target)),
        detail="\n".join(problem.detail for problem in found if problem.detail),
    )
