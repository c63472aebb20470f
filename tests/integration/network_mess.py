"""Networks and containers as they pile up on a host, and the modules that put them in order, run for real on this machine's Engine.

The modules see the Engine through a view that shows only what the test made: what else runs here is neither changed nor in a plan.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.engine_view import View, opened
from tests.integration.harness import (
    ROOT,
    RUN,
    Result,
    docker,
    image,
    module_command,
    module_environment,
    module_input,
    remove_containers,
    run_module,
)

POOLS = random.SystemRandom()

KEPT = ("--restart", "unless-stopped")

DYING = """
import os, signal, sys
from importlib import import_module
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
name, moment, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
del sys.argv[1:]
method = {"planned": "begin", "begun": "begin"}.get(moment, moment)
real, calls = getattr(Journal, method), []

def dying(self, *words, **more):
    calls.append(words)
    if moment == "begun":
        real(self, *words, **more)
    if len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    if moment != "begun":
        real(self, *words, **more)

setattr(Journal, method, dying)
import_module(name).main()
"""


def free_subnet() -> str:
    """One that hardly anybody has: Docker itself chooses others."""
    return f"10.{POOLS.randrange(100, 250)}.{POOLS.randrange(256)}.0/24"


def address(subnet: str, last: int) -> str:
    return f"{subnet.rpartition('.')[0]}.{last}"


@dataclass
class Mess:
    """name: begins all that it has in Docker. directory: of the project, for plans and journals."""

    name: str
    directory: Path
    view: View
    subnets: dict[str, str] = field(default_factory=dict)

    def called(self, short: str) -> str:
        return f"{self.name}-{short}"

    @property
    def target(self) -> str:
        return self.called("target")

    # --- made by hand -------------------------------------------------------------------------------------------------

    def network(self, short: str, *words: str) -> str:
        """A bridge network with a subnet of its own; its name."""
        name = self.called(short)
        for attempt in range(5):  # somebody may have this subnet
            self.subnets[short] = free_subnet()
            if docker("network", "create", "--subnet", self.subnets[short], *words, name, check=attempt == 4):
                break
        return name

    def container(self, short: str, *words: str, of: str = "redis", command: Sequence[str] = ("sleep", "infinity")) -> str:
        """A running container that ends at once when it is told to; its name."""
        name = self.called(short)
        docker("run", "-d", "--name", name, "--stop-signal", "SIGKILL", *words, image(of), *command)
        return name

    def join(self, short: str, network: str, *words: str) -> None:
        docker("network", "connect", *words, self.called(network), self.called(short))

    # --- the modules --------------------------------------------------------------------------------------------------

    def command(self, module: str) -> list[str]:
        return ["env", f"DOCKER_HOST={self.view.address}", *module_command(module)]

    def arguments(self, containers: Sequence[Any], **more: Any) -> dict[str, Any]:
        """containers: short names, or dictionaries with the short name as ``name``."""
        named = [self.called(c) if isinstance(c, str) else {**c, "name": self.called(c["name"])} for c in containers]
        return {"name": self.target, "containers": named, "project_dir": str(self.directory), **more}

    def module(self, name: str, arguments: dict[str, Any], check: bool = False) -> Result:
        """Run a module on the view."""
        return run_module(name, arguments, check, self.command(name))

    def run(self, *containers: Any, check: bool = False, **more: Any) -> Result:
        """network_consolidation with these containers."""
        return self.module("network_consolidation", self.arguments(containers, **more), check)

    def do(self, *containers: Any, **more: Any) -> Result:
        """Run, and expect success."""
        result = self.run(*containers, **more)
        assert result.status == 0, result.text
        return result

    def refused(self, *containers: Any, **more: Any) -> str:
        """The sentences of a run that must fail, with this mess's name taken out; neither host nor project may have changed."""
        before = self.facts(), self.files()
        result = self.run(*containers, **more)
        assert result.status != 0, result.text
        assert (self.facts(), self.files()) == before
        return self.short(result.msg)

    def rollback(self, check: bool = False, **more: Any) -> Result:
        """network_rollback, which has to succeed."""
        result = self.try_rollback(check, **more)
        assert result.status == 0, result.text
        return result

    def try_rollback(self, check: bool = False, **more: Any) -> Result:
        return self.module("network_rollback", {"project_dir": str(self.directory), **more}, check)

    def killed(self, module: str, arguments: dict[str, Any], moment: str, count: int) -> bool:
        """Run a module that kills itself at a moment of its count-th step; False when it had fewer and came to its end.

        moment: planned (nothing of the step is written down), begun (it is, and not done), done (it is done, and not confirmed), end.
        """
        words = [sys.executable, "-c", DYING, module_command(module)[-1], moment, str(count)]
        command = ["env", f"DOCKER_HOST={self.view.address}", *words]
        given, env = module_input(arguments), module_environment()
        done = subprocess.run(command, input=given, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), f"{done.stdout}\n{done.stderr}"
        return done.returncode != 0

    # --- what is there ------------------------------------------------------------------------------------------------

    def short(self, text: str) -> str:
        """Without this mess's name, for comparisons that people can read."""
        return text.replace(f"{self.name}-", "")

    def actions(self, result: Result) -> list[str]:
        return [self.short(line) for line in result.actions]

    def notes(self, result: Result) -> list[str]:
        return [self.short(line) for line in result.output["notes"]]

    def containers(self) -> list[dict[str, Any]]:
        """All of this mess, inspected."""
        ids = docker("ps", "-aq", "--no-trunc", "--filter", f"name={self.name}").split()
        found: list[dict[str, Any]] = json.loads(docker("container", "inspect", *ids)) if ids else []
        return sorted(found, key=lambda one: str(one["Name"]))

    def networks(self) -> list[dict[str, Any]]:
        ids = docker("network", "ls", "-q", "--no-trunc", "--filter", f"name={self.name}").split()
        ids += [name for name in sorted(self.view.also) if docker("network", "ls", "-q", "--filter", f"name={name}")]
        found: list[dict[str, Any]] = json.loads(docker("network", "inspect", *ids)) if ids else []
        return sorted(found, key=lambda one: str(one["Name"]))

    def network_names(self) -> list[str]:
        return [self.short(one["Name"]) for one in self.networks()]

    def facts(self) -> dict[str, Any]:
        """Everything that a run without a change must leave alone: ids, addresses and times of start are the same as well."""
        return {
            "containers": {
                one["Name"]: [one["Id"], one["State"]["StartedAt"], one["NetworkSettings"]["Networks"]] for one in self.containers()
            },
            "networks": [{**one, "Containers": sorted(one["Containers"])} for one in self.networks()],
            "meant": self.meant(),
        }

    def meant(self) -> dict[str, Any]:
        """What somebody asked of the Engine, and nothing that it chose by itself: this is what a rollback brings back."""
        return {
            "containers": {
                self.short(one["Name"]).lstrip("/"): {
                    "runs": one["State"]["Running"],
                    "policy": one["HostConfig"]["RestartPolicy"]["Name"] or "no",
                    "networks": {self.short(name): _place(one, place) for name, place in one["NetworkSettings"]["Networks"].items()},
                }
                for one in self.containers()
            },
            "networks": {self.short(one["Name"]): _spec(one) for one in self.networks()},
        }

    def places(self, short: str) -> dict[str, dict[str, Any]]:
        """Network → what the container asked for there."""
        found: dict[str, dict[str, Any]] = self.meant()["containers"][short]["networks"]
        return found

    def started(self) -> dict[str, str]:
        return {one["Name"]: one["State"]["StartedAt"] for one in self.containers()}

    def answer(self, short: str, name: str) -> str:
        """The address that a name has inside a container; empty for none."""
        done = subprocess.run(["docker", "exec", self.called(short), "getent", "hosts", name], capture_output=True, text=True, check=False)
        return done.stdout.split()[0] if done.stdout else ""

    def address_of(self, short: str, network: str = "target") -> str:
        return docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{self.called(network)}").IPAddress}}}}', self.called(short))

    def files(self) -> list[str]:
        """Below the project, but for the directory that a run locks."""
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.name != ".auren")

    def journals(self) -> list[list[dict[str, Any]]]:
        """The whole lines of every run's journal, oldest first."""
        found = [_lines(path) for path in (self.directory / ".auren" / "journal").glob("*.jsonl")]
        return sorted(found, key=lambda lines: float(lines[0]["began"]) if lines else 0.0)

    def remove(self) -> None:
        found = docker("ps", "-aq", "--filter", f"name={self.name}", check=False).split()
        remove_containers(found)
        for name in [*docker("network", "ls", "--format", "{{.Name}}", "--filter", f"name={self.name}").split(), *self.view.also]:
            docker("network", "rm", name, check=False)


