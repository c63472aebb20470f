# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code blocks of a document → claims: commands, Compose files, scrape configurations, environment files. Pure.

YAML is read by its indentation, as far as such files need it: a block of a document is often only a part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.auren.stack.plugins.module_utils import audit_fields as fields
from ansible_collections.auren.stack.plugins.module_utils.audit_fields import Scope
from ansible_collections.auren.stack.plugins.module_utils.audit_markdown import Code, Line, Table
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Claim
from ansible_collections.auren.stack.plugins.module_utils.audit_prose import REACH, Known

SHELL = ("", "bash", "sh", "shell", "console", "zsh", "text", "txt", "plaintext", "terminal")
OTHERS = (
    "json",
    "python",
    "py",
    "js",
    "javascript",
    "typescript",
    "ts",
    "sql",
    "html",
    "css",
    "go",
    "diff",
    "http",
    "jinja",
    "log",
)
_ABOUT = re.compile(
    r"\bdocker\s+(?:container\s+)?(?:logs|restart|stop|start|inspect|port|stats|top|kill|exec)\b"
    r"((?:\s+-{1,2}[\w-]+(?:[= ](?=\S*[=\d])\S+)?)*)\s+(.+)"
)
_EXEC = re.compile(r"\bdocker\s+exec\b(?:\s+-{1,2}[\w-]+)*\s+([\w.-]+)\s+(.*)")
_NETWORK = re.compile(r"\bdocker\s+network\s+(?:inspect|connect|disconnect)\s+(?:-\S+\s+(?:\S+\s+)?)?([\w.-]+)(?:\s+([\w.-]+))?")
_PULL = re.compile(r"\bdocker\s+(?:image\s+)?pull\s+(?:-\S+\s+)*([\w./:@-]+)")
_RUN = re.compile(r"\bdocker\s+(?:container\s+)?(?:run|create)\b(.*)")
_OPTION = re.compile(r"--?([\w-]+)(?:[= ]+)(\"[^\"]*\"|'[^']*'|[^\s-]\S*)")
_KEY = re.compile(r"(\s*)(-\s+)?([\w./-]+)\s*:(?:\s+(.*))?")
_ENV = re.compile(r"\s*(?:export\s+|-\s+|-e\s+)?[\"']?([A-Z][A-Z0-9_]{2,60})[\"']?\s?=\s?(\S*?)[\"']?\s*(?:#.*)?")
_COMMAND = re.compile(  # what asks for an address from where it is typed: at the begin, behind a prompt, a pipe, a variable
    r"(?:^|[|;&(]|\b(?:do|then|sudo|time|exec)\s)\s*(?:[$#>%]\s+)?(?:[A-Z_]+=\S*\s+)*(?:sudo\s+|time\s+|watch\s+(?:-\S+\s+(?:\d+\s+)?)?)?[\"']?"
    r"(?:curl|wget|https?|psql|redis-cli|ab|hey|wrk|nc|xdg-open|open|start)\s"
)
_BARE = re.compile(r"\b(?:curl|wget|http)\b(?:\s+-{1,2}[\w-]+)*\s+[\"']?([a-z][\w.-]*:\d{2,5}|127\.0\.0\.1:\d{2,5})(?![\w:.-])")
_UPSTREAM = re.compile(r"\s*(?:proxy_pass|server)\s+([^;{]*);")
_LISTED = ("NAMES", "NAME", "IMAGE", "STATUS", "PORTS")  # columns of docker ps that are read
_PRINTED = {
    *_LISTED,
    "CONTAINER ID",
    "COMMAND",
    "CREATED",
    "SERVICE",
    "STATE",
    "NETWORKS",
    "SIZE",
    "RUNNING FOR",
}  # others are of other tools
_TRIAL = re.compile(r"\b(alpine|busybox|--rm)\b")


def read(code: Code, scope: Scope, known: Known) -> list[Claim]:
    """The claims of a code block. scope: of the section that it stands in."""
    if code.language in ("yaml", "yml", "compose") or (code.language in SHELL and _looks_like_yaml(code.lines)):
        return list(_Yaml(code.lines, scope).claims())
    if code.language in OTHERS:
        return []
    found: list[Claim] = []
    for line in _joined(code.lines):
        if code.language == "nginx" and not _UPSTREAM.match(line.text):
            continue
        found += _of_line(replace(scope, line=line.number, text=line.text.strip()), line.text, known)
    return found


