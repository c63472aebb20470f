"""What the tests of a scenario know about a target host. A pytest plugin: it gives tests the fixture `target`."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT_DIR = "/opt/auren/docker"
REQUEST = """
import json, sys, urllib.error, urllib.request
url, headers, body = json.load(sys.stdin)
request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers=headers)
try:
    answer = urllib.request.urlopen(request, timeout=70)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status and text."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Recap:
    """What one run of a playbook counted, over all hosts, and what it printed."""

    status: int
    changed: int
    output: str


def wait_until(look: Callable[[], T], within: float, every: float = 0.5) -> T:
    """Call `look` until it returns something true, return that.

    Raises:
        AssertionError: `within` seconds went by; the text holds what was seen last.
    """
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {within} s"
        time.sleep(every)
    return seen


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: runs after every other test of the scenario")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def start_play(*arguments: str, playbook: str = "playbooks/site.yml", cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start a playbook of the collection against the hosts of the scenario, as Molecule does; in a process group of its own.

    cwd: where it is started, as a shell tells it too: relative paths are meant from there.
    """
    inventory = str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent)
    command = ["ansible-playbook", "--inventory", inventory, *arguments, str(ROOT / playbook)]
    config = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.cfg")
    environment = {**os.environ, "ANSIBLE_CONFIG": config, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "PWD": str(cwd)}
    return subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        text=True,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def play(*arguments: str, playbook: str = "playbooks/site.yml", cwd: Path = ROOT) -> Recap:
    """Run a playbook of the collection to its end."""
    with start_play(*arguments, playbook=playbook, cwd=cwd) as started:
        output = started.communicate()[0]
    changed = sum(int(count) for count in re.findall(r"\bchanged=(\d+)", output))
    return Recap(started.returncode, changed, output)


def documented(directory: Path, *arguments: str, playbook: str = "document") -> Recap:
    """Run a playbook that writes its documents below `directory`."""
    return play("-e", f"auren_report_dir={directory}", *arguments, playbook=f"playbooks/{playbook}.yml")


def written(directory: Path) -> dict[str, bytes]:
    """Name → content of what a playbook wrote below `directory` of its one host."""
    [folder] = directory.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Target:
    """One target host, over SSH."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command on the host, return its output.

        Raises:
            AssertionError: its status is not 0.
        """
        line = shlex.join(command)
        if stdin is not None:
            line = f"printf %s {shlex.quote(stdin)} | {line}"
        done = self._host.run(line)
        assert done.rc == 0, f"{command[:4]}: status {done.rc}\n{done.stdout}\n{done.stderr}"
        return str(done.stdout).rstrip("\n")

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        """Run `docker ARGUMENTS` on the host."""
        return self.run("docker", *arguments, stdin=stdin)

    def declared(self) -> list[dict[str, Any]]:
        """The entries of the services that were declared on this host."""
        text = self.run("cat", f"{PROJECT_DIR}/.auren/declared.json")
        return [service["entry"] for service in json.loads(text)["services"].values()]

    def changes(self) -> list[dict[str, Any]]:
        """The records of changes that this host keeps."""
        return [json.loads(line) for line in self.run("cat", f"{PROJECT_DIR}/.auren/changes.jsonl").splitlines()]

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name → inspection of every container of the collection, in any state."""
        names = self.docker("ps", "--all", "--quiet", "--filter", "label=auren.stack.service").split()
        found = json.loads(self.docker("inspect", *names)) if names else []
        return {container["Name"].lstrip("/"): container for container in found}

    def started(self) -> dict[str, str]:
        """Name → id and StartedAt: equal before and after exactly if nothing was recreated or restarted."""
        return {name: f"{one['Id'][:12]} {one['State']['StartedAt']}" for name, one in self.containers().items()}

    def http(self, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """GET, or POST when there is a body (as JSON), from the host."""
        wanted = {"Content-Type": "application/json", **(headers or {})}
        return Answer(*json.loads(self.run("python3", "-c", REQUEST, stdin=json.dumps([url, wanted, body]))))

    def checks(self, stand_in: str = "") -> list[dict[str, Any]]:
        """The result of every declared check; what fails is in it."""
        arguments = json.dumps({"project_dir": PROJECT_DIR, "stand_in": stand_in})
        try:
            return list(self._host.ansible("auren.stack.service_verification", arguments, check=False, become=True)["checks"])
        except self._host.ansible.AnsibleException as error:
            if "checks" not in error.result:
                raise
            return list(error.result["checks"])

    def secret(self, name: str) -> str:
        """A secret's value, from its file on the host."""
        return self.run("cat", f"{PROJECT_DIR}/secrets/{name}").strip()

    def rows(self, sql: str) -> list[str]:
        """Run a query inside the database container (local trust: it proves data, not passwords)."""
        command = ["exec", "auren-postgres", "psql", "-U", "auren", "-d", "auren", "-At", "-c", sql]
        return self.docker(*command).splitlines()


@pytest.fixture(scope="module")
def target(host: Any) -> Target:
    """The host under test."""
    return Target(host)
