#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the architecture document says, from live state, and what was changed on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_document
short_description: What the architecture document says, from live state, and the records of what was changed
version_added: 0.1.0
description:
  - Reads containers, networks and images of a host, takes the result of a verification, and returns statements for people, each with how it
    was observed and since when it was the same at each look. Nothing in them changes by itself, so the statements of an unchanged host are
    the same. What came and went between two looks nobody saw.
  - Keeps a digest of each statement, and since when it was the same at each look, in C(.auren/known.json) below O(project_dir). It is
    written when something is new or another, and not else.
  - Adds to C(.auren/changes.jsonl) a record of every run in the journal that has none. Where the one of O(run) says that it was not
    verified, because somebody wrote it down meanwhile, one with O(verification) follows; the last of a run counts.
extends_documentation_fragment: [auren.stack.common, auren.stack.declared]
options:
  checks:
    description: RV(auren.stack.service_verification#module:checks) of a verification of all services that was made just now.
    type: list
    elements: dict
    default: []
  verification:
    description: Its result in a line, for the record of O(run).
    type: str
    default: ""
  run:
    description: Which run in the journal the verification was made after; empty for none.
    type: str
    default: ""
attributes:
  check_mode:
    description: Reads the same, and writes neither file.
  diff_mode:
    support: none
    description: The documents are written on the controller.
notes:
  - Needs root for the files that containers have mounted, and for the project's own.
"""

EXAMPLES = r"""
- name: Read what the document says
  auren.stack.stack_document:
    project_dir: /opt/auren/docker
    checks: "{{ verification_result.checks }}"
  register: document
"""

RETURN = r"""
actions:
  description: What was written.
  returned: success
  type: list
  elements: str
  sample: ["write .auren/known.json: 3 statements are new or changed"]
document:
  description:
    - C(overview), C(services), C(strangers) (containers that nobody declared), C(networks), C(places) on them, C(connections) and
      C(remarks), each a list of rows with C(facts), which have C(what), C(value), C(seen) and C(since).
    - C(nodes) with C(name), C(layer) and C(status) for the diagram, and C(commands) with C(what) and C(line).
  returned: success
  type: dict
new:
  description: The statements that are new, changed, or not said any more.
  returned: success
  type: list
  elements: str
  sample: ["service/auren-redis/container"]
records:
  description: The records of all changes, the oldest first.
  returned: success
  type: list
  elements: dict
added:
  description: Those of them that were added by this run.
  returned: success
  type: list
  elements: dict
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import changes, live_map, statements
from ansible_collections.auren.stack.plugins.module_utils.container_checks import seen_of
from ansible_collections.auren.stack.plugins.module_utils.document import Reading, dated, parts, read_known, write_known
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.known_commands import Host, commands
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project import DECLARED, declared_services
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor


def redactor(project: Path) -> Redactor:
    """Of the secrets on this host. A short one goes where it is a word: the name of a service may begin like a weak password."""
    return Redactor(path.read_text(errors="replace") for path in (project / "secrets").glob("*") if path.is_file())


def reading_of(params: dict[str, Any], project: Path) -> Reading:
    engine = Engine()
    services = declared_services(project, params["declared"], params["network"])
    state = observe(engine, flows_over=())
    images = {ref: engine.image(ref) for ref in sorted({container.image_id for container in state.containers})}
    seen = {name: seen_of(engine, service, state.containers, state.networks) for name, service in services.items()}
    remarks = live_map.remarks(state, services, seen, params["network"], undoable(read_runs(project), 0))
    known = {ref: image for ref, image in images.items() if image}
    return Reading(state, services, known, remarks, params["checks"], params["network"], str(engine.info()["Version"]))


def host_of(reading: Reading, project: Path) -> Host:
    running, compose = [container.name for container in reading.state.containers if container.running], project / "docker-compose.yml"
    python = shutil.which("python3") or sys.executable
    return Host(running, reading.network, str(compose) if compose.exists() else "", bool(shutil.which("curl")), python)


def work(module: AnsibleModule) -> dict[str, Any]:
    params, project, begin = module.params, Path(module.params["project_dir"]), time.time()
    hidden = redactor(project)
    verified = {params["run"]: params["verification"]}
    reading, known = reading_of(params, project), read_known(project)
    document, since = dated(parts(reading), known, changes.utc(begin))
    lines = commands(reading.services, host_of(reading, project))
    document["commands"] = [one for one in lines if not hidden.shows(one["line"])]
    new = statements.changed(known, since)
    actions = [f"write .auren/known.json: {len(new)} statements are new or changed"] if new else []
    added = changes.missing(project, verified) if module.check_mode else changes.add(project, verified)
    records = changes.latest([*changes.read(project), *added])
    actions += [f"add to .auren/changes.jsonl: {record['run']}" for record in added]
    if new and not module.check_mode:
        write_known(project, since)
    told = {"actions": actions, "document": document, "new": new, "records": records, "added": added}
    return {"changed": bool(actions), **hidden.known_in(told)}


ARGUMENTS: dict[str, Any] = {
    **DECLARED,
    "checks": {"type": "list", "elements": "dict", "default": []},
    "verification": {"type": "str", "default": ""},
    "run": {"type": "str", "default": ""},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
