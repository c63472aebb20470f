# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of a host's changes, together with those that the controller keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: merged_changes
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: Records of changes, those of the host and those that the controller has already
description:
  - A record that the controller has stays as it is and where it is; further ones of the host follow. So the file on the controller only
    grows. Of a run that was written down before it was verified, the host's later record takes the place of the controller's.
positional: _input, path
options:
  _input:
    description: RV(auren.stack.stack_document#module:records) of M(auren.stack.stack_document).
    type: list
    elements: dict
    required: true
  path:
    description: The controller's file. It need not be there.
    type: path
    required: true
"""

EXAMPLES = r"""
records: "{{ documentation_result.records | auren.stack.merged_changes('reports/web/changes.jsonl') }}"
"""

RETURN = r"""
_value:
  description: The records.
  type: list
  elements: dict
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.auren.stack.plugins.module_utils.changes import NOT_VERIFIED


def kept(path: str) -> list[dict[str, Any]]:
    """What the controller has. Raises AnsibleFilterError for a file that holds something else, for it would be lost."""
    file = Path(path)
    if not file.is_file():
        return []
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    except ValueError as problem:
        raise AnsibleFilterError(f"{path} is no file of records of changes ({problem}); move it away") from None


def merged(records: Sequence[Mapping[str, Any]], path: str) -> list[Mapping[str, Any]]:
    """A run that was recorded by a controller alone, and later by the host, is one."""
    known: dict[Any, Mapping[str, Any]] = {one.get("run"): one for one in kept(path)}
    for one in records:
        if one["run"] not in known or known[one["run"]].get("verification") == NOT_VERIFIED:
            known[one["run"]] = one
    return list(known.values())


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"merged_changes": merged}
