# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Texts that leave the host without secrets in them: known values in any form that programs print them in, and what looks like one. Pure.

A value is known from the project's files and from what containers were started with. In a log it may be escaped, percent-encoded (also
twice), in JSON, in HTML, in hexadecimal or in base64, whatever stands around it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.run_secrets import HIDDEN, hidden_in, hide, hide_words, is_secret, values_in

SHORT = 4  # characters: what is shorter is hidden only where it is held, else every text would be in pieces
WORD = 8  # characters: what is shorter is looked for as a whole word
LINE = 12  # characters of a line of a value of several lines that is a secret by itself
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----).*?(?:(-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)|\Z)", re.DOTALL
)
_TOKENS = (  # of well-known shape, whoever holds them; each begins with plain letters, which is found fast
    re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # JSON Web Token, RFC 7519
    re.compile(r"sk-(?<!\wsk-)[\w-]{16,}"),
    re.compile(r"gh[posu]_\w{16,}"),
    re.compile(r"github_pat_\w{16,}"),
    re.compile(r"glpat-[\w-]{16,}"),
    re.compile(r"xox[abprs]-[\w-]{10,}"),
    re.compile(r"AKIA[0-9A-Z]{16}"),
    re.compile(r"ASIA(?<!\wASIA)[0-9A-Z]{16}"),
    re.compile(r"AIza[\w-]{35}"),
    re.compile(r"sk_live_\w{16,}"),
    re.compile(r"rk_live_\w{16,}"),
    re.compile(r"glsa_\w{16,}"),
    re.compile(r"dckr_pat_[\w-]{16,}"),
    re.compile(r"hf_(?<!\whf_)[A-Za-z0-9]{30,}"),
    re.compile(r"npm_(?<!\wnpm_)[A-Za-z0-9]{36}"),
    re.compile(r"pypi-AgE[\w-]{20,}"),
)
# Without one of these, nothing in a line looks like a secret to ``hide``, which takes its time.
_HINTS = (
    "://",
    "pass",
    "pwd",
    "-pw",
    "secret",
    "token",
    "bearer",
    "basic",
    "jwt",
    "credential",
    "auth",
    "key",
    "dsn",
    "identified",
    "redis-cli",
    "mysql",
    "mariadb",
    "curl",
)
_NAMED = {'"': ("quot", "34"), "'": ("apos", "39"), "&": ("amp", "38"), "<": ("lt", "60"), ">": ("gt", "62")}


def forms(value: str) -> str:
    """A regular expression for the value as it is, or with any of its characters escaped or encoded in any of the ways that there are."""
    return "".join(_letter(char) for char in value)


def _letter(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode("utf-8", "surrogatepass"))
    octets = "".join(rf"\\+x(?i:{byte:02x})" for byte in char.encode("utf-8", "surrogatepass"))
    ways = [rf"\\*{re.escape(char)}", percent, octets, rf"\\+u(?i:{ord(char) & 0xFFFF:04x})"]
    ways += [rf"\\+x(?i:{ord(char):02x})"] if 127 < ord(char) < 256 else []
    ways += [r"\+"] if char == " " else []
    ways += [rf"\\+{name}" for name in {"\n": "n", "\t": "t", "\r": "r"}.get(char, "")]
    ways += [rf"&#?0*(?:{'|'.join(_NAMED.get(char, (str(ord(char)),)))});", rf"&#[xX]0*(?i:{ord(char):x});"]
    return f"(?:{'|'.join(ways)})"


def encoded(value: str) -> list[str]:
    """What base64 makes of the value whatever stands around it, in both alphabets, and hexadecimal."""
    raw, found = value.encode("utf-8", "surrogatepass"), [value.encode("utf-8", "surrogatepass").hex()]
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        steady = text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        found += [steady, steady.replace("+", "-").replace("/", "_")]
    return [one for one in dict.fromkeys(found) if len(one) >= WORD]


def _hinted(line: str) -> bool:
    return any(hint in line for hint in _HINTS)


