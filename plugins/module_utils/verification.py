# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The declared checks of the services, run from where their clients are, and what is behind those that fail. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import container_checks, names, netns, validate
from ansible_collections.auren.stack.plugins.module_utils.credentials import Held, held_by, stored, without
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import Checked
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.expectations import HOST, Check
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Network
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target

SPARE = 0.5  # seconds that a child may need beyond the check's own time
AGAIN = 0.3  # seconds until what failed is asked a second time
FLEETING = ("dns", "timeout", "unreachable", "protocol")  # kinds that one lost packet or one moment can make


@dataclass(frozen=True)
class Answer:
    """What a child tells. seconds: of its last attempt."""

    status: str
    kind: str
    evidence: str
    seconds: float


class Verifier:
    """Runs checks on this host. stand_in: a container to check from where a client is not declared here; empty for none.

    budget: seconds for everything. given: values of secrets that the host's files may not have.
    """

    def __init__(
        self,
        engine: Engine,
        declared: Mapping[str, Service],
        stand_in: str = "",
        budget: float = 60.0,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.engine, self.declared, self.stand_in, self.given = engine, declared, stand_in, given or {}
        self.until = time.monotonic() + budget
        self.containers: dict[str, Container | None] = {}

    # --- containers -------------------------------------------------------------------------------------------------

    def look(self, services: Sequence[Service]) -> list[Checked]:
        """The containers themselves: a result for each finding, and one for each container that has none."""
        networks, found = self.engine.networks(), []
        for service in services:
            begin = time.monotonic()
            results = container_checks.findings(service, self._seen(service, networks))
            seconds = round(time.monotonic() - begin, 4)
            label = f"container {service.name}"
            found += [Checked(label, service.name, service.name, f.status, f.kind, f.evidence, seconds) for f in results]
            if not results:
                container = self.container(service.name)
                state = f"{container.state}, {container.health}" if container and container.health else "running"
                found.append(Checked(label, service.name, service.name, "pass", "", f"{service.name} is {state}", seconds))
        return found

    def _seen(self, service: Service, networks: Sequence[Network]) -> container_checks.Seen:
        container = self.container(service.name)
        image = self.engine.image(service.image) if service.image else None
        edited = self.engine.edited(service.name) if container and container.running else []
        return container_checks.Seen(container, networks, image.id if image else "", edited, time.time())

    def container(self, name: str) -> Container | None:
        if name not in self.containers:
            self.containers[name] = self.engine.container(name)
        return self.containers[name]

    # --- arrows -----------------------------------------------------------------------------------------------------

    def ask(self, checks: Sequence[Check]) -> list[Checked]:
        """All checks at the same time, what failed for a moment once more; a result for each, in their order."""
        placed = {(c.label, self._place(c)): c for c in checks}  # a stand-in for two clients asks once
        prepared = {key: self._prepare(check, key[1]) for key, check in placed.items()}
        done = {key: told for key, told in prepared.items() if isinstance(told, Answer)}
        jobs = {key: job for key, job in prepared.items() if isinstance(job, netns.Job)}
        done.update(self._round(jobs, placed))
        again = {key: job for key, job in jobs.items() if done[key].kind in FLEETING}
        if again and self._left() > AGAIN:
            time.sleep(AGAIN)
            done.update(self._round(again, placed))
        return [self._result(check, key, done[key], 2 if key in again else 1) for key, check in placed.items()]

    def _left(self) -> float:
        return max(self.until - time.monotonic(), 0.0)

    def _round(self, jobs: Mapping[tuple[str, str], netns.Job], placed: Mapping[tuple[str, str], Check]) -> dict[tuple[str, str], Answer]:
        if not jobs:
            return {}
        limit = min(max(placed[key].timeout for key in jobs) + SPARE, self._left())
        answers = netns.run(list(jobs.values()), limit)
        return {
            key: Answer(**answer) if answer else Answer("fail", "timeout", f"no answer within {limit:.1f} s", round(limit, 4))
            for key, answer in zip(jobs, answers)
        }

    def _result(self, check: Check, key: tuple[str, str], told: Answer, attempts: int) -> Checked:
        status, evidence = told.status, told.evidence
        if status == "pass" and told.seconds > check.slow:
            status, evidence = "warn", f"{evidence}, but it took {told.seconds:.1f} s"
        kind = "slow" if status == "warn" else told.kind
        return Checked(key[0], check.service.name, key[1], status, kind, evidence, told.seconds, check.speaks, attempts=attempts)

    def _place(self, check: Check) -> str:
        known = check.client == HOST or check.client in self.declared
        return check.client if known or not self.stand_in else self.stand_in

    def _prepare(self, check: Check, place: str) -> netns.Job | Answer:
        """The work for a child, or the answer where there is nothing to run."""
        if place == HOST:
            return self._from_host(check)
        client = self.container(place)
        if client is None and place not in self.declared and place != self.stand_in:
            return Answer("skipped", "", f"{place} is not on this host", 0.0)
        if client is None or not client.running:
            return Answer("fail", "client", f"{place} is {client.state if client else 'not there'}, so nothing can be asked from it", 0.0)
        held = self._held(check, client)
        if check.secret and not held:
            return Answer("skipped", "", f"nobody here knows the password that {place} holds: give it in auren_secrets", 0.0)
        unread = [h.source for h in held if h.value is None]
        if unread:
            said = f"{place}: {unread[0]} is not as it was declared, so the password in it cannot be read"
            return Answer("fail", "no_password", said, 0.0)
        pid = client.pid
        return netns.Job(place, pid, lambda: self._probe(check, names.of_container(pid), held))

    def _from_host(self, check: Check) -> netns.Job | Answer:
        published = [b for b in validate.bindings(check.service) if b.container_port == f"{check.port}/tcp"]
        if not published:
            return Answer("skipped", "", f"{check.service.name} publishes no port for {check.port}", 0.0)
        address = published[0].host_ip if published[0].host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
        target, held = Target(address, published[0].host_port), self._stored(check)
        if check.secret and not held:
            return Answer("skipped", "", f"the host does not know {check.secret}: give it in auren_secrets", 0.0)
        return netns.Job(HOST, 0, lambda: self._try(check, target, held))

    def _held(self, check: Check, client: Container) -> list[Held]:
        service = self.declared.get(client.name)
        return (held_by(service, client, check.secret) if service else []) or self._stored(check)

    def _stored(self, check: Check) -> list[Held]:
        return stored(check.service.house, check.secret, self.given)

    def _probe(self, check: Check, resolver: names.Names, held: Sequence[Held]) -> dict[str, Any]:
        return self._try(check, Target(check.service.name, check.port, resolver.resolve), held)

    def _try(self, check: Check, target: Target, held: Sequence[Held]) -> dict[str, Any]:
        """Run the probe, in the child: once for each different password that the client holds, as it might use any of them."""
        sources = {h.value or "": h.source for h in reversed(held)} or {"": ""}
        seconds, evidence = 0.0, ""
        for password, source in sources.items():
            options = {**check.options, "password": password} if check.probe in registry.LOGS_IN else check.options
            result = registry.run(check.probe, target, options, check.timeout)
            seconds += result.seconds
            evidence = without(result.evidence, sources)
            if not result.ok:
                told = f"{evidence} (from {source}{self._differs(check, password)})" if source else evidence
                return vars(Answer("fail", result.kind, told, round(seconds, 4)))
        return vars(Answer("pass", "", evidence, round(seconds, 4)))

    def _differs(self, check: Check, password: str) -> str:
        """Whether a client holds another value than its server was given."""
        given = [h.value for h in self._stored(check)]
        return ", which differs from the server's" if given and password not in given else ""
