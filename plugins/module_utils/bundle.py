# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a built web page is told to call: addresses in its string literals that no browser can, or may, reach. Pure.

Only texts that a program can use count: string and template literals of scripts, attributes of HTML, ``url()`` and strings of CSS, and
values of JSON. Comments and source maps do not, and neither do the names of XML namespaces, which only look like addresses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils import literals

# scheme, who is to log in, host or the beginning of what is filled in; slashes may be escaped, as in JSON inside a script
ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(?:\\*/){2}(?:[^\s/@\"'`$]*@)?([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:.]+\]|\$\{)(:\d+)?")
BASES = ("http://localhost", "http://localhost/")  # what libraries give to new URL() where a path is all that they have
PLAIN = ("http", "ws")
# Hosts of XML namespaces and schemas: names that nothing fetches (W3C, JSON-LD, JSON Schema, Open Graph, Adobe XMP,
# Dublin Core, Inkscape, Sodipodi, sitemaps, OOXML).
NAMESPACES = re.compile(
    r"https?://(?:www\.w3\.org/|schema\.org\b|json-schema\.org/|ogp\.me/|ns\.adobe\.com/|purl\.org/|www\.inkscape\.org/namespaces|sodipodi\.sourceforge\.net/|"
    r"www\.sitemaps\.org/schemas|schemas\.[a-z.]+/|xmlns\.com/|creativecommons\.org/ns)"
)
WELCOME = b"<title>Welcome to nginx!</title>"


@dataclass(frozen=True)
class Finding:
    """An address in a file. text: the literal around it, shortened. internal: whether its host is a name of the Docker network."""

    file: str
    text: str
    host: str
    internal: bool

    def line(self) -> str:
        what = f"{self.host} is a name inside the Docker network, which no browser can resolve" if self.internal else "it is not encrypted"
        return f"{self.file} holds {self.text!r}: {what}"


def findings(files: Mapping[str, bytes], internal: Collection[str], allowed: Collection[str]) -> list[Finding]:
    """Addresses with an internal name as host, and those with plain http or ws.

    files: path → content. internal: names of containers, with their aliases. allowed: hosts, or beginnings of literals, that are right.
    """
    names, found = {name.lower() for name in internal}, []
    for path, content in sorted(files.items()):
        for literal in literals.of_file(path, content.decode(errors="replace")):
            found += [one for one in _addresses(path, literal, names) if not _is_allowed(one, allowed)]
    return list(dict.fromkeys(found))


def _addresses(path: str, literal: str, internal: Collection[str]) -> Iterator[Finding]:
    for match in ADDRESS.finditer(literal if literal not in BASES else ""):
        scheme, host = match.group(1).lower(), match.group(2).lower().rstrip(".")
        if NAMESPACES.match(literal, match.start()):
            continue
        if host in internal or scheme in PLAIN:
            start = max(match.start() - 20, 0) if len(literal) > 100 else 0
            yield Finding(path, literal[start : match.end() + 60][:100], host, host in internal)


def _is_allowed(finding: Finding, allowed: Collection[str]) -> bool:
    return any(finding.host == one.lower() or finding.text.startswith(one) for one in allowed)


def problem(files: Mapping[str, bytes]) -> str:
    """Why this is no bundle at all; empty when it is one."""
    page = files.get("index.html")
    if page is None:
        return "it has no index.html"
    return "its index.html is nginx's own welcome page" if WELCOME in page else ""


def workers(files: Mapping[str, bytes]) -> list[str]:
    """Service workers by the names that the usual tools give them."""
    return [name for name in ("sw.js", "service-worker.js", "ngsw-worker.js") if name in files]


def manifest(files: Mapping[str, bytes]) -> str:
    """The path of the manifest that the page links; empty for none."""
    page = files.get("index.html", b"").decode(errors="replace")
    for tag in re.findall(r"<link\b[^>]*>", page, re.IGNORECASE):
        if re.search(r"rel\s*=\s*[\"']?manifest\b", tag, re.IGNORECASE):
            found = re.search(r"href\s*=\s*[\"']?([^\"'\s>]+)", tag, re.IGNORECASE)
            return f"/{found.group(1).lstrip('./')}" if found and "://" not in found.group(1) else ""
    return ""
