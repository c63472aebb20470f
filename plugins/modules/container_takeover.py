#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take hand-run containers over into the Compose project."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_takeover
short_description: Bring hand-run containers under the project's Compose file, without losing a byte
version_added: 0.1.0
description:
  - For each declared service whose container somebody else has made, the old container is stopped, renamed and kept, and a new one of the
    project starts from the same image on the same data. Services that are not on the host are left to C(site).
  - Data stays in the volumes and directories where it is. Only what is in a container's own layer is copied, while it is stopped, and
    compared by checksum.
  - What would start the old containers at boot or by cron is disabled, and backups are made and read back before the first stop.
  - It is refused while a unit of the host's systemd is active that would start one again, such as a timer; a user's own systemd is not
    asked.
  - A service that does not become healthy is put back as it was. Everything can be taken back with M(auren.stack.network_rollback) until
    the kept containers are removed.
extends_documentation_fragment: [auren.stack.common, auren.stack.approval, auren.stack.declaration]
options:
  patched:
    description:
      - What becomes of services whose files were edited inside the container, by name. V(keep) makes the new one from a snapshot of the old
        one, V(drop) makes it from its image and only keeps the snapshot. Others with edited files are refused.
    type: dict
    default: {}
  copy:
    description: Services whose data is copied from an anonymous volume into the declared one; else the anonymous one is used on.
    type: list
    elements: str
    default: []
  sure:
    description: Services whose volume is the right one, although another volume holds more data of the same kind, and that go on without
      what is in further volumes that nobody named.
    type: list
    elements: str
    default: []
  leave:
    description: Containers that are left as they are, though they may lose the way to what is taken over.
    type: list
    elements: str
    default: []
  told:
    description: By service, the variables that M(auren.stack.takeover_info) has found; the journal keeps them for a run that goes on.
    type: dict
    default: {}
  backup:
    description: V(done) when there is a backup already; else one is made.
    type: str
    default: ""
  backup_dir:
    description: Directory on the host for the backups, readable by root only.
    type: path
    default: /var/backups/auren
"""

EXAMPLES = r"""
- name: The plan, to look at
  auren.stack.container_takeover:
    project_dir: /opt/auren/docker
    network: auren-network
    services: "{{ auren_declared }}"
    secret_specs: "{{ auren_secret_specs }}"
  check_mode: true
"""

RETURN = r"""
actions:
  description: The operations of the plan, each with its cause and with what may be felt.
  returned: always
  type: list
  elements: str
operations:
  description: What was done, with seconds and with how long each service was away; in check mode the same as RV(actions).
  returned: always
  type: list
  elements: str
plan:
  description: The plan as data; its C(id) is what an approval names.
  returned: success
  type: dict
markdown:
  description: The plan as a page for the person who approves it.
  returned: success
  type: str
approved:
  description: Whether the plan was approved.
  returned: success
  type: bool
run:
  description: Name of the run in the journal; empty when nothing was done.
  returned: success
  type: str
verification:
  description: What was proved after the last operation.
  returned: when something was done
  type: str
record:
  description: The run in one line; who, when, how long, how long each service was away, and the way back.
  returned: when something was done
  type: str
notes:
  description: Warnings of the plan, where the backups are, and what people have to know afterwards.
  returned: success
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
from ansible_collections.auren.stack.plugins.module_utils import backup, starters, starters_active, takeover_checks
from ansible_collections.auren.stack.plugins.module_utils.approved_run import APPROVAL, Work, approved_run
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.declaration import DECLARATION, declared_services, house, secret_forms
from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import ROLLBACK, read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.module import run, runner
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project_lock import Lock
from ansible_collections.auren.stack.plugins.module_utils.takeover import (
    BACKED_UP,
    DROP,
    KEEP,
    Choices,
    Swap,
    Takeover,
    plan_takeover,
    told_changes,
)
from ansible_collections.auren.stack.plugins.module_utils.takeover_apply import Site, TakeoverRun
from ansible_collections.auren.stack.plugins.module_utils.takeover_declare import made_as
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import wrote
from ansible_collections.auren.stack.plugins.module_utils.takeover_host import Reading, read_host, unanswered
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import kept_name, starter_subject
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND

NAMED = {"copy": "auren_takeover_copy", "sure": "auren_takeover_sure", "leave": "auren_takeover_leave", "patched": "auren_takeover_patched"}


