# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a host differs from what is declared on it, as lines and as one line for a message."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: How a host differs from its declaration
description:
  - Puts together what M(auren.stack.compose_project) would change, and what M(auren.stack.stack_info) found that nobody declared.
  - What is no matter of the declaration (a service that is not healthy, a disk that is full) is none; the checks tell of it.
  - What a takeover kept until C(cleanup) is none either.
  - A service that is declared on the host, and in the inventory no longer, is.
positional: _input, live, images, network, host, declared
options:
  _input:
    description: Result of M(auren.stack.compose_project) in check mode, also a failed one.
    type: dict
    required: true
  live:
    description: Result of M(auren.stack.stack_info).
    type: dict
    required: true
  images:
    description: What would be done to obtain images, a line each.
    type: list
    elements: str
    required: true
  network:
    description: The one network that the services are declared on.
    type: str
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  declared:
    description: Names of all services that the inventory declares. Left out where only some of them were declared in this play.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ (service_result | auren.stack.drift(live, [], 'auren-network', inventory_hostname)).line }}"
"""

RETURN = r"""
_value:
  description: C(drifted), C(line) for a message, and C(lines) with all that differs.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.statements import strange_networks

# What the plan does not see, or not from the service.
OF_A_SERVICE = ("field", "file", "policy", "edited", "ports", "twice", "twice_alias", "cannot_start")
SET_POLICY = "set restart policy of"
TELL_OF_POLICY = ("policy", "field")  # what a finding tells need not be told by the plan as well
SHOWN = 3  # services that the line names


def _owner(operation: Mapping[str, str], names: Sequence[str]) -> str:
    """The service that an operation is about; empty for the project as a whole."""
    target = operation["target"]
    if target in names:
        return target
    parts = target.replace(".yml", "").replace(".env", "").split("/")
    return next((part for part in parts[1:] if part in names), "")


def _services(planned: Sequence[Mapping[str, str]], live: Mapping[str, Any], names: Sequence[str], network: str) -> dict[str, list[str]]:
    """Name → what differs."""
    found: dict[str, list[str]] = {}
    judged = {one["target"] for one in live["findings"] if one["kind"] in TELL_OF_POLICY}
    for one in planned:
        name, policy = _owner(one, names), one["kind"] == SET_POLICY
        told = one["cause"] if name == one["target"] and not policy else f"{one['kind']} {one['target']}: {one['cause']}"
        if name and one["kind"] != "try" and not (policy and name in judged):
            found.setdefault(name, []).append(told)
    for one in live["findings"]:
        if one["kind"] in OF_A_SERVICE and one["target"] in names:
            found.setdefault(one["target"], []).append(one["line"])
    for one in live["containers"]:
        others = sorted(set(one["networks"]) - {network}) if one["name"] in names else []
        if others:
            found.setdefault(one["name"], []).append(f"it is also on {', '.join(others)}")
    return dict(sorted(found.items()))


def _count(number: int, word: str) -> list[str]:
    return [f"{number} {word}{'' if number == 1 else 's'}"] if number else []


def _named(differ: Mapping[str, Sequence[str]], of: int) -> list[str]:
    """As in: 2 of 11 services differ (auren-redis: mem_limit changed; auren-kafka: it is exited)."""
    if not differ:
        return []
    told = [f"{name}: {', '.join(causes)}" for name, causes in list(differ.items())[:SHOWN]] + ["…"] * (len(differ) > SHOWN)
    return [f"{len(differ)} of {of} services {'differs' if len(differ) == 1 else 'differ'} ({'; '.join(told)})"]


def _dropped(result: Mapping[str, Any], live: Mapping[str, Any], declared: Sequence[str] | None) -> list[str]:
    """Services that the host has from an earlier declaration, and that the present one does not name."""
    on_host = {one["name"] for one in live["containers"] if one["role"]} | {one["service"] for one in result.get("services") or []}
    return [] if declared is None else sorted(on_host - set(declared))


def _way_out(name: str) -> str:
    return f"{name} is no longer declared: declare it again, or remove it with auren.stack.compose_project (state: absent, names: [{name}])"


def drift(
    result: Mapping[str, Any],
    live: Mapping[str, Any],
    images: Sequence[str],
    network: str,
    host: str,
    declared: Sequence[str] | None = None,
) -> dict[str, Any]:
    """All of it. A plan that is refused is drift: the reasons are the lines. declared: all that the inventory declares; None: not known."""
    planned = list(result.get("changes") or [])
    created = {one["target"] for one in planned if one["kind"] == "create"}
    dropped = _dropped(result, live, declared)
    names = sorted(({one["name"] for one in live["containers"] if one["role"]} | created) - set(dropped))
    differ = _services(planned, live, names, network)
    others = [f"{one['kind']} {one['target']}: {one['cause']}" for one in planned if not _owner(one, names)]
    forbidden = str(result.get("msg", "")).splitlines() if result.get("failure") else []
    unknown = [one["line"] for one in live["findings"] if one["kind"] in ("unknown", "superfluous")]
    files = [one["line"] for one in live["findings"] if one["kind"] == "file" and one["target"] not in (*names, *dropped)]
    kept = {one["target"] for one in live["findings"] if one["kind"] == "kept"}
    networks = [f"the network {name} is not declared" for name in strange_networks(live["networks"], network) if name not in kept]
    parts = _named(differ, len(names))
    parts += [f"{len(dropped)} no longer declared ({', '.join(dropped)})"] if dropped else []
    parts += _count(len(others), "other difference") + _count(len(images), "image")
    parts += _count(len(files), "unknown file") + _count(len(unknown), "unknown container") + _count(len(networks), "unknown network")
    parts += [f"site would refuse: {forbidden[0]}"] if forbidden else []
    lines = [f"{name}: {told}" for name, all_told in differ.items() for told in all_told]
    line = f"{host} drifted: {', '.join(parts)}" if parts else f"{host} is as declared: {len(names)} services"
    return {
        "drifted": bool(parts),
        "line": line,
        "lines": [*lines, *map(_way_out, dropped), *others, *images, *files, *unknown, *networks, *forbidden],
    }


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"drift": drift}
