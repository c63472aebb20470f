# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The declared checks of the services, run from where their clients are. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import names, netns, secrets, validate
from ansible_collections.auren.stack.plugins.module_utils.definition import SECRETS_MOUNT, Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target

HOST = "host"  # in ``from``: the host itself, through the published port
SPARE = 0.5  # seconds that a child may need beyond the check's own time
OWN_KEYS = ("probe", "from", "port", "secret")  # of an entry of ``checks``; all others are the probe's options


@dataclass(frozen=True)
class Check:
    """One expectation, from one place. port: inside the network. secret: whose value the client holds; empty for none."""

    service: Service
    probe: str
    port: int
    client: str
    secret: str
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.probe} {self.service.name}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Outcome:
    """status: pass, fail or skipped. evidence: a sentence without a secret."""

    status: str
    evidence: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Held:
    """A password as a client holds it: where it is read from, and its value; None when that is not as it was declared."""

    source: str
    value: str | None

    def __repr__(self) -> str:
        return f"Held({self.source})"


def checks_of(services: Iterable[Service]) -> list[Check]:
    """All declared checks, one for each client. Raises StackError for an entry that cannot be run."""
    found: list[Check] = []
    for service in services:
        for entry in service.entry.get("checks") or []:
            found += _expanded(service, entry)
    return found


def _expanded(service: Service, entry: Mapping[str, Any]) -> list[Check]:
    probe, port = str(entry.get("probe")), str(entry.get("port") or 0)
    if probe not in registry.PROBES:
        known = ", ".join(sorted(registry.PROBES))
        raise StackError(f"{service.name}: a check asks for the probe {probe}; known are {known}", "bad_check", service.name)
    if not port.isdigit() or (port == "0" and probe != "dns"):
        raise StackError(f"{service.name}: its check {probe} needs a port, the one inside the network", "bad_check", service.name)
    options = {key: value for key, value in entry.items() if key not in OWN_KEYS}
    return [Check(service, probe, int(port), str(c), str(entry.get("secret") or ""), options) for c in entry.get("from") or []]


class Verifier:
    """Runs checks on this host. stand_in: a container to check from where a client is not declared here; empty for none."""

    def __init__(self, engine: Engine, declared: Mapping[str, Service], stand_in: str, timeout: float) -> None:
        self.engine, self.declared, self.stand_in, self.timeout = engine, declared, stand_in, timeout
        self.containers: dict[str, Container | None] = {}

    def run(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        """All checks at the same time; a result for each, in their order. Raises StackError when probing itself cannot work."""
        placed = {(c.label, self._place(c)): c for c in checks}  # a stand-in for two clients asks once
        done: dict[tuple[str, str], Outcome] = {}
        jobs: dict[tuple[str, str], netns.Job] = {}
        for key, check in placed.items():
            prepared = self._prepare(check, key[1])
            if isinstance(prepared, Outcome):
                done[key] = prepared
            else:
                jobs[key] = prepared
        for key, answer in zip(jobs, netns.run(list(jobs.values()), self.timeout + SPARE)):
            done[key] = Outcome(**answer) if answer else Outcome("fail", f"no answer within {self.timeout:g} s", self.timeout)
        return [{"check": key[0], "service": check.service.name, "from": key[1], **asdict(done[key])} for key, check in placed.items()]

    def _place(self, check: Check) -> str:
        known = check.client == HOST or check.client in self.declared
        return check.client if known or not self.stand_in else self.stand_in

    def _prepare(self, check: Check, place: str) -> netns.Job | Outcome:
        """The work for a child, or the outcome where there is nothing to run."""
        if place == HOST:
            return self._from_host(check)
        if place not in self.declared and place != self.stand_in:
            return Outcome("skipped", f"{place} is not declared on this host")
        if place not in self.containers:
            self.containers[place] = self.engine.container(place)
        client = self.containers[place]
        if client is None or not client.running:
            return Outcome("fail", f"{place} is {client.state if client else 'not there'}, so nothing can be asked from it")
        held = self._held(check.secret, client)
        unread = [h.source for h in held if h.value is None]
        if unread:
            return Outcome("fail", f"{place}: {unread[0]} is not as it was declared, so the password in it cannot be read")
        pid = client.pid
        return netns.Job(place, pid, lambda: self._probe(check, names.of_container(pid), held))

    def _from_host(self, check: Check) -> netns.Job | Outcome:
        published = [b for b in validate.bindings(check.service) if b.container_port == f"{check.port}/tcp"]
        if not published:
            return Outcome("skipped", f"{check.service.name} publishes no port for {check.port}")
        address = published[0].host_ip if published[0].host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
        target, held = Target(address, published[0].host_port), self._stored(check.secret)
        return netns.Job(HOST, 0, lambda: self._ask(check, target, held))

    def _held(self, secret: str, client: Container) -> list[Held]:
        service = self.declared.get(client.name)
        return held_by(service, client, secret) if service else self._stored(secret)

    def _stored(self, secret: str) -> list[Held]:
        """The value as the host has it in its files."""
        house = next(iter(self.declared.values())).house
        value = read_text(house.directory / "secrets" / secret) if secret else None
        return [Held(f"the file secrets/{secret}", value)] if value else []

    def _probe(self, check: Check, resolver: names.Names, held: Sequence[Held]) -> dict[str, Any]:
        return self._ask(check, Target(check.service.name, check.port, resolver.resolve), held)

    def _ask(self, check: Check, target: Target, held: Sequence[Held]) -> dict[str, Any]:
        """Run the probe, in the child: once for each different password that the client holds, as it might use any of them."""
        sources = {h.value or "": h.source for h in reversed(held)} or {"": ""}
        seconds, evidence = 0.0, ""
        for password, source in sources.items():
            result = registry.run(check.probe, target, {**check.options, "password": password}, self.timeout)
            seconds += result.seconds
            evidence = _without(result.evidence, sources)
            if not result.ok:
                told = f"{evidence} (from {source})" if source else evidence
                return asdict(Outcome("fail", told, round(seconds, 4)))
        return asdict(Outcome("pass", evidence, round(seconds, 4)))


def _without(text: str, values: Iterable[str]) -> str:
    """The text without the values in any form: what a server says is not ours."""
    for value in values:
        for form in secrets.forms(value) if value else []:
            text = text.replace(form, "***")
    return text


def held_by(service: Service, container: Container, secret: str) -> list[Held]:
    """Every place where a client holds a secret's value: its live environment, its files, its mounted secrets."""
    found: list[Held] = []
    for key, template in service.environment.items():
        if secret in secrets.names_in(template):
            live = container.env.get(key, "")
            found.append(Held(f"environment key {key}", secrets.harvest(template, live).get(secret)))
    for path, template in {**service.files("recreate"), **service.files("reload")}.items():
        if secret in secrets.names_in(template):
            live = read_text(service.config_path(path)) or ""
            found.append(Held(f"file {path}", secrets.harvest(template, live).get(secret)))
    if secret in (service.entry.get("secrets") or []):
        found.append(Held(f"{SECRETS_MOUNT}/{secret}", read_text(service.mount_path / secret)))
    return found
