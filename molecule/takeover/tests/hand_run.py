"""A host with a whole stack that was started by hand: made anew, read down to the last row, booted, and compared."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from target import Answer, Target, wait_until

STORES = ("auren-postgres", "auren-redis", "auren-kafka")
APPLICATIONS = ("neuros-advanced", "biometric-production")
SERVICES = (*STORES, *APPLICATIONS, "auren-prometheus", "auren-grafana", "auren-redis-exporter")
HOTFIX = "one night in May"
SHOWN = 5  # lines of each kind of loss
MEASURED: list[str] = []


@dataclass(frozen=True)
class Started:
    """One command that a boot, or cron, has run. who: the unit or the crontab."""

    who: str
    command: str
    status: int
    output: str


class HandRun:
    """The host. container: on the Engine of this machine, for reboots."""

    def __init__(self, target: Target) -> None:
        self.target = target
        [instance] = yaml.safe_load(Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).read_text())
        self.container = str(instance["container"])

    def build(self) -> None:
        """Everything from nothing, whatever the host looks like; it works, and nothing changes by itself, when this returns."""
        begin = time.monotonic()
        self.target.run("/srv/mess/mess.sh")
        self.settle(30)
        MEASURED.append(f"the hand-run stack is made in {time.monotonic() - begin:.0f} s")

    def settle(self, within: float, published: bool = True) -> float:
        """Wait until everything that runs answers, the applications with health; returns the seconds. published: on its first addresses."""
        begin = time.monotonic()
        deadline = begin + within
        while problems := self.unhealthy(published):
            assert time.monotonic() < deadline, f"after {within} s: {problems}"
            time.sleep(0.5)
        return time.monotonic() - begin

    def unhealthy(self, published: bool = True) -> list[str]:
        """What is not there for its users: an application that says so, a container that does not run, a port that is silent."""
        try:
            down = sorted(set(SERVICES) - set(self.running()))
            told = [f"{name}: {answer.text}" for name in APPLICATIONS if not (answer := self.health(name)).json.get("healthy")]
            return down + told + (self.unpublished() if published else [])
        except (AssertionError, RuntimeError, ValueError) as error:  # the host is not reached, or nobody listens, at this moment
            return [str(error)]

    def health(self, application: str) -> Answer:
        return self.target.http(f"http://127.0.0.1:{8000 if application == 'neuros-advanced' else 8888}/health")

    def hotfix(self) -> str:
        """What the file that was edited by hand makes NEUROS say; empty without it."""
        return str(self.health("neuros-advanced").json.get("hotfix", ""))

    # --- what is there ----------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """All data, read over each server's own protocol with the passwords of before (or from the project's files, where these are).

        Nested: texts are what has to stay, numbers what may grow; see `lost`. It is equal before and after, if nothing happens between.
        """
        begin = time.monotonic()
        found = self._host("facts")
        MEASURED.append(f"facts: {summary(found)}, read in {time.monotonic() - begin:.1f} s")
        return dict(found)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name → inspection of everything in any state."""
        names = self.target.docker("ps", "--all", "--quiet").split()
        found = json.loads(self.target.docker("inspect", *names)) if names else []
        return {one["Name"].lstrip("/"): one for one in found}

    def running(self) -> list[str]:
        return sorted(name for name, one in self.containers().items() if one["State"]["Running"])

    def started(self) -> dict[str, str]:
        """Name → id and StartedAt."""
        return {name: f"{one['Id'][:12]} {one['State']['StartedAt']}" for name, one in self.containers().items()}

    def trees(self, *names: str) -> dict[str, Any]:
        """Stopped container → directory of a mount (or of Grafana's data) → path → kind, mode, owner, size and digest."""
        return dict(self._host("trees", *names))

    def checksums(self, *names: str) -> dict[str, dict[str, str]]:
        """Stopped container → directory → one digest of the tree."""
        return {
            name: {place: hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest() for place, tree in places.items()}
            for name, places in self.trees(*names).items()
        }

    def published(self) -> dict[str, list[str]]:
        """Running container → address:port on the host."""
        return dict(self._host("published"))

    def unpublished(self) -> list[str]:
        """`container address:port` of what was published at first and does not answer on the host now."""
        return list(self._host("unpublished"))

    def doubles(self) -> dict[str, list[str]]:
        """What more than one running container may write to: volume or directory → containers. Data has one server."""
        used: dict[str, list[str]] = {}
        for name, one in sorted(self.containers().items()):
            for mount in one["Mounts"] if one["State"]["Running"] else ():
                if mount["RW"]:
                    used.setdefault(mount.get("Name") or mount["Source"], []).append(name)
        return {place: names for place, names in used.items() if len(names) > 1}

    def edited(self, name: str) -> list[str]:
        """The files that differ from the container's image, as `docker diff` tells them."""
        return self.target.docker("diff", name).splitlines()

    # --- what happens to hosts ----------------------------------------------------------------------------------------

    def boot(self) -> list[Started]:
        """The machine restarts; then what systemd and cron would start is started. Returns what that was."""
        subprocess.run(["docker", "restart", "--time", "90", self.container], check=True, capture_output=True)
        wait_until(self._engine_answers, 60)
        return [Started(**one) for one in self._host("boot")]

    def cron(self, word: str) -> list[Started]:
        """The hour of every line of a crontab that holds the word has come."""
        return [Started(**one) for one in self._host("cron", word)]

    def restart_engine(self) -> None:
        self.target.run("service", "docker", "restart")
        wait_until(self._engine_answers, 60)

    def restart_all(self) -> None:
        self.target.run("sh", "-c", "docker ps --quiet | xargs -n 1 -P 8 docker restart --time 20")

    def _engine_answers(self) -> bool:
        try:
            return bool(self.target.docker("version"))
        except (AssertionError, RuntimeError):
            return False

    def _host(self, *arguments: str) -> Any:
        return json.loads(self.target.run("/srv/mess/host.py", *arguments))


def lost(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of the facts is gone, was changed or became less; what has come since is no loss. A few lines of each kind."""
    return _lost(before, now, "")


def _lost(before: Any, now: Any, where: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        told = [line for key in before for line in _lost(before[key], now.get(key), f"{where} / {key}" if where else key)]
        flat = not any(isinstance(value, dict) for value in before.values())
        return [*told[:SHOWN], f"{where}: {len(told) - SHOWN} more"] if flat and len(told) > SHOWN else told
    kept = now is not None and now >= before if isinstance(before, int) else now == before
    return [] if kept else [f"{where}: {_brief(before)} → {_brief(now)}"]


def _brief(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, dict) else "nothing" if value is None else str(value)


def summary(facts: dict[str, Any]) -> str:
    """How much there is."""
    rows = sum(count for one in facts["postgres"]["databases"].values() for table in one["rows"].values() for count in table.values())
    keys = sum(len(entries) for name, entries in facts["redis"].items() if name != "functions")
    records = sum(len(one["records"]) for topic in facts["kafka"]["topics"].values() for one in topic.values())
    samples = sum(int(text.split()[0]) for text in facts["prometheus"].values())
    told = [f"{rows} rows", f"{keys} keys", f"{records} records", f"{samples} samples in {len(facts['prometheus'])} series"]
    stored = sum(len(table) for table in facts["grafana"]["rows"].values())
    return ", ".join([*told, f"{stored} rows and {len(facts['grafana']['files'])} files of Grafana"])
