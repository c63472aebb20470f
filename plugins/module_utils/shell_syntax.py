# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where what spans several commands of a shell text begins and ends: the branches of a ``case``, the body of a function. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.auren.stack.plugins.module_utils.shell_text import Token
from ansible_collections.auren.stack.plugins.module_utils.shell_words import EVERY, UNKNOWN

OPENING = ("if", "then", "elif", "else", "do", "while", "until", "!", "time", "{")
CLOSING = ("}", "fi", "done")


def index_of(found: Sequence[Token], at: int, operator: str = "") -> int:
    """Where the next operator is, or the next one that is called so; the end when there is none."""
    return next((n for n in range(at, len(found)) if found[n].kind == "op" and operator in ("", found[n].text)), len(found))


@dataclass
class Case:
    """A ``case`` that is being read. subject: all that it may be."""

    subject: list[str]
    decided: bool = False

    def next_branch(self, found: Sequence[Token], at: int) -> int:
        """Where the commands of the next branch begin that may be taken; the ``esac`` when there is none."""
        while at < len(found):
            while at < len(found) and found[at].kind == "op":  # line ends, and the parenthesis that may stand before patterns
                at += 1
            if at >= len(found) or found[at].plain == "esac":
                return at
            end = index_of(found, at, ")")
            patterns = ["".join(part.text for part in token.parts) for token in found[at:end] if token.kind == "word"]
            if self._takes(patterns):
                return end + 1
            at = _end_of_branch(found, end + 1)
        return at

    def _takes(self, patterns: Sequence[str]) -> bool:
        if any(UNKNOWN in value or EVERY in value for value in self.subject):
            return True
        taken = not self.decided and any(fnmatchcase(value, pattern) for value in self.subject for pattern in patterns)
        self.decided = self.decided or (taken and len(self.subject) == 1)
        return taken


def _end_of_branch(found: Sequence[Token], at: int) -> int:
    depth = 0
    while at < len(found):
        if found[at].plain in ("case", "esac"):
            depth += 1 if found[at].plain == "case" else -1
            if depth < 0:
                return at
        if not depth and found[at].kind == "op" and found[at].text.startswith((";;", ";&")):
            return at
        at += 1
    return at


def function_at(found: Sequence[Token], at: int) -> tuple[str, int, int] | None:
    """Name, first token and end of the body, when a definition begins here."""
    keyword = found[at].plain == "function"
    at += keyword
    if at >= len(found) or not (name := found[at].plain):
        return None
    at += 1
    if [token.text for token in found[at : at + 2]] == ["(", ")"]:
        at += 2
    elif not keyword:
        return None
    while at < len(found) and found[at].text == "\n":
        at += 1
    if at >= len(found) or found[at].plain != "{":
        return None
    depth = 0
    for end in range(at, len(found)):
        starts = found[end - 1].kind == "op" or found[end - 1].plain in (*OPENING, name)
        depth += starts * ((found[end].plain == "{") - (found[end].plain == "}"))
        if not depth:
            return name, at + 1, end
    return name, at + 1, len(found)


def array_at(found: Sequence[Token], at: int) -> int:
    """Where ``NAME=(`` stands in the command that begins here, be it after ``declare -a``; -1 when it does not."""
    end = index_of(found, at)
    return end - 1 if end < len(found) and found[end].text == "(" and found[end - 1].plain.endswith("=") else -1


def cut(value: str, how: str, pattern: str) -> str:
    """``${value%pattern}`` and its three kin."""
    ends = range(len(value), -1, -1) if how in ("%", "##") else range(len(value) + 1)
    for end in ends:
        if how.startswith("%") and fnmatchcase(value[end:], pattern):
            return value[:end]
        if how.startswith("#") and fnmatchcase(value[:end], pattern):
            return value[end:]
    return value
