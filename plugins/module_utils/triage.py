# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One page for whoever is called at night: the likely cause first, what fixes it, where to read on, then what else is remarkable. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import runbooks

REASONS, REMARKS = 8, 15  # that are shown; the others are counted
LOG_LINES = 6
CHATTY = (
    "down",
    "loop",
    "restarted",
    "unhealthy",
    "oom",
    "status",
    "timeout",
    "refused",
)  # kinds about which a service's own log says more


@dataclass(frozen=True)
class Matter:
    """Something that is the matter. source, kind: as the table of runbooks knows them. target: the container, or what else it is about.

    status: fail or warn. follows: how many checks follow from it.
    """

    line: str
    source: str
    kind: str
    target: str
    status: str = "fail"
    follows: int = 0

    @property
    def page(self) -> runbooks.Page | None:
        return runbooks.page_of(self.source, self.kind)

    def told(self) -> dict[str, str]:
        """For a module's result."""
        page = self.page
        more = {"page": page.name, "fix": page.fix} if page else {"page": "", "fix": ""}
        return {"line": self.line, "target": self.target, "kind": self.kind, "status": self.status, **more}


@dataclass(frozen=True)
class Seen:
    """What the page is made of. own: what the bundle's own look found. verification: the result of service_verification, or nothing.

    logs: container → the end of its log, without secrets. happened: container → event → how often.
    """

    host: str
    at: str
    own: Sequence[Matter] = ()
    verification: Mapping[str, Any] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    happened: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: int = 24
    runs: str = ""
    missing: Sequence[str] = ()


def matters(verification: Mapping[str, Any], own: Iterable[Matter]) -> tuple[list[Matter], list[Matter]]:
    """The reasons, the first to look at first, and what is only remarkable; nothing twice.

    An Engine that does not answer and a full disk stand before what verification found: they are behind it, whatever it is.
    """
    checks = list(verification.get("checks") or [])
    reasons = [_of_cause(cause, checks) for cause in verification.get("causes") or []]
    warnings = [
        Matter(one["evidence"], runbooks.source_of(one["check"]), one["kind"], one["service"], "warn")
        for one in checks
        if one["status"] == "warn"
    ]
    told, known = {str(one["evidence"]) for one in checks}, {_about(one) for one in checks}
    fresh = [one for one in own if one.line not in told and (one.target, one.kind) not in known]
    reasons += [one for one in fresh if one.status == "fail"]
    order = {"engine": 0, "disk": 1}
    remarks = list({one.line: one for one in [*warnings, *(one for one in fresh if one.status != "fail")]}.values())
    return sorted(reasons, key=lambda one: order.get(one.source, 2)), remarks


def _about(check: Mapping[str, Any]) -> tuple[str, str]:
    """Target and kind of a matter that this check found: its words may hold seconds or percentages, which another look a moment later has
    otherwise."""
    source, _space, place = check["check"].partition(" ")
    return (place if source == "disk" else str(check["service"])), str(check["kind"])


def _of_cause(cause: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> Matter:
    """A cause of verification, with the source that its checks have."""
    mine = [one for one in checks if (one["status"], one["service"], one["kind"]) == ("fail", cause["service"], cause["kind"])]
    said = [one for one in mine if str(one["evidence"]) in cause["line"]]
    source = runbooks.source_of(said[0]["check"]) if said else "container"
    return Matter(cause["line"], source, cause["kind"], cause["service"], "fail", len(cause.get("blocked") or []))


def page(seen: Seen) -> str:
    """The page, as Markdown."""
    reasons, remarks = matters(seen.verification, seen.own)
    parts = [f"# {seen.host}: {_title(reasons, remarks, seen)}", seen.at, *_first(reasons, remarks, seen)]
    if reasons[1:]:
        parts += ["## What else is the matter", _listed(reasons[1:], REASONS)]
    if remarks:
        parts += ["## What is remarkable", _listed(remarks, REMARKS)]
    happened = _happened(seen.happened)
    if happened:
        parts += [f"## What happened in the last {seen.hours} hours", happened]
    if seen.runs:
        parts += ["## The last runs of the collection", f"```\n{seen.runs}\n```"]
    if seen.missing:
        parts += ["## What this bundle does not have", "\n".join(f"- {line}" for line in seen.missing)]
    return "\n\n".join([*parts, _CONTENTS])


def _title(reasons: Sequence[Matter], remarks: Sequence[Matter], seen: Seen) -> str:
    if reasons:
        return reasons[0].page.title if reasons[0].page else "something does not work"
    if not seen.verification.get("checks"):
        return "nothing was found, and nothing was verified"
    return f"all checks pass, {len(remarks)} things are remarkable" if remarks else "all checks pass"


def _first(reasons: Sequence[Matter], remarks: Sequence[Matter], seen: Seen) -> list[str]:
    if not reasons:
        said = str(seen.verification.get("summary") or seen.verification.get("msg") or "Verification was not run.")
        return [said if remarks else f"{said}\n\nNothing is the matter that this collection knows of."]
    first = reasons[0]
    parts = ["## The likely cause", f"**{first.line}**"]
    if first.follows:
        parts.append(f"{first.follows} other checks fail because of it.")
    if first.page:
        parts.append(f"- fix: {first.page.fix}\n- read: {first.page.path}\n- then: `ansible-playbook auren.stack.verify` has to pass")
    log = seen.logs.get(first.target, "").rstrip().splitlines()[-LOG_LINES:]
    if log and first.kind in CHATTY:
        parts.append(f"The end of the log of {first.target}:\n\n```\n" + "\n".join(line[:300] for line in log) + "\n```")
    return parts


def _listed(found: Sequence[Matter], most: int) -> str:
    lines = [f"- {one.line}" + (f" ({one.page.path})" if one.page else "") for one in found[:most]]
    more = [f"- and {len(found) - most} more"] if len(found) > most else []
    return "\n".join([*lines, *more])


def _happened(happened: Mapping[str, Mapping[str, int]]) -> str:
    """Who came to an end most often, first; what was removed on purpose is in the events."""
    worst = sorted(happened.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    return "\n".join(
        f"- {name}: {', '.join(what if count == 1 else f'{what} {count} times' for what, count in sorted(told.items()))}"
        for name, told in worst[:10]
    )


_CONTENTS = """## What is in this bundle

`verification.json` every check; `containers/<name>/` inspect and log; `containers.txt`, `networks.json`, `images.txt`; `names.txt` what
every name leads to from inside every container; `events.txt`; `disk.txt`, `room.txt`; `host.txt`, `engine.json`, `engine.log`; `project/`
the definition; `journal/` what the collection did. Secrets are `****`; look through it all the same before it goes to somebody else."""
