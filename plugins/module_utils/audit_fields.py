# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One named value of a document (a cell under its head, "Port: 6379", a key of a Compose file) → claims. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils.audit_model import Claim
from ansible_collections.auren.stack.plugins.module_utils.audit_names import is_machine_name

HEADS = (  # how a head is worded → what it is about; the first that fits
    (r"restarts?( policy)?", "restart"),
    (r"health ?-?(check|endpoint|url|path)s?( .*)?", "url"),
    (
        r"((host|published|external|external host)( ports?| side)?|published( on| address| as)?|bind( address)?|bound to)",
        "published",
    ),
    (r"public( ports?| side)?", "public"),
    (r"((internal|container|inner|inside|listening)( tcp)? ports?)", "inner"),
    (r"(tcp )?ports?( ?\(.*\)| mapping| mappings|s? published| binding| bindings)?|listens( on)?", "port"),
    (r"(docker |container |base )?images?( ?[:(+&/].*| and tag| with .*| tag| name| reference)?", "image"),
    (
        r"((current|live|docker|container|service|overall|deployment|system|stack|platform) )?(status|state|health|condition)( .*)?"
        r"|running( status)?\??|healthy\??|up\??"
        r"|operational\??",
        "status",
    ),
    (r"(depends|dependency|dependencies|depends on|dependent on|needs|requires|relies on|required services|upstreams?)( .*)?", "depends"),
    (r"sub-?nets?( .*)?|cidr|(ip|address) range", "subnet"),
    (r"(network )?driver|type", "driver"),
    (r"(docker )?networks?( .*)?|on network", "network"),
    (r"((container|internal|docker|current|observed|static) )?(ip|ipv4)?( ?address(es)?)?( ?\(.*\)| observed| now)?", "address"),
    (
        r"(docker |named |data |persistent )?(volumes?|mounts?|storage|data|volume mounts?|bind mounts?|data (directory|dir|path))( .*)?",
        "volume",
    ),
    (r"(.* )?(urls?|endpoints?|links?|access|web ui|ui)( .*)?", "url"),
    (r"(scrape )?(jobs?|targets?|scrape targets?|scrapes|scraped( targets)?|metrics( endpoint| target)?)", "scrape"),
    (r"(software |image )?(version|release)s?|tag", "version"),
    (r"(total )?(number of )?(running |total )?(containers|services|networks)( count| running| total)?", "members"),
    (r"(environment|env)( variables?| vars?)?|variables?", "env"),
)
NAMES = re.compile(
    r"(docker )?(containers?|services?|components?|applications?|apps?|module|names?|instance|used by|client)( ?names?)?( \(.*\))?", re.I
)
NONE = re.compile(r"\W*(none|no|n/?a|not applicable|nothing|nobody|no dependenc(y|ies))?\W*(\(.*\))?\s*", re.I)
MAPPING = re.compile(
    r"(?<![\d.:])(?:(\d{1,3}(?:\.\d{1,3}){3}|localhost|\[::\]|\*):)?(\d{2,5})(?:/tcp)?\s*"
    r"(?:->|→|=>|⇒|:|(?=\s)\s*to\s)\s*(\d{2,5})(?:/(?:tcp|udp))?(?![\d:]|\.\d)"
)
PUBLISHED = re.compile(r"(?<![\d.])(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::\]):(\d{2,5})(?![\d:]|\.\d)")
IPV4 = re.compile(r"(?<![\d.])((?:\d{1,3}\.){3}\d{1,3})(?!\d|\.\d|/\d)")
CIDR = re.compile(r"(?<![\d.])((?:\d{1,3}\.){3}\d{1,3}/\d{1,2})(?!\d)")
IMAGE = re.compile(
    r"(?<![\w/:.@-])((?:[a-z0-9.-]+(?::\d+)?/)?(?:[a-z0-9_.-]+/)*[a-z0-9][a-z0-9_.-]*(?::[A-Za-z0-9_][\w.-]*)?(?:@sha256:[0-9a-f]{6,64})?)"
)
MOUNT = re.compile(r"(?<![\w/])([\w.~/-]+)`?\s*(?::|→|->|\bat\b|\bon\b|\bmounted (?:at|on|to)\b)\s*`?(/[\w./-]+)")
URL = re.compile(r"\b(?:https?|wss?|(?:postgres(?:ql)?|rediss?|amqps?|kafka)(?:\+\w+)?)://[^\s<>\"'`|)\]]+")
BROWSER_KEY = r"(?:VITE|REACT_APP|NEXT_PUBLIC)_[A-Z0-9_]+"  # what such a variable holds is built into pages
POLICY = re.compile(r"\b(unless-stopped|always|on-failure(?::\d+)?|never|no)\b")
NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}
_WITHOUT_CHECK = re.compile(r"\(?\b(no|without( an?)?) health ?-?check\)?", re.I)
_UNHEALTHY = re.compile(r"\bunhealthy\b", re.I)
_DOWN = re.compile(
    r"\b(down|stopped|exited|dead|offline|inactive|failed|failing|broken|crash\w*|not (running|up|healthy|started|working))\b|[❌🔴]", re.I
)
_REQUEST = re.compile(r"[{}]|\b(GET|POST|HEAD|HTTP|curl|200)\b|(?<![\w/])/\w")  # how to ask for the state, and what comes back
_HEALTHY = re.compile(r"\bhealthy\b", re.I)
_UP = re.compile(
    r"\b(running|up|operational|online|active|live|working|completed?|deployed|ok|ready|functional|started|good|yes)\b|production-ready|[✅🟢✓✔]",
    re.I,
)


