"""Waiting: capped back-off that a stop interrupts, and closing with a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from auren_common.logs import brief

log = logging.getLogger(__name__)


class Backoff:
    """Delays of 0.5, 1, 2, 4, then `cap` seconds; `reset` after a success."""

    def __init__(self, stopping: asyncio.Event, first: float = 0.5, cap: float = 5.0) -> None:
        self._stopping = stopping
        self._first = first
        self._cap = cap
        self._next = first

    @property
    def delay(self) -> float:
        """Seconds that the next `wait` lasts."""
        return self._next

    def reset(self) -> None:
        """The next delay is the first one again."""
        self._next = self._first

    async def wait(self) -> None:
        """Sleep the next delay, or until the application stops."""
        delay, self._next = self._next, min(self._next * 2, self._cap)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)


async def close_within(seconds: float, what: str, closing: Awaitable[object]) -> None:
    """Await a clean-up for at most `seconds`; one that fails or is late, and will not be cancelled either, is logged and left."""
    task = asyncio.ensure_future(closing)
    done, _late = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # whatever comes of it is nobody's matter any more
        task.cancel()
        log.warning("closing %s did not finish: it took more than %g s", what, seconds)
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.warning("closing %s did not finish: %s", what, brief(error))
