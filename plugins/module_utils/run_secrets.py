# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in what a container was started with: found, hidden in texts that are shown, moved out of its environment. Pure.

What is hidden too often costs a reader a word; what is shown once is no secret any more. So in doubt it is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import unquote

from ansible_collections.auren.stack.plugins.module_utils import secrets

HIDDEN = "****"
_SECRET_WORDS = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN(?!IZ)|CREDENTIAL|JAAS|BASIC_?AUTH|(^|_)DSN(_|$)|(^|_)(PASS|PW|AUTH|JWT|AUTHORIZATION)$|_PWD$"
    r"|(?<!COM)(?<!BY)(?<!SUR)(?<!TRES)PASS$|(^|_)AUTH_HEADERS?$|WEBHOOK(_UR[IL])?$"
    r"|(API|PRIVATE|ACCESS|ENCRYPTION|SIGNING|MASTER|SESSION|ACCOUNT|SHARED)_?KEY"
    # Any other …_KEY, but one of data, one that everybody may know (Python's images have GPG_KEY), and SandboxKey, a path of the Engine's.
    r"|(^|_)(?!(PRIMARY|FOREIGN|UNIQUE|PARTITION|SHARD|SORT|RANGE|GROUP|MESSAGE|CACHE|PUBLIC|PUBLISHABLE|GPG|PGP|SANDBOX)_KEY$)[A-Z0-9]+_KEY$"
)
_KEY_FILE = re.compile(r"/[\w./-]*\.\w+")  # no key itself: neither base64 nor hexadecimal has a dot
_NO_SECRET = {"", "true", "false", "yes", "no", "on", "off"}
# scheme://user:password@ up to the last @ of the authority (WHATWG URL, "authority state").
_URL_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/?#:@,]*:)([^\s/?#]+)(?=@)")
# The same with what belongs encoded into a URL; a port and a path are none.
_LOOSE_URL = re.compile(r"://[^\s/?#:@]*:(?!\d{1,5}(?:[/?#,\s]|$))[^\s]*@")
_WORD = r"""(?:"(?:\\.|[^"\\])*"?|'[^']*'?|(?:\\.|[^\s'"\\])+)+"""
_FLAG_WORDS = r"pass|pwd|secret|token|credential|auth(?!ors?\b)|(?:api|access|private|account)[-_]?key|dsn"
_QUOTED = re.compile(  # a value in JSON, also in JSON that is a text in JSON, and in a dict of Python
    rf"""(?i)((\\*["'])[\w.-]*(?:{_FLAG_WORDS})[\w.-]*\2\s*:\s*(?:\[\s*)?)(\\*["'])(?!\3).*?(?<!\\)\3"""
)
_ENTRY = re.compile(  # {"name": "A_PASSWORD", "value": "…"}
    rf"""(?i)((\\*["'])(?:name|key)\2\s*:\s*\2[\w.-]*(?:{_FLAG_WORDS})[\w.-]*\2\s*,\s*\2value\2\s*:\s*)(\\*["'])(?!\3).*?(?<!\\)\3"""
)
_PAIR = re.compile(  # a header as a list or a tuple, also of bytes
    rf"""(?i)([\[(]\s*b?(\\*["'])[\w.-]*(?:{_FLAG_WORDS})[\w.-]*\2\s*,\s*b?)(\\*["'])(?!\3).*?(?<!\\)\3(?=\s*[\])])"""
)
_URL_TOKEN = re.compile(r"(://)(?=[^\s/?#:@]*\d)[^\s/?#:@*]{12,}(?=@)")  # a user's name is seldom that long and has a number in it
# What only sounds like one: how initdb has users log in, where Java's login configuration is, a limit of a language model.
_HARMLESS = (
    r"(?!--auth(?:-local|-host)?[=\s](?:scram-sha-256|md5|trust|peer|ident|reject)\b"
    r"|-Djava\.security\.auth\.login\.config=|[\w.-]*tokens\s*[=:\s]\s*\d+(?!\S))"
)
_SECRET_FLAG = re.compile(rf"(?i)-{{1,2}}(?:[\w.-]*(?:{_FLAG_WORDS})[\w.-]*|pw)")
_SECRET_JOINED = re.compile(rf"(?is)(-{{0,2}}[\w.-]*(?:{_FLAG_WORDS})[\w.-]*=)(.+)")
_SECRET_DIRECTIVE = re.compile(r"(?i)requirepass|masterauth")
_SHOWN = (  # what is before a secret in a command, and the secret
    re.compile(r"(?i)(authorization\s*[:=]\s*(?:(?:bearer|basic|token)\s+)?)([^\s'\"]+)"),
    re.compile(r"""(?i)(\\*["']bearer\s+)([^\s"'\\]+)(?=\\*["'])"""),
    re.compile(r"(\b[Bb](?:earer|EARER)\s+)(?=[\w.~+/=-]*(?:\d|[a-z][A-Z]))([\w.~+/=-]{8,})"),
    re.compile(r"(\b[Bb](?:asic|ASIC)\s+)(?=[\w+/]{0,80}(?:\d|=|[a-z][A-Z]\w{0,80}[a-z][A-Z]))([\w+/=-]{12,})"),
    re.compile(r"(?i)(://(?:hooks\.[\w.-]+|discord(?:app)?\.com/api/webhooks)/)([^\s'\"]+)"),
    re.compile(rf"(?i)((?<![\w.-])jwt\s*=\s*)({_WORD})"),
    re.compile(rf"(?i)((?<![\w-]){_HARMLESS}-{{1,2}}[\w.-]*(?:{_FLAG_WORDS})[\w.-]*(?:\s*=\s*|\s+))({_WORD})"),
    re.compile(rf"(?i)((?<![\w.-])(?<!://){_HARMLESS}[\w.-]*(?:{_FLAG_WORDS})[\w.-]*\s*[=:]\s*)({_WORD})"),
    re.compile(rf"(?i)(\b(?:requirepass|masterauth|(?:identified\s+by|password)(?=\s+['\"]))\s+)({_WORD})"),
    re.compile(rf"(\bredis-cli\b[^|;&]*?\s(?:-a|--pass)\s*)({_WORD})"),
    re.compile(rf"(\b(?:mysql|mariadb)[\w-]*\b[^|;&]*?\s-p)({_WORD})"),
    re.compile(rf"(\bcurl\b[^|;&]*?\s(?:-u|--user)\s*)({_WORD})"),
)


