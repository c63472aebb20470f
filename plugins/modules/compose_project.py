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
extends_documentation_fragment: [auren.stack.common]
options:
  project:
    description: Name of the Compose project.
    type: str
    default: auren-stack
  project_dir:
    description: Absolute path of the project's directory on the target.
    type: path
    required: true
  network:
    description: The network that every service joins, created when it is missing.
    type: str
    required: true
  subnet:
    description: Subnet of the network when it is created. Empty lets the Engine choose a free one.
    type: str
    default: ""
  state:
    description:
      - V(present) makes the given services what they are declared to be.
      - V(stopped) stops services and keeps containers, definitions and data.
      - V(absent) removes containers, definitions and files. Volumes stay unless O(remove_volumes) names them, and the values of secrets
        as long as a volume remembers one.
    type: str
    choices: [present, stopped, absent]
    default: present
  services:
    description: The declared services, as C(docs/architecture.md) describes them.
    type: list
    elements: dict
    default: []
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
  images:
    description: Images that stand in for others, as a dict from reference to reference.
    type: dict
    default: {}
  restart:
    description: Restart policy of services that name none.
    type: str
    default: unless-stopped
  log_max_size:
    description: Size at which a container's log file is rotated.
    type: str
    default: 10m
  log_max_files:
    description: Log files kept per container.
    type: int
    default: 3
  gate_deadline:
    description: Seconds that a changed service has to become healthy.
    type: int
    default: 180
  gate_hold:
    description: Seconds that it then has to stay healthy.
    type: int
    default: 5
  secrets:
    description: Given values of secrets, by name. They win over what is on the target.
    type: dict
    default: {}
  offers:
    description: Values for secrets that nobody gives and that are nowhere yet, by name.
    type: dict
    default: {}
  secret_specs:
    description:
      - What may be done about each secret, by name - C(generate), C(optional), C(volume) (the volume that remembers it) and
        C(login) (C(container), C(port), C(user), C(database) of the PostgreSQL server that can be asked whether a value is right).
    type: dict
    default: {}
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import host_ports, project, validate
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service, substituted
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.gate import Gate, evidence
from ansible_collections.auren.stack.plugins.module_utils.module import planned, run
from ansible_collections.auren.stack.plugins.module_utils.network_plan import plan_target
from ansible_collections.auren.stack.plugins.module_utils.project_apply import Apply
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.project_plan import plan_present
from ansible_collections.auren.stack.plugins.module_utils.project_remove import Leave, leave
from ansible_collections.auren.stack.plugins.module_utils.project_status import overview
from ansible_collections.auren.stack.plugins.module_utils.secrets import Spec, forms
from ansible_collections.auren.stack.plugins.module_utils.site_record import record, record_refusal


def house(params: dict[str, Any]) -> House:
    keys = ("project", "project_dir", "network", "restart", "log_max_size", "log_max_files", "gate_deadline", "gate_hold")
    return House(**{key: params[key] for key in keys})


def declared_services(params: dict[str, Any], home: House) -> dict[str, Service]:
    """The given services by name; the last one of a name wins."""
    services: dict[str, Service] = {}
    for entry in params["services"]:
        if not entry.get("name") or not isinstance(entry.get("compose"), dict):
            raise StackError(f"a declared service has no name or no compose part: {sorted(entry)}; see docs/architecture.md", "declaration")
        services[entry["name"]] = substituted(Service(entry, home), params["images"])
    return services


