#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one network of the stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_consolidation
short_description: Bring containers together on the one network of the stack
version_added: 0.1.0
description:
  - Creates the target network when it is missing. An existing one is never changed, removed or created anew.
  - Puts every listed container on it with all the names that it has anywhere, while it runs and without a restart, and proves from inside
    every container on the network that every name resolves there. By default that is all, so hardly anybody notices.
  - With O(detach) the containers then leave their other networks, and connections over these are closed on both sides, so that pools open
    new ones at once. With O(remove_sources) networks that nothing needs any more are removed.
  - A missing alias is repaired by making the endpoint anew, while a temporary network holds the container.
  - A running container without a restart policy gets one, in place. A network that some container was created on and that is gone is
    created again, empty, because the container cannot start without it.
  - C(bridge), C(host) and C(none) are never created, changed or removed.
  - Every step is journalled before it is done, below C(.auren/journal) in O(project_dir), so that M(auren.stack.network_rollback) can take
    it back.
  - All refusals are reported together, before anything is changed.
extends_documentation_fragment: [auren.stack.common, auren.stack.approval]
options:
  name:
    description: Name of the target network.
    type: str
    required: true
  subnet:
    description: IPv4 subnet of a network that has to be created; empty lets the Engine choose a free one.
    type: str
    default: ""
  state:
    description:
      - Whether the network has to be there.
      - V(absent) removes it only if the collection made it and no container in any state needs it.
    type: str
    choices: [present, absent]
    default: present
  declared:
    description:
      - Services as the roles declare them; of each the C(name) and the C(aliases) count. Its container has to be on the network, in any
        state.
      - One that is not on the host is passed over.
    type: list
    elements: dict
    default: []
  containers:
    description:
      - Further containers that have to be on the network, in any state, each as its name or as a dictionary with C(name), C(aliases) (names
        that it must have there beside those that it has anywhere) and C(ipv4_address) (a fixed address there).
      - One that is not on the host is refused.
    type: list
    elements: raw
    default: []
  sources:
    description:
      - Networks that the containers leave with O(detach), and that are removed with O(remove_sources).
      - Empty means all bridge networks of the containers but Docker's own; that one is left only when it is named here.
    type: list
    elements: str
    default: []
  detach:
    description: Whether the containers leave their other networks.
    type: bool
    default: false
  remove_sources:
    description:
      - Whether networks that nothing needs any more are removed. One that a container in any state is on or was created on stays, and one
        whose addresses stand in an environment, a command, a label or a mounted file.
    type: bool
    default: false
  keep:
    description: Networks that are neither left nor removed.
    type: list
    elements: str
    default: []
  stop:
    description:
      - Containers that shall not run any more. Each is stopped with its restart policy set to V(no).
      - One that something still refers to is refused, and one that was started with C(--rm).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: The network of the stack
  auren.stack.network_consolidation:
    name: auren-network
    subnet: 172.28.0.0/16

- name: The plan of bringing two containers together, kept for an approval
  auren.stack.network_consolidation:
    name: auren-network
    project_dir: /opt/auren/docker
    containers:
      - {name: auren-postgres, aliases: [postgres]}
      - neuros-advanced
    approve: ""
  register: plan

- name: Do exactly that plan
  auren.stack.network_consolidation:
    name: auren-network
    project_dir: /opt/auren/docker
    containers:
      - {name: auren-postgres, aliases: [postgres]}
      - neuros-advanced
    approve: "{{ plan.plan.id }}"
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause and with what may be felt.
  returned: always
  type: list
  elements: str
  sample: ["connect auren-redis to auren-network: it is not on it; names auren-redis, redis"]
operations:
  description: What was done, with seconds; in check mode the same as RV(actions).
  returned: always
  type: list
  elements: str
plan:
  description: The plan as data; its C(id) is what an approval names.
  returned: when containers are listed
  type: dict
changes:
  description: The operations of the plan as data, with C(kind), C(target), C(cause), C(before) and C(after).
  returned: when no container is listed
  type: list
  elements: dict
markdown:
  description: The plan as a page for the person who approves it.
  returned: when containers are listed
  type: str
approved:
  description: Whether the plan was approved.
  returned: when containers are listed
  type: bool
run:
  description: Name of the run in the journal; empty when nothing was done.
  returned: when containers are listed
  type: str
verification:
  description: What was proved after the last operation.
  returned: when something was done
  type: str
record:
  description: The run in one line; who, when, how long, what was felt, and the way back.
  returned: when something was done
  type: str
notes:
  description: Warnings of the plan, and what people have to know afterwards.
  returned: when containers are listed
  type: list
  elements: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
