# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The declared checks of the services, run from where their clients are, and what is behind those that fail. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils import container_checks, disks, names, netns, validate
from ansible_collections.auren.stack.plugins.module_utils.credentials import Held, held_by, stored, without
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import REFUSED, Checked
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.expectations import HOST, Check
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target, system_resolve

SPARE = 0.5  # seconds that a child may need beyond the check's own time
AGAIN = 0.3  # seconds until what failed is asked a second time
OUTSIDE = " (seen from the host, not from inside the client)"
HARMLESS = ("unexported",)  # kinds of failures that keep nobody from working
FLEETING = ("dns", "unreachable", "protocol")  # kinds that one moment can make; a time-out had all of its time


@dataclass(frozen=True)
class Answer:
    """What a child tells. seconds: of its last attempt. about: see ProbeError."""

    status: str
    kind: str
    evidence: str
    seconds: float
    about: Sequence[str] = ()

    def timed(self, slow: float) -> Answer:
        """The same, with a warning when it passed and took longer than ``slow`` seconds."""
        if self.status != "pass" or self.seconds <= slow:
            return self
        return replace(self, status="warn", kind="slow", evidence=f"{self.evidence}, but it took {self.seconds:.1f} s")


def answered(found: dict[str, Any] | None, limit: float) -> Answer:
    """What came back from a child that had ``limit`` seconds."""
    if found is None:
        return Answer("fail", "timeout", f"no answer within {limit:.1f} s", round(limit, 4))
    if "error" in found:
        return Answer("fail", "client" if found["kind"] == "gone" else "protocol", found["error"], 0.0)
    return Answer(**found)


Work = Callable[[Check, Target, "Sequence[Held]"], "dict[str, Any]"]  # what a child does: → an Answer as a dict, and more


