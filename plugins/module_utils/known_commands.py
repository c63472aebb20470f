# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that a person can type on this host to see for himself. Pure; each is one that works there, with nothing installed for it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import validate
from ansible_collections.auren.stack.plugins.module_utils.definition import Service

HOST = "host"
OPENER = "r.build_opener(r.HTTPSHandler(context=ssl._create_unverified_context()))"  # a self-signed certificate is one, too
GET = f"import urllib.request as r, ssl; print({OPENER}.open('{{url}}').status)"


@dataclass(frozen=True)
class Host:
    """What there is to type with. running: names of the containers that run. project: its Compose file; empty where there is none yet.

    curl: the host has it. python: the host's, for where it has not.
    """

    running: Collection[str]
    network: str
    project: str
    curl: bool
    python: str


def commands(services: Mapping[str, Service], host: Host) -> list[dict[str, str]]:
    """``what`` and ``line``, from the whole to the single service."""
    here = [service for name, service in sorted(services.items()) if name in host.running]
    found = [("All containers of the project", _compose(host.project)), ("Who is on the network, with addresses", _network(host.network))]
    found += [(f"The health of {one.name}, as the Engine sees it", _health(one)) for one in here if one.gated_by_health]
    found += [(f"The health check of {one.name}, asked now", line) for one in here if (line := _check(one))]
    found += [(f"{one.name} from this host", _get(url, host)) for one in here for url in _urls(one)]
    return [{"what": what, "line": line} for what, line in found if line]


def _compose(project: str) -> str:
    return f"docker compose --file {shlex.quote(project)} ps --all" if project else "docker ps --all"


def _network(name: str) -> str:
    return f"docker network inspect --format '{{{{range .Containers}}}}{{{{println .Name .IPv4Address}}}}{{{{end}}}}' {shlex.quote(name)}"


def _health(service: Service) -> str:
    return f"docker inspect --format '{{{{.State.Health.Status}}}}' {shlex.quote(service.name)}"


def _check(service: Service) -> str:
    """The declared health check, as Docker itself runs it: its tools are in the image, its password is read inside."""
    test: Any = (service.compose.get("healthcheck") or {}).get("test")
    if not service.gated_by_health or not test:
        return ""
    words = ["sh", "-c", test] if isinstance(test, str) else ["sh", "-c", test[1]] if test[0] == "CMD-SHELL" else list(test[1:])
    return " ".join(shlex.quote(str(word)) for word in ["docker", "exec", service.name, *words])


def _urls(service: Service) -> Iterable[str]:
    """What is promised to the host over HTTP."""
    for check in service.entry.get("checks") or []:
        wanted = check.get("probe") == "http" and HOST in (check.get("from") or []) and str(check.get("status") or 200) == "200"
        place = validate.published(service, int(check.get("port") or 0)) if wanted else None
        if place:
            yield f"{'https' if check.get('tls') else 'http'}://{place[0]}:{place[1]}{check.get('path') or '/'}"


def _get(url: str, host: Host) -> str:
    if host.curl:
        return f"curl --fail --silent --show-error --insecure --output /dev/null --write-out '%{{http_code}}\\n' {shlex.quote(url)}"
    return f"{host.python} -c {shlex.quote(GET.format(url=url))}"
