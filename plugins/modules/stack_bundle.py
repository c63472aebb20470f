#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that somebody needs to look at a host from afar, without secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_bundle
short_description: Packs what is needed to look at a host from afar, without secrets, with a diagnosis on top
version_added: 0.1.0
description:
  - Reads containers, logs, networks, what every name leads to from inside every container, events, disks, the Engine, the project's files
    and the journal, and hands all of it to the controller as one C(tar.gz). Nothing is changed, and nothing is written on the host.
  - C(diagnosis.md) in it names the likely cause first, what fixes it, and the page in C(docs/runbooks).
  - Values of secrets are replaced wherever they are and however they are encoded, and so is what looks like one - in environments, command
    lines, labels, logs and files.
  - Works where no Engine answers, where a disk is full, and without root; what could not be read is named.
extends_documentation_fragment: [auren.stack.common, auren.stack.declared]
options:
  dir:
    description: Directory on the controller for the bundle, made when it is not there. The file is C(troubleshoot-<time>.tar.gz), and only
      its owner may read it.
    type: str
    default: ""
  verification:
    description: The result of M(auren.stack.service_verification), also of one that failed. Without it nothing is known of what clients
      see.
    type: dict
    default: {}
  secrets:
    description: Values of secrets that the host's own files may not have, by name; they are hidden as well.
    type: dict
    default: {}
  lines:
    description: Lines of each container's log, from its end.
    type: int
    default: 1000
  minutes:
    description: Minutes back in each container's log; V(0) for as far as O(lines) goes.
    type: int
    default: 0
  hours:
    description: Hours back in the Engine's events.
    type: int
    default: 24
  size:
    description: Megabytes that the bundle may have. What has no room is left out, logs first, and named.
    type: float
    default: 20
  budget:
    description: Seconds that everything together may take, and one answer of the Engine more.
    type: float
    default: 60
attributes:
  action:
    support: partial
    description: The file on the controller is written by an action plugin of the same name.
  check_mode:
    description: Changes nothing on the host, so check mode does the same.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Without root, names are not asked for and the project's secrets are not known by their values; what looks like one is hidden all the
    same.
"""

EXAMPLES = r"""
- name: Pack what somebody else needs to look at this host
  auren.stack.stack_bundle:
    project_dir: /opt/auren/docker
    dir: auren-reports/web
"""

RETURN = r"""
actions:
  description: Always empty.
  returned: always
  type: list
  elements: str
  sample: []
path:
  description: The file on the controller.
  returned: success, with a directory
  type: str
  sample: auren-reports/web/troubleshoot-20260101T030000Z.tar.gz
bundle:
  description: The file itself, in base64, where it was not written on the controller.
  returned: success, without a directory
  type: str
diagnosis:
  description: The page on top, as Markdown.
  returned: success
  type: str
causes:
  description: What is the matter, the first to look at first.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: The matter in a sentence.
      type: str
    target:
      description: The container, or what else it is about.
      type: str
    kind:
      description: A stable word for it.
      type: str
    status:
      description: Always V(fail).
      type: str
    page:
      description: The page in C(docs/runbooks), without C(.md).
      type: str
    fix:
      description: What fixes it, in a sentence.
      type: str
remarks:
  description: What is remarkable and keeps nobody from working; the keys are those of RV(causes).
  returned: success
  type: list
  elements: dict
files:
  description: What is in the bundle.
  returned: success
  type: list
  elements: str
missing:
  description: What could not be read, and why.
  returned: success
  type: list
  elements: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import base64
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import evidence_engine, evidence_host, live_map, triage
from ansible_collections.auren.stack.plugins.module_utils.container_checks import seen_of
from ansible_collections.auren.stack.plugins.module_utils.disks import disks
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine, told
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.evidence import Evidence
from ansible_collections.auren.stack.plugins.module_utils.journal import Run, read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.model import Container, container_from_inspect
from ansible_collections.auren.stack.plugins.module_utils.module import run, runner
from ansible_collections.auren.stack.plugins.module_utils.observation import host_identity, observe
from ansible_collections.auren.stack.plugins.module_utils.project import DECLARED, declared_services
from ansible_collections.auren.stack.plugins.module_utils.redaction import WORD, Redactor, started_with
from ansible_collections.auren.stack.plugins.module_utils.triage import Matter, Seen

CRASHES = "{0} crashes and is restarted again and again (exit code {1}), and is not declared: docker logs {0}"
PATIENCE = 10  # seconds that one answer of the Engine may take
SOURCES = {
    "disk": "disk",
    **dict.fromkeys(("superfluous", "unknown", "kept", "address"), "host"),
}  # of remarks; all others are a container's


