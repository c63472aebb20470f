# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    """Aligned lines with a heading; the last column is not padded."""
    widths: dict[str, int] = {c: max([len(c), *(len(row.get(c, "")) for row in rows)]) for c in columns}
    lines = ["  ".join(c.upper().ljust(widths[c]) for c in columns)]
    lines += ["  ".join(row.get(c, "").ljust(widths[c]) for c in columns) for row in rows]
    return [line.rstrip() for line in lines]
