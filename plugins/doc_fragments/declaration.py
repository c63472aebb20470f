# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module says that makes the containers of declared services."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project:
    description: Name of the Compose project.
    type: str
    default: auren-stack
  project_dir:
    description: Absolute path of the project's directory on the target.
    type: path
    default: /opt/auren/docker
  network:
    description: The network that every service joins, created when it is missing.
    type: str
    required: true
  subnet:
    description: Subnet of the network when it is created. Empty lets the Engine choose a free one.
    type: str
    default: ""
  services:
    description: The declared services, as C(docs/architecture.md) describes them.
    type: list
    elements: dict
    default: []
  images:
    description: Images that stand in for others, as a dict from reference to reference.
    type: dict
    default: {}
  restart:
    description: Restart policy of services that name none.
    type: str
    default: unless-stopped
  log_max_size:
    description: Size at which a container's log file is rotated.
    type: str
    default: 10m
  log_max_files:
    description: Log files kept per container.
    type: int
    default: 3
  gate_deadline:
    description: Seconds that a changed service has to become healthy.
    type: int
    default: 180
  gate_hold:
    description: Seconds that it then has to stay healthy.
    type: int
    default: 5
  secrets:
    description: Given values of secrets, by name. They win over what is on the target.
    type: dict
    default: {}
  offers:
    description: Values for secrets that nobody gives and that are nowhere yet, by name.
    type: dict
    default: {}
  secret_specs:
    description:
      - What may be done about each secret, by name - C(generate), C(optional), C(volume) (the volume that remembers it) and
        C(login) (C(container), C(port), C(user), C(database) of the PostgreSQL server that can be asked whether a value is right).
    type: dict
    default: {}
"""
