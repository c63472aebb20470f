#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Converge the Compose project of the stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_project
short_description: Converge declared services as one Compose project
version_added: 0.1.0
description:
  - Compares the declared services with what is on the host (files, labels, live endpoints, images) and does exactly what differs,
    with a cause for each operation.
  - Services given are added or replaced in the project; the others stay. Nothing else on the host is touched,
    no volume or network is ever removed unless O(remove_volumes) names it.
  - Every changed service must become healthy and stay so. When one does not, the previous files, image and containers are put back.
extends_documentation_fragment: [auren.stack.common, auren.stack.declaration]
options:
  state:
    description:
      - V(present) makes the given services what they are declared to be.
      - V(stopped) stops services and keeps containers, definitions and data.
      - V(absent) removes containers, definitions and files. Volumes stay unless O(remove_volumes) names them, and the values of secrets
        as long as a volume remembers one.
    type: str
    choices: [present, stopped, absent]
    default: present
  names:
    description: Which services to stop or remove; all of the project when empty.
    type: list
    elements: str
    default: []
  remove_volumes:
    description: With O(state=absent), volumes to remove with their data, by name.
    type: list
    elements: str
    default: []
  who:
    description: Who asks for it, for the record.
    type: str
    default: ""
  obtained:
    description: What the same run did before, a line each, for the record. Images that it pulled, built or loaded.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Converge what the roles declared
  auren.stack.compose_project:
    project_dir: /opt/auren/docker
    network: auren-network
    services: "{{ auren_declared }}"
    secrets: "{{ auren_secrets }}"
    secret_specs: "{{ auren_secret_specs }}"

- name: Stop the stack and keep its data
  auren.stack.compose_project:
    project_dir: /opt/auren/docker
    network: auren-network
    state: stopped
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause.
  returned: always
  type: list
  elements: str
  sample: ["recreate neuros-advanced: environment key LOG_LEVEL changed"]
operations:
  description: What was done, each with its cause and seconds; in check mode the same as RV(actions).
  returned: always
  type: list
  elements: str
changes:
  description: The operations of the plan as data, with C(kind), C(target), C(cause), C(before), C(after) and C(notice).
  returned: when O(state=present)
  type: list
  elements: dict
record:
  description: What was stopped or removed, as a record of the change; empty when nothing was.
  returned: when O(state=stopped) or O(state=absent)
  type: dict
records:
  description: The records of all changes of this host, from before the removal; its file of them goes along with the project.
  returned: when O(state=absent)
  type: list
  elements: dict
run:
  description: Which run this is in the host's journal; empty when it changed nothing. After a failure it is there when something was begun.
  returned: when O(state=present), or after a failure of a run that had begun
  type: str
  sample: 20261126T055259Z-site
services:
  description: The services of the project with their state, image, addresses and how to look at them.
  returned: when O(state=present)
  type: list
  elements: dict
table:
  description: RV(services) as lines of text.
  returned: when O(state=present)
  type: list
  elements: str
kept_volumes:
  description: Volumes of the stack that are still there.
  returned: when O(state=stopped) or O(state=absent)
  type: list
  elements: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import host_ports
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.declaration import DECLARATION, declared_services, house, observe, secret_forms
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.gate import Gate, evidence
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.module import planned, run
from ansible_collections.auren.stack.plugins.module_utils.project import Observed
from ansible_collections.auren.stack.plugins.module_utils.project_apply import Apply
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.project_plan import Work, plan_present
from ansible_collections.auren.stack.plugins.module_utils.project_remove import Leave, leave
from ansible_collections.auren.stack.plugins.module_utils.project_status import overview
from ansible_collections.auren.stack.plugins.module_utils.site_record import SiteRecord
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import beside, half_taken, started_again


def settle(engine: Engine, services: dict[str, Service]) -> None:
    """A stack that was as declared must also serve: wait for what is not healthy, and say so when it stays that way."""
    sick = [name for name in services if not (engine.container(name) or services_missing(name)).serving]
    try:
        Gate(engine, services).wait(sick)
    except StackError as error:
        if error.kind != "gate":
            raise
        raise StackError(
            f"{error.target} is as declared but does not serve: {error.message}\n{error.detail or evidence(engine, error.target)}",
            "not_serving",
            error.target,
            error.detail,
        ) from error