def listing(code: Code) -> Table | None:
    """What ``docker ps`` or ``docker compose ps`` printed; None where that is not in it. A row that is out of line is left out."""
    for place, line in enumerate(code.lines):
        heads = [(match.start(), match.group()) for match in re.finditer(r"[A-Z]+(?: [A-Z]+)?", line.text)]
        said = {head for _at, head in heads}
        if said & {"NAMES", "NAME"} and said & {"IMAGE", "STATUS", "PORTS"} and said <= _PRINTED:
            ends = [*(at for at, _head in heads[1:]), 100000]
            kept = [(at, end, head) for (at, head), end in zip(heads, ends) if head in _LISTED]
            rows = [
                (row.number, tuple(row.text[at:end].strip() for at, end, _head in kept))
                for row in code.lines[place + 1 :]
                if row.text.strip() and all(not row.text[max(at - 2, 0) : at].strip() for at, _head in heads)
            ]
            return Table(tuple(head for _at, _end, head in kept), tuple(rows))
    return None


def _joined(lines: Sequence[Line]) -> Iterator[Line]:
    """A command that goes on behind a backslash as one line."""
    waiting: list[Line] = []
    for line in lines:
        waiting.append(line)
        if not line.text.rstrip().endswith("\\"):
            yield Line(waiting[0].number, " ".join(one.text.rstrip().rstrip("\\").strip() for one in waiting))
            waiting = []
    if waiting:
        yield Line(waiting[0].number, " ".join(one.text.rstrip().rstrip("\\").strip() for one in waiting))


def _of_line(scope: Scope, text: str, known: Known) -> Iterator[Claim]:
    if text.lstrip().startswith(("#", "//")):
        scope = replace(scope, hedged=True)
    env = _ENV.fullmatch(text)
    run = _RUN.search(text)
    if env:
        yield from fields.variable(scope, env[1], env[2].strip("\"'"))
    elif run:
        yield from _run(scope, run[1])
    else:
        yield from _commands(scope, text, known)


def _commands(scope: Scope, text: str, known: Known) -> Iterator[Claim]:
    inside = _EXEC.search(text)
    pull, network, about = _PULL.search(text), _NETWORK.search(text), _ABOUT.search(text)
    if pull:
        yield scope.claim("pull", pull[1], subject="")
    if network:
        yield scope.claim("network", network[1], subject="")
    if about and not inside:
        for name in re.findall(r"(?<!\S)[\w][\w.-]+(?=\s|$)", re.split(r"[|>&;#]|\s-", about[2])[0]):
            yield scope.claim("container", other="name", subject=name)
    where, rest = (inside[1], inside[2]) if inside else ("", text)
    if inside:
        yield scope.claim("container", other="name", subject=where)
    yield from _addresses(replace(scope, subject=where), text, rest, known)


def _addresses(scope: Scope, text: str, rest: str, known: Known) -> Iterator[Claim]:
    """What a line asks for. scope.subject: the container that it is run in. rest: what is run there."""
    where, typed = scope.subject, bool(_COMMAND.search(text))
    scope = replace(scope, audience=f"in:{where}" if where else "host" if typed else "")
    if not re.match(r"\s*(git|pip|npm|apt(-get)?|helm)\b", text):
        yield from fields.field(scope, "url", rest)
    for one in _BARE.findall(rest) if typed or where else ():
        if known.names.called(one.partition(":")[0]) or one.startswith(("localhost:", "127.0.0.1:")):
            yield from fields.field(scope, "url", f"http://{one}")
    for match in REACH.finditer(fields.URL.sub(" ", _BARE.sub(" ", rest))) if where or _UPSTREAM.match(text) else ():
        if known.names.called(match[1]):
            yield scope.claim("reach", match[2], match[1], subject=match[1])


