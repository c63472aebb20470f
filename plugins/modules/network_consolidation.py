#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one network of the stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_consolidation
short_description: Provide the one network of the stack
version_added: 0.1.0
description:
  - Creates the target network when it is missing. An existing one is never changed, removed or created anew.
  - Removes it, when asked to, only if the collection made it and no container in any state needs it.
  - Refuses a subnet that overlaps another Docker network or a route of the host, and says which.
extends_documentation_fragment: [auren.stack.common]
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
    description: Whether the network has to be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The network of the stack
  auren.stack.network_consolidation:
    name: auren-network
    subnet: 172.28.0.0/16
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause.
  returned: always
  type: list
  elements: str
  sample: ["create network auren-network: it is not there"]
operations:
  description: What was done, with seconds; in check mode the same as RV(actions).
  returned: always
  type: list
  elements: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE
from ansible_collections.auren.stack.plugins.module_utils.module import planned, run
from ansible_collections.auren.stack.plugins.module_utils.network_plan import parse_routes, plan_removal, plan_target
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan


def plan(engine: Engine, params: dict[str, str]) -> Plan:
    if params["state"] == "absent":
        return plan_removal(params["name"], engine.networks(), engine.snapshot().containers)
    routes = parse_routes(read_text(Path("/proc/net/route")) or "")
    return plan_target(params["name"], params["subnet"], engine.networks(), routes)


def apply(engine: Engine, params: dict[str, str]) -> None:
    if params["state"] == "absent":
        engine.remove_network(params["name"])
    else:
        engine.create_network(params["name"], params["subnet"], {LABEL_SERVICE: params["name"]})


def work(module: AnsibleModule) -> dict[str, Any]:
    engine = Engine()
    found = plan(engine, module.params)
    found.refuse_conflicts()
    result = planned(found)
    if found.changed and not module.check_mode:
        start = time.monotonic()
        apply(engine, module.params)
        result["operations"] = [f"{line} ({time.monotonic() - start:.1f} s)" for line in found.actions()]
    return result


ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "subnet": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
