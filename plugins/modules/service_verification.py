#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do the services work for those who use them?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_verification
short_description: Do the services work for those who use them, and what is behind it when they do not
version_added: 0.1.0
description:
  - Looks at the containers of the services on this host, and runs the C(checks) that the services declare, each from inside the network
    namespace of every client that it names, with Docker's own name resolution and the password which that client holds. Nothing is
    needed in the client's image.
  - All checks run at the same time, each with a deadline. Nothing is changed, so check mode does the same.
  - When checks fail, the module fails with the reasons alone; what follows from them is C(blocked) and named in the result.
extends_documentation_fragment: [auren.stack.common]
options:
  project_dir:
    description: Directory of the project on the host.
    type: path
    required: true
  level:
    description:
      - V(basic) looks at the containers.
      - V(dependencies) also runs every declared check.
    type: str
    choices: [basic, dependencies]
    default: dependencies
  declared:
    description:
      - The services to look at, as roles declare them, whoever has made their containers. Empty for those that C(site) has put on this
        host; these are known as clients in any case.
    type: list
    elements: dict
    default: []
  network:
    description: The network that the services in O(declared) are on.
    type: str
    default: auren-network
  services:
    description: Names of the services to look at; empty for all that are O(declared).
    type: list
    elements: str
    default: []
  clients:
    description: All names that a check may be from, beside V(host); empty where that is not known.
    type: list
    elements: str
    default: []
  secrets:
    description: Values of secrets that the host's own files may not have, by name.
    type: dict
    default: {}
  stand_in:
    description:
      - A running container to check from where a client is not declared on this host.
      - It holds no password of its own, so the one in the host's files is taken. Empty skips such checks.
    type: str
    default: ""
  timeout:
    description: Seconds that a check may take which does not say so itself.
    type: float
    default: 5
  budget:
    description: Seconds that everything together may take.
    type: float
    default: 60
attributes:
  check_mode:
    description: Reads and changes nothing, in check mode as without it.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Needs root, for the network namespaces of the containers and for the secrets.
"""

EXAMPLES = r"""
- name: Check everything that was declared on this host
  auren.stack.service_verification:
    project_dir: /opt/auren/docker

- name: Check Redis alone, where its clients are not
  auren.stack.service_verification:
    project_dir: /opt/auren/docker
    services: [auren-redis]
    stand_in: some-container
"""

RETURN = r"""
actions:
  description: Always empty. This module changes nothing.
  returned: always
  type: list
  elements: str
  sample: []
causes:
  description: The reasons of what failed, the first to look at first.
  returned: when the checks could be run
  type: list
  elements: dict
  contains:
    line:
      description: The reason in a sentence.
      type: str
      sample: "biometric-production → auren-postgres: auren-postgres:5432 does not accept the password that the client holds"
    service:
      description: The service that it is about.
      type: str
    kind:
      description: A stable word for it.
      type: str
      sample: auth
    clients:
      description: Who sees it.
      type: list
      elements: str
    blocked:
      description: The checks that follow from it.
      type: list
      elements: str
checks:
  description: The result of every check, for every client.
  returned: when the checks could be run
  type: list
  elements: dict
  contains:
    check:
      description: Probe and address inside the network, or the container.
      type: str
      sample: redis auren-redis:6379
    service:
      description: The service that it is about.
      type: str
      sample: auren-redis
    client:
      description: The container it was run from, V(host), or the service itself where its container was looked at.
      type: str
      sample: neuros-advanced
    status:
      description: V(pass), V(warn), V(fail), V(blocked) or V(skipped).
      type: str
      sample: pass
    kind:
      description: What kind of failure or warning; empty when it passed.
      type: str
      sample: auth
    evidence:
      description: What was seen, in a sentence; never a secret.
      type: str
      sample: auren-redis:6379 answers PING after a login
    because:
      description: Where the reason is, when it is blocked.
      type: str
      sample: auren-kafka
    seconds:
      description: How long the last attempt took.
      type: float
      sample: 0.004
    attempts:
      description: How often it was asked.
      type: int
      sample: 1
table:
  description: The same, as lines for people.
  returned: when the checks could be run
  type: list
  elements: str
