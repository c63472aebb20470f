# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module says that does a plan which somebody approves."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project_dir:
    description: Directory of the project on the host; plans, journal and records live below C(.auren) in it, readable by root only.
    type: path
    default: /opt/auren/docker
  approve:
    description:
      - Id of the plan that may be done, or several ids of several hosts, separated by commas. The module does exactly that plan, and
        refuses when the host has changed since, saying what.
      - V(auto) does the plan of now. Empty does nothing, and keeps the plan on the host for an approval.
    type: str
    default: auto
  who:
    description: Who asks for it, for the record.
    type: str
    default: ""
"""