@dataclass(frozen=True)
class Scope:
    """Where a piece of text stands. subject: whom it is about unless it says something else. network: the same for a network.

    audience: who follows a URL in it: browser, container, host, or empty.
    """

    line: int
    text: str = ""
    subject: str = ""
    hedged: bool = False
    observed: bool = False
    network: str = ""
    audience: str = ""

    def claim(self, kind: str, value: str = "", other: str = "", subject: str | None = None) -> Claim:
        about = self.subject if subject is None else subject
        return Claim(self.line, kind, self.text[:200], about, value, other, self.hedged, self.observed)


def kind_of(head: str) -> str:
    """What a head is about; empty when it is none of ours."""
    bare = re.sub(r"[`*_]", " ", head.lower())
    bare = re.sub(r"[^a-z0-9 ()?/:-]+", " ", bare).strip(" :-")
    bare = " ".join(bare.split())
    return next((kind for pattern, kind in HEADS if bare and re.fullmatch(pattern, bare)), "")


def is_name_head(head: str) -> bool:
    return bool(NAMES.fullmatch(re.sub(r"[`*_]", "", head).strip()))


def status_of(text: str) -> str:
    """up, healthy or down; empty when a text says none of them."""
    bare = _WITHOUT_CHECK.sub(" ", text)
    if _UNHEALTHY.search(bare) or _DOWN.search(bare):
        return "down"
    if _HEALTHY.search(bare):
        return "healthy"
    return "up" if _UP.search(bare) else ""


def field(scope: Scope, kind: str, value: str) -> list[Claim]:
    """The claims of a value under a head of this kind."""
    reader = READERS.get(kind)
    return [] if reader is None or not value.strip() else list(reader(scope, value))


def _ports(other: str) -> Callable[[Scope, str], Iterator[Claim]]:
    def read(scope: Scope, value: str) -> Iterator[Claim]:
        if re.search(r"\bnot (published|exposed)\b|\binternal[- ]only\b|\bonly internal\b|\bnone published\b", value, re.I):
            yield scope.claim("unpublished")
        rest = value
        for match in MAPPING.finditer(value):
            yield scope.claim("mapping", f"{match[1] or ''}:{match[2]}:{match[3]}")
            rest = rest.replace(match.group(), " ")
        for match in PUBLISHED.finditer(rest):
            yield scope.claim("published", f"{match[1]}:{match[2]}")
            rest = rest.replace(match.group(), " ")
        inside = "inner" if re.search(r"\binternal|\binside\b|\bcontainer\b", rest, re.I) else other
        for number in re.findall(r"(?<![\w.:/-])(\d{2,5})(?:/(?:tcp|udp))?(?![\w.:/-]|\s*[%$])", rest):
            yield scope.claim("port", number, inside)

    return read


def _image(scope: Scope, value: str) -> Iterator[Claim]:
    coded = re.findall(r"`([^`]+)`", value)
    for piece in coded or re.split(r"[,\s]+", value):
        match = IMAGE.fullmatch(piece.strip("`,() "))
        if match and (coded or ":" in piece or "/" in piece):
            yield scope.claim("image", match[1])


def _status(scope: Scope, value: str) -> Iterator[Claim]:
    said = status_of(value)
    if said and not _REQUEST.search(value):
        yield scope.claim("status", said, "" if scope.subject else "all")


def pieces(value: str) -> list[str]:
    """The items of an enumeration."""
    return [
        piece.strip(" `.*")
        for piece in re.split(r",|;|\s\+\s|\s&\s|\band\b|\n|/(?=\s)", re.sub(r"\([^)]*\)", "", value))
        if piece.strip(" `.*")
    ]


