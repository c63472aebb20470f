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
  - All checks run at the same time, each with a deadline. Nothing is changed, so check mode does the same. V(end_to_end) alone writes, and
    takes away again what it wrote; in check mode it does what V(dependencies) does.
  - When checks fail, the module fails with the reasons alone; what follows from them is C(blocked) and named in the result.
extends_documentation_fragment: [auren.stack.common, auren.stack.declared]
options:
  level:
    description:
      - V(basic) looks at the containers.
      - V(dependencies) also runs every declared check.
      - V(end_to_end) also sends a reading of a user C(auren-verify-…) through the whole stack and follows it, and has the probes that can
        do so write something and read it again. Rows and keys are removed afterwards; the records in Kafka and the samples in Prometheus
        stay until their retention.
    type: str
    choices: [basic, dependencies, end_to_end]
    default: dependencies
  services:
    description: Names of the services to look at; empty for all that are O(declared).
    type: list
    elements: str
    default: []
  every:
    description: Whether services that are declared on this host and not in O(declared) are looked at, too, where O(services) is empty.
    type: bool
    default: false
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
    description: Seconds that everything together may take. V(end_to_end) waits for a scrape of Prometheus, so give it 150.
    type: float
    default: 60
  heartbeat:
    description:
      - The hops of the reading, in their order. Each has C(hop) (V(webhook), V(record), V(consumed), V(row), V(sample), V(panel),
        V(answer), V(rows_away), V(keys_away)), C(service), C(port) and C(from), perhaps C(by) (the service that does it, where another one
        is asked), C(secret), C(timeout), C(slow) and C(unless) (why the installed image does not do it), and what the hop itself needs.
    type: list
    elements: dict
    default: []
  patience:
    description: Seconds from the begin in which everything is asked again while something fails; for who has just changed something.
    type: float
    default: 0
attributes:
  check_mode:
    description: Reads and changes nothing in check mode; without it only O(level=end_to_end) writes.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Needs root, for the network namespaces of the containers and for the secrets. Without it, services are asked from the host, and the
    evidence says so.
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
  description: Always empty. What O(level=end_to_end) writes it takes away again.
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
    page:
      description: The page in C(docs/runbooks) that it leads to, without C(.md).
      type: str
      sample: password-drift
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
    hop:
      description: Whether it is a hop of the heartbeat.
      type: bool
    about:
      description: Other services that are the matter with it.
      type: list
      elements: str
    outside:
      description: Whether the host asked in the client's place, because the client's network could not be entered.
      type: bool
table:
  description: The same, as lines for people.
  returned: when the checks could be run
  type: list
  elements: str
attention:
  description: The lines of those that were asked and did not pass; empty when all did.
  returned: when the checks could be run
  type: list
  elements: str
settled:
  description: What failed at first and then, while there was patience, passed.
  returned: when the checks could be run
  type: list
  elements: str
see:
  description: Which pages to read on at, in a line; empty when nothing failed.
  returned: when the checks could be run
  type: str
  sample: see docs/runbooks/password-drift.md
summary:
  description: All of it in a line.
  returned: when the checks could be run
  type: str
  sample: "verified: 45 checks in 0.4 s, all of them pass"
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

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import runbooks
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import REFUSED, Cause, Checked, diagnose
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.expectations import checks_of
from ansible_collections.auren.stack.plugins.module_utils.heartbeat import Heartbeat, steps_of
from ansible_collections.auren.stack.plugins.module_utils.heartbeat_hops import USER
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.project import DECLARED, declared_services
from ansible_collections.auren.stack.plugins.module_utils.report import table
from ansible_collections.auren.stack.plugins.module_utils.verification import Verifier

COLUMNS = ("status", "check", "from", "evidence")


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


def summary(checks: Sequence[Checked], seconds: float) -> str:
    """All of it in a line."""
    counts = {status: sum(one.status == status for one in checks) for status in ("fail", "blocked", "warn", "skipped")}
    words = {"fail": "failed", "blocked": "blocked", "warn": "with a warning", "skipped": "skipped"}
    told = ", ".join(f"{count} {words[status]}" for status, count in counts.items() if count)
    return f"verified: {len(checks)} checks in {seconds:.1f} s, {told or 'all of them pass'}"


def positive(params: Mapping[str, Any], *keys: str) -> None:
    """Raises StackError for a time that nothing can be done in."""
    for key in keys:
        if params[key] <= 0:
            raise StackError(f"{key} is {params[key]:g}; give seconds above 0. Nothing was asked", "bad_value", key)


def work(module: AnsibleModule) -> dict[str, Any]:
    params, begin = module.params, time.monotonic()
    services = declared_services(Path(params["project_dir"]), params["declared"], params["network"])
    declared = [] if params["every"] else [str(entry["name"]) for entry in params["declared"]]
    wanted = chosen(services, params["services"] or declared)
    positive(params, "timeout", "budget")
    checks = checks_of(wanted, [*services, *params["clients"]] if params["clients"] else None, params["timeout"])
    steps = steps_of(params["heartbeat"], {service.name: service for service in wanted})
    needs, engine = {name: service.needs for name, service in services.items()}, Engine()
    whole, passing = params["level"] == "end_to_end" and not module.check_mode, []
    while True:
        verifier = verifier_of(params, engine, services, whole, params["budget"] - (time.monotonic() - begin))
        found = [*verifier.look(wanted), *verifier.disks(params["project_dir"])]
        if params["level"] != "basic":
            found += verifier.ask(checks)
        now = [cause.line for cause in diagnose(found, needs)[1] if cause.kind not in REFUSED]
        if time.monotonic() - begin >= params["patience"] or not now:  # who is refused again and again locks an account
            break
        passing += [line for line in now if line not in passing]
        time.sleep(1)
    if whole:
        found += Heartbeat(verifier, steps).beat()
    marked, causes = diagnose(found, needs)
    settled = [line for line in passing if line not in [cause.line for cause in causes]]
    return {**result_of(marked, causes, time.monotonic() - begin), "settled": settled}


def verifier_of(params: Mapping[str, Any], engine: Engine, services: Mapping[str, Service], writes: bool, budget: float) -> Verifier:
    tag = f"{USER}{int(time.time())}-{os.urandom(4).hex()}" if writes else ""
    return Verifier(engine, services, params["stand_in"], budget, params["secrets"], tag, params["disk_free"])


def result_of(checks: Sequence[Checked], causes: Sequence[Cause], seconds: float) -> dict[str, Any]:
    noted = [one for one in checks if one.status not in ("pass", "skipped")]
    return {
        "changed": False,
        "actions": [],
        "checks": [asdict(one) for one in checks],
        "causes": [asdict(one) for one in causes],
        "table": table(rows(checks), COLUMNS),
        "attention": table(rows(noted), COLUMNS) if noted else [],
        "see": runbooks.see(cause.page for cause in causes),
        "summary": summary(checks, seconds),
        "seconds": round(seconds, 3),
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
    **DECLARED,
    "level": {"type": "str", "choices": ["basic", "dependencies", "end_to_end"], "default": "dependencies"},
    "services": {"type": "list", "elements": "str", "default": []},
    "every": {"type": "bool", "default": False},
    "clients": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "stand_in": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 5},
    "budget": {"type": "float", "default": 60},
    "heartbeat": {"type": "list", "elements": "dict", "default": []},
    "patience": {"type": "float", "default": 0},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work_or_fail)


if __name__ == "__main__":
    main()
