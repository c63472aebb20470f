# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's own template lookup without its copy of all variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: template
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: A role's template, rendered
description:
  - The same as P(ansible.builtin.template#lookup), which copies every variable of the host, value by value, for every template. That was
    a tenth of a run that changes nothing. Here the template reads the variables themselves.
options:
  _terms:
    description: Templates, found as P(ansible.builtin.template#lookup) finds them.
    required: true
"""

EXAMPLES = r"""
- name: Show a role's configuration
  ansible.builtin.debug:
    msg: "{{ lookup('auren.stack.template', 'redis.conf.j2') }}"
"""

RETURN = r"""
_raw:
  description: The text of each template.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class Shared(dict[str, Any]):
    """Variables whose deep copy is a shallow one: a template does not write into values."""

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return dict(self)


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        builtin = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return list(builtin.run(terms, variables=Shared(variables or {}), **kwargs))
