#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take back what runs of streamline did."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_rollback
short_description: Take back what runs of streamline did to networks and containers
version_added: 0.1.0
description:
  - Reads the journals of the runs in O(window), newest first, and plans the way back to what was before them. Networks and names that were
    taken away come back, with the same subnet, options, labels and fixed addresses; memberships and policies that were added go, and what
    was stopped is started.
  - Containers that were taken over come back first, with what was written to copied data since; what would start them is enabled again.
  - A container that was made anew since is left as it is, a network that others use stays, and no container is left without a network.
  - The plan is approved like any other, journalled, and safe to repeat after it was cut off.
  - Runs of C(site) are not undone. What they recorded, the previous images and files, is returned as RV(records).
extends_documentation_fragment: [auren.stack.common, auren.stack.approval]
options:
  window:
    description: Days back from now whose runs are taken back.
    type: float
    default: 7
"""

EXAMPLES = r"""
- name: The way back, to look at
  auren.stack.network_rollback:
    project_dir: /opt/auren/docker
  check_mode: true
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause and with what may be felt.
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
  description: The run in one line; who, when, how long, what was felt, and the way back.
  returned: when something was done
  type: str
notes:
  description: Warnings of the plan, and what people have to know afterwards.
  returned: success
  type: list
  elements: str
records:
  description: Runs in the window that are not taken back by this module, with what they replaced.
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
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.module import run, runner
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.rollback import KIND, plan_rollback, records, taken_back
from ansible_collections.auren.stack.plugins.module_utils.rollback_apply import RollbackRun
from ansible_collections.auren.stack.plugins.module_utils.takeover_back import (
    ReturnRun,
    afterwards,
    asked,
    data_of,
    plan_return,
    without_networks,
)
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND as TAKEOVER

DAY = 86400


def work(module: AnsibleModule) -> dict[str, Any]:
    project, window = Path(module.params["project_dir"]), module.params["window"]
    if window <= 0:
        raise StackError(f"auren_rollback_window is {window:g}; give the number of days to go back, such as 7", "bad_window", str(window))
    engine = Engine()
    if not module.check_mode:
        Lock(project).take()
    since, runs, host = time.time() - window * DAY, read_runs(project), asked(engine, project)
    taken = undoable(runs, since)
    state = observe(engine, files=False)
    back = plan_return(state, taken, host)
    others, data = [one for one in taken if one.kind != TAKEOVER], data_of(state, runs, host)
    back = without_networks(back, plan_rollback(afterwards(state, back), others, data).moves)
    later = afterwards(state, back)
    undoing = plan_rollback(later, others, data)
    names = [name for one in taken for name in one.containers] + [one.old.name for one in back.returns]
    told = {"Takes back": [taken_back(one) for one in taken], "Not taken back here": records(runs, since)}
    plan = Plan([*back.operations, *undoing.plan.operations], warnings=[*back.warnings, *undoing.plan.warnings], conflicts=back.conflicts)
    work = Work(
        KIND,
        state,
        plan,
        [*back.doings, *undoing.moves],
        [*names, *(move.target for move in undoing.moves)],
        told,
        {"undoes": [one.id for one in taken]},
        lambda log: RollbackRun(engine, later, undoing, back, ReturnRun(engine, project, back, log, runner(module)), log),
        "look at the plan of streamline, and do that phase again",
    )
    return {**approved_run(engine, project, work, module.params, module.check_mode), "records": told["Not taken back here"]}


ARGUMENTS: dict[str, Any] = {"window": {"type": "float", "default": 7}, **APPROVAL}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