def _depends(scope: Scope, value: str) -> Iterator[Claim]:
    if NONE.fullmatch(value):
        yield scope.claim("nodepends")
        return
    yield from (scope.claim("depends", piece) for piece in pieces(value) if not NONE.fullmatch(piece))


def _network(scope: Scope, value: str) -> Iterator[Claim]:
    for piece in pieces(value):
        if is_machine_name(piece) or piece in ("bridge", "host", "none"):
            yield scope.claim("network", piece)


def _subnet(scope: Scope, value: str) -> Iterator[Claim]:
    yield from (scope.claim("subnet", found, subject=scope.network) for found in CIDR.findall(value))


def _driver(scope: Scope, value: str) -> Iterator[Claim]:
    found = re.search(r"\b(bridge|overlay|macvlan|ipvlan)\b", value, re.I)
    if scope.network and found:
        yield scope.claim("driver", found[1].lower(), subject=scope.network)


def _address(scope: Scope, value: str) -> Iterator[Claim]:
    yield from (scope.claim("address", found) for found in IPV4.findall(value))


def _volume(scope: Scope, value: str) -> Iterator[Claim]:
    rest = value
    for match in MOUNT.finditer(value):
        yield scope.claim("volume", match[1], match[2])
        rest = rest.replace(match.group(), " ")
    for piece in pieces(rest):
        if is_machine_name(piece):
            yield scope.claim("volume", piece)
        elif re.fullmatch(r"/[\w.-]+(/[\w.-]+)+/?|/data", piece) and scope.subject:
            yield scope.claim("volume", "", piece.rstrip("/"))


def _url(scope: Scope, value: str) -> Iterator[Claim]:
    for found in URL.findall(value):
        browsed = scope.audience == "browser" and not re.match(r"https?:|wss?:", found)  # nobody opens a database in a browser
        yield scope.claim("url", found.rstrip(".,;"), "" if browsed else scope.audience)


def _scrape(scope: Scope, value: str) -> Iterator[Claim]:
    for piece in pieces(value):
        address = re.fullmatch(r"(?:https?://)?([\w.-]+:\d{2,5})(?:/\S*)?", piece)
        if address:
            yield scope.claim("scrape", address[1])


def _version(scope: Scope, value: str) -> Iterator[Claim]:
    found = re.search(r"(?<![\w.])v?(\d+(?:\.\d+)*)(?![\w:])", value)
    if found and scope.subject:
        yield scope.claim("version", found[1])


def _restart(scope: Scope, value: str) -> Iterator[Claim]:
    found = POLICY.search(value.strip("` \"'").lower())
    if found:
        yield scope.claim("restart", {"never": "no"}.get(found[1], found[1]))


def _env(scope: Scope, value: str) -> Iterator[Claim]:
    for key, text in re.findall(r"(?<![\w$])([A-Z][A-Z0-9_]{2,60})\s?=\s?([^\s,`]*)", value):
        yield from variable(scope, key, text.strip("\"'"))


def variable(scope: Scope, key: str, value: str) -> Iterator[Claim]:
    """An environment variable, and the URL in it; not localhost, which is another place in every container, and not an address."""
    yield scope.claim("env", key, value)
    if re.fullmatch(BROWSER_KEY, key):
        yield from _url(replace(scope, audience="browser"), value)
    elif not re.search(r"\blocalhost\b|\d\.\d+\.\d+\.\d", value):
        yield from _url(replace(scope, audience=""), value)


READERS: dict[str, Callable[[Scope, str], Iterator[Claim]]] = {
    "port": _ports(""),
    "published": _ports("published"),
    "public": _ports("public"),
    "inner": _ports("inner"),
    "image": _image,
    "status": _status,
    "depends": _depends,
    "network": _network,
    "subnet": _subnet,
    "driver": _driver,
    "address": _address,
    "volume": _volume,
    "url": _url,
    "scrape": _scrape,
    "version": _version,
    "restart": _restart,
    "env": _env,
}


def with_audience(scope: Scope, head: str) -> Scope:
    """The scope of a cell under this head: who follows the URLs in it, whether what it says is only an observation."""
    said = head.lower()
    seen = scope.observed or bool(re.search(r"observed|\bnow\b|at the time|current", said))
    if re.search(r"internal|container|inside|scrape|metric|target|health", said):
        return replace(scope, audience="container", observed=seen)
    user = re.search(r"\burl|\blink|access|\bui\b|browser|public|external|\bopen\b|user", said)
    return replace(scope, audience="browser" if user else scope.audience if kind_of(head) == "url" else "", observed=seen)