seconds:
  description: How long all of it took.
  returned: when the checks could be run
  type: float
  sample: 0.31
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service, substituted
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import Checked, diagnose
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.expectations import checks_of
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.project import read_declared
from ansible_collections.auren.stack.plugins.module_utils.report import table
from ansible_collections.auren.stack.plugins.module_utils.verification import Verifier

COLUMNS = ("status", "check", "from", "evidence")


def services_of(params: Mapping[str, Any]) -> dict[str, Service]:
    """All services by name: as they were given, and as they were declared on this host. Raises StackError when there are none."""
    directory = Path(params["project_dir"])
    house = House("", str(directory), params["network"])
    found = {name: record.service for name, record in read_declared(directory).items()}
    for entry in params["declared"]:
        given = Service(entry, house)
        known = found.get(given.name, given)  # which image it settled on is known to the run that made it
        found[given.name] = substituted(given, {given.image: known.image})
    if not found:
        raise StackError(f"no service is declared in {directory}: run site first", "nothing_declared", str(directory))
    return found


def chosen(services: Mapping[str, Service], names: Sequence[str]) -> list[Service]:
    """Those that were asked for. Raises StackError for a name that is none."""
    unknown = [name for name in names if name not in services]
    if unknown:
        known = ", ".join(sorted(services))
        raise StackError(f"{', '.join(unknown)}: not declared on this host; declared are {known}", "unknown_service", unknown[0])
    return [services[name] for name in names or sorted(services)]


def rows(checks: Sequence[Checked]) -> list[dict[str, str]]:
    """Lines of the table: what needs attention first."""
    order = ("fail", "warn", "blocked", "skipped", "pass")
    shown = sorted(checks, key=lambda one: order.index(one.status))
    return [
        {
            "status": one.status,
            "check": one.check,
            "from": "" if one.of_container else one.client,
            "evidence": f"because of {one.because}" if one.because else one.evidence,
        }
        for one in shown
    ]


def work(module: AnsibleModule) -> dict[str, Any]:
    params, begin = module.params, time.monotonic()
    services = services_of(params)
    wanted = chosen(services, params["services"] or [str(entry["name"]) for entry in params["declared"]])
    for key in ("timeout", "budget"):
        if params[key] <= 0:
            raise StackError(f"{key} is {params[key]:g}; give seconds above 0. Nothing was asked", "bad_value", key)
    checks = checks_of(wanted, [*services, *params["clients"]] if params["clients"] else None, params["timeout"])
    verifier = Verifier(Engine(), services, params["stand_in"], params["budget"], params["secrets"])
    found = verifier.look(wanted)
    if params["level"] != "basic":
        found += verifier.ask(checks)
    marked, causes = diagnose(found, {name: service.needs for name, service in services.items()})
    return {
        "changed": False,
        "actions": [],
        "checks": [asdict(one) for one in marked],
        "causes": [asdict(one) for one in causes],
        "table": table(rows(marked), COLUMNS),
        "seconds": round(time.monotonic() - begin, 3),
    }


def work_or_fail(module: AnsibleModule) -> dict[str, Any]:
    """The result, or the end of the module with the reasons in the message."""
    result = work(module)
    causes = result["causes"]
    if causes:
        lines = [cause["line"] for cause in causes]
        failed = sum(one["status"] in ("fail", "blocked") for one in result["checks"])
        reasons = "1 reason" if len(lines) == 1 else f"{len(lines)} reasons"
        failure = {"kind": "check", "object": ", ".join(dict.fromkeys(c["service"] for c in causes)), "detail": "\n".join(lines)}
        said = f"{failed} of {len(result['checks'])} checks failed, for {reasons}:\n" + "\n".join(lines)
        module.fail_json(msg=said, failure=failure, **result)
    return result


ARGUMENTS: dict[str, Any] = {
    "project_dir": {"type": "path", "required": True},
    "level": {"type": "str", "choices": ["basic", "dependencies"], "default": "dependencies"},
    "declared": {"type": "list", "elements": "dict", "default": []},
    "network": {"type": "str", "default": "auren-network"},
    "services": {"type": "list", "elements": "str", "default": []},
    "clients": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "stand_in": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 5},
    "budget": {"type": "float", "default": 60},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work_or_fail)


if __name__ == "__main__":
    main()
