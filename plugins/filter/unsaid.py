# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs and the inventory does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.takeover_declare import SEVERAL
from ansible_collections.auren.stack.plugins.module_utils.yaml_text import inventory

DOCUMENTATION = r"""
name: unsaid
short_description: What runs and the inventory does not say
version_added: 0.1.0
author: The auren.stack authors (@auren)
description:
  - Of a variable that holds several things, such as C(kafka_properties), the lines tell only what the inventory does not say, for the rest
    of it may be secret. All others are told, for one that is right already may be so only by another one that is about to change.
positional: _input, said
options:
  _input:
    description: RV(auren.stack.takeover_info#module:variables) of M(auren.stack.takeover_info).
    type: dict
    required: true
  said:
    description: The same variables as they are now; empty text for one that is not there.
    type: dict
    required: true
"""

EXAMPLES = r"""
new: "{{ found.variables | auren.stack.unsaid({'redis_image': redis_image | default('')}) }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines), to paste into the inventory as YAML, where what Ansible would take for a template, as in a label, is marked C(!unsafe); and
      C(variables), as they are with these lines.
  type: dict
"""


def unsaid(found: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """lines: empty where everything is said."""
    new, variables, beside = dict(found), dict(found), ""
    for key in SEVERAL:
        present, value = said.get(key) or {}, found.get(key, {})
        new[key] = {name: one for name, one in value.items() if _text(one) != _text(present.get(name))}
        variables[key] = {**present, **new[key]}
        if not new[key]:
            del new[key], variables[key]
        elif present:
            beside += f"# {key}: beside what is in it already\n"
    return {"lines": beside + inventory(new) if new else "", "variables": variables}


def _text(value: Any) -> Any:
    """A number and the same as text mean the same to a server."""
    if isinstance(value, Mapping):
        return {str(key): _text(one) for key, one in value.items()}
    return [_text(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unsaid": unsaid}
