# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Markdown → headings, tables, paragraphs, list items, code blocks, each with its line. Pure, and never an error: what is nothing else is
a paragraph.

Source: GitHub Flavored Markdown, as far as documents about hosts use it: ATX headings, pipe tables, fences (an open one goes on to the
end), comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_BOLD_HEADING = re.compile(r"\*\*([^*]{2,80})\*\*:?\s*")
_FENCE = re.compile(r"\s{0,12}(`{3,}|~{3,})\s*([^`]*)")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_ITEM = re.compile(r"(\s*)(?:[-*+]|\d{1,3}[.)])\s+(?:\[[xX]\]\s+)?(.*)")  # [ ] stays: it is still to be done
_LINK = re.compile(r"!?\[([^\]]{0,200})\]\(([^)\s]{0,500})[^)]{0,100}\)")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,60}>")


@dataclass(frozen=True)
class Line:
    number: int
    text: str


@dataclass(frozen=True)
class Heading:
    number: int
    level: int
    text: str


@dataclass(frozen=True)
class Table:
    """rows: of cells, as many as there are heads."""

    heads: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Prose:
    """A paragraph or an item of a list."""

    lines: tuple[Line, ...]
    item: bool = False

    @property
    def text(self) -> str:
        return " ".join(line.text.strip() for line in self.lines)

    def line_of(self, place: int) -> int:
        """The line that a place of the text comes from."""
        for line in self.lines:
            place -= len(line.text.strip()) + 1
            if place < 0:
                return line.number
        return self.lines[-1].number


@dataclass(frozen=True)
class Code:
    """language: the first word behind the fence, in lower case. lines: without the fences."""

    number: int
    language: str
    lines: tuple[Line, ...]


def plain(text: str) -> str:
    """Without emphasis, links and line breaks; code spans keep their backticks."""
    text = _BREAK.sub(", ", text)
    text = _LINK.sub(lambda match: f"{match[1]} {match[2]}" if "://" in match[2] and match[2] not in match[1] else match[1], text)
    text = _TAG.sub("", text.replace("**", "").replace("__", "").replace("~~", ""))
    return text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").strip()


def cells(line: str) -> tuple[str, ...]:
    """The cells of a row; a pipe that is escaped or inside a code span divides nothing."""
    found, cell, inside, place = [], "", False, 0
    line = line.strip()
    while place < len(line):
        sign = line[place]
        if sign == "\\" and line[place + 1 : place + 2] == "|":
            cell, place = f"{cell}|", place + 1
        elif sign == "|" and not inside:
            found.append(cell)
            cell = ""
        else:
            inside ^= sign == "`" and (inside or "`" in line[place + 1 :])
            cell += sign
        place += 1
    found.append(cell)
    found = found[1:] if line.startswith("|") else found
    found = found[:-1] if line.endswith("|") and found and not found[-1].strip() else found
    return tuple(plain(cell) for cell in found)


def blocks(lines: Sequence[str]) -> list[Heading | Table | Prose | Code]:
    """The blocks of a document, in their order."""
    return list(_Reader(lines).blocks())


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.at, self.comment = lines, 0, False
        self.waiting: list[Line] = []
        self.item = False

    def blocks(self) -> Iterator[Heading | Table | Prose | Code]:
        while self.at < len(self.lines):
            text = self._visible(self.lines[self.at])
            fence = _FENCE.fullmatch(text)
            heading = _HEADING.fullmatch(text) or _BOLD_HEADING.fullmatch(text)
            if fence:
                yield from self._flush()
                yield self._code(fence[1], fence[2].strip())
            elif heading:
                yield from self._flush()
                level, said = (len(heading[1]), heading[2]) if heading.re is _HEADING else (7, heading[1])
                yield Heading(self.at + 1, level, plain(said).rstrip(":"))
                self.at += 1
            elif self._table_begins(text):
                yield from self._flush()
                yield self._table(text)
            else:
                yield from self._prose(text)
                self.at += 1
        yield from self._flush()

    def _visible(self, text: str) -> str:
        """A line without comments."""
        shown = ""
        while text:
            mark = "-->" if self.comment else "<!--"
            before, found, text = text.partition(mark)
            shown += "" if self.comment else before
            self.comment ^= bool(found)
        return shown

    def _flush(self) -> Iterator[Prose]:
        if self.waiting:
            yield Prose(tuple(self.waiting), self.item)
        self.waiting, self.item = [], False

    def _prose(self, text: str) -> Iterator[Prose]:
        item = _ITEM.fullmatch(text)
        if item or not text.strip():
            yield from self._flush()
        said = item[2] if item else text.lstrip(" >\t")
        if said.strip():
            self.item = self.item or bool(item)
            self.waiting.append(Line(self.at + 1, plain(said)))
            if text.endswith(("  ", "\\")):
                yield from self._flush()

    def _code(self, fence: str, info: str) -> Code:
        begin, found = self.at + 1, []
        self.at += 1
        while self.at < len(self.lines):
            text = self.lines[self.at]
            self.at += 1
            closing = _FENCE.fullmatch(text)
            if closing and closing[1].startswith(fence) and not closing[2].strip():
                break
            found.append(Line(self.at, text))
        return Code(begin, (info.split() or [""])[0].strip("{}.").lower(), tuple(found))

    def _table_begins(self, text: str) -> bool:
        following = self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""
        ruled = "|" in text and "-" in following and "|" in following and bool(_RULE.fullmatch(following))
        return ruled and len(cells(text)) == len(cells(following))

    def _table(self, text: str) -> Table:
        heads, rows = cells(text), []
        self.at += 2
        while self.at < len(self.lines) and "|" in self.lines[self.at]:
            row = cells(self.lines[self.at])
            rows.append((self.at + 1, (row + ("",) * len(heads))[: len(heads)]))
            self.at += 1
        return Table(heads, tuple(rows))