class Verifier:
    """Runs checks on this host. stand_in: a container to check from where a client is not declared here; empty for none.

    budget: seconds for everything. given: values of secrets that the host's files may not have. write: a text that probes may write and
    take away again; empty for none. disk_free: percent of a disk that has to be free.
    """

    def __init__(
        self,
        engine: Engine,
        declared: Mapping[str, Service],
        stand_in: str = "",
        budget: float = 60.0,
        given: Mapping[str, str] | None = None,
        write: str = "",
        disk_free: float = 5.0,
    ) -> None:
        self.engine, self.declared, self.stand_in, self.given = engine, declared, stand_in, given or {}
        self.write, self.disk_free = write, disk_free
        self.until = time.monotonic() + budget
        self.containers = {container.name: container for container in engine.containers()}
        self.inside = engine.local and netns.allowed()

    # --- containers -------------------------------------------------------------------------------------------------

    def look(self, services: Sequence[Service]) -> list[Checked]:
        """The containers themselves: a result for each finding, and one for each container that has none."""
        networks, found = self.engine.networks(), []
        for service in services:
            begin = time.monotonic()
            seen = container_checks.seen_of(self.engine, service, list(self.containers.values()), networks)
            results = container_checks.findings(service, seen)
            seconds = round(time.monotonic() - begin, 4)
            label = f"container {service.name}"
            found += [Checked(label, service.name, service.name, f.status, f.kind, f.evidence, seconds) for f in results]
            if not results:
                container = self.containers.get(service.name)
                state = f"{container.state}, {container.health}" if container and container.health else "running"
                found.append(Checked(label, service.name, service.name, "pass", "", f"{service.name} is {state}", seconds))
        return found

    def disks(self, directory: str) -> list[Checked]:
        """The disks of the Engine and of the project, where they are this machine's."""
        paths = [self.engine.root_dir(), directory] if self.engine.local else []
        found = disks.disks(paths, self.disk_free)
        return [Checked(f"disk {d.path}", HOST, HOST, d.status, "" if d.status == "pass" else "disk", d.evidence) for d in found]

    # --- arrows -----------------------------------------------------------------------------------------------------

    def ask(self, checks: Sequence[Check]) -> list[Checked]:
        """All checks at the same time, what failed for a moment once more; a result for each, in their order."""
        placed = {(c.label, self.place(c)): c for c in checks}  # a stand-in for two clients asks once
        prepared = {key: self.prepared(check, key[1], self._try) for key, check in placed.items()}
        done = {key: told for key, told in prepared.items() if isinstance(told, Answer)}
        jobs = {key: job for key, job in prepared.items() if isinstance(job, netns.Job)}
        done.update(self._round(jobs, placed))
        again = {key: job for key, job in jobs.items() if done[key].kind in FLEETING}
        if again and self.left() > AGAIN:
            time.sleep(AGAIN)
            done.update(self._round(again, placed))
        found = [self._result(check, key, done[key], 2 if key in again else 1) for key, check in placed.items()]
        return [replace(one, outside=key in jobs and jobs[key].where != key[1]) for key, one in zip(placed, found)]

    def left(self) -> float:
        """Seconds of the budget."""
        return max(self.until - time.monotonic(), 0.0)

    def _round(self, jobs: Mapping[tuple[str, str], netns.Job], placed: Mapping[tuple[str, str], Check]) -> dict[tuple[str, str], Answer]:
        if not jobs:
            return {}
        limits = {key: min(placed[key].timeout + SPARE, self.left()) for key in jobs}
        answers = netns.run(list(jobs.values()), max(limits.values()) + SPARE, raises=False)
        return {key: answered(answer, limits[key]) for key, answer in zip(jobs, answers)}

    def _result(self, check: Check, key: tuple[str, str], told: Answer, attempts: int) -> Checked:
        told, service = told.timed(check.slow), check.service.name
        seen = (told.status, told.kind, told.evidence, told.seconds)
        return Checked(key[0], service, key[1], *seen, speaks=check.speaks, attempts=attempts, about=tuple(told.about))

    def place(self, check: Check) -> str:
        """Where a check is run from."""
        known = check.client == HOST or check.client in self.declared
        return check.client if known or not self.stand_in else self.stand_in

    def prepared(self, check: Check, place: str, work: Work) -> netns.Job | Answer:
        """The work for a child, or the answer where there is nothing to run."""
        if place == HOST:
            return self._from_host(check, work)
        client = self.containers.get(place)
        if client is None and place not in self.declared and place != self.stand_in:
            return Answer("skipped", "", f"{place} is not on this host", 0.0)
        if client is None or not client.running:
            return Answer("fail", "client", f"{place} is {client.state if client else 'not there'}, so nothing can be asked from it", 0.0)
        try:
            held = self._held(check, client)
        except PermissionError:
            return Answer("skipped", "", f"only root may read the password that {place} holds", 0.0)
        if check.secret and not held and not check.open:
            return Answer("skipped", "", f"nobody here knows the password that {place} holds: give it in auren_secrets", 0.0)
        unread = [h.source for h in held if h.value is None]
        if unread:
            said = f"{place}: {unread[0]} is not as it was declared, so the password in it cannot be read"
            return Answer("fail", "no_password", said, 0.0)
        if not self.inside:
            return self._outside(check, place, held, work)
        pid = client.pid
        return netns.Job(place, pid, lambda: work(check, self._target(check, pid), held), check.timeout + SPARE)

    @staticmethod
    def _target(check: Check, pid: int) -> Target:
        """In the child: the service by its name, as the client resolves it."""
        return Target(check.service.name, check.port, names.of_container(pid).resolve)

    def _published(self, check: Check) -> Target | None:
        """The service as the host reaches it."""
        found = validate.published(check.service, check.port)
        return Target(*found) if found else None

    def _from_host(self, check: Check, work: Work) -> netns.Job | Answer:
        target = self._published(check) if self.engine.local else None
        if target is None:
            return Answer("skipped", "", f"{check.service.name} publishes no port for {check.port}" + self._elsewhere(), 0.0)
        try:
            held = self._stored(check)
        except PermissionError:
            return Answer("skipped", "", f"only root may read {check.secret}", 0.0)
        if check.secret and not held and not check.open:
            return Answer("skipped", "", f"the host does not know {check.secret}: give it in auren_secrets", 0.0)
        return netns.Job(HOST, 0, lambda: work(check, target, held), check.timeout + SPARE)

    def _outside(self, check: Check, place: str, held: Sequence[Held], work: Work) -> netns.Job | Answer:
        """Without the right to enter the client: the server itself, at its address on the network. Its names are not asked for."""
        server = self.containers.get(check.service.name)
        endpoint = server.endpoint(check.service.house.network) if server and server.running else None
        if not self.engine.local or not check.port or endpoint is None or not endpoint.ipv4:
            return Answer("skipped", "", f"what {place} sees can only be asked by root on the Engine's own host", 0.0)
        target = Target(endpoint.ipv4, check.port, self._from_the_list)

        def told() -> dict[str, Any]:
            found = work(check, target, held)
            return {**found, "evidence": found["evidence"] + OUTSIDE}

        return netns.Job(HOST, 0, told, check.timeout + SPARE)

    def _from_the_list(self, name: str, timeout: float) -> list[str]:
        """Names of a network as its containers' list has them, for who cannot ask in it."""
        found = [e.ipv4 for c in self.containers.values() for e in c.endpoints if e.ipv4 and name in (c.name, *e.aliases)]
        return found or system_resolve(name, timeout)

    def _elsewhere(self) -> str:
        return "" if self.engine.local else " on this machine: the Engine is on another"

    def _held(self, check: Check, client: Container) -> list[Held]:
        service = self.declared.get(client.name)
        return (held_by(service, client, check.secret) if service else []) or self._stored(check)

    def _stored(self, check: Check) -> list[Held]:
        return stored(check.service.house, check.secret, self.given)

    def _try(self, check: Check, target: Target, held: Sequence[Held]) -> dict[str, Any]:
        """Run the probe, in the child: once for each different password that the client holds, as it might use any of them."""
        sources = {h.value or "": h.source for h in reversed(held)} or {"": ""}
        seconds, evidence = 0.0, ""
        written = {"write": self.write} if self.write and check.probe in registry.WRITES else {}
        for password, source in sources.items():
            options = {**check.options, "password": password} if check.probe in registry.LOGS_IN else check.options
            result = registry.run(check.probe, target, {**options, **written}, check.timeout)
            seconds += result.seconds
            evidence = without(result.evidence, sources)
            if not result.ok:
                told = f"{evidence} (from {source}{self._differs(check, password)})" if source and result.kind in REFUSED else evidence
                status = "warn" if result.kind in HARMLESS else "fail"
                return vars(Answer(status, result.kind, told, round(seconds, 4), result.about))
        return vars(Answer("pass", "", evidence, round(seconds, 4)))

    def _differs(self, check: Check, password: str) -> str:
        """Whether a client holds another value than its server was given."""
        try:
            given = [h.value for h in self._stored(check)]
        except PermissionError:
            return ""
        return ", which differs from the server's" if given and password not in given else ""
