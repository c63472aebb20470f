"""Health that is measured when it is asked for: a round trip to each dependency, never a snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Callable

from auren_common.logs import brief

Probe = Callable[[], Awaitable[object]]

HEALTHY = "healthy"
UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Report:
    """The verdict, the word for each component, and for each sick one the reason."""

    healthy: bool
    components: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)


class Health:
    """Runs the probes at once, each within `deadline` seconds; askers within `ttl` seconds share one round."""

    def __init__(self, probes: Mapping[str, Probe], deadline: float = 1.5, ttl: float = 1.0) -> None:
        self._probes = dict(probes)
        self._deadline = deadline
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._report: Report | None = None
        self._taken = 0.0

    async def check(self) -> Report:
        """A report no older than `ttl` seconds; a probe that raises or is late makes its component unhealthy."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._taken > self._ttl:
                self._report = await self._measure()
                self._taken = time.monotonic()
            return self._report

    async def _measure(self) -> Report:
        reasons = await asyncio.gather(*(self._reason(probe) for probe in self._probes.values()))
        found = dict(zip(self._probes, reasons))
        errors = {name: reason for name, reason in found.items() if reason}
        components = {name: UNHEALTHY if reason else HEALTHY for name, reason in found.items()}
        return Report(not errors, components, errors)

    async def _reason(self, probe: Probe) -> str:
        try:
            await asyncio.wait_for(probe(), self._deadline)
        except asyncio.TimeoutError:
            return f"no answer within {self._deadline:g} s"
        except Exception as error:
            return brief(error)
        return ""
