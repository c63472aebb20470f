# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module says that compares a host with what is declared on it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project_dir:
    description: Directory of the project on the host.
    type: path
    required: true
  declared:
    description:
      - The services to look at, as roles declare them, whoever has made their containers. Empty for those that C(site) has put on this
        host.
    type: list
    elements: dict
    default: []
  network:
    description: The network that the services in O(declared) are on.
    type: str
    default: auren-network
  disk_free:
    description: Percent of the disks of the Engine and of the project that have to be free.
    type: float
    default: 5
"""
