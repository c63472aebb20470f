# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shell text, cut into words and operators (POSIX Shell Command Language 2.3, and what bash adds). Pure, and never an error: text
that no shell would take gives some words as well.

Comments are left out. Redirections are left out with their targets; a here-document stays, since a shell may read it as commands.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
from dataclasses import dataclass

OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|[;&|()\n]")
REDIRECTION = re.compile(r"(?:\d*|&|\{\w+\})(?:<<<|<<-|<<|<>|<&|>>|>&|>\||<(?!\()|>(?!\())")
NAME = re.compile(r"\$(\w+|[@*#?$!-])", re.ASCII)
ENDS_WORD = " \t\r\n;&|()<>"


@dataclass(frozen=True)
class Part:
    """A piece of a word. kind: text, var (text: what is between the braces of ``${…}``), sub (text: the commands of ``$(…)``)."""

    kind: str
    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Token:
    """kind: word, op (text: the operator), or here (text: the document). plain: the word when nothing of it is quoted or expanded."""

    kind: str
    line: int
    text: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def plain(self) -> str:
        one = len(self.parts) == 1 and self.parts[0].kind == "text" and not self.parts[0].quoted
        return self.parts[0].text if one else ""


@functools.lru_cache(maxsize=256)  # many units and levels lead to the same few scripts
def tokens(text: str, line: int = 1) -> tuple[Token, ...]:
    """All tokens in order. line: the number of the text's first line."""
    lexer = _Lexer(text, line)
    with contextlib.suppress(RecursionError):  # expansions nested a hundred deep: nobody wrote that
        lexer.run()
    return tuple(lexer.found)


class _Lexer:
    def __init__(self, text: str, line: int) -> None:
        self.text, self.at = text, 0
        self.first, self.breaks = line, [found.start() for found in re.finditer("\n", text)]
        self.found: list[Token] = []
        self.documents: list[tuple[str, bool]] = []  # delimiters of here-documents that begin on the next line, and <<-

    def run(self) -> None:
        while self.at < len(self.text):
            self._next()

    def _line(self) -> int:
        return self.first + bisect.bisect_left(self.breaks, self.at)

    def _next(self) -> None:
        text, at = self.text, self.at
        if text.startswith("\\\n", at):
            self.at += 2
        elif text[at] in " \t\r":
            self.at += 1
        elif text[at] == "#":
            self.at = _index(text, "\n", at)
        elif redirection := REDIRECTION.match(text, at):
            self._redirection(redirection)
        elif operator := OPERATOR.match(text, at):
            self.found.append(Token("op", self._line(), operator[0]))
            self.at = operator.end()
            if operator[0] == "\n":
                self._read_documents()
        else:
            line, parts = self._line(), self._word()
            self.found.append(Token("word", line, parts=parts))

    def _redirection(self, redirection: re.Match[str]) -> None:
        self.at = redirection.end()
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1
        line, parts = self._line(), self._word() if self.at < len(self.text) and self.text[self.at] not in "\n;&|" else ()
        kind, target = redirection[0].lstrip("0123456789"), "".join(part.text for part in parts)
        if kind in ("<<", "<<-"):
            self.documents.append((target, kind == "<<-"))
        elif kind == "<<<":
            self.found.append(Token("here", line, target))
        elif any(part.kind == "sub" for part in parts):  # done < <(docker ps -aq)
            self.found.append(Token("word", line, parts=parts))

    def _read_documents(self) -> None:
        for delimiter, indented in self.documents:
            begin = self.at
            while self.at < len(self.text):
                end = _index(self.text, "\n", self.at)
                row, at = self.text[self.at : end], self.at
                self.at = min(end + 1, len(self.text))
                if (row.lstrip("\t") if indented else row) == delimiter:
                    self.found.insert(-1, Token("here", self._line(), self.text[begin:at]))  # a word of the command before the line's end
                    break
        self.documents = []

    def _word(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        begin = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "<>" and self.text.startswith("(", self.at + 1):
                self.at += 2
                parts.append(Part("sub", self._balanced("(", ")")))
            elif char in ENDS_WORD:
                break
            elif char == "'" or self.text.startswith("$'", self.at):
                self.at = self.text.index("'", self.at) + 1
                end = _index(self.text, "'", self.at)
                parts.append(Part("text", self.text[self.at : end], True))
                self.at = end + 1
            elif char == '"' or self.text.startswith('$"', self.at):
                self.at = self.text.index('"', self.at) + 1
                parts += self._double_quoted()
            else:
                self._piece(parts, False)
        if self.at == begin:  # a stray character that ends words
            self.at += 1
        return _joined(parts)

    def _double_quoted(self) -> list[Part]:
        parts = [Part("text", "", True)]
        while self.at < len(self.text) and self.text[self.at] != '"':
            self._piece(parts, True)
        self.at += 1
        return parts

    def _piece(self, parts: list[Part], quoted: bool) -> None:
        """One character, or one expansion."""
        text, char = self.text, self.text[self.at]
        if char == "\\":
            after = text[self.at + 1 : self.at + 2]
            kept = "\\" if quoted and after not in '$`"\\\n' else ""
            parts.append(Part("text", kept + ("" if after == "\n" else after), True))
            self.at += 2
        elif char == "`":
            end = self.at + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            parts.append(Part("sub", re.sub(r"\\([$`\\])", r"\1", text[self.at + 1 : end]), quoted))
            self.at = end + 1
        elif text.startswith("$((", self.at):
            self.at += 2
            self._balanced("(", ")")
            parts.append(Part("var", "?", quoted))  # a number
        elif text.startswith(("$(", "${"), self.at):
            kind, pair = ("sub", "()") if text[self.at + 1] == "(" else ("var", "{}")
            self.at += 2
            parts.append(Part(kind, self._balanced(*pair), quoted))
        elif char == "$" and (name := NAME.match(text, self.at)):
            one = name[1][:1] if name[1][0].isdigit() else name[1]  # $10 is $1 and a zero
            parts.append(Part("var", one, quoted))
            self.at += 1 + len(one)
        else:
            parts.append(Part("text", char, quoted))
            self.at += 1

    def _balanced(self, opening: str, closing: str) -> str:
        """The text up to the end of an expansion that has begun; quotes and what is nested in it are passed over."""
        begin, depth = self.at, 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                self.at += 1
            elif char == "'":
                self.at = _index(self.text, "'", self.at + 1)
            elif char == '"':
                self.at += 1
                self._double_quoted()
                continue
            depth += (char == opening) - (char == closing)
            self.at += 1
            if not depth:
                return self.text[begin : self.at - 1]
        return self.text[begin:]


def _index(text: str, sought: str, begin: int) -> int:
    found = text.find(sought, begin)
    return len(text) if found < 0 else found


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbours of the same kind in one part."""
    joined: list[Part] = []
    for part in parts:
        if joined and part.kind == "text" and (joined[-1].kind, joined[-1].quoted) == ("text", part.quoted):
            joined[-1] = Part("text", joined[-1].text + part.text, part.quoted)
        else:
            joined.append(part)
    return tuple(joined)