def _run(scope: Scope, text: str) -> Iterator[Claim]:
    """``docker run``: what it says of the container that it names."""
    options = [(key, value.strip("\"'")) for key, value in _OPTION.findall(text)]
    named = [value for key, value in options if key == "name"]
    if not named or _TRIAL.search(text):
        return
    scope = replace(scope, subject=named[0])
    kinds = {
        "p": "port",
        "publish": "port",
        "network": "network",
        "net": "network",
        "restart": "restart",
        "v": "volume",
        "volume": "volume",
    }
    yield scope.claim("container", other="name")
    for key, value in options:
        if key in ("e", "env"):
            yield from fields.field(scope, "env", value)
        else:
            yield from fields.field(scope, kinds.get(key, ""), value)
    image = re.search(r"(?<=\s)([a-z0-9][\w./-]*:[\w.-]+)(?=\s|$)", re.sub(_OPTION, " ", text))
    if image:
        yield scope.claim("image", image[1])


def _looks_like_yaml(lines: Sequence[Line]) -> bool:
    return any(re.match(r"\s*(services|container_name|scrape_configs|networks|image)\s*:", line.text) for line in lines)


@dataclass
class _Yaml:
    """path: (indentation, key) of the mappings that a line is in. held: service → its claims until its container's name is known."""

    lines: Sequence[Line]
    scope: Scope
    path: list[tuple[int, str]] = field(default_factory=list)
    held: dict[str, list[Claim]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def claims(self) -> Iterator[Claim]:
        for line in self.lines:
            text = re.sub(r"\s+#.*$", "", line.text)
            if text.strip() and not text.lstrip().startswith("#"):
                yield from self._line(replace(self.scope, line=line.number, text=line.text.strip()), text)
        for service, claims in self.held.items():
            yield from (replace(claim, subject=self.named.get(service, service)) for claim in claims)

    def _line(self, scope: Scope, text: str) -> Iterator[Claim]:
        key = _KEY.fullmatch(text)
        indent = len(text) - len(text.lstrip())
        item = text.strip().startswith("- ")
        while self.path and (self.path[-1][0] > indent or (self.path[-1][0] == indent and not item)):
            self.path.pop()
        if key and not (item and ":" in text.strip()[2:] and not key[4]):
            at = indent + len(key[2] or "")
            keys = [one for _place, one in self.path]
            self.path.append((at, key[3]))
            yield from self._value(scope, [*keys, key[3]], (key[4] or "").strip())
        elif item:
            yield from self._value(scope, [one for _place, one in self.path], text.strip()[2:].strip())

    def _value(self, scope: Scope, keys: list[str], value: str) -> Iterator[Claim]:
        value = value.strip("\"'")
        if not keys:
            return
        if keys[-1] == "targets" and value:
            yield from fields.field(scope, "scrape", re.sub(r"[\[\]'\"]", " ", value))
            return
        service, inner = self._service(keys)
        if not service:
            return
        if keys[-1] == "container_name" and value:
            self.named[service] = value
            self.held.setdefault(service, []).append(scope.claim("container", other="name"))
        self.held.setdefault(service, []).extend(_of_key(replace(scope, subject=service), inner, value))

    def _service(self, keys: list[str]) -> tuple[str, list[str]]:
        """The service that a key belongs to, and the keys inside it."""
        if "services" in keys and len(keys) > keys.index("services") + 2:
            at = keys.index("services") + 1
            return keys[at], keys[at + 1 :]
        if len(keys) > 1 and keys[0] not in ("services", "networks", "volumes", "scrape_configs", "global", "rule_files", "x-common"):
            return (keys[0], keys[1:]) if keys[1] in _COMPOSE else ("", [])
        return "", []


_COMPOSE = {"image": "image", "ports": "port", "volumes": "volume", "networks": "network", "restart": "restart", "depends_on": "depends"}
_COMPOSE.update({"container_name": "", "environment": ""})


def _of_key(scope: Scope, keys: list[str], value: str) -> Iterator[Claim]:
    """A key of a service in a Compose file. A list's and a mapping's entries come one by one."""
    value = re.sub(r"[\[\]]", " ", value).replace('"', " ").replace("'", " ").strip()
    if keys[0] == "environment":
        if len(keys) > 1 and value:
            yield from fields.variable(scope, keys[1], value)
        else:
            yield from fields.field(scope, "env", value)
    elif keys[0] in ("depends_on", "networks") and len(keys) == 2:
        yield from fields.field(scope, _COMPOSE[keys[0]], keys[1])
    elif len(keys) == 1:
        value = f"`{value}`" if keys[0] == "image" else value
        yield from fields.field(scope, _COMPOSE.get(keys[0], ""), value)
