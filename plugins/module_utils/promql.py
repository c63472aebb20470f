# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which metrics a PromQL expression is about. Source: Prometheus documentation, "Querying basics" and "Operators"."""

from __future__ import annotations

import re

TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
LABELS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAMED = re.compile(r"__name__\s*=\s*[\"'`]([a-zA-Z_:][\w:]*)[\"'`]")  # a metric that is asked for as a label
NAME = re.compile(r"(?<![\w:$.])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()")
WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "by", "without", "on", "ignoring", "group_left", "group_right"}
PARTS = ("_bucket", "_count", "_sum", "_total", "_created")  # series of one metric that is documented without them


def metrics(expression: str) -> set[str]:
    """The names; not those of functions, labels and a dashboard's variables."""
    bare = LABELS.sub(" ", TEXT.sub("", expression))
    found = {word for word in NAME.findall(bare) if word.lower() not in WORDS}
    return found | set(NAMED.findall(expression))


def family(name: str) -> set[str]:
    """Under which names the help text of a series may be kept."""
    return {name, *(name[: -len(part)] for part in PARTS if name.endswith(part))}