def _place(container: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    own = {container["Name"].lstrip("/"), container["Id"], container["Id"][:12]}
    return {
        "aliases": sorted(set(place["Aliases"] or ()) - own),
        "ipv4": (place["IPAMConfig"] or {}).get("IPv4Address", ""),
        "options": place["DriverOpts"] or {},
        "links": place["Links"] or [],
    }


def _spec(network: dict[str, Any]) -> dict[str, Any]:
    facts = {key: network[key] for key in ("Driver", "Options", "Labels", "Internal", "Attachable", "EnableIPv6")}
    return {**facts, "pools": network["IPAM"]["Config"]}


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # torn
            continue
    return found


def twice(mess: Mess, *containers: Any, **more: Any) -> list[str]:
    """Check, do, check, do: the check is the plan that is done, nothing restarts, and the second round finds nothing. The actions."""
    started = mess.started()
    checked = mess.run(*containers, check=True, **more)
    done = mess.do(*containers, **more)
    assert (checked.actions, checked.output["plan"], checked.output["markdown"]) == (
        done.actions,
        done.output["plan"],
        done.output["markdown"],
    )
    assert [line.rpartition(" (")[0] for line in done.output["operations"]] == done.actions
    for check in (True, False):
        again = mess.run(*containers, check=check, **more)
        assert (again.status, again.changed, again.actions, again.output["run"]) == (0, False, [], ""), again.text
    assert mess.started() == started
    return mess.actions(done)


def settled(mess: Mess, *containers: Any, **more: Any) -> list[str]:
    """Do it, after which a plan finds nothing. The actions."""
    done = mess.do(*containers, **more)
    assert mess.run(*containers, check=True, **more).actions == []
    return mess.actions(done)


@contextmanager
def shared(build: Callable[[Mess], None]) -> Iterator[Callable[[Path], Mess]]:
    """Gives out one mess as long as everybody leaves it as it was, and then a new one; each time with a project of its own."""
    known: list[tuple[Mess, dict[str, Any]]] = []
    with ExitStack() as stack:

        def give(directory: Path) -> Mess:
            if not known or known[-1][0].meant() != known[-1][1]:
                mess = stack.enter_context(made(directory))
                build(mess)
                known.append((mess, mess.meant()))
            mess = known[-1][0]
            mess.directory = directory / "own"
            mess.directory.mkdir()
            mess.view.calls.clear()
            mess.view.read_only = False
            return mess

        yield give


@contextmanager
def made(directory: Path) -> Iterator[Mess]:
    """An empty mess, removed with all that came into it."""
    name = f"{RUN}-{uuid.uuid4().hex[:4]}"
    with opened(View(directory / "engine.sock", name)) as view:
        mess = Mess(name, directory / "project", view)
        mess.directory.mkdir()
        try:
            yield mess
        finally:
            mess.remove()
