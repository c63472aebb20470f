# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reading that is sent through the whole stack and followed from hop to hop. Writes, and takes away again what it wrote.

Each hop is asked from inside a client, with what that client holds, as every check is. A hop begins when those before it that it needs have
done their part; one that the installed image does not do is skipped, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import heartbeat_hops as hops
from ansible_collections.auren.stack.plugins.module_utils import netns
from ansible_collections.auren.stack.plugins.module_utils.credentials import Held, without
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import Checked
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.expectations import HOST, Check
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target, attempt
from ansible_collections.auren.stack.plugins.module_utils.verification import SPARE, Answer, Verifier, answered

OWN = ("hop", "service", "by", "from", "port", "secret", "timeout", "slow", "unless", "free_without")  # all others are the hop's options
TIMEOUT = 10.0  # seconds of a hop that does not say so itself
AWAY = ("rows_away", "keys_away")  # go on whatever came before


@dataclass(frozen=True)
class Step:
    """One hop. by: the service that does it, where another one is asked about it. unless: why it is not done here; empty when it is.

    free_without: environment keys of the service, with a value in one of which the hop may cost money, and is not done.
    """

    hop: str
    check: Check
    by: str
    unless: str
    free_without: tuple[str, ...] = ()


def steps_of(entries: Sequence[Mapping[str, Any]], services: Mapping[str, Service]) -> list[Step]:
    """The declared hops in their order; not those of services that are not here. Raises one StackError for all that are wrong."""
    found: list[Step] = []
    wrong: list[StackError] = []
    for number, entry in enumerate(entries):
        mistakes = list(_mistakes(f"heartbeat[{number}]", entry))
        wrong += mistakes
        if not mistakes and {entry["service"], entry.get("by") or entry["service"]} <= services.keys():
            found.append(_step(entry, services))
    raise_together(wrong)
    return found


def _step(entry: Mapping[str, Any], services: Mapping[str, Service]) -> Step:
    options = {key: value for key, value in entry.items() if key not in OWN}
    timeout = float(entry.get("timeout") or TIMEOUT)
    slow = float(entry.get("slow") or timeout)
    secret, signed = str(entry.get("secret") or ""), entry["hop"] == "webhook"  # without a secret nothing is signed
    check = Check(services[entry["service"]], "", int(entry["port"]), entry["from"], secret, options, timeout, slow, open=signed)
    free = tuple(str(key) for key in entry.get("free_without") or ())
    return Step(entry["hop"], check, str(entry.get("by") or entry["service"]), str(entry.get("unless") or ""), free)


def _mistakes(path: str, entry: Mapping[str, Any]) -> Iterator[StackError]:
    hop = entry.get("hop")
    if hop not in hops.HOPS:
        yield _bad(f"{path}.hop", f"is {hop!r}; known are {', '.join(hops.HOPS)}")
        return
    for key in ("service", "from", "port", *([] if entry.get("unless") else hops.REQUIRED[hop])):
        if not entry.get(key):
            yield _bad(f"{path}.{key}", f"is missing; the hop {hop} needs it")
    for key in ("port", "timeout", "slow"):
        if entry.get(key) and not _positive(entry[key]):
            yield _bad(f"{path}.{key}", f"is {entry[key]!r}; give a number above 0")


def _positive(value: Any) -> bool:
    try:
        return float(str(value)) > 0
    except ValueError:
        return False


def _bad(path: str, text: str) -> StackError:
    return StackError(f"{path} {text}. Nothing was asked", "bad_check", path)


class Heartbeat:
    """One heartbeat through the steps."""

    def __init__(self, verifier: Verifier, steps: Sequence[Step]) -> None:
        self.verifier, self.steps = verifier, steps
        self.pulse = hops.Pulse(verifier.write, time.time())
        self.stuck: set[str] = set()  # services that did not do a hop

    def beat(self) -> list[Checked]:
        """The result of every hop, the host being the one who asks."""
        return [self._beat(step) for step in self.steps]

    def _beat(self, step: Step) -> Checked:
        reason = step.unless or self._costs(step) or self._missing(step)
        if reason:
            return self._told(step, Answer("skipped", "", reason, 0.0))
        place = self.verifier.place(step.check)
        job = self.verifier.prepared(step.check, place, lambda check, target, held: self._ask(step, target, held))
        if isinstance(job, Answer):
            return self._told(step, job)
        limit = step.check.timeout + SPARE
        if step.hop not in AWAY:  # what was written is removed whatever time is left
            limit = min(limit, self.verifier.left())
        [found] = netns.run([job], limit, raises=False)
        facts = found.pop("facts", {}) if found else {}
        self.pulse = replace(self.pulse, facts={**self.pulse.facts, **facts})
        return self._told(step, answered(found, limit))

    def _costs(self, step: Step) -> str:
        """Why a hop may cost money; empty when it does not, or was asked for."""
        container = self.verifier.containers.get(step.by)
        keys = [key for key in step.free_without if container and container.env.get(key)]
        return f"it may cost money, for {step.by} has {keys[0]}: auren_verify_llm=true asks it" if keys else ""

    def _missing(self, step: Step) -> str:
        """Why a hop cannot begin; empty when it can."""
        if step.hop in AWAY:
            return "" if self.pulse.facts.get("sent") else "nothing was sent"
        if step.by not in self.stuck and all(fact in self.pulse.facts for fact in hops.NEEDS.get(step.hop, ())):
            return ""
        self.stuck.add(step.by)
        return "a hop before it did not come to its end"

    def _told(self, step: Step, told: Answer) -> Checked:
        if step.hop == "webhook":  # it may have been taken although nobody said so
            self.pulse = replace(self.pulse, facts={**self.pulse.facts, "sent": told.status != "skipped"})
        if told.status == "fail" and step.hop not in AWAY:
            self.stuck.add(step.by)
        told = told.timed(step.check.slow)
        about = (step.check.client,) if told.kind == "client" else ()
        return Checked(f"heartbeat {step.hop}", step.by, HOST, told.status, told.kind, told.evidence, told.seconds, hop=True, about=about)

    def _ask(self, step: Step, target: Target, held: Sequence[Held]) -> dict[str, Any]:
        """One hop, in the child. A client that holds several passwords is asked about in the checks; here the first will do."""
        begin = time.monotonic()
        options = {**step.check.options, "password": held[0].value or ""} if held else step.check.options
        facts: dict[str, Any] = {}
        try:
            evidence, facts = attempt(target, lambda: hops.run(step.hop, target, options, step.check.timeout, self.pulse))
            kind = ""
        except ProbeError as error:
            evidence, kind = error.message, error.kind
        evidence = without(evidence, [h.value for h in held if h.value])
        seconds = round(time.monotonic() - begin, 4)
        return {**vars(Answer("fail" if kind else "pass", kind, evidence, seconds)), "facts": facts}
