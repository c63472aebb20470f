"""A Compose project of a test's own on this machine's Engine, and the modules run for real: arguments on stdin, JSON back."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN = f"it-{uuid.uuid4().hex[:6]}"  # begins every name that these tests give to anything in Docker
IMAGES = {  # under names of our own: whoever builds the originals anew changes nothing here
    "redis": "redis:7-alpine",
    "python": "python:3.13-slim",
    "nginx": "nginx:1.28-alpine",
    "prometheus": "prom/prometheus:v2.53.3",
    "postgres": "timescale/timescaledb:latest-pg17",
    "grafana": "grafana/grafana:11.6.0",
}
HEALTHY = {"test": ["CMD", "ls", "/tmp/healthy"], "interval": "500ms", "start_interval": "100ms", "retries": 2, "start_period": "60s"}
GATE = {"deadline": 20, "hold": 0.3}
ANONYMOUS = re.compile("[0-9a-f]{64}")  # the name of a volume that nobody named


def docker(*words: str, check: bool = True) -> str:
    """Run a docker command and return its output; a failure fails the test with what Docker said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr or done.stdout}"
    return done.stdout.strip()


def image(name: str) -> str:
    return f"{RUN}/{name}:1"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Result:
    """What a module printed, and its exit status."""

    status: int
    output: dict[str, Any]
    text: str

    @property
    def actions(self) -> list[str]:
        return list(self.output["actions"])

    @property
    def changed(self) -> bool:
        return bool(self.output["changed"])

    @property
    def msg(self) -> str:
        return str(self.output["msg"])


def module_input(arguments: dict[str, Any], check: bool = False, diff: bool = False) -> str:
    return json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}})


def module_command(name: str) -> list[str]:
    return [sys.executable, "-m", f"ansible_collections.auren.stack.plugins.modules.{name}"]


def module_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}


AS_USER = """
import os, sys
from importlib import import_module
module = import_module(sys.argv.pop(1))
groups = [int(group) for group in sys.argv.pop(1).split()]
os.setgroups(groups), os.setgid(65534), os.setuid(65534)
module.main()
"""


def as_nobody(name: str, *groups: int) -> list[str]:
    """A module's command for the user nobody, who need not be able to read this Python's files."""
    return [sys.executable, "-c", AS_USER, module_command(name)[-1], " ".join(map(str, groups))]


def run_module(name: str, arguments: dict[str, Any], check: bool = False, command: list[str] | None = None) -> Result:
    """Run a module of the collection to its end, always with diff."""
    done = subprocess.run(
        command or module_command(name),
        input=module_input(arguments, check, diff=True),
        env=module_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.lstrip().startswith("{"), f"{done.stdout}\n{done.stderr}"
    return Result(done.returncode, json.loads(done.stdout), done.stdout)


def ansible_playbook(*words: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A playbook on this machine, with the Python of the tests, started from a directory; what it prints is not coloured."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(ROOT / "inventory" / "local.yml"), *words]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PWD": str(cwd), **(env or {})}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


@dataclass
class Project:
    """One test's project: every name in Docker begins with its own."""

    name: str
    directory: Path
    network: str
    volumes: list[str] = field(default_factory=list)

    def called(self, short: str) -> str:
        return f"{self.name}-{short}"

    def service(self, short: str, *, compose: dict[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
        """A declared service that is healthy at once and can be stopped at once."""
        shell = "touch /tmp/healthy; exec sleep infinity"
        base = {"image": image("redis"), "entrypoint": ["sh", "-c", shell], "healthcheck": HEALTHY, "stop_signal": "SIGKILL"}
        return {
            "name": self.called(short),
            "role": short,
            "compose": {**base, **(compose or {})},
            "gate": GATE,
            **entry,
        }

    def volume(self, short: str) -> str:
        """The name of a volume that is removed when the test ends."""
        self.volumes.append(self.called(short))
        return self.volumes[-1]

    def mountpoint(self, short: str) -> Path:
        """An existing volume's directory on this host; made when it is missing."""
        return Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", docker("volume", "create", self.volume(short))))

    def arguments(self, *services: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"project": self.name, "project_dir": str(self.directory), "network": self.network, "services": list(services), **more}

    def run(self, *services: dict[str, Any], check: bool = False, **more: Any) -> Result:
        return run_module("compose_project", self.arguments(*services, **more), check)

    def do(self, *services: dict[str, Any], **more: Any) -> Result:
        """Run, and expect success."""
        result = self.run(*services, **more)
        assert result.status == 0, result.text
        return result

    def fails(self, *services: dict[str, Any], **more: Any) -> Result:
        result = self.run(*services, **more)
        assert result.status != 0, result.text
        assert result.output["failed"] is True
        return result

    def inspect(self, short: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker("container", "inspect", self.called(short)))
        return found[0]

    def started(self, short: str) -> str:
        return str(self.inspect(short)["State"]["StartedAt"])

    def compose(self, *words: str) -> str:
        """docker compose as an operator types it in the project's directory."""
        done = subprocess.run(["docker", "compose", *words], cwd=self.directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def state(self) -> dict[str, Any]:
        """Everything that a refused run must leave alone: containers, networks and volumes of these tests, files."""
        named = ["--filter", f"name={RUN}"]
        containers = docker("ps", "-aq", "--no-trunc", *named).split()
        return {
            "containers": {c: docker("inspect", "-f", "{{.Name}} {{.State.Status}} {{.State.StartedAt}}", c) for c in sorted(containers)},
            "networks": docker("network", "ls", "--no-trunc", "-q", *named),
            "volumes": docker("volume", "ls", "-q", *named),
            "files": tree(self.directory),
        }

    def remove(self) -> None:
        found = docker("ps", "-aq", "--filter", f"name={self.name}", check=False).split()
        found += docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}", check=False).split()
        remove_containers(found)
        for volume in self.volumes:
            docker("volume", "rm", "-f", volume, check=False)


def remove_containers(found: list[str]) -> None:
    """Remove containers with the volumes that nobody named; `rm -v` leaves those that a takeover mounted by their names."""
    if not found:
        return
    mounts = [place for line in docker("inspect", "-f", "{{json .Mounts}}", *found, check=False).splitlines() for place in json.loads(line)]
    docker("rm", "-f", "-v", *set(found), check=False)
    for volume in {place.get("Name", "") for place in mounts}:
        if ANONYMOUS.fullmatch(volume):
            docker("volume", "rm", volume, check=False)


def tree(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every path below a directory: mode, owner, content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(directory))] = (facts.st_mode, facts.st_uid, facts.st_gid, content)
    return found
