#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do the services work for those who use them?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_verification
short_description: Check the services of the stack from where their clients are
version_added: 0.1.0
description:
  - Runs the C(checks) that the services on this host declare, each from inside the network namespace of every client that it
    names, with Docker's own name resolution and the password which that client holds. Nothing is needed in the client's image.
  - All checks run at the same time, each with a deadline. Nothing is changed, so check mode does the same.
  - Fails when a check fails, and says which. What is skipped is not counted as a failure.
extends_documentation_fragment: [auren.stack.common]
options:
  project_dir:
    description: Directory of the project on the host.
    type: path
    required: true
  services:
    description: Names of the services whose checks are run; empty for all that are declared.
    type: list
    elements: str
    default: []
  stand_in:
    description:
      - A running container to check from where a client is not declared on this host.
      - It holds no password of its own, so the one in the host's files is taken. Empty skips such checks.
    type: str
    default: ""
  timeout:
    description: Seconds that a check may take.
    type: float
    default: 5
attributes:
  check_mode:
    description: Reads and changes nothing, in check mode as without it.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Needs root, for the network namespaces of the containers and for the secrets.
"""

EXAMPLES = r"""
- name: Check everything that was declared on this host
  auren.stack.service_verification:
    project_dir: /opt/auren/docker

- name: Check Redis alone, where its clients are not
  auren.stack.service_verification:
    project_dir: /opt/auren/docker
    services: [auren-redis]
    stand_in: some-container
"""

RETURN = r"""
actions:
  description: Always empty. This module changes nothing.
  returned: always
  type: list
  elements: str
  sample: []
checks:
  description: The result of every check, for every client.
  returned: when the checks could be run
  type: list
  elements: dict
  contains:
    check:
      description: Probe and address inside the network.
      type: str
      sample: redis auren-redis:6379
    service:
      description: The service that declares the check.
      type: str
      sample: auren-redis
    from:
      description: The container it was run from, or V(host).
      type: str
      sample: neuros-advanced
    status:
      description: V(pass), V(fail) or V(skipped).
      type: str
      sample: pass
    evidence:
      description: What was seen, in a sentence; never a secret.
      type: str
      sample: auren-redis:6379 answers PING after a login
    seconds:
      description: How long it took.
      type: float
      sample: 0.004
table:
  description: The same, as lines for people.
  returned: when the checks could be run
  type: list
  elements: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.project import read_declared
from ansible_collections.auren.stack.plugins.module_utils.report import table
from ansible_collections.auren.stack.plugins.module_utils.verification import Verifier, checks_of

COLUMNS = ("status", "check", "from", "evidence")


def work(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    directory = Path(params["project_dir"])
    services = {name: record.service for name, record in read_declared(directory).items()}
    if not services:
        raise StackError(f"no service is declared in {directory}: run site first", "nothing_declared", str(directory))
    unknown = [name for name in params["services"] if name not in services]
    if unknown:
        known = ", ".join(sorted(services))
        raise StackError(f"{', '.join(unknown)}: not declared on this host; declared are {known}", "unknown_service", unknown[0])
    wanted = [services[name] for name in params["services"] or sorted(services)]
    verifier = Verifier(Engine(), services, params["stand_in"], params["timeout"])
    results = verifier.run(checks_of(wanted))
    return {"changed": False, "actions": [], "checks": results, "table": table(results, COLUMNS)}


def work_or_fail(module: AnsibleModule) -> dict[str, Any]:
    """The result, or the end of the module with the failed checks in the message."""
    result = work(module)
    failed = [one for one in result["checks"] if one["status"] == "fail"]
    if failed:
        lines = [f"{one['check']} from {one['from']}: {one['evidence']}" for one in failed]
        objects = ", ".join(dict.fromkeys(one["service"] for one in failed))
        failure = {"kind": "check", "object": objects, "detail": "\n".join(lines)}
        said = f"{len(failed)} of {len(result['checks'])} checks failed:\n" + "\n".join(lines)
        module.fail_json(msg=said, failure=failure, **result)
    return result


ARGUMENTS: dict[str, Any] = {
    "project_dir": {"type": "path", "required": True},
    "services": {"type": "list", "elements": "str", "default": []},
    "stand_in": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 5},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work_or_fail)


if __name__ == "__main__":
    main()