def observe(engine: Engine, home: House, services: dict[str, Service], module: AnsibleModule) -> project.Observed:
    """One reading of host, Engine and secrets."""
    declared = project.read_declared(home.directory)
    merged = {**{n: d.service for n, d in declared.items()}, **services}
    raise_together(validate.problems(services, merged))
    snapshot = engine.snapshot(list(merged))
    network = plan_target(home.network, module.params["subnet"], engine.networks(), host_ports.routes())
    images = {ref: engine.image(ref) for ref in sorted({s.image for s in merged.values()})}
    observed = project.Observed(snapshot, images, declared, network=network, subnet=module.params["subnet"])
    specs, login = {}, {}
    for name, options in module.params["secret_specs"].items():
        login[name] = options.pop("login", None)
        specs[name] = Spec(name, rotates=bool(login[name]), offer=module.params["offers"].get(name) or "", **options)
    reader = project.SecretReader(home, services, snapshot, login)
    project.resolve_secrets(reader, specs, module.params["secrets"], observed)
    module.no_log_values.update(
        form for value in (*observed.values.values(), *(r.present for r in observed.rotations)) if value for form in forms(value)
    )
    return observed


def settle(engine: Engine, services: dict[str, Service]) -> None:
    """A stack that was as declared must also serve: wait for what is not healthy, and say so when it stays that way."""
    sick = [name for name in services if not (engine.container(name) or services_missing(name)).serving]
    try:
        Gate(engine, services).wait(sick)
    except StackError as error:
        raise StackError(
            f"{error.target} is as declared but does not serve: {error.message}\n{error.detail or evidence(engine, error.target)}",
            "not_serving",
            error.target,
            error.detail,
        ) from error


def services_missing(name: str) -> Any:
    raise StackError(f"{name} disappeared while it was being looked at; run again", "disappeared", name)


def present(module: AnsibleModule, engine: Engine, home: House, lock: Lock) -> dict[str, Any]:
    services = declared_services(module.params, home)
    observed = observe(engine, home, services, module)
    present_listeners = host_ports.listeners()
    work = plan_present(home, services, observed, lambda port: host_ports.taken_by(port, present_listeners), module.check_mode)
    work.plan.refuse_conflicts()
    result, compose = planned(work.plan), Compose(home, module.run_command)
    replaced = work.plan.targets("create", "recreate")
    if replaced:
        compose.check_version(may_be_missing=module.check_mode)
    if not module.check_mode:
        if work.plan.changed or work.files:
            apply, offered = Apply(engine, compose, observed, work, lock), dict(observed.images)
            try:
                apply.run()
            except StackError as error:
                if error.kind == "candidate":
                    refused = services[error.target]
                    tried = offered.get(refused.image)
                    record_refusal(engine, home.directory, observed.snapshot, refused, tried, error.message)
                raise
            result["operations"] = apply.done
            recorded = {"operations": apply.done, "replaced_services": replaced}
            problem = record(engine, home.directory, observed.snapshot, replaced, apply.before, recorded)
            result["warnings"] = [*result["warnings"], *apply.warnings, *([problem] if problem else [])]
        settle(engine, services)
    return {**result, **overview(engine, observed, work.merged)}


def work(module: AnsibleModule) -> dict[str, Any]:
    engine, home = Engine(), house(module.params)
    lock = Lock(home.directory)
    if not module.check_mode:
        lock.take()
    if module.params["state"] == "present":
        return present(module, engine, home, lock)
    remembering = [options["volume"] for options in module.params["secret_specs"].values() if options.get("volume")]
    asked = Leave(module.params["state"], module.params["names"], module.params["remove_volumes"], remembering)
    return leave(engine, home, asked, module.check_mode)


ARGUMENTS: dict[str, Any] = {
    "project": {"type": "str", "default": "auren-stack"},
    "project_dir": {"type": "path", "required": True},
    "network": {"type": "str", "required": True},
    "subnet": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "services": {"type": "list", "elements": "dict", "default": []},
    "names": {"type": "list", "elements": "str", "default": []},
    "remove_volumes": {"type": "list", "elements": "str", "default": []},
    "images": {"type": "dict", "default": {}},
    "restart": {"type": "str", "default": "unless-stopped"},
    "log_max_size": {"type": "str", "default": "10m"},
    "log_max_files": {"type": "int", "default": 3},
    "gate_deadline": {"type": "int", "default": 180},
    "gate_hold": {"type": "int", "default": 5},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "offers": {"type": "dict", "default": {}, "no_log": True},
    "secret_specs": {"type": "dict", "default": {}, "no_log": False},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
