"""What must not stand in a public repository or in anything that is made from it: secrets, and where its authors work.

A finding names the line and the kind, and never repeats the secret.
"""

from __future__ import annotations

import ipaddress
import math
import re
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent

# Public addresses that are right, with the reason; everything private, documentation, loopback or reserved is.
ADDRESSES = {
    "1.1.1.1": "tests: a resolver outside, and who asks over the page's proxy",
    "1.2.3.4": "tests: anybody's address, four different numbers",
    "2.3.4.5": "tests: another one",
    "5.6.7.8": "tests: another one",
    "8.8.8.8": "tests: a public resolver, as an operator writes it into a container",
    "9.9.9.9": "tests: another one",
    "110.1.0.7": "tests: contains 10.1.0.7 and is not it",
}
# Hosts of URLs and images. Names without a dot are containers; those reserved for examples (RFC 2606) are nobody's.
HOSTS = {
    "api.openai.com",
    "docker.io",
    "docs.docker.com",
    "download.docker.com",
    "fsf.org",
    "github.com",
    "json-schema.org",
    "maven.apache.org",
    "opencollective.com",
    "quay.io",
    "registry.npmjs.org",
    "schema.org",
    "tidelift.com",
    "www.gnu.org",
    "www.w3.org",
}
RESERVED = re.compile(r"(^|\.)(example(\.(com|net|org))?|test|invalid|localhost)$")
PEOPLE = {"me", "ops", "postgres"}  # homes in examples, in tests, and in Spilo's image

PASSWORDS = {"hunter2-S3cret": "tests: the one that a script holds and that no message may hold"}

# What `redaction` hides, so tests/unit/test_redaction.py asks both about the same.
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")
TOKEN = re.compile(
    r"\b(?:A[KS]IA[0-9A-Z]{16}|gh[opsur]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{20,}"
    r"|[sr]k_live_\w{16,}|glsa_\w{20,}|dckr_pat_[\w-]{20,}|AIza[\w-]{35}"
    r"|npm_\w{36}|pypi-AgE[\w-]{20,}|hf_\w{30,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"
)
NAMED = re.compile(r"(?:passw|secret|token|api_?key|credential)\w*[\"']?[ \t]*[:=][ \t]*[\"']?([^\s\"',;)}]{12,})", re.IGNORECASE)
IN_URL = re.compile(r"\w://[^\s/:@\"'<{]*:([^\s/@\"'<{$]{12,})@")
ADDRESS = re.compile(r"(?<![\w.-])((?:\d{1,3}\.){3}\d{1,3})(?![\w-]|\.\d)")
HOME = re.compile(r"(?<![\w.~$}])/(?:home|Users)/(\w[\w.-]*)")
WORK = re.compile(r"(?<![\w.~$}-])/(?:work|workspace|repos?|builds)/\w|/root/\.(?:pyenv|ansible)")
HOST = re.compile(r"://(?:[^\s/@\"']*@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]*)")
REGISTRY = re.compile(r"(?:\bimage: |^FROM |docker (?:pull|push|run|tag) )[\"']?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?/", re.MULTILINE)
CLONE = re.compile(re.escape(str(ROOT)) + r"\b")  # where the project itself would be installed is no secret
MACHINE = re.compile(rf"\b{re.escape(socket.gethostname())}\b")


def looks_made(value: str) -> bool:
    """Whether a value looks like one that a machine or a careful person has made, not like a word, a name or a template."""
    value = unquote(value)
    if value in PASSWORDS or len(value) < 12 or re.search(r"[{}<>$()\[\]*/\\]|\.\w+\.", value):
        return False
    classes = sum(bool(re.search(pattern, value)) for pattern in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9_.-]"))
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    return classes >= 3 and bits >= 3.2


def is_foreign(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global and text not in ADDRESSES
    except ValueError:  # 256.0.0.1 is nobody's
        return False


def is_named(host: str) -> bool:
    return host not in HOSTS and not RESERVED.search(host)


def always(_text: str) -> bool:
    return True


# Where secrets are planted, for the tests that they are found and never repeated: what looks like one there is nobody's.
PLANTED_IN = {
    "tests/integration/test_document_audit.py",
    "tests/unit/audit/planted.md",
    "tests/unit/audit_host.py",
    "tests/unit/test_audit.py",
    "tests/unit/test_audit_properties.py",
    "tests/unit/test_redaction.py",
}
SECRET_KINDS = ("a private key", "a token", "a password that looks real")

SEARCHES: list[tuple[re.Pattern[str], Callable[[str], bool], str]] = [  # what it looks like, what else has to hold, what it is
    (PRIVATE_KEY, always, "a private key"),
    (TOKEN, always, "a token"),
    (NAMED, looks_made, "a password that looks real"),
    (IN_URL, looks_made, "a password that looks real"),
    (ADDRESS, is_foreign, "a foreign address: {}"),
    (HOME, lambda name: name not in PEOPLE, "a path of somebody's machine"),
    (WORK, always, "a path of somebody's machine"),
    (CLONE, lambda path: path.count("/") > 1 and not path.startswith(("/opt/", "/srv/")), "a path of somebody's machine"),
    (HOST, is_named, "a foreign host: {}"),
    (REGISTRY, is_named, "a foreign host: {}"),
    (MACHINE, lambda name: len(name) > 7 and any(map(str.isdigit, name)), "the name of this machine"),
]


def leaks(path: Path, content: bytes) -> list[str]:
    """One line a finding: file, line, kind. Pictures and other binary files have none."""
    if b"\0" in content:
        return []
    text = content.decode(errors="replace")
    found = {
        (text.count("\n", 0, match.start()) + 1, kind.format(match[match.re.groups]))
        for pattern, holds, kind in SEARCHES
        for match in pattern.finditer(text)
        if holds(match[match.re.groups])
    }
    planted = str(path) in PLANTED_IN
    return [f"{path}:{line}: {kind}" for line, kind in sorted(found) if not (planted and kind in SECRET_KINDS)]


def shown_secrets(name: str, text: str) -> list[str]:
    """The findings in a text that is about one host, and so names it, its folders and whom it asks."""
    return [line for line in leaks(Path(name), text.encode()) if line.partition(": ")[2] in SECRET_KINDS]
