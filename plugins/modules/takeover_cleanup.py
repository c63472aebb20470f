#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove what a takeover kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: takeover_cleanup
short_description: Remove the containers that a takeover kept, and the networks that nothing needs any more
version_added: 0.1.0
description:
  - Names exactly the old containers that M(auren.stack.container_takeover) renamed and kept, once O(window) has gone by, and the networks
    that they were on and that nothing in any state is on or was created on. Containers are removed without their volumes.
  - An old container stays while its successor does not serve. Other containers, images and volumes are never touched.
  - A removed container does not come back. Networks do, by M(auren.stack.network_rollback).
extends_documentation_fragment: [auren.stack.common, auren.stack.approval]
options:
  network:
    description: The network of the stack, which stays.
    type: str
    required: true
  window:
    description: Days for which old containers are kept; V(0) for none.
    type: float
    default: 7
  sources:
    description: Further networks that may go when nothing needs them.
    type: list
    elements: str
    default: []
  keep:
    description: Networks that stay.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What would go, to look at
  auren.stack.takeover_cleanup:
    network: auren-network
  check_mode: true
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause.
  returned: always
  type: list
  elements: str
operations:
  description: What was done, with seconds; in check mode the same as RV(actions).
  returned: always
  type: list
  elements: str
plan:
  description: The plan as data; its C(id) is what an approval names.
  returned: success
  type: dict
markdown:
  description: The plan as a page for the person who approves it.
  returned: success
  type: str
approved:
  description: Whether the plan was approved.
  returned: success
  type: bool
run:
  description: Name of the run in the journal; empty when nothing was done.
  returned: success
  type: str
verification:
  description: What was proved after the last operation.
  returned: when something was done
  type: str
record:
  description: The run in one line.
  returned: when something was done
  type: str
notes:
  description: What stays, with the reason.
  returned: success
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
from ansible_collections.auren.stack.plugins.module_utils.approved_run import APPROVAL, Work, approved_run
from ansible_collections.auren.stack.plugins.module_utils.cleanup import FINAL, KIND, CleanupRun, Wish, plan_cleanup
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock


def work(module: AnsibleModule) -> dict[str, Any]:
    params, project = module.params, Path(module.params["project_dir"])
    if params["window"] < 0:
        said = f"auren_rollback_window is {params['window']:g}; give the days for which old containers are kept, 0 for none"
        raise StackError(said, "bad_window", str(params["window"]))
    engine = Engine()
    if not module.check_mode:
        Lock(project).take()
    state = observe(engine, files=False, flows_over=())
    wish = Wish(params["network"], params["window"], tuple(params["sources"]), tuple(params["keep"]))
    cleanup = plan_cleanup(state, undoable(read_runs(project), 0), wish, time.time())
    names = [container.name for container in cleanup.containers]
    final = {"Cannot be undone": [FINAL] if names else []}
    back = "none for containers; networks: ansible-playbook auren.stack.rollback"
    work = Work(KIND, state, cleanup.plan, cleanup.moves, names, final, {}, lambda log: CleanupRun(engine, cleanup, log), back)
    return approved_run(engine, project, work, params, module.check_mode)


ARGUMENTS: dict[str, Any] = {
    "network": {"type": "str", "required": True},
    "window": {"type": "float", "default": 7},
    "sources": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "list", "elements": "str", "default": []},
    **APPROVAL,
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
