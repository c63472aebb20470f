"""The latest state of each user: kept in Redis, true in Postgres."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

from auren_common.logs import brief
from auren_common.waiting import Backoff, close_within
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from neuros import rules
from neuros import store as storage

log = logging.getLogger(__name__)

REDIS_ERRORS = (RedisError, OSError, asyncio.TimeoutError)
Metrics = dict[str, dict[str, Any]]

# Bounds how long a copy can be stale after a crash between a row and its copy; or when another writes the row, and later than
# it tells of it.
_LIFETIME = 3600
_LIFETIME_OF_ANOTHERS = 30


class State:
    """Reads through to Postgres, so a lost or empty Redis costs time and never an answer."""

    def __init__(self, redis_url: str, store: storage.Store, stores_events: bool = True) -> None:
        self._store = store
        self._lifetime = _LIFETIME if stores_events else _LIFETIME_OF_ANOTHERS
        self._redis: Redis = Redis.from_url(
            redis_url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1), decode_responses=True
        )
        # User → how often touched since the last copy, so that a touch during a copy is not lost.
        self._behind: dict[str, int] = {}
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Copy touched users until `stop`; whom it cannot copy now it tries again, while rows go on being stored."""
        backoff = Backoff(self._stopping)
        while not self._stopping.is_set():
            await self._work.wait()
            self._work.clear()
            try:
                for user, touches in list(self._behind.items()):
                    await self._copy(user)
                    if self._behind[user] == touches:
                        del self._behind[user]
                backoff.reset()
            except Exception as error:
                log.warning("the state of a user waits %g s: %s", backoff.delay, brief(error))
                await backoff.wait()
            if self._behind:
                self._work.set()

    def stop(self) -> None:
        """Let `run` return after the copy in hand."""
        self._stopping.set()
        self._work.set()

    async def close(self) -> None:
        """Close the connections; at most one second."""
        await close_within(1, "the Redis client", self._redis.aclose())

    def touch(self, user: str) -> None:
        """Note that the user has a new row: until it is copied, `read` asks Postgres."""
        self._behind[user] = self._behind.get(user, 0) + 1
        self._work.set()

    async def read(self, user: str) -> Metrics:
        """The user's newest values, from Redis or else from Postgres; storage.ERRORS when neither answers."""
        if user not in self._behind:
            try:
                found = await asyncio.wait_for(self._redis.get(_key(user)), 1)
                if found:
                    cached: Metrics = json.loads(found)
                    return cached
            except REDIS_ERRORS as error:
                log.warning("state read from Postgres, Redis does not answer: %s", brief(error))
        metrics = await self._store.latest(user)
        await self._offer(user, metrics)
        return metrics

    async def ping(self) -> None:
        """A PING that was authenticated."""
        await self._redis.ping()

    async def _offer(self, user: str, metrics: Metrics) -> None:
        with suppress(*REDIS_ERRORS):  # reported when it was read
            # Only where there is nothing: the consumer may have written something newer meanwhile.
            await asyncio.wait_for(self._redis.set(_key(user), json.dumps(metrics), ex=self._lifetime, nx=True), 1)

    async def _copy(self, user: str) -> None:
        metrics = await self._store.latest(user)
        assessment = rules.assess(metrics)
        if assessment.arc != rules.UNKNOWN:
            await self._store.switch_mode(user, assessment.arc, assessment.reason)
        await asyncio.wait_for(self._redis.set(_key(user), json.dumps(metrics), ex=self._lifetime), 2)


def _key(user: str) -> str:
    return f"neuros:state:{user}"
