"""Postgres: the row of each event, the baselines, the modes."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from auren_common.waiting import close_within

from neuros.events import Event, PoisonError

ERRORS = (OSError, asyncio.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_INSERT = """
INSERT INTO biometric_events (event_id, user_id, device_type, metric_type, value, timestamp, metadata, raw_data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING RETURNING 1
"""
# The mean of about the last 30 readings: from the thirtieth on each counts for a thirtieth.
_BASELINE = """
INSERT INTO user_baselines AS b (user_id, metric_type, baseline_value, sample_count, updated_at)
VALUES ($1, $2, $3, 1, now())
ON CONFLICT (user_id, metric_type) DO UPDATE SET
  baseline_value = b.baseline_value + (excluded.baseline_value - b.baseline_value) / least(b.sample_count + 1, 30),
  sample_count = b.sample_count + 1,
  updated_at = now()
"""
# One index look-up a metric, however long the history is.
_LATEST = """
SELECT b.metric_type, e.value, e.timestamp, e.device_type, b.baseline_value, b.sample_count
FROM user_baselines b
CROSS JOIN LATERAL (
  SELECT value, timestamp, device_type FROM biometric_events
  WHERE user_id = b.user_id AND metric_type = b.metric_type
  ORDER BY timestamp DESC LIMIT 1) e
WHERE b.user_id = $1
ORDER BY b.metric_type
"""
# Where another writes the rows, nobody promises baselines: the rows themselves say which metrics there are.
_LATEST_WITHOUT_BASELINES = """
SELECT DISTINCT ON (e.metric_type) e.metric_type, e.value, e.timestamp, e.device_type,
  coalesce(b.baseline_value, e.value) AS baseline_value, coalesce(b.sample_count, 1) AS sample_count
FROM biometric_events e
LEFT JOIN user_baselines b ON b.user_id = e.user_id AND b.metric_type = e.metric_type
WHERE e.user_id = $1
ORDER BY e.metric_type, e.timestamp DESC
"""
_SWITCH = """
INSERT INTO mode_switch_history (user_id, mode, reason, switched_at)
SELECT $1, $2, $3, now()
WHERE (SELECT mode FROM mode_switch_history WHERE user_id = $1 ORDER BY switched_at DESC LIMIT 1) IS DISTINCT FROM $2
"""


class Store:
    """A pool that connects when it is first needed and again after the server was away."""

    def __init__(self, url: str, keeps_baselines: bool = True) -> None:
        self._url = url
        self._latest = _LATEST if keeps_baselines else _LATEST_WITHOUT_BASELINES
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Prepare the pool; with min_size=0 nothing connects yet, so a late Postgres does not matter."""
        self._pool = await asyncpg.create_pool(self._url, min_size=0, max_size=5, timeout=3, command_timeout=10)

    async def close(self) -> None:
        """Close the pool; at most two seconds."""
        if self._pool is not None:
            await close_within(2, "the Postgres pool", self._pool.close())

    async def add(self, event: Event) -> bool:
        """Write the row and its share of the baseline in one transaction; False when the row was there already.

        PoisonError when Postgres refuses the content itself; any other of ERRORS may pass when it is tried again.
        """
        try:
            async with self._acquire() as connection, connection.transaction():
                new = await connection.fetchval(
                    _INSERT,
                    event.event_id,
                    event.user_id,
                    event.device_type,
                    event.metric_type,
                    event.value,
                    event.timestamp,
                    event.metadata,
                    event.raw_data,
                )
                if new:
                    await connection.execute(_BASELINE, event.user_id, event.metric_type, event.value)
                return bool(new)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError, UnicodeError) as error:
            raise PoisonError(f"Postgres refuses it: {type(error).__name__}") from error

    async def latest(self, user: str) -> dict[str, dict[str, Any]]:
        """Metric → value, timestamp (ISO 8601), device_type, baseline, samples: the newest of each."""
        async with self._acquire() as connection:
            rows = await connection.fetch(self._latest, user)
        return {
            row["metric_type"]: {
                "value": row["value"],
                "timestamp": row["timestamp"].isoformat(),
                "device_type": row["device_type"],
                "baseline": row["baseline_value"],
                "samples": row["sample_count"],
            }
            for row in rows
        }

    async def switch_mode(self, user: str, mode: str, reason: str) -> None:
        """Record the mode unless it is the one that the user is in."""
        async with self._acquire() as connection:
            await connection.execute(_SWITCH, user, mode, reason)

    async def ping(self) -> None:
        """A query in a real session."""
        async with self._acquire() as connection:
            await connection.fetchval("SELECT 1")

    def _acquire(self) -> Any:
        if self._pool is None:
            raise ConnectionError("not open")
        return self._pool.acquire(timeout=3)