def choices_of(params: dict[str, Any]) -> Choices:
    for name, chosen in params["patched"].items():
        if chosen not in (KEEP, DROP):
            said = f"auren_takeover_patched says {chosen!r} for {name}; say {KEEP} or {DROP}. Nothing was changed"
            raise StackError(said, "bad_value", name, str(chosen))
    if params["backup"] not in ("", "done"):
        raise StackError(
            f"auren_backup is {params['backup']!r}; say done, or leave it out. Nothing was changed", "bad_value", "auren_backup"
        )
    lists = {key: tuple(params[key]) for key in ("copy", "sure", "leave")}
    return Choices(patched=params["patched"], backup=params["backup"], backup_dir=params["backup_dir"], **lists)


def planned(engine: Engine, module: AnsibleModule, home: House, choices: Choices) -> tuple[Reading, Takeover]:
    """Raises every reason against it together."""
    services, state = declared_services(module.params, home), observe(engine, files=False, flows_over=())
    named = {variable: list(module.params[key]) for key, variable in NAMED.items()}
    wrong = list(takeover_checks.unknown(services, state, named))
    every = read_runs(home.directory)
    runs = undoable(every, 0)
    reading = read_host(engine, home, services, module.params, choices, state, runs)
    module.no_log_values.update(secret_forms(reading.observed))
    specs = {name: reading.specs.get(name, {}) for name in reading.olds}
    takeover = plan_takeover(reading.swaps, reading.starters, choices, specs, reading.values)
    labels = engine.volume_labels()
    written = wrote(runs, [one for one in every if one.kind == ROLLBACK], state)
    found = takeover_checks.conflicts(state, reading.observed.snapshot, labels, written, reading.swaps, choices)
    subjects = [starter_subject(swap.old) for swap in reading.swaps]
    active = starters_active.refusals(starters_active.active_units(reading.starters, subjects, runner(module)))
    silent = list(unanswered(engine, reading.swaps, reading.values))
    found += silent or takeover_checks.backup_room(backups_of(engine, reading, choices), choices)
    takeover.plan.conflicts = list({p.message: p for p in [*wrong, *found, *active, *reading.problems]}.values())
    takeover.plan.warnings += [*starters_active.not_asked(reading.starters), *(starters.pruners() if reading.swaps else [])]
    return reading, takeover


def backups_of(engine: Engine, reading: Reading, choices: Choices) -> dict[str, int]:
    """By service, the bytes that its backup will take; asked of the servers themselves."""
    if choices.backup == "done":
        return {}
    due = [swap for swap in reading.swaps if swap.service.role in BACKED_UP and swap.old.container.running]
    password = reading.values.get("redis_password", "")
    return {swap.name: backup.needed(engine, swap.old.container, swap.service.role, password) for swap in due}


def remembered(swap: Swap, reading: Reading, told: dict[str, Any]) -> dict[str, Any]:
    """For the journal. What vanishes at its stop is described there as a whole: the copy of it that is kept may get lost.

    told: the variables that were found, by service.
    """
    described = {"made_as": made_as(swap.old, reading.values)} if swap.old.container.auto_remove else {}
    return {**swap.to_data(kept_name(swap.name, reading.stamp)), "told": told.get(swap.name, {}), **described}


def work(module: AnsibleModule) -> dict[str, Any]:
    engine, home, choices = Engine(), house(module.params), choices_of(module.params)
    lock = Lock(home.directory)
    if not module.check_mode:
        lock.take()
    reading, takeover = planned(engine, module, home, choices)
    site = Site(engine, Compose(home, module.run_command), lock, reading.observed, choices, reading.stamp, runner(module))
    heading = {
        "stamp": reading.stamp,
        "swaps": [remembered(swap, reading, module.params["told"]) for swap in takeover.swaps],
        "starters": [starter.to_data() for starter in takeover.starters],
    }
    done = Work(
        KIND,
        reading.state,
        takeover.plan,
        takeover.doings,
        [old.container.name for old in reading.olds.values()],
        {f"What {swap.name} has otherwise": told_changes(swap, reading.values) for swap in takeover.swaps},
        heading,
        lambda journal: TakeoverRun(site, takeover, reading.services, journal),
    )
    return approved_run(engine, Path(module.params["project_dir"]), done, module.params, module.check_mode)


ARGUMENTS: dict[str, Any] = {
    **DECLARATION,
    **APPROVAL,
    "patched": {"type": "dict", "default": {}},
    "copy": {"type": "list", "elements": "str", "default": []},
    "sure": {"type": "list", "elements": "str", "default": []},
    "leave": {"type": "list", "elements": "str", "default": []},
    "told": {"type": "dict", "default": {}},
    "backup": {"type": "str", "default": ""},
    "backup_dir": {"type": "path", "default": "/var/backups/auren"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
