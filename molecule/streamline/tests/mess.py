"""A host with the mess on it: made anew, run over by the playbooks, and read: who is where, who noticed what."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from target import ROOT, Recap, Target

STREAMLINE, ROLLBACK = "playbooks/streamline.yml", "playbooks/rollback.yml"
NETWORK = "auren-network"
CLIENTS = ("neuros-advanced", "biometric-production", "outside")  # they tell what they notice
LISTED = (
    "auren-grafana", "auren-kafka", "auren-postgres", "auren-postgres-exporter", "auren-prometheus", "auren-pwa", "auren-redis",
    "auren-redis-exporter", "biometric-production", "neuros-advanced",
)  # fmt: skip
TAIL = 3.5  # seconds: a poll that began before may still be waiting for its connection
RESOLVE = """
import json, sys
from ansible_collections.auren.stack.plugins.module_utils import names
found = {name: names.ask("127.0.0.11", name, names.A, 3)[1] for name in sys.argv[1:]}
print(json.dumps(found))
"""
MEASURED: list[str] = []


@dataclass(frozen=True)
class Use:
    """One poll, or one use of a pool's connection. began, ended: seconds since 1970."""

    began: float
    ended: float
    error: str


@dataclass
class Noticed:
    """What clients noticed between two moments. uses: who → all that began then, in order."""

    begin: float
    end: float = 0.0
    uses: dict[str, list[Use]] = field(default_factory=dict)

    def who(self, start: str) -> list[str]:
        found = sorted(who for who in self.uses if who.startswith(start))
        assert found, f"nobody is {start!r}: {sorted(self.uses)}"
        return found

    def errors(self, start: str) -> list[str]:
        return [f"{who}: {use.error}" for who in self.who(start) for use in self.uses[who] if use.error]

    def silence(self, who: str) -> float:
        """The longest time without an answer, in seconds; the pause between two polls is in it."""
        answers = sorted(use.ended for use in self.uses[who] if not use.error)
        moments = [self.begin, *answers, max(self.end, answers[-1] if answers else 0)]
        return max(later - earlier for earlier, later in zip(moments, moments[1:]))

    def gap(self, who: str) -> float:
        """The longest time from the begin of a first failure to the next answer, in seconds."""
        longest, since = 0.0, 0.0
        for use in self.uses[who]:
            if use.error:
                since = since or use.began
            elif since:
                longest, since = max(longest, use.ended - since), 0.0
        return max(longest, self.end - since if since else 0.0)

    def note(self, what: str, start: str) -> None:
        """A line of the figures for each whose name starts so."""
        for who in self.who(start):
            failed, count = len([use for use in self.uses[who] if use.error]), len(self.uses[who])
            told = f"{failed} of {count} failed, gap {self.gap(who):.2f} s, longest silence {self.silence(who):.2f} s"
            MEASURED.append(f"{what}: {who}: {told}")