def services_missing(name: str) -> Any:
    raise StackError(f"{name} disappeared while it was being looked at; run again", "disappeared", name)


def taken_over(engine: Engine, home: House, services: dict[str, Service], observed: Observed, work: Work) -> Iterator[StackError]:
    """What a takeover has left that forbids it; its journals are read where something is missing or is to start."""
    missing = [name for name in services if observed.snapshot.container(name) is None]
    starting = work.plan.targets("create", "recreate", "start")
    runs = undoable(read_runs(home.directory), 0) if missing or starting else []
    yield from half_taken(runs, observed.snapshot.containers, missing)
    old = [full for one in started_again(runs, observed.snapshot.containers) if (full := engine.container(one.id))]
    yield from beside(old, [services[name] for name in starting], observed.snapshot)


def present(module: AnsibleModule, engine: Engine, home: House, lock: Lock) -> dict[str, Any]:
    services = declared_services(module.params, home)
    observed = observe(engine, home, services, module.params)
    module.no_log_values.update(secret_forms(observed))
    present_listeners = host_ports.listeners()
    work = plan_present(home, services, observed, lambda port: host_ports.taken_by(port, present_listeners), module.check_mode)
    work.plan.conflicts += taken_over(engine, home, services, observed, work)
    work.plan.refuse_conflicts()
    result, compose = planned(work.plan), Compose(home, module.run_command)
    replaced = work.plan.targets("create", "recreate")
    if replaced:
        compose.check_version(may_be_missing=module.check_mode)
    result.update(changes=[operation.to_data() for operation in work.plan.operations], run="")
    if not module.check_mode:
        if work.plan.changed or work.files or module.params["obtained"]:
            result.update(converge(module, engine, observed, work, Apply(engine, compose, observed, work, lock)))
        try:
            settle(engine, services)
        except StackError as error:
            error.run = result["run"]
            raise
    return {**result, **overview(engine, observed, work.merged)}


def converge(module: AnsibleModule, engine: Engine, observed: Observed, work: Work, apply: Apply) -> dict[str, Any]:
    """Do the plan and write it down; what it adds to the result."""
    project, offered, begin = apply.house.directory, dict(observed.images), time.monotonic()
    heading = {"who": module.params["who"], "images": module.params["obtained"]}
    operations = [operation.to_data() for operation in work.plan.operations]
    kept = SiteRecord(engine, project, observed.snapshot, {**heading, "operations": operations})
    try:
        apply.run()
    except StackError as error:
        refused = work.called[error.target] if error.kind == "candidate" else None
        kept.failed(error, apply.done, refused, offered.get(refused.image) if refused else None)
        error.run = kept.journal.id
        raise
    replaced = work.plan.targets("create", "recreate")
    about: dict[str, Any] = {"operations": apply.done, "replaced_services": replaced, "downtime": apply.felt()}
    about["seconds"] = round(time.monotonic() - begin, 2)
    kept.done(replaced, apply.before, {**about, **({"way_back": PREVIOUS_PAGE} if apply.kept else {})})
    warnings = [*work.plan.warnings, *apply.warnings, *filter(None, [kept.warning])]
    return {"operations": apply.done, "run": kept.journal.id, "warnings": warnings}


def work(module: AnsibleModule) -> dict[str, Any]:
    engine, home = Engine(), house(module.params)
    lock = Lock(home.directory)
    if not module.check_mode:
        lock.take()
    if module.params["state"] == "present":
        return present(module, engine, home, lock)
    remembering = [options["volume"] for options in module.params["secret_specs"].values() if options.get("volume")]
    asked = Leave(module.params["state"], module.params["names"], module.params["remove_volumes"], remembering)
    return leave(engine, home, asked, module.params["who"], module.check_mode)


ARGUMENTS: dict[str, Any] = {
    **DECLARATION,
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "names": {"type": "list", "elements": "str", "default": []},
    "remove_volumes": {"type": "list", "elements": "str", "default": []},
    "who": {"type": "str", "default": ""},
    "obtained": {"type": "list", "elements": "str", "default": []},
}
PREVIOUS_PAGE = "ansible-playbook auren.stack.pwa -e pwa_rollback=true"


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