def is_secret_key(key: str) -> bool:
    """Whether an environment key, a label or an option looks as if a secret were in it. A path of a file (``…_FILE``) is none."""
    name = re.sub(r"[^A-Z0-9]+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key).upper())
    return bool(_SECRET_WORDS.search(name)) and not name.endswith("_FILE")


def is_secret(key: str, value: str) -> bool:
    """Whether the value is to be hidden: by its key, or because there is a password in it."""
    if value.lower() in _NO_SECRET or key.upper().endswith("_FILE"):
        return bool(_LOOSE_URL.search(value))
    if value.isdigit() and key.upper().endswith("TOKENS"):
        return False  # a limit of a language model
    if key.upper().endswith("KEY") and _KEY_FILE.fullmatch(value):
        return False
    return is_secret_key(key) or hide(value) != value


def values_in(key: str, value: str) -> set[str]:
    """What is secret of a value: all of it where its key says so, and what is hidden in it."""
    if not is_secret(key, value):
        return set()
    found = set(hidden_in(value, hide(value)))
    return {value, *found} if is_secret_key(key) else found


# --- texts that are shown ----------------------------------------------------------------------------------------------


def hide(text: str, known: Iterable[str] = ()) -> str:
    """The text without what looks like a secret in it, and without these values wherever they are."""
    for value in sorted((one for one in set(known) if len(one) > 3), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for quoted in (_QUOTED, _ENTRY, _PAIR):
        text = quoted.sub(rf"\1\3{HIDDEN}\3", text)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}", text)
    text = _URL_TOKEN.sub(rf"\1{HIDDEN}", text)
    text = _LOOSE_URL.sub(f"://{HIDDEN}@", text) if _LOOSE_URL.search(text.replace(f"{HIDDEN}@", "")) else text
    for pattern in _SHOWN:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def hidden_in(text: str, shown: str) -> Collection[str]:
    """What of a text is not in it any more when it is shown, as it stands there and as it is meant in a URL."""
    if shown == text:
        return ()
    found = re.fullmatch("(.+?)".join(map(re.escape, shown.split(HIDDEN))), text, re.DOTALL)
    values = [one.strip("'\"") for one in found.groups()] if found else [text]
    return [*values, *(unquote(one) for one in values)]


def hide_words(words: Iterable[str], known: Iterable[str] = ()) -> list[str]:
    """The words of a command; what follows a flag that looks like a secret's is hidden as a whole."""
    values, shown, secret_next, short = list(known), [], False, False
    for word in words:
        joined = _SECRET_JOINED.fullmatch(word) or (re.fullmatch("(-p)(.+)", word) if short else None)
        shown.append(HIDDEN if secret_next else f"{joined[1]}{HIDDEN}" if joined else hide(word, values))
        short = short or bool(re.search(r"redis-cli|curl|mysql|mariadb", word))
        secret_next = bool(_SECRET_FLAG.fullmatch(word) or _SECRET_DIRECTIVE.fullmatch(word)) or (short and word in ("-a", "-u", "-p"))
    return shown


# --- secrets that are moved --------------------------------------------------------------------------------------------


class _Names:
    """Gives secrets their names. known: value → name of those that are there already."""

    def __init__(self, service: str, known: Mapping[str, str]) -> None:
        self.service, self.known = service, known
        self.made: dict[str, str] = {}  # value → name

    def of(self, key: str, value: str) -> str:
        """A value that is there already, or twice, keeps its one name."""
        if value in self.known or value in self.made:
            return self.known.get(value) or self.made[value]
        wanted = re.sub(r"[^a-z0-9_]+", "_", f"{self.service}_{key}".lower())
        taken, name, number = {*self.known.values(), *self.made.values()}, wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        self.made[value] = name
        return name


def moved_secrets(service: str, environment: Mapping[str, str], known: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The environment with placeholders (see ``secrets``) for what looks secret, and the new secrets: name → value.

    known: value → name of a secret that is there. ``secrets.fill`` gives the exact environment again.
    """
    names = _Names(service, known)
    found = {key: _moved(key, value, names) for key, value in environment.items()}
    return found, {name: value for value, name in names.made.items()}


def _moved(key: str, value: str, names: _Names) -> str:
    if value and value in names.known:
        return f"<<secret:{names.known[value]}>>"
    if "<<secret:" in value:  # would be read as a placeholder: the whole of it becomes one
        return f"<<secret:{names.of(key, value)}>>"
    if not is_secret(key, value):
        return value
    return _url(key, value, names) or f"<<secret:{names.of(key, value)}>>"


def _url(key: str, value: str, names: _Names) -> str:
    """The value with placeholders for the passwords in its URLs; empty where something of it would stay, or would not come back exactly."""
    passwords = [match.group(2) for match in _URL_PASSWORD.finditer(value)]
    left = _URL_PASSWORD.sub(r"\1", value)
    if not passwords or not all(_encodes(text) for text in passwords) or is_secret("", left.replace(":@", "@")):
        return ""
    return _URL_PASSWORD.sub(lambda match: f"{match.group(1)}<<secret:{names.of(key, unquote(match.group(2)))}:url>>", value)


def _encodes(text: str) -> bool:
    """Whether a password in a URL is what our encoding makes of it: ``<<secret:name:url>>`` gives it again, letter by letter."""
    try:
        return secrets.fill("<<secret:a:url>>", {"a": unquote(text)}) == text
    except UnicodeEncodeError:
        return False
