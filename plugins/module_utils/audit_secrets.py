# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in clear text in a document: where, of what kind, and the lines without them. Pure.

Everything else that reads a document gets the lines from here. More is hidden than is reported: what only may be a secret is hidden and
not told, for a false alarm would be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.auren.stack.plugins.module_utils.run_secrets import HIDDEN, hide

LONGEST = 2000  # characters of a line that are read; nobody writes longer ones by hand
SHORTEST = 6  # characters of a secret that is hidden wherever it stands
HELD = "a value that a service on this host holds"
_KEY = r"(?<![A-Za-z0-9])[A-Za-z0-9_.-]{0,40}?(?:%s)[A-Za-z0-9_.-]{0,20}"
_PASSWORD = _KEY % "password|passwd|passphrase|(?<![a-z])pwd|(?<![a-z])pass(?![a-z])"
_TOKEN = _KEY % "token(?!iz|s)|credential"
_SECRET = _KEY % r"secret|api[_ -]?key|access[_ -]?key|private[_ -]?key|signing[_ -]?key|encryption[_ -]?key|master[_ -]?key"
# A group called "said": any word may stand there, also one that is no secret.
_VALUE = r"""(?P<said>"[^"\s]+"|'[^'\s]+'|`[^`\s]+`|[^\s|,;"'`<>()]+)"""
_IS = r"""["'`*]{0,4}\s{0,3}(?:=|:(?!//)|:=)["*]{0,3}\s{0,3}"""
_SURE = r"""(?P<said>`[^`\s]+`|"[^"\s]+"|(?=[^\s`]*[\d!@#$%^&*_+])[^\s|,;"'`<>()]+)"""  # behind "is", where any word may stand
_LAST = (
    r"`?(?P<said>(?=[^\s`]*\d)(?=[^\s`]*[A-Za-z])(?![^\s`]*\.[a-z]{2,4}`?\s*$)[^\s`/|]{6,})`?\s*$"  # behind words, at the end of the line
)
_OURS = re.compile(r"<<secret:[^<>]*>>|(?<![\w-])secrets?:\s*[a-z]+(?:_[a-z]+)+(?![\w-])")  # names of secrets, as declarations have them
_STRONG = r"""(?=[^\s`|]*[A-Za-z])(?=[^\s`|]*[\d!@#$%^&*+])[^\s`|,;"'()<>/]{6,}"""  # a letter, and what words do not have
_HARMLESS = re.compile(  # how the key of what is no secret ends
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))(?i:ttl|expir[a-z]*|min(?:imum)?|max(?:imum)?|mins|minutes|length|size|encryption|hash[a-z]*"
    r"|algorithm|type|days|hours|seconds|header|rotation|policy|version|limit|lifetime|name|file|path|dir|url|uri|endpoint|issuer|format"
    r"|method|count|required|enabled)[^A-Za-z0-9]*$"
)
_PROSE = re.compile(r"['\u2019]|\s+/|,?\s+\(?[A-Za-z][\w-]*(?![\w-]|\s*[:=])")  # behind a word: no value, but the begin of a sentence
_PAIR = re.compile(rf"`?([A-Za-z][\w.@-]{{1,40}})`?(\s?/\s?|:)`?(\1|{_STRONG})`?")  # a user and a password
_USERS = ("admin", "administrator", "root", "superuser", "guest")  # no others are known before a slash: x86 / x86_64
_BRACKETS = re.compile(r"\(([^()|]{3,80})\)")
_LOGIN = re.compile(r"(?i)\b(?:log ?in|sign in|credentials)\b`?(?:\s+(?:with|as|using|is|are)\b|\s?:)?\s+(\S+(?:\s/\s\S+)?)")
_PATTERNS = (
    ("a password in a URL", re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s/?#:@]*:([^\s/?#@`<>]+)(?=@)")),
    (
        "an Authorization header",
        re.compile(r"(?i)authorization[\"']?\s{0,3}:\s{0,3}[\"']?(?:(?:bearer|basic|token|digest)\s+)?([^\s'\"`|]{4,})"),
    ),
    ("an Authorization header", re.compile(r"\bBearer\s+([A-Za-z0-9._~+/=-]{12,})")),
    (
        "an API key",
        re.compile(
            r"(?<![\w-])((?:sk|pk|rk)-[A-Za-z0-9_-]{12,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|xox[abpr]-[\w-]{10,}|AIza[\w-]{30,}|glpat-[\w-]{15,})"
        ),
    ),
    ("a token", re.compile(r"(?<![\w-])(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.?[A-Za-z0-9_-]*)")),
    ("a password", re.compile(rf"(?i){_PASSWORD}{_IS}{_VALUE}")),
    ("a password", re.compile(rf"(?i){_PASSWORD}[`*]*\s+is:?\s+{_SURE}")),
    ("a password", re.compile(r"(?i)\bpasswords?\b[^:=|]{1,60}[:=]\s*" + _LAST)),
    ("a token", re.compile(rf"(?i){_TOKEN}[`*]*\s+is:?\s+{_SURE}")),
    ("a key", re.compile(rf"(?i){_SECRET}[`*]*\s+is:?\s+{_SURE}")),
    ("a token", re.compile(rf"(?i){_TOKEN}{_IS}{_VALUE}")),
    ("a key", re.compile(rf"(?i){_SECRET}{_IS}{_VALUE}")),
    ("a password", re.compile(r"(?i)(?<![\w-])--?(?:password|passwd|pass|requirepass|masterauth)(?:=|\s+)([^\s|`-][^\s|`]*)")),
    ("a password", re.compile(r"(?im)^\W{0,8}(?:requirepass|masterauth)\s+([^\s|`]+)")),
    ("a token", re.compile(r"(?i)(?<![\w-])--?[\w-]{0,20}(?:token|api-?key|secret)(?:=|\s+)([^\s|`-][^\s|`]*)")),
    ("a password", re.compile(r"\bredis-cli\b[^|;&`]{0,200}?\s-a\s+([^\s|`]+)")),
    ("a password", re.compile(r"\bcurl\b[^|;&`]{0,200}?\s(?:-u|--user)\s*[\"']?[^\s:\"'`]{1,60}:([^\s\"'`]+)")),
    ("a password", re.compile(r"\b(?:mysql|mariadb)[\w-]{0,20}\b[^|;&`]{0,200}?\s-p([^\s|`]+)")),
    ("a password", re.compile(r"(?i)\b(?:identified\s+by|with\s+password|password)\s+'([^'\s]+)'")),
    ("a password", re.compile(r"(?i)\bpassword\s+`([^`\s]+)`")),
    ("a password", re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]+_){1,9}(?:PW|pw)[\"'`]?\s?[=:]\s?" + _VALUE)),
    ("a password", re.compile(rf"(?<![A-Za-z0-9])(?:[A-Z0-9]+_){{1,9}}AUTH[\"'`]?\s?[=:]\s?[\"'`]?(?P<said>{_STRONG})")),
    ("a password", re.compile(r"\bsshpass\s+-p\s*[\"']?([^\s|`\"']+)")),
)
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY")
_EMPTY = re.compile(r"[*•.…_xX#?=-]+|[\W_]*")
_PLACEHOLDER = re.compile(
    r"(?i)[<{\[$%].*|.*[>}\]]|/.*|[a-z_]*(?:your|redacted|hidden|placeholder|example|masked|omitted|secret_?name|insert|change_?me_?here)[a-z_-]*\d{0,3}"
    r"|(?:none|no|yes|true|false|null|nil|unset|empty|required|optional|needed|set|unknown|vault|ansible|generated|random|see|stored|the|a|an"
    r"|in|from|not|n/a|tbd|todo|str|string|bool|int|text|file|env|environment|only|auth|authentication|is|it|drift|rotation|kept|held|never"
    r"|must|managed|read|given|found|and|or|for|of|on|with|by|to|as|at|be|are|was|same|each|every|ansible-vault|both|all|what|where|who)"
)
_MODE = re.compile(  # a number, how long something is valid, where it is, how something is done
    r"(?i)[<>=~]{0,2}\d{1,5}\+?|\d+(?:[.,]\d+)?-?(?:ms|[smhdwy]|sec|min|hour|day|week|month|year|byte|bit|char|character|%)s?"
    r"|\d{4}-\d\d-\d\d\S*|https?://[^@]*|!vault.*|[~.]{1,2}/.*|(?-i:[a-z_.-]+\d{0,3}(?:/[a-z_.-]+\d{0,3})+)"
    r"|(?:scram-)?sha-?\d{1,3}|(?:cram-)?md5|bcrypt|argon2\w{0,2}|base64(?:url)?(?:-encoded)?|[hrep]s\d{3}|jwt|oauth2?|sso|saml2?|ldap|bearer"
    r"|basic|digest|login|plain|starttls|trust|peer|enabled|disabled"
)
_HEADER = re.compile(r"(?i)^\W*(?:\w+ )?(password|passwd|secret|token|api[ _-]?key|credentials?|log ?ins?)\W*$")
_RULE = re.compile(r"[\s|:-]*-[\s|:-]*")
_NAMED = re.compile(r"(?i)\w+[_-](?:password|passwd|secret|token|key|credentials?)")  # a secret's name in a column of secrets


