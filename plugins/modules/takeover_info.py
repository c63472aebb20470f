#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hand-run containers run, as the inventory would have to say it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: takeover_info
short_description: What hand-run containers run, as the inventory would have to say it
version_added: 0.1.0
description:
  - Reads the containers that stand where declared services belong and that somebody else has made, completely, and says which variables
    make the declaration fit them (image, volume, user, cluster), so that a takeover changes nothing that matters.
  - A service for which V(running) is chosen is declared as it runs, by C(auren_overrides).
  - As long as something is left to take over, what earlier runs have found of services that are taken over already is told as well.
  - Secrets are replaced by placeholders. Reads only.
extends_documentation_fragment: [auren.stack.common]
options:
  project:
    description: Name of the Compose project.
    type: str
    default: auren-stack
  project_dir:
    description: Directory of the project on the host.
    type: path
    default: /opt/auren/docker
  network:
    description: The network of the stack.
    type: str
    required: true
  services:
    description: The declared services.
    type: list
    elements: dict
    default: []
  choices:
    description: Service to V(declared) (the default) or V(running).
    type: dict
    default: {}
  overrides:
    description: What C(auren_overrides) says already.
    type: dict
    default: {}
  patched:
    description: Service whose files were edited to V(keep) or V(drop).
    type: dict
    default: {}
  copy:
    description: Services whose data is copied out of an anonymous volume.
    type: list
    elements: str
    default: []
  leave:
    description: Containers that are not taken over.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Read what runs
  auren.stack.takeover_info:
    project_dir: /opt/auren/docker
    network: auren-network
    services: "{{ auren_declared }}"
  register: what
"""

RETURN = r"""
actions:
  description: Nothing is done.
  returned: always
  type: list
  elements: str
variables:
  description: Variables that make the declaration fit what runs. P(auren.stack.unsaid#filter) has those that the inventory does not say.
  returned: success
  type: dict
  sample: {"auren_postgres_volume": "postgres_data", "postgres_image": "timescale/timescaledb:2.14.2-pg16"}
told:
  description: RV(variables) by service, for the journal.
  returned: success
  type: dict
fragments:
  description: By service, what runs in the words of a Compose file, without networks, with placeholders in the place of secrets.
  returned: success
  type: dict
unexpressed:
  description: By service, what of the running container no Compose file can say.
  returned: success
  type: dict
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import json
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import kafka_topics
from ansible_collections.auren.stack.plugins.module_utils.declaration import DECLARATION, declared_services
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project import SecretReader
from ansible_collections.auren.stack.plugins.module_utils.secrets import forms
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import unknown
from ansible_collections.auren.stack.plugins.module_utils.takeover_declare import (
    DECLARED,
    RUNNING,
    TOPICS,
    TOPICS_STAY,
    tell,
    topic_variables,
    united,
)
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import told as earlier_told
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import unfinished
from ansible_collections.auren.stack.plugins.module_utils.takeover_host import kept_image, legacy
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old, olds


def _choices(given: dict[str, Any]) -> dict[str, str]:
    for name, chosen in given.items():
        if chosen not in (DECLARED, RUNNING):
            said = f"auren_takeover says {chosen!r} for {name}; say {DECLARED} or {RUNNING}. Nothing was changed"
            raise StackError(said, "bad_value", name, str(chosen))
    return dict(given)


def _topics(service: Service, old: Old, earlier: dict[str, Any] | None, warnings: list[str]) -> dict[str, Any]:
    """Asked from the host, at the address and port that its clients use. What cannot be asked stays as it is, and is told.

    earlier: what a run has found that was cut off; it had asked.
    """
    if not old.container.running and earlier is not None:
        return {key: earlier[key] for key in TOPICS_STAY if key in earlier}
    port = next((int(c["port"]) for c in service.entry.get("checks") or [] if c["probe"] == "kafka" and "host" not in c["from"]), 9092)
    address = next((e.ipv4 for e in old.container.endpoints if e.ipv4), "")
    wanted = [topic.name for topic in kafka_topics.declared(service.files("recreate").get(TOPICS, ""))]
    try:
        if not old.container.running:
            raise ValueError(f"it is {old.container.state}")
        return topic_variables(service, kafka_topics.read(address, port, wanted))
    except (OSError, ValueError, KeyError) as error:
        said = (
            f"the topics of {service.name} could not be asked for ({error}), so none is declared (kafka_topics) and they stay as they are"
        )
        warnings.append(f"{said}: say there how long each keeps its records before you paste it")
        return TOPICS_STAY if wanted else {}


def _not_to_be_shown(values: Iterable[str], variables: dict[str, Any]) -> set[str]:
    """The forms of secrets that nothing printed may hold. What is short, or a word of the variables as well, would tear texts apart."""
    exact = json.dumps(variables, ensure_ascii=False)
    return {form for value in values if len(value) > 3 for form in forms(value) if form not in exact}


def work(module: AnsibleModule) -> dict[str, Any]:
    params, engine = module.params, Engine()
    home = House(params["project"], params["project_dir"], params["network"])
    services = declared_services({**params, "images": {}}, home)
    choices, state = _choices(params["choices"]), observe(engine, files=False, flows_over=())
    runs = undoable(read_runs(home.directory), 0)
    found, earlier = olds(engine, state, services, home.project, params["leave"], unfinished(runs, state)), earlier_told(runs, state)
    raise_together(unknown(services, state, {"auren_takeover": list(choices)}))
    reader = SecretReader(home, {n: services[n] for n in found}, engine.snapshot(list(found)), {}, legacy(found))
    known = {value: name for name, values in reader.held().items() for value in values}
    images = {name: kept_image(old, params["patched"]) or old.ref for name, old in found.items()}
    told = tell(found, services, choices, images, params["copy"], params["overrides"], known)
    warnings: list[str] = []
    for name, old in found.items():
        if services[name].role == "kafka" and choices.get(name) != RUNNING:
            told.variables[name].update(_topics(services[name], old, earlier.get(name), warnings))
    others = {name: own for name, own in earlier.items() if found and name in services and name not in (*found, *params["leave"])}
    variables = united({**others, **told.variables})
    module.no_log_values.update(_not_to_be_shown({*known, *told.secrets}, {"all": variables, "each": told.variables}))
    raise_together(told.problems)
    return {
        "changed": False,
        "actions": [],
        "warnings": warnings,
        "variables": variables,
        "told": told.variables,
        "fragments": told.fragments,
        "unexpressed": {name: sentences for name, sentences in told.unexpressed.items() if sentences},
    }


ARGUMENTS: dict[str, Any] = {
    **{key: DECLARATION[key] for key in ("project", "project_dir", "network", "services")},
    "choices": {"type": "dict", "default": {}},
    "overrides": {"type": "dict", "default": {}},
    "patched": {"type": "dict", "default": {}},
    "copy": {"type": "list", "elements": "str", "default": []},
    "leave": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
