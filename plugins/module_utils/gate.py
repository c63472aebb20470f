# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate: a changed service must become healthy within its deadline and then stay so, without a restart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

POLL = 0.25
CRASHES = 3  # restarts within the gate that are called a restart loop


@dataclass
class Passed:
    """When a service became healthy (monotonic seconds), and which life of the container it was."""

    at: float
    started_at: str
    restarts: int


class Gate:
    def __init__(self, engine: Engine, services: Mapping[str, Service]) -> None:
        self.engine, self.services = engine, services
        self.passed: dict[str, Passed] = {}
        self.began: dict[str, float] = {}
        self.restarts: dict[str, int] = {}  # what is counted against a service is what happens at the gate

    def wait(self, names: Sequence[str]) -> None:
        """Until each is healthy. Raises StackError for the first that crashes in a loop, is gone, or misses its deadline."""
        for name in names:
            self.began.setdefault(name, time.monotonic())
        waiting = self.waiting(names)
        while waiting:
            time.sleep(POLL)
            waiting = self.waiting(waiting)

    def waiting(self, names: Sequence[str]) -> list[str]:
        """Those that are not healthy yet, of names that began. Raises StackError as `wait` does."""
        return [name for name in names if not self._healthy(name)]

    def _healthy(self, name: str) -> bool:
        container = self.engine.container(name)
        if container is None:
            raise self._failure(name, "it disappeared")
        if container.serving:
            self.passed[name] = Passed(time.monotonic(), container.started_at, container.restart_count)
            return True
        if container.restart_count - self.restarts.setdefault(name, container.restart_count) >= CRASHES:
            raise self._failure(name, f"it crashes again and again (exit code {container.exit_code})")
        if container.state in ("exited", "dead") and container.restart_policy in ("", "no"):
            raise self._failure(name, f"it ended with exit code {container.exit_code}")
        deadline = self.services[name].gate_deadline
        if time.monotonic() - self.began[name] > deadline:
            raise self._failure(name, f"it is {container.health or container.state} after {deadline:.0f} s")
        return False

    def hold(self, names: Sequence[str]) -> None:
        """Each stays healthy for its hold time, counted from when it became so."""
        while True:
            left = max((self._left(name) for name in names), default=0.0)
            for name in names:
                self._still(name)
            if left <= 0:
                return
            time.sleep(min(left, POLL))

    def _left(self, name: str) -> float:
        return self.passed[name].at + self.services[name].gate_hold - time.monotonic()

    def _still(self, name: str) -> None:
        container, passed = self.engine.container(name), self.passed[name]
        if container is None:
            raise self._failure(name, "it disappeared after it had become healthy")
        if (container.started_at, container.restart_count) != (passed.started_at, passed.restarts) or not container.running:
            code = "" if container.running else f" (exit code {container.exit_code})"
            raise self._failure(name, f"it became healthy and then died{code}")
        if not container.serving:
            raise self._failure(name, f"it became healthy and then {container.health}")

    def seconds(self, name: str) -> float:
        """From the start of the wait to healthy."""
        return self.passed[name].at - self.began[name] if name in self.passed else 0.0

    def _failure(self, name: str, what: str) -> StackError:
        return StackError(f"{name} did not pass the gate: {what}", "gate", name, evidence(self.engine, name))


def evidence(engine: Engine, name: str) -> str:
    """Health check output and last log lines, for the error; never fails itself."""
    parts: list[str] = []
    try:
        health = engine.health_output(name)
        if health:
            parts.append(f"health check: {health}")
        logs = engine.logs(name)
        parts.append(f"last log lines of {name}:\n{logs}" if logs else f"{name} wrote no log")
    except StackError as error:
        parts.append(error.message)
    return "\n".join(parts)
