# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declared services, checked before anything else looks at them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils import secrets
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Binding

SIZE = re.compile(r"\d+(\.\d+)?\s*([bkmg]b?)?", re.IGNORECASE)
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
REFERENCE = re.compile(r"[a-z0-9]+([._/:-]+[a-zA-Z0-9_]+)*(@sha256:[0-9a-f]{64})?|sha256:[0-9a-f]{64}")
RUNS_AS = re.compile(r"\d+(:\d+)?")
RESTARTS = ("no", "always", "unless-stopped", "on-failure")


def _is_size(value: Any) -> bool:
    return bool(SIZE.fullmatch(str(value)))


def _is_reference(value: Any) -> bool:
    return bool(REFERENCE.fullmatch(str(value)))


def _is_restart(value: Any) -> bool:
    return str(value).split(":", maxsplit=1)[0] in RESTARTS


# compose key → (what it has to be, the variable's suffix, the test)
_KEYS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "image": ("an image reference such as redis:7-alpine", "image", _is_reference),
    "mem_limit": ("a size such as 256m", "memory", _is_size),
    "shm_size": ("a size such as 128m", "shm_size", _is_size),
    "restart": (f"one of {', '.join(RESTARTS)}", "restart", _is_restart),
}


def _variable(service: Service, suffix: str) -> str:
    return f"{service.role}_{suffix}"


def _bad(name: str, variable: str, value: Any, what: str) -> StackError:
    return StackError(f"{name}: {variable} is {str(value)!r}, which is not {what}; correct {variable}", "bad_value", variable, str(value))


def _bad_value(service: Service, suffix: str, value: Any, what: str) -> StackError:
    return _bad(service.name, _variable(service, suffix), value, what)


def check_reference(name: str, role: str, image: str) -> None:
    """Raise StackError for an image that no Engine can look for."""
    what, suffix, good = _KEYS["image"]
    if not good(image):
        raise _bad(name, f"{role}_{suffix}", image, what)


def _check_keys(service: Service) -> Iterable[StackError]:
    if not RUNS_AS.fullmatch(str(service.entry.get("runs_as") or "0")):
        yield _bad_value(service, "runs_as", service.entry["runs_as"], "a numeric uid:gid such as 999:999")
    for key, (what, suffix, good) in _KEYS.items():
        value = service.image if key == "image" else service.compose.get(key)
        if value is None:
            continue
        if not good(value):
            yield _bad_value(service, suffix, value, what)


def _check_placeholders(service: Service) -> Iterable[StackError]:
    texts = {f"environment key {key}": text for key, text in service.environment.items()}
    texts.update({f"file {path}": text for kind in ("recreate", "reload") for path, text in service.files(kind).items()})
    for where, text in texts.items():
        for meant in secrets.malformed(text):
            yield StackError(
                f"{service.name}: {where} holds {meant}, which is no placeholder; write <<secret:NAME>> or <<secret:NAME:ENCODING>> with "
                f"one of {secrets.encodings()}",
                "placeholder",
                service.name,
            )


def _check_candidate(service: Service) -> Iterable[StackError]:
    missing = [key for key in ("port", "http_port", "ready") if service.candidate and not service.candidate.get(key)]
    if missing:
        yield StackError(f"{service.name}: its candidate says no {', '.join(missing)}; see docs/architecture.md", "candidate", service.name)
    if service.candidate and service.data:
        yield StackError(
            f"{service.name} has data, so no candidate can run beside it: two containers never write to one volume; leave candidate out",
            "candidate",
            service.name,
        )


def parse_port(text: str) -> Binding | None:
    """``[ip:]host:container[/protocol]`` as a Binding; None when it is not one (ranges are not used here)."""
    matched = re.fullmatch(r"(?:(?P<ip>[0-9.]+|\[[0-9a-fA-F:]+\]):)?(?P<host>\d+):(?P<inner>\d+)(?:/(?P<protocol>tcp|udp))?", text)
    if not matched or not all(0 < int(matched[g]) < 65536 for g in ("host", "inner")):
        return None
    ip = (matched["ip"] or "").strip("[]")
    if "." in ip and not all(part.isdigit() and int(part) < 256 for part in ip.split(".")):
        return None
    return Binding(ip, int(matched["host"]), f"{int(matched['inner'])}/{matched['protocol'] or 'tcp'}")


def bindings(service: Service) -> list[Binding]:
    """The ports a service publishes; those that cannot be read are left to ``problems``."""
    parsed = (parse_port(str(port)) for port in service.compose.get("ports") or [])
    return [binding for binding in parsed if binding]


def published(service: Service, inner: int) -> tuple[str, int] | None:
    """Address and port by which this host reaches a port of the container; None when it is not published."""
    for binding in bindings(service):
        if binding.container_port == f"{inner}/tcp":
            return (binding.host_ip if binding.host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"), binding.host_port
    return None


def _check_ports(service: Service) -> Iterable[StackError]:
    for port in service.compose.get("ports") or []:
        if parse_port(str(port)) is None:
            yield _bad_value(service, "port", port, "a published port such as 127.0.0.1:6379:6379 (built from its bind and port variables)")


def _check_twice(services: list[Service]) -> Iterable[StackError]:
    seen: list[tuple[Binding, Service]] = []
    for service in services:
        for binding in bindings(service):
            for other, owner in seen:
                if binding.collides(other):
                    yield StackError(
                        f"{service.name} and {owner.name} both publish port {binding.host_port}; change {_variable(service, 'port')}",
                        "port_twice",
                        service.name,
                    )
            seen.append((binding, service))


def _check_names(services: Mapping[str, Service], declared: Iterable[str]) -> Iterable[StackError]:
    known = set(services) | set(declared)
    for service in services.values():
        if not NAME.fullmatch(service.name):
            yield StackError(
                f"{service.name!r} is no name that Docker takes for a container; correct the service's name", "bad_name", service.name
            )
        for need in service.needs:
            if need == service.name or not NAME.fullmatch(need):
                yield StackError(
                    f"{service.name} needs {need!r}, which cannot be; known services are {', '.join(sorted(known))}", "bad_need", need
                )


def check_exactly_one(services: Iterable[Service], fact: str) -> Iterable[StackError]:
    """Of the services that declare a fact (two or more of them), exactly one must say true."""
    declaring = sorted((s for s in services if fact in (s.entry.get("facts") or {})), key=lambda s: s.name)
    saying = [s for s in declaring if s.entry["facts"][fact]]
    names = ", ".join(f"{s.name} ({s.role}_{fact})" for s in (saying if len(saying) > 1 else declaring))
    if len(saying) > 1:
        yield StackError(f"{fact} is true for {names}: every event would be stored twice; leave it true for one of them", fact, names)
    elif len(declaring) > 1 and not saying:
        yield StackError(f"{fact} is true for none of {names}: no event would be stored; set it to true for one of them", fact, names)


def problems(called: Mapping[str, Service], merged: Mapping[str, Service]) -> list[StackError]:
    """Everything that is wrong with the declaration. called: in this run; merged: with those already on the host."""
    found: list[StackError] = []
    for service in called.values():
        found += [*_check_keys(service), *_check_ports(service), *_check_placeholders(service), *_check_candidate(service)]
    found += _check_twice(list(merged.values()))
    found += _check_names(called, merged)
    found += check_exactly_one(merged.values(), "stores_events")
    return found