findings:
  description: Containers and networks that look superfluous, with the evidence and who refers to them. Nothing follows from it.
  returned: when containers are listed
  type: list
  elements: str
  sample: ["container biometric-system-100: publishes port 8888, as biometric-production does"]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import host_ports
from ansible_collections.auren.stack.plugins.module_utils.approved_run import APPROVAL, Work, approved_run
from ansible_collections.auren.stack.plugins.module_utils.consolidation import plan_consolidation
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import make_directory
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Wish
from ansible_collections.auren.stack.plugins.module_utils.module import planned, run
from ansible_collections.auren.stack.plugins.module_utils.network_apply import NetworkApply
from ansible_collections.auren.stack.plugins.module_utils.network_plan import plan_removal, plan_target, target_spec
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.redundancy import findings
from ansible_collections.auren.stack.plugins.module_utils.topology import Move, Step, spec_of


def _is_listed(one: Any) -> bool:
    if not isinstance(one, dict) or set(one) - {"name", "aliases", "ipv4_address"}:
        return False
    aliases = one.get("aliases") or []
    return bool(one.get("name")) and isinstance(aliases, list) and all(isinstance(alias, str) and alias for alias in aliases)


def listed_of(params: dict[str, Any]) -> tuple[Listed, ...]:
    """The declared and the further containers; one that is both has the names of both. Raises StackError for what is no container."""
    found = {one["name"]: Listed(one["name"], tuple(one.get("aliases") or ()), optional=True) for one in params["declared"]}
    for given in params["containers"]:
        one = {"name": given} if isinstance(given, str) else given
        if not _is_listed(one):
            said = f"auren_streamline_containers holds {given!r}: give a name, or a dictionary with name, aliases and ipv4_address"
            raise StackError(f"{said}. Nothing was changed", "bad_container", str(given))
        declared = found.get(one["name"], Listed(""))
        aliases = (*declared.aliases, *(one.get("aliases") or ()))
        found[one["name"]] = Listed(one["name"], aliases, one.get("ipv4_address") or "")
    return tuple(found.values())


def wish_of(params: dict[str, Any]) -> Wish:
    sources, keep, stop = (tuple(params[key]) for key in ("sources", "keep", "stop"))
    return Wish(params["name"], params["subnet"], listed_of(params), sources, params["detach"], params["remove_sources"], keep, stop)


def consolidate(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Containers are listed: an approved, journalled run."""
    project, wish = Path(module.params["project_dir"]), wish_of(module.params)
    if not module.check_mode:
        make_directory(project / ".auren", 0o700)
        Lock(project).take()
    state = observe(engine, flows_over=None if wish.detach else ())
    found = plan_consolidation(state, wish)
    told = [finding.text() for finding in findings(state, wish)]
    looked_at = [*(one.name for one in wish.containers), *wish.stop, *(move.target for move in found.moves)]
    work = Work("connect", state, found.plan, found.moves, looked_at, {"Looks superfluous, and stays": told})
    return {**approved_run(engine, project, work, module.params, module.check_mode), "findings": told}


def provide(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The network alone: created, or removed when nobody needs it."""
    wish, networks = wish_of(module.params), tuple(engine.networks())
    network = next((one for one in networks if one.name == wish.target), None)
    if module.params["state"] == "present":
        plan = plan_target(wish.target, wish.subnet, networks, host_ports.routes())
        step = Step("create network", wish.target, spec=target_spec(wish.target, wish.subnet))
    else:
        plan = plan_removal(wish.target, networks, engine.snapshot().containers)
        step = Step("remove network", wish.target, spec=spec_of(network) if network else None)
    plan.refuse_conflicts()
    result = {**planned(plan), "changes": [operation.to_data() for operation in plan.operations]}
    if plan.changed and not module.check_mode:
        apply = NetworkApply(engine, HostState((), networks, engine.version), plan, [Move(step.verb, wish.target, "", (step,))], None)
        apply.run()
        result["operations"] = apply.done
    return result


def work(module: AnsibleModule) -> dict[str, Any]:
    listed = module.params["declared"] or module.params["containers"] or module.params["stop"]
    return (consolidate if listed else provide)(module, Engine())


ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "subnet": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "declared": {"type": "list", "elements": "dict", "default": []},
    "containers": {"type": "list", "elements": "raw", "default": []},
    "sources": {"type": "list", "elements": "str", "default": []},
    "detach": {"type": "bool", "default": False},
    "remove_sources": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "str", "default": []},
    "stop": {"type": "list", "elements": "str", "default": []},
    **APPROVAL,
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
