# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The string literals of the files of a web page: scripts, style sheets, HTML, JSON. Pure.

A script is read as ECMAScript's lexical grammar divides it (ECMA-262, chapter 12): comments, strings, templates, regular expressions and
the rest. Whether a slash divides or begins a regular expression depends on what stands before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

# What a slash after it divides; after anything else it begins a regular expression.
_VALUE_BEFORE = re.compile(r"(?:[\w$)\]\"'`]|\+\+|--)\s*$")
_KEYWORD_BEFORE = re.compile(r"(?<![\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|do|else|instanceof|yield|await)\s*$")
_CONTROL_BEFORE = re.compile(r"(?<![\w$.])(?:if|while|for|with)\s*$")  # the brackets after it end no value
_TOKEN = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?|[`{}()/]|[^\"'`/{}()]+", re.DOTALL)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_TEMPLATE = re.compile(r"(?:\\.|(?!\$\{)[^`\\])*", re.DOTALL)
_CSS = re.compile(r"/\*.*?(?:\*/|\Z)|(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|url\(\s*[^\"')\s]+\s*\))", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\n)|(.))", re.DOTALL)


def of_file(path: str, text: str) -> list[str]:
    """The literals of a file, by its name; none where there are none to read."""
    kind = path.lower().rpartition(".")[2]
    if kind in ("js", "mjs", "cjs"):
        return list(of_script(text))
    if kind in ("html", "htm"):
        return list(of_html(text))
    if kind == "css":
        return list(of_style(text))
    return list(of_json(text)) if kind in ("json", "webmanifest") else []


def of_script(text: str) -> Iterator[str]:
    """Strings and the fixed parts of templates."""
    yield from _Script(text).literals()


class _Script:
    """before: the end of what was read, without comments. brackets: what stood before each open one. depths: for each open template, how
    many braces are open inside its present ``${``."""

    def __init__(self, text: str) -> None:
        self.text, self.place, self.before = text, 0, ""
        self.brackets: list[str] = []
        self.depths: list[int] = []

    def literals(self) -> Iterator[str]:
        while self.place < len(self.text):
            match = _TOKEN.match(self.text, self.place)
            token = match.group() if match else self.text[self.place]
            self.place += len(token)
            if token.startswith(("//", "/*")):
                continue
            if token[0] in "\"'":
                yield _unescaped(token[1:-1])
            elif token == "`" or (token == "}" and self.depths and self.depths[-1] == 0):
                yield _unescaped(self._template(token))
                continue
            self.before = (self.before + self._read(token))[-40:]

    def _read(self, token: str) -> str:
        """What stands in ``before`` for it."""
        if token in "{}" and self.depths:
            self.depths[-1] += 1 if token == "{" else -1
        elif token == "(":
            self.brackets.append(self.before)
        elif token == ")" and self.brackets and _CONTROL_BEFORE.search(self.brackets.pop()):
            return ";"
        elif token == "/" and self._begins_regex():
            expression = _REGEX.match(self.text, self.place - 1)
            self.place = expression.end() if expression else self.place
            return ")" if expression else token  # a value, as a closing bracket is
        return token

    def _begins_regex(self) -> bool:
        return not _VALUE_BEFORE.search(self.before) or bool(_KEYWORD_BEFORE.search(self.before))

    def _template(self, token: str) -> str:
        """The next fixed part of a template; where something is filled in behind it, it ends with ``${``."""
        if token == "}":
            self.depths.pop()
        match = _TEMPLATE.match(self.text, self.place)
        end = match.end() if match else self.place
        part, opened = self.text[self.place : end], self.text.startswith("${", end)
        self.place = end + (2 if opened else 1)
        if opened:
            self.depths.append(0)
        self.before = (self.before + ("(" if opened else "`"))[-40:]
        return f"{part}${{" if opened else part


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2) or match.group(3)
        return chr(min(int(code, 16), 0x10FFFF)) if code else match.group(5) or ""

    return _ESCAPE.sub(plain, text) if "\\" in text else text


def of_style(text: str) -> Iterator[str]:
    for match in _CSS.finditer(text):
        if match.group(1):
            yield match.group(1)[4:-1].strip() if match.group(1).startswith("url(") else match.group(1)[1:-1]


class _Page(HTMLParser):
    """Attributes, and what stands in script and style elements. Comments are nobody's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for _name, value in attrs if value]
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style"):
            self.found += of_script(data) if self.inside == "script" else of_style(data)


def of_html(text: str) -> list[str]:
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def of_json(text: str) -> Iterator[str]:
    try:
        yield from _texts(json.loads(text))
    except ValueError:
        return


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
