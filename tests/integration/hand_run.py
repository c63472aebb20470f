"""Containers that somebody started by hand where the services of a project belong, and the modules that take them over, run for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.harness import (
    ROOT,
    Project,
    Result,
    docker,
    free_port,
    image,
    module_command,
    module_environment,
    module_input,
    run_module,
)
from tests.integration.network_mess import DYING

TAKEOVER, ROLLBACK, CLEANUP = "container_takeover", "network_rollback", "takeover_cleanup"
PING = {"test": ["CMD-SHELL", "redis-cli ping | grep -qx PONG"], "interval": "500ms", "start_interval": "100ms", "retries": 20}
SERVER = ("redis-server", "--appendonly", "yes", "--save", "")

FULL = """
import errno, os, sys
from importlib import import_module
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
name, left = sys.argv[1], int(sys.argv[2])
del sys.argv[1:]
real, lines = Journal._write, []

def write(self, line, *words):
    lines.append(line)
    if len(lines) > left:
        raise self._cannot(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "it is full")
    real(self, line, *words)

Journal._write = write
import_module(name).main()
"""


@dataclass
class HandRun:
    """project: whose place it is. home: a network that they had before. ports: short name → published port."""

    project: Project
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> str:
        return self.project.called("home")

    def called(self, short: str) -> str:
        return self.project.called(short)

    # --- by hand --------------------------------------------------------------------------------------------------------

    def start(self, short: str, *words: str, of: str = "redis", command: Sequence[str] = SERVER, both: bool = True) -> str:
        """docker run, on the old network; both: on the one of the stack too."""
        if not docker("network", "ls", "-q", "--filter", f"name={self.home}"):
            docker("network", "create", self.home)
        docker(
            "run",
            "-d",
            "--name",
            self.called(short),
            "--network",
            self.home,
            "--network-alias",
            f"old-{short}",
            *words,
            image(of),
            *command,
        )
        if both:
            docker("network", "connect", self.project.network, self.called(short))
        return self.called(short)

    def linked(self, client: str) -> None:
        """db and a client with a link to it on Docker's own bridge: it does not start while db is stopped. Both are on NET."""
        quiet = ("--stop-signal", "SIGKILL", image("redis"), "sleep", "infinity")
        docker("run", "-d", "--name", self.called("db"), *quiet)
        docker("run", "-d", "--name", self.called(client), "--link", f"{self.called('db')}:cache", *quiet)
        for name in ("db", client):
            docker("network", "connect", self.project.network, self.called(name))

    def redis(self, short: str, *words: str, keys: int = 50, **more: Any) -> str:
        """With keys, on a port of this machine."""
        self.ports[short] = free_port()
        name = self.start(short, "--publish", f"127.0.0.1:{self.ports[short]}:6379", *words, **more)
        self.ask(short, "EVAL", f"for n = 1, {keys} do redis.call('SET', 'key:' .. n, redis.sha1hex(n)) end", "0")
        return name

    def in_layer(self, short: str, **more: Any) -> str:
        """A Redis whose data is in the container's own layer."""
        inside = "mkdir -p -m 750 /tmp/db && exec redis-server --appendonly yes --save '' --dir /tmp/db"
        return self.redis(short, command=["sh", "-c", inside], **more)

    def ask(self, short: str, *words: str) -> str:
        """redis-cli in the container, as soon as it answers."""
        cli = f"until redis-cli ping 2>/dev/null | grep -qx PONG; do sleep 0.1; done; exec redis-cli {' '.join(map(_quoted, words))}"
        return docker("exec", self.called(short), "timeout", "20", "sh", "-c", cli)

    def keys(self, short: str) -> str:
        """A digest of all keys with their values."""
        script = "local t = redis.call('KEYS', '*') table.sort(t) for n, k in ipairs(t) do t[n] = k .. redis.call('GET', k) end "
        script += "return redis.sha1hex(table.concat(t))"
        return self.ask(short, "EVAL", script, "0")

    # --- declared --------------------------------------------------------------------------------------------------------

    def service(self, short: str, volume: str = "", compose: dict[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
        """The same, as a role would declare it. volume: where its data is."""
        port = self.ports.get(short)
        published = {"ports": [f"127.0.0.1:{port}:6379"]} if port else {}
        wanted = {"image": image("redis"), "command": [*SERVER], "healthcheck": PING, **published, **(compose or {})}
        data = [{"volume": volume, "target": "/data", "variable": f"{short}_volume"}] if volume else []
        made = self.project.service(short, compose=wanted, data=data, **{"role": "redis" if volume else "tool", **entry})
        for key in ("entrypoint", "stop_signal"):
            made["compose"].pop(key)
        return made

    # --- the modules ------------------------------------------------------------------------------------------------------

    def arguments(self, *services: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Sure of the volumes: fuller ones on this Engine are those of other tests."""
        backup = {} if "backup_dir" in more else {"backup": "done"}
        sure = [one["name"] for one in services if docker("ps", "-aq", "--filter", f"name={one['name']}")]
        return self.project.arguments(*services, **{"sure": sure, **backup, **more})

    def run(self, *services: dict[str, Any], check: bool = False, **more: Any) -> Result:
        return run_module(TAKEOVER, self.arguments(*services, **more), check)

    def do(self, *services: dict[str, Any], **more: Any) -> Result:
        result = self.run(*services, **more)
        assert result.status == 0, result.text
        return result

    def refused(self, *services: dict[str, Any], **more: Any) -> str:
        """The sentences of a run that must fail and change nothing, with the project's name taken out."""
        before = self.project.state()
        result = self.run(*services, **more)
        assert result.status != 0, result.text
        assert self.project.state() == before
        return self.short(str(result.output["msg"]))

    def rollback(self) -> Result:
        result = run_module(ROLLBACK, {"project_dir": str(self.project.directory)}, False)
        assert result.status == 0, result.text
        return result

    def cleanup(self, check: bool = False, **more: Any) -> Result:
        return run_module(
            CLEANUP, {"project_dir": str(self.project.directory), "network": self.project.network, "window": 0, **more}, check
        )

    def killed(self, module: str, arguments: dict[str, Any], moment: str, count: int) -> bool:
        """Run a module that kills itself at a moment of its count-th step; False when it had fewer and came to its end."""
        command = [sys.executable, "-c", DYING, module_command(module)[-1], moment, str(count)]
        done = subprocess.run(
            command, input=module_input(arguments), env=module_environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, -signal.SIGKILL), f"{done.stdout}\n{done.stderr}"
        return done.returncode != 0

    def run_on_a_full_disk(self, lines: int, *services: dict[str, Any], **more: Any) -> Result:
        """The disk takes so many lines of the journal and no more."""
        command = [sys.executable, "-c", FULL, module_command(TAKEOVER)[-1], str(lines)]
        return run_module(TAKEOVER, self.arguments(*services, **more), command=command)

    # --- what is there ----------------------------------------------------------------------------------------------------

    def short(self, text: str) -> str:
        return text.replace(f"{self.project.name}-", "").replace(self.project.network, "NET")

    def containers(self) -> dict[str, dict[str, Any]]:
        """Short name → inspection, in any state; the time in a kept one's name left out."""
        ids = docker("ps", "-aq", "--no-trunc", "--filter", f"name={self.project.name}").split()
        found: list[dict[str, Any]] = json.loads(docker("container", "inspect", *ids)) if ids else []
        return {self.short(one["Name"]).lstrip("/").partition("-replaced-")[0] + _kept(one["Name"]): one for one in found}

    def meant(self) -> dict[str, Any]:
        """What a way back has to bring back: who is there, as whom, with which policy, on which networks, with which data."""
        return {
            short: {
                "id": one["Id"],
                "runs": one["State"]["Running"],
                "policy": one["HostConfig"]["RestartPolicy"]["Name"] or "no",
                "networks": {
                    self.short(name): sorted(set(place["Aliases"] or ()) - {one["Id"][:12], one["Name"].lstrip("/")})
                    for name, place in one["NetworkSettings"]["Networks"].items()
                },
            }
            for short, one in self.containers().items()
        }

    def files(self) -> list[str]:
        """What the project wrote for its services."""
        return sorted(
            str(path.relative_to(self.project.directory))
            for path in self.project.directory.rglob("*")
            if path.is_file() and ".auren" not in path.parts
        )

    def journalled(self) -> tuple[list[dict[str, Any]], str]:
        """What the newest journal says of the containers that were taken over, and all of it as text."""
        text = max((self.project.directory / ".auren" / "journal").glob("*.jsonl")).read_text()
        return json.loads(text.splitlines()[0])["swaps"], text

    def remove(self) -> None:
        self.project.remove()
        docker("network", "rm", self.home, check=False)
        for ref in docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={self.project.name}-*").split():
            docker("rmi", ref, check=False)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _kept(name: str) -> str:
    return "-replaced" if "-replaced-" in name else ""


def mountpoint(volume: str) -> Path:
    return Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume))
