# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One record of a removal that took several modules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: removal_record
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: The record of a removal, with what further modules removed after the project
description:
  - The record that M(auren.stack.compose_project) gives, with the operations of the results in O(further). Where the project itself had
    nothing to remove any more, a record is made of these alone. Empty when nothing was removed at all.
positional: _input, further, who, host
options:
  _input:
    description: RV(auren.stack.compose_project#module:record) of M(auren.stack.compose_project); empty when it removed nothing.
    type: dict
    required: true
  further:
    description: Results with C(changes) and C(operations). One of a module that did not run is passed over.
    type: list
    elements: dict
    required: true
  who:
    description: Who asked for it.
    type: str
    required: true
  host:
    description: The host's name.
    type: str
    required: true
"""

EXAMPLES = r"""
record: "{{ clean_project.record | auren.stack.removal_record([clean_network, clean_images], auren_who, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The record.
  type: dict
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.changes import record_of
from ansible_collections.auren.stack.plugins.module_utils.journal import STAMP, Run
from ansible_collections.auren.stack.plugins.module_utils.project_remove import WAY_BACK
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

KIND = "clean"


def removal_record(record: Mapping[str, Any], further: Sequence[Mapping[str, Any]], who: str, host: str) -> dict[str, Any]:
    """The journal of a removal goes with the project, so the record alone says which run it was."""
    also = [one for result in further for one in result.get("changes") or []]
    if not record and not also:
        return {}
    now = time.time()
    run = str(record.get("run") or f"{time.strftime(STAMP, time.gmtime(now))}-{KIND}")
    alone = record_of(
        Run(run, KIND, now, who, outcome="done", record={"ended": now, "host": host, "version": VERSION, "way_back": WAY_BACK})
    )
    whole = {**alone, **record, "run": run, "kind": KIND}
    lines = [line for result in further if result.get("changes") for line in result["operations"]]
    return {**whole, "operations": [*whole["operations"], *also], "done": [*whole["done"], *lines]}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"removal_record": removal_record}
