"""What the bridge asks Redis and Postgres; it stores no event itself."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime, timezone
from typing import Any

import asyncpg
from auren_common.logs import brief
from auren_common.waiting import close_within
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

DATABASE_ERRORS = (OSError, asyncio.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Stores:
    """Connections open when they are first needed and again after they were lost."""

    def __init__(self, postgres_url: str, redis_url: str, retry_window: float) -> None:
        self._postgres_url = postgres_url
        self._window = int(retry_window)
        self._redis: Redis = Redis.from_url(
            redis_url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1), decode_responses=True
        )
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Prepare the pool; with min_size=0 nothing connects yet, so a late Postgres does not matter."""
        self._pool = await asyncpg.create_pool(self._postgres_url, min_size=0, max_size=4, timeout=3, command_timeout=5)

    async def close(self) -> None:
        """Close both; at most three seconds."""
        if self._pool is not None:
            await close_within(2, "the Postgres pool", self._pool.close())
        await close_within(1, "the Redis client", self._redis.aclose())

    async def first_seen(self, device: str, body: bytes) -> datetime:
        """When this very body first came within the retry window: what dates a retry like its original.

        Without Redis it is now: intake goes on, and only a retry without a time of its own becomes a second event.
        """
        now = datetime.now(timezone.utc)
        key = f"bridge:seen:{device}:{hashlib.sha256(body).hexdigest()}"
        try:
            before = await asyncio.wait_for(self._redis.set(key, now.isoformat(), nx=True, get=True, ex=self._window), 1)
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            log.warning("retries cannot be recognised without Redis: %s", brief(error))
            return now
        return datetime.fromisoformat(str(before)) if before else now

    async def baseline(self, user: str, metric: str) -> dict[str, Any] | None:
        """The row of user_baselines, or None; DATABASE_ERRORS when Postgres does not answer."""
        return await self._row(
            "SELECT user_id, metric_type, baseline_value, sample_count, updated_at FROM user_baselines"
            " WHERE user_id = $1 AND metric_type = $2",
            user,
            metric,
        )

    async def mode(self, user: str) -> dict[str, Any] | None:
        """The newest row of mode_switch_history, or None; DATABASE_ERRORS when Postgres does not answer."""
        return await self._row(
            "SELECT user_id, mode, reason, switched_at FROM mode_switch_history WHERE user_id = $1 ORDER BY switched_at DESC LIMIT 1", user
        )

    async def ping_postgres(self) -> None:
        """A query in a real session."""
        await self._row("SELECT 1")

    async def ping_redis(self) -> None:
        """A PING that was authenticated."""
        await self._redis.ping()

    async def _row(self, query: str, *values: str) -> dict[str, Any] | None:
        if self._pool is None:
            raise ConnectionError("not open")
        async with self._pool.acquire(timeout=3) as connection:
            row = await connection.fetchrow(query, *values)
        return dict(row) if row else None
