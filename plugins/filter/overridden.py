# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declared services with what the inventory says instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: overridden
short_description: Declared services with what the inventory says instead
version_added: 0.1.0
author: The auren.stack authors (@auren)
description:
  - Each key that is given for a service stands in the place of the key that its role declares, as a whole. So a container that was taken
    over as it ran can be declared as it runs.
positional: _input, overrides
options:
  _input:
    description: The services that a role declares.
    type: list
    elements: dict
    required: true
  overrides:
    description: Name of a service to the keys that are otherwise. Names of other roles' services are passed over.
    type: dict
    required: true
"""

EXAMPLES = r"""
declared: "{{ redis_services | auren.stack.overridden({'auren-redis': {'aliases': ['redis', 'cache']}}) }}"
"""

RETURN = r"""
_value:
  description: The services.
  type: list
  elements: dict
"""


def overridden(services: Sequence[Mapping[str, Any]], overrides: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Raises AnsibleFilterError for what is no dict of dicts."""
    for name, keys in overrides.items():
        if not isinstance(keys, Mapping) or "name" in keys:
            raise AnsibleFilterError(f"auren_overrides says {keys!r} for {name}; give a dict of a declared service's keys without name")
    return [{**service, **overrides.get(str(service["name"]), {})} for service in services]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"overridden": overridden}
