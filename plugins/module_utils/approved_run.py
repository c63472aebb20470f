# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One approved run, for whichever module: plan, approval, journal, apply, record. Every such module ends here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Protocol

from ansible_collections.auren.stack.plugins.module_utils import approval, changes
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.module import planned
from ansible_collections.auren.stack.plugins.module_utils.network_apply import NetworkApply
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan
from ansible_collections.auren.stack.plugins.module_utils.plan_text import markdown

APPROVAL: dict[str, Any] = {
    "project_dir": {"type": "path", "default": "/opt/auren/docker"},
    "approve": {"type": "str", "default": approval.AUTO},
    "who": {"type": "str", "default": ""},
}


class Applying(Protocol):
    """The application of a plan. done: a line per operation with its seconds. notes: what people have to know afterwards."""

    done: list[str]
    notes: list[str]

    def run(self) -> None:
        """Do the plan. Raises StackError."""

    def felt(self) -> str:
        """Who noticed what; empty for nobody."""

    def verified(self) -> str:
        """What was proved after the last operation."""


class Moving(Protocol):
    """A line of a plan, as an approval sees it: `topology.Move`, `takeover.Doing`."""

    @property
    def target(self) -> str:
        """The object."""

    @property
    def network(self) -> str:
        """The network that the line is about; empty for none."""

    @property
    def steps(self) -> Sequence[Any]:
        """What is done, each with ``to_data()``."""


@dataclass(frozen=True)
class Work:
    """What a module has planned. kind: of the run, for id and journal. looked_at: names of the containers that the plan is about.

    notes: heading → sentences for the Markdown. heading: what else the journal has to know. apply: does it; for networks by default.
    way_back: what takes it back, for the record.
    """

    kind: str
    state: HostState
    plan: Plan
    moves: Sequence[Moving]
    looked_at: Sequence[str]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    heading: Mapping[str, Any] = field(default_factory=dict)
    apply: Callable[[Journal], Applying] | None = None
    way_back: str = "ansible-playbook auren.stack.rollback"


def approved_run(engine: Engine, project: Path, work: Work, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Do the work if it is approved, else keep the plan for an approval; the module's result.

    options: ``approve`` and ``who`` of the module. A plan without operations needs no approval.
    """
    work.plan.refuse_conflicts()
    plan = approval.document(work.kind, work.state, work.plan, work.moves, work.looked_at)
    result = {**planned(work.plan), "plan": plan, "markdown": markdown(plan, {**work.notes, "Warnings": work.plan.warnings})}
    result.update(warnings=[], notes=list(work.plan.warnings), approved=False, run="")
    if check:
        return result
    approved = approval.approved(project, options["approve"], plan)
    if not approved or not work.plan.changed:
        if work.plan.changed:
            approval.store(project, plan)
        result["changed"], result["operations"] = False, []
        return {**result, "approved": approved}
    return {**result, "approved": True, **_do(engine, project, work, plan, options["who"])}


def _do(engine: Engine, project: Path, work: Work, plan: Mapping[str, Any], who: str) -> dict[str, Any]:
    heading = {
        "who": who,
        "plan": plan["id"],
        "host": plan["host"]["name"],
        "containers": {name: one["id"] for name, one in plan["containers"].items()},
        "operations": plan["operations"],
        "steps": len(plan["steps"]),
        **work.heading,
    }
    journal = Journal(project, work.kind, heading)
    journal.open()
    make = work.apply or (lambda log: NetworkApply(engine, work.state, work.plan, work.moves, log))  # type: ignore[arg-type]
    apply, begin = make(journal), time.monotonic()
    try:
        apply.run()
    except StackError as error:
        journal.fail(error.message, apply.done)
        changes.close(project)
        told = f"{error.message}. Done before that: {len(apply.done)} of {len(work.moves)} operations, in the journal as {journal.id}"
        ended = StackError(told, error.kind, error.target, error.detail)
        ended.run = journal.id
        raise ended from error
    seconds, verified = round(time.monotonic() - begin, 2), apply.verified()
    record = {
        "operations": apply.done,
        "seconds": seconds,
        "downtime": apply.felt() or "none",
        "verification": verified,
        "way_back": work.way_back,
    }
    journal.end("done", **record, notes=apply.notes)
    when = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    told = f"{when}, {journal.id} by {who or 'somebody'}: {len(apply.done)} operations in {seconds:.1f} s"
    told += f"; downtime: {record['downtime']}; {verified}; way back: {record['way_back']}"
    return {**record, "run": journal.id, "record": told, "notes": [*work.plan.warnings, *apply.notes]}