class Reading:
    """One bundle. given: values of secrets from the controller. run: runs a command of the host."""

    def __init__(self, params: Mapping[str, Any], given: Mapping[str, str], run: evidence_host.Run) -> None:
        self.run = run
        self.params, self.project = params, Path(params["project_dir"])
        self.into = Evidence(Redactor(given.values()), time.monotonic() + params["budget"])
        self.stored = {**given, **evidence_host.secrets_of(self.project, self.into)}
        self.own: list[Matter] = []
        self.engine: Engine | None = None
        self.raw: dict[str, dict[str, Any]] = {}
        self.told = evidence_engine.Told()

    def read(self) -> None:
        try:
            self.engine = Engine(timeout=PATIENCE)
            self.raw = self._inspected(self.engine)
        except StackError as error:
            self.engine = None
            self.own.append(Matter(error.message, "engine", error.kind, "the Docker Engine"))
            self.into.missing.append("containers, logs, networks, events and images: no Engine answers")
        known = {value for one in self.raw.values() for value in started_with(one)}
        self.into.redactor = Redactor({*self.stored.values(), *known})
        self.into.keep("diagnosis.md", "")  # the first file; its text comes last
        if self.params["verification"]:
            self.into.read("verification.json", lambda: _plain(self.params["verification"]))
        self._matters()
        root = [self.engine.root_dir()] if self.engine and self.engine.local else []
        evidence_host.gather(self.project, self.into, self.run, root)
        if self.engine:
            window = evidence_engine.Window(self.params["lines"], self.params["minutes"], self.params["hours"])
            self.told = evidence_engine.gather(self.engine, self.raw, self._containers(), self.into, window)
        self.own += _in_clear_text(self.raw, self.told.logs, self.stored.values())

    def _inspected(self, engine: Engine) -> dict[str, dict[str, Any]]:
        with told("read", "the containers"):
            listed = engine.api.containers(all=True)
        found = [engine.inspect(one["Id"]) for one in listed if self.into.left()]
        return {str(one["Name"]).lstrip("/"): one for one in found if one}

    def _containers(self) -> list[Container]:
        return [container_from_inspect(one) for one in self.raw.values()]

    def _matters(self) -> None:
        """What stack_info finds remarkable, and disks where there is no Engine to ask for them."""
        engine, wanted = self.engine, self.params["disk_free"]
        places = [str(self.project), *([engine.root_dir()] if engine and engine.local else ["/var/lib/docker", "/"])]
        with self.into.tried("disks"):
            self.own += [Matter(d.evidence, "disk", "disk", d.path, d.status) for d in disks(places, wanted) if d.status != "pass"]
        if engine is None:
            return
        known: dict[str, Any] = {}
        runs: list[Run] = []
        with self.into.tried("the journal"):
            runs = undoable(read_runs(self.project), 0)
        with self.into.tried("what is declared"):
            known = services = declared_services(self.project, self.params["declared"], self.params["network"])
            state = observe(engine, flows_over=())
            seen = {name: seen_of(engine, service, state.containers, state.networks) for name, service in services.items()}
            found = live_map.remarks(state, services, seen, self.params["network"], runs)
            self.own += [Matter(one.line, SOURCES.get(one.kind, "container"), one.kind, one.target, one.status) for one in found]
        crashing = [one for one in self._containers() if one.state == "restarting" and one.name not in known]
        self.own += [Matter(CRASHES.format(one.name, one.exit_code), "container", "loop", one.name, "warn") for one in crashing]


def _plain(verification: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in verification.items() if key not in ("table", "attention", "invocation", "warnings")}


def _in_clear_text(raw: Mapping[str, Mapping[str, Any]], logs: Mapping[str, str], values: Iterable[str]) -> list[Matter]:
    """Who shows a secret of the project to everybody who may look at containers, beyond the environment that it needs."""
    known, found = Redactor(value for value in values if len(value) >= WORD), []
    for name, one in sorted(raw.items()):
        config = one.get("Config") or {}
        words = "\n".join([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])])
        labels = "\n".join((config.get("Labels") or {}).values())
        for place, text in (("log", logs.get(name, "")), ("command line", words), ("labels", labels)):
            if known.shows(text):
                line = f"the {place} of {name} shows a secret of the stack to everybody who may run docker"
                found.append(Matter(line, "bundle", "clear_text", name, "warn"))
    return found


def work(module: AnsibleModule) -> dict[str, Any]:
    params = dict(module.params)
    for key in ("lines", "hours", "size", "budget"):
        if params[key] <= 0:
            raise StackError(f"{key} is {params[key]:g}; give a number above 0. Nothing was read", "bad_value", key)
    given = {name: str(value) for name, value in params.pop("secrets").items() if isinstance(value, (str, int)) and value}
    # Ansible would look for them in the packed bundle as well, and a short one may be in it by chance: the archive would be damaged.
    # They are taken out of everything else here, and out of what it says of this call.
    module.no_log_values.clear()
    module.params["secrets"] = {}
    module.params["verification"] = {}
    reading = Reading(params, given, runner(module))
    reading.read()
    return result_of(reading, time.time())


def result_of(reading: Reading, now: float) -> dict[str, Any]:
    into, params = reading.into, reading.params
    stamp, host = datetime.fromtimestamp(now, timezone.utc), host_identity()[1]
    verification = into.redactor.deep(_plain(params["verification"]))
    at, runs = stamp.strftime("%Y-%m-%d %H:%M:%S UTC"), into.texts.get("journal/runs.txt", "").rstrip()
    logs = {name: into.texts.get(f"containers/{name}/log.txt", "") for name in reading.raw}
    seen = Seen(host, at, reading.own, verification, logs, reading.told.happened, params["hours"], runs, into.missing)
    into.keep("diagnosis.md", triage.page(seen))
    reasons, remarks = triage.matters(verification, reading.own)
    packed = into.packed(f"{host}-{stamp.strftime('%Y%m%dT%H%M%SZ')}", int(params["size"] * 1e6), now)
    return {
        "changed": False,
        "actions": [],
        "bundle": base64.b64encode(packed).decode(),
        "diagnosis": into.texts["diagnosis.md"],
        "causes": into.redactor.deep([one.told() for one in reasons]),
        "remarks": into.redactor.deep([one.told() for one in remarks]),
        "files": list(into.texts),
        "missing": list(into.missing),
    }


ARGUMENTS: dict[str, Any] = {
    **DECLARED,
    "dir": {"type": "str", "default": ""},
    "verification": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "lines": {"type": "int", "default": 1000},
    "minutes": {"type": "int", "default": 0},
    "hours": {"type": "int", "default": 24},
    "size": {"type": "float", "default": 20},
    "budget": {"type": "float", "default": 60},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
