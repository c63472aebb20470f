#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_files
short_description: Writes small files on the controller, all in one task
version_added: 0.1.0
description:
  - Writes reports and documents into a directory of the controller, whoever the host of the task is. M(ansible.builtin.template) delegated
    to C(localhost) needs a second for each file; this needs no process at all.
  - A file with the same content is left alone. Each is written whole or not at all.
author: The auren.stack authors (@auren)
options:
  dir:
    description: Directory on the controller. Made when it is not there.
    type: path
    required: true
  files:
    description: File names and their contents. Content that is not text is written as JSON.
    type: dict
    required: true
attributes:
  action:
    description: Runs on the controller as the user who runs Ansible; C(become) does not count.
    support: full
  check_mode:
    description: Says what would be written.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
"""

EXAMPLES = r"""
- name: Write a report
  auren.stack.controller_files:
    dir: auren-reports/web
    files:
      report.md: "{{ lookup('auren.stack.template', 'report.md.j2') }}"
      report.json: "{{ result }}"
"""

RETURN = r"""
actions:
  description: What was written; in check mode what would be.
  returned: success
  type: list
  elements: str
  sample: ["write auren-reports/web/report.md: its content differs"]
"""