class Mess:
    """The host. container: on the Engine of this machine, for reboots."""

    def __init__(self, target: Target) -> None:
        self.target = target
        [instance] = yaml.safe_load(Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).read_text())
        self.container = str(instance["container"])

    def build(self, *arguments: str) -> None:
        """Everything from nothing. arguments: of mess.sh."""
        begin = time.monotonic()
        self.target.run("/srv/mess/mess.sh", *arguments)
        self.settle(20)
        MEASURED.append(f"the mess {' '.join(arguments)} is made in {time.monotonic() - begin:.0f} s")

    def reboot(self) -> None:
        subprocess.run(["docker", "restart", "--time", "90", self.container], check=True, capture_output=True)

    def restart_all(self) -> None:
        self.target.run("sh", "-c", "docker ps --quiet | xargs -n 1 -P 8 docker restart --time 20")

    # --- who is where -----------------------------------------------------------------------------------------------

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name → inspection of everything in any state, without what vanishes when it ends."""
        found = json.loads(self.target.docker("inspect", *self.target.docker("ps", "--all", "--quiet").split()))
        return {one["Name"].lstrip("/"): one for one in found if not one["HostConfig"]["AutoRemove"]}

    def running(self) -> list[str]:
        return sorted(name for name, one in self.containers().items() if one["State"]["Running"])

    def started(self) -> dict[str, str]:
        return {name: f"{one['Id'][:12]} {one['State']['StartedAt']}" for name, one in self.containers().items()}

    def topology(self) -> dict[str, Any]:
        """All that a rollback has to bring back: places, names, fixed addresses, policies, who runs; and the networks."""
        made = json.loads(self.target.docker("network", "inspect", *self.target.docker("network", "ls", "--quiet").split()))
        return {
            "networks": {one["Name"]: net(one) for one in made if one["Name"] not in ("bridge", "host", "none")},
            "containers": {name: place(one) for name, one in self.containers().items()},
        }

    def names_that_do_not_resolve(self) -> list[str]:
        """Asked from inside every running container on the network, for every name that is on it."""
        present = {name: one for name, one in self.containers().items() if one["State"]["Running"] and endpoint(one)}
        wanted = {alias: name for name, one in present.items() for alias in (name, *endpoint(one)["Aliases"])}
        questions = {f"{alias}.{NETWORK}": endpoint(present[name])["IPAddress"] for alias, name in wanted.items()}
        wrong = []
        for name, one in present.items():
            inside = ["nsenter", "--target", str(one["State"]["Pid"]), "--net"]
            said = self.target.run(*inside, "env", "PYTHONPATH=/srv/mess/client", "python3", "-c", RESOLVE, *questions)
            wrong += [f"{name}: {asked} is {found}" for asked, found in json.loads(said).items() if found != [questions[asked]]]
        MEASURED.append(f"{len(questions)} names asked from inside {len(present)} containers: {len(wrong)} wrong")
        assert questions
        return wrong

    def data(self) -> list[str]:
        """What was there before and has to stay, and how often the pools have written (never less than they were told)."""
        rows = self.target.rows("SELECT count(*), md5(string_agg(value, ',' ORDER BY number)) FROM kept")
        redis = self.target.docker("exec", "auren-redis", "redis-cli", "EVAL", KEPT, "0")
        return [*rows, redis]

    def written(self) -> tuple[int, int]:
        """Rows in Postgres and the count in Redis that the pools have made."""
        redis = self.target.docker("exec", "auren-redis", "redis-cli", "GET", "ticks")
        return int(self.target.rows("SELECT count(*) FROM ticks")[0]), int(redis)

    # --- who noticed what -------------------------------------------------------------------------------------------

    def noticed(self, begin: float, end: float) -> Noticed:
        found = Noticed(begin, end)
        running = [name for name in (*CLIENTS, "watcher") if name in self.containers()]
        for client in running:
            log = self.target.docker("logs", "--since", f"{begin:.3f}", client)
            for line in log.splitlines():
                use = json.loads(line)
                if begin <= use["began"] <= end:
                    found.uses.setdefault(use["who"], []).append(Use(use["began"], use["began"] + use["took"], use["error"]))
        for uses in found.uses.values():
            uses.sort(key=lambda use: use.began)
        return found

    @staticmethod
    def stall(seen: Noticed) -> float:
        """How long the machine itself had no time for anybody: a poll of nothing that takes part, over no network, waited for so long."""
        return seen.silence("poll 127.0.0.1:7777")

    @contextmanager
    def watched(self) -> Iterator[Noticed]:
        """What clients notice while something is done, filled in at the end."""
        seen = Noticed(time.time())
        yield seen
        time.sleep(TAIL)
        found = self.noticed(seen.begin, time.time() - TAIL)
        seen.end, seen.uses = found.end, found.uses

    def settle(self, within: float) -> float:
        """Wait until every poll and every pooled connection gets its answers again; returns the seconds."""
        begin = time.monotonic()
        deadline = begin + within
        while unanswered := self._unanswered():
            assert time.monotonic() < deadline, f"after {within} s: {unanswered}"
            time.sleep(0.5)
        return time.monotonic() - begin

    def _unanswered(self) -> list[str]:
        try:
            now = time.time()
            seen = self.noticed(now - 1.2, now)
        except (AssertionError, RuntimeError) as error:  # the host is not reached, or a client is not there, at this moment
            return [str(error)]
        silent = [f"only these were heard of: {sorted(seen.uses)}"] if len(seen.uses) < 11 else []
        return silent or seen.errors("")


KEPT = "local t = {} for n = 1, 500 do t[n] = redis.call('GET', 'kept:' .. n) or '' end return redis.sha1hex(table.concat(t))"


def endpoint(container: dict[str, Any]) -> dict[str, Any]:
    """Its place on the network of the stack; empty when it has none."""
    found = container["NetworkSettings"]["Networks"].get(NETWORK) or {}
    return {**found, "Aliases": found["Aliases"] or []} if found else {}


def place(container: dict[str, Any]) -> dict[str, Any]:
    """A container's own part of the topology. Aliases without name and id, which every container answers to."""
    own = {container["Name"].lstrip("/"), container["Id"][:12]}
    return {
        "running": container["State"]["Running"],
        "policy": container["HostConfig"]["RestartPolicy"],
        "networks": {
            name: (sorted(set(one["Aliases"] or ()) - own), one["IPAMConfig"] or {}, one["DriverOpts"] or {})
            for name, one in container["NetworkSettings"]["Networks"].items()
        },
    }


def net(network: dict[str, Any]) -> dict[str, Any]:
    """A network as it was made; at its next start the Engine adds a gateway where none was given."""
    subnets = [pool["Subnet"] for pool in network["IPAM"]["Config"]]
    return {"subnets": subnets, **{key: network[key] for key in ("Id", "Labels", "Options")}}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of a topology is not as it was."""
    told = []
    for kind in ("networks", "containers"):
        names = sorted({*before[kind], *now[kind]})
        told += [f"{n}: {before[kind].get(n)} → {now[kind].get(n)}" for n in names if before[kind].get(n) != now[kind].get(n)]
    return told


# --- playbooks -----------------------------------------------------------------------------------------------------------


def typed(answer: str, *arguments: str, playbook: str) -> Recap:
    """Run a playbook on a terminal, and type this when it asks."""
    folder = os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ.update(ANSIBLE_CONFIG=f"{folder}/ansible.cfg", ANSIBLE_NOCOLOR="1", ANSIBLE_FORCE_COLOR="0", COLUMNS="240")
        os.execvp("ansible-playbook", ["ansible-playbook", "--inventory", f"{folder}/inventory", *arguments, str(ROOT / playbook)])
    output, deadline = "", time.monotonic() + 180
    while (chunk := read(terminal)) is not None:
        output += chunk
        assert time.monotonic() < deadline, output
        if not chunk and "Type yes" in output and "TASK [Take the answer]" not in output:
            os.write(terminal, f"{answer}\r".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    changed = sum(int(count) for count in re.findall(r"\bchanged=(\d+)", output))
    return Recap(status, changed, output.replace("\r\n", "\n"))


def read(terminal: int) -> str | None:
    """What comes next; empty after a second of silence (what is typed before Ansible waits, it throws away), None at the end."""
    if not select.select([terminal], [], [], 1)[0]:
        return ""
    try:
        return os.read(terminal, 65536).decode(errors="replace") or None
    except OSError:  # EIO: the other side has ended
        return None