@dataclass(frozen=True)
class Found:
    """A secret that stands in a document. kind: with its article."""

    line: int
    kind: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Reading:
    """A document without its secrets. hidden: values that nobody may show, the longest first."""

    found: tuple[Found, ...]
    lines: tuple[str, ...]
    hidden: tuple[str, ...] = field(repr=False)


def find(text: str, live: Iterable[str] = (), public: str = "") -> Reading:
    """The secrets of a document, and its lines without them.

    live: values that services of the host hold, found wherever they stand. public: names of the host in lower case; what is a part of one
    of them is not hidden elsewhere, for everybody knows it.
    """
    lines = [line[:LONGEST] for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    held = sorted((one for one in set(live) if len(one) >= 6 and one.lower() not in public), key=len, reverse=True)
    found = [*_blocks(lines), *_columns(lines)]
    within = {one.line for one in found if one.kind == "a private key"}
    for number, line in enumerate(lines, 1):
        if number not in within:
            found += _of_line(number, line, held)
    return Reading(tuple(_once(found)), tuple(_without(lines, found, within, public)), tuple(_everywhere(found, public)))


def _of_line(number: int, line: str, held: Sequence[str]) -> Iterator[Found]:
    bare = _OURS.sub(" ", line)
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(bare):
            value = match.group(1).strip("\"'`*")
            if not is_placeholder(value) and not ("said" in pattern.groupindex and _only_said(match, bare)):
                yield Found(number, kind, value)
    for match in (*_BRACKETS.finditer(bare), *_LOGIN.finditer(bare)):
        pair = _PAIR.fullmatch(match[1].rstrip(".,;)"))
        if pair and (pair[1].lower() in _USERS or (pair[2] == ":" and match.re is _LOGIN)) and not is_placeholder(pair[3]):
            yield Found(number, "a password", pair[3])
    yield from (Found(number, HELD, value) for value in held if value in line)


def _only_said(match: re.Match[str], line: str) -> bool:
    """Whether what stands behind a word like "password" is something else that is said of it: how long it is, whom to ask for it."""
    key = match.group()[: match.start(1) - match.start()]
    sentence = "=" not in key and re.fullmatch(r"[A-Za-z][A-Za-z-]*", match.group(1)) and _PROSE.match(line, match.end())
    return bool(_HARMLESS.search(key) or sentence)


def is_placeholder(value: str) -> bool:
    """Whether it only stands for a secret, or says where it is."""
    bare = value.strip("\"'`*.,;:()")
    stands_for = _EMPTY.fullmatch(value) or _EMPTY.fullmatch(bare) or _PLACEHOLDER.fullmatch(bare) or _MODE.fullmatch(value)
    return bool(stands_for or _MODE.fullmatch(bare) or HIDDEN in value) or len(bare) < 2


def _blocks(lines: Sequence[str]) -> Iterator[Found]:
    """Every line of a private key; one that does not end goes on for as long as its lines look like it."""
    inside = False
    for number, line in enumerate(lines, 1):
        begins = bool(_BEGIN.search(line))
        inside = begins or (inside and bool(line.strip()) and " " not in line.strip().replace("-----", "").replace("END ", ""))
        inside = inside or (bool(_END.search(line)))
        if inside:
            yield Found(number, "a private key", line.strip())
        inside = inside and not _END.search(line)


def _columns(lines: Sequence[str]) -> Iterator[Found]:
    """Cells of tables in a column that is called a password, or behind such a cell where a row is a key and its value."""
    heads: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        cells = [cell.strip(" `*") for cell in line.strip().strip("|").split("|")] if "|" in line else []
        called = {place: match[1].lower() for place, cell in enumerate(cells) for match in [_HEADER.match(cell)] if match}
        if not cells or _RULE.fullmatch("".join(lines[number : number + 1])):
            heads = called
            continue
        behind = {1: called[0]} if len(cells) == 2 and 0 in called else {}
        for place, head in {**heads, **behind}.items():
            value = _of_cell(head, cells[place]) if place < len(cells) else ""
            if value and not is_placeholder(value) and not _RULE.fullmatch(value):
                yield Found(number, "a password", value)


def _of_cell(head: str, cell: str) -> str:
    """The secret in a cell; empty where it may be the name of one, or of a kind of them."""
    pair = _PAIR.fullmatch(cell)
    if pair and not head.startswith("pass"):
        return pair[3]
    if " " in cell or head.startswith("log") or _NAMED.fullmatch(cell):
        return ""
    return cell if head.startswith("pass") or re.fullmatch(_STRONG, cell) else ""


def _once(found: Sequence[Found]) -> list[Found]:
    """One for each line and value, the first kind that was found; a private key once."""
    kept: dict[tuple[int, str], Found] = {}
    block = 0
    for one in sorted(found, key=lambda one: one.line):
        if one.kind == "a private key":
            if one.line != block + 1:
                kept[(one.line, one.kind)] = one
            block = one.line
        elif not any(other.line == one.line and (one.value in other.value or other.value in one.value) for other in kept.values()):
            kept[(one.line, one.value)] = one
    return list(kept.values())


def _everywhere(found: Iterable[Found], public: str) -> list[str]:
    """The values to hide wherever they stand, the longest first: what looks like a password, and what the services hold."""
    values = {
        one.value
        for one in found
        if (one.kind == HELD or (len(one.value) >= SHORTEST and re.search("[A-Za-z]", one.value)))
        and one.value.lower() not in public
        and "-----" not in one.value
    }
    return sorted(values, key=len, reverse=True)


def _without(lines: Sequence[str], found: Sequence[Found], within: set[int], public: str) -> list[str]:
    everywhere = _everywhere(found, public)
    of_line: dict[int, list[str]] = {}
    for one in found:
        of_line.setdefault(one.line, []).append(one.value)
    return [
        HIDDEN if number in within else _clean(line, sorted(of_line.get(number, ()), key=len, reverse=True), everywhere)
        for number, line in enumerate(lines, 1)
    ]


def _clean(line: str, own: Sequence[str], everywhere: Sequence[str]) -> str:
    for value in everywhere:
        line = line.replace(value, HIDDEN)
    for value in own:
        line = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", HIDDEN, line)
    for _kind, pattern in _PATTERNS if own else ():
        line = pattern.sub(lambda match: match.group().replace(match.group(1), HIDDEN), line)
    return hide(line)
