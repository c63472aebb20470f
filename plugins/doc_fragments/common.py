# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of every module says in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.9 or later and the Docker SDK for Python on the target
  - Docker Engine 20.10 or later
author:
  - The auren.stack authors (@auren)
attributes:
  check_mode:
    support: full
    description: Reads, plans, and changes nothing; the plan is the one that would be done.
  diff_mode:
    support: full
    description: Shows what each operation changes. Secrets are never part of it.
"""
