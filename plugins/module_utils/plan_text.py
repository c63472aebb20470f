# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan as Markdown, for the person who approves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(plan: Mapping[str, Any], notes: Mapping[str, Sequence[str]]) -> str:
    """plan: as `approval.document` makes it. notes: heading → sentences that belong to no operation."""
    operations = plan["operations"]
    lines = [f"# Plan {plan['id']}: {plan['kind']} on {plan['host']['name']}", ""]
    if operations:
        lines += ["| | operation | cause | what may be felt |", "|---|---|---|---|"]
        for number, op in enumerate(operations, 1):
            cells = (str(number), f"{op['kind']} **{op['target']}**", op["cause"], op.get("notice", "nothing"))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    else:
        lines.append("Nothing to do.")
    for heading, sentences in notes.items():
        if sentences:
            lines += ["", f"## {heading}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"