class Redactor:
    """Takes secrets out of texts. known: their values."""

    def __init__(self, known: Iterable[str]) -> None:
        whole = {one for one in known if len(one.strip()) >= SHORT}
        lines = {line.strip() for one in whole for line in one.splitlines() if "\n" in one.strip() and len(line.strip()) >= LINE}
        self.known = sorted(whole | lines, key=len, reverse=True)
        self._patterns = [re.compile(self._bounded(one)) for one in self.known]
        self._encoded = [text for one in self.known if len(one) >= WORD for text in encoded(one)]

    @staticmethod
    def _bounded(value: str) -> str:
        return forms(value) if len(value) >= WORD else rf"(?<![\w.-]){forms(value)}(?![\w-])"

    def text(self, text: str) -> str:
        """The text with every known value, and whatever looks like a secret, as ``****``."""
        text = self.values(_PRIVATE_KEY.sub(rf"\1{HIDDEN}\2", text))
        for token in _TOKENS:
            text = token.sub(HIDDEN, text)
        return "\n".join(hide(line) if _hinted(line.lower()) else line for line in text.split("\n"))

    def values(self, text: str) -> str:
        """Without the known values alone."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        for one in self._encoded:
            text = text.replace(one, HIDDEN)
        return text

    def shows(self, text: str) -> bool:
        """Whether a known value is in the text."""
        return self.values(text) != text

    # --- what the Engine says of a container ----------------------------------------------------------------------------

    def inspected(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to an inspect: environment, command lines and labels by what each of them is, all other texts as texts."""
        config = dict(raw.get("Config") or {})
        config["Env"] = [self.variable(one) for one in config.get("Env") or []]
        config["Labels"] = {key: self.held(key, value) for key, value in (config.get("Labels") or {}).items()}
        for key in ("Cmd", "Entrypoint"):
            config[key] = self.words(config.get(key) or [])
        if (config.get("Healthcheck") or {}).get("Test"):
            config["Healthcheck"] = {**config["Healthcheck"], "Test": self.words(config["Healthcheck"]["Test"])}
        own = {"Config": config, "Args": self.words(raw.get("Args") or [])}
        return {str(key): own[key] if key in own else self.deep(value) for key, value in raw.items()}

    def deep(self, value: Any) -> Any:
        """Every text in a value; those of a key that looks like a secret's as a whole."""
        if isinstance(value, Mapping):
            value = self._entry(value)
            return {str(key): self.held(str(key), one) if isinstance(one, str) else self.deep(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.deep(one) for one in value]
        return self.text(value) if isinstance(value, str) else value

    def _entry(self, value: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """``{"name": "A_PASSWORD", "value": "…"}`` with its value hidden; anything else as it is."""
        names = {str(key).lower(): key for key in value}
        name, told = value.get(names.get("name", names.get("key"))), value.get(names.get("value"))
        if not isinstance(name, str) or not isinstance(told, str):
            return value
        return {**value, names["value"]: self.held(name, told)}

    def known_in(self, value: Any) -> Any:
        """Every text in a value, without the known values alone."""
        if isinstance(value, Mapping):
            return {key: self.known_in(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.known_in(one) for one in value]
        return self.values(value) if isinstance(value, str) else value

    def variable(self, line: str) -> str:
        key, sign, value = line.partition("=")
        return f"{key}{sign}{self.held(key, value)}"

    def held(self, key: str, value: str) -> str:
        """The value of an environment key, a label or an option."""
        shown = self.text(value)
        plain = shown.replace(f":{HIDDEN}@", "@")  # of a URL the rest tells who talks to whom
        return HIDDEN if value and (is_secret(key, value) if plain == shown else is_secret(key, plain)) else shown

    def words(self, words: Iterable[str]) -> list[str]:
        return [self.text(word) for word in hide_words(words, self.known)]


# --- where values are known from --------------------------------------------------------------------------------------


def started_with(raw: Mapping[str, Any]) -> set[str]:
    """The secrets that a container was started with, from the answer to an inspect."""
    config = raw.get("Config") or {}
    found: set[str] = set()
    pairs = [tuple(one.partition("=")[::2]) for one in config.get("Env") or []]
    for key, value in [*pairs, *(config.get("Labels") or {}).items()]:
        found |= values_in(key, value)
    test = (config.get("Healthcheck") or {}).get("Test") or []
    for words in ([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])], test):
        found |= {one for word, shown in zip(words, hide_words(words)) for one in hidden_in(word, shown)}
    return {one for one in found if one}
