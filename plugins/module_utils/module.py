# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How every module of the collection ends: one result shape, one failure shape."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan


def planned(plan: Plan) -> dict[str, Any]:
    """The part of a result that every planned change has."""
    return {
        "changed": plan.changed,
        "actions": plan.actions(),
        "diff": plan.diff(),
        "operations": plan.actions(),
        "warnings": plan.warnings,
    }


def runner(module: AnsibleModule) -> Callable[[Sequence[str]], tuple[int, str]]:
    """Runs a command of the host: its status, and what it printed."""

    def command(words: Sequence[str]) -> tuple[int, str]:
        status, out, err = module.run_command(list(words))
        return status, f"{out}\n{err}".strip()

    return command


def run(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Run a module's work and leave: ``exit_json`` with its result, or ``fail_json`` with one sentence and ``failure``.

    With ``run`` too where the failure ended a run that had begun: so whoever plays it knows that there is something to write down.
    """
    try:
        result = work(module)
    except StackError as error:
        module.fail_json(msg=error.message, failure=error.failure(), **({"run": error.run} if error.run else {}))
    except PermissionError as error:
        said = f"{error.filename} refuses user {os.geteuid()} ({error.strerror}): run with become"
        module.fail_json(msg=said, failure={"kind": "permission", "object": str(error.filename), "detail": str(error)})
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)
