# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Redis that hands its keys over: on the disk in each of the two ways in which a server may read them at its start.

With ``appendonly yes`` Redis 7 reads the append-only file alone, and starts empty beside a full dump.rdb; without, the dump alone (Redis
documentation, "Redis persistence").
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from ansible_collections.auren.stack.plugins.module_utils.backup_redis import state
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.redis_client import reach

PATIENCE = 300.0  # seconds that writing all keys may take
LOADING = 5.0  # seconds without a key after which there is none
POLL = 0.25


def redis_keys(engine: Engine, container: str, values: Mapping[str, str]) -> int:
    """How many keys a server of the project has that has just become healthy, which may still read them. values: of secrets.

    Raises StackError when it cannot be asked.
    """
    deadline = time.monotonic() + LOADING
    while True:
        late = time.monotonic() > deadline
        try:
            info = reach(engine, container, values.get("redis_password", "")).info()
            if late or state(info).keys:
                return state(info).keys
            deadline = time.monotonic() + LOADING if info.get("loading") == "1" else deadline
        except StackError:
            if late:
                raise
        time.sleep(POLL)


def save_redis(engine: Engine, container: str, password: str) -> int:
    """Both files are there and hold everything; the number of keys. password: as for ``reach``.

    Raises StackError when it cannot be done: nothing was stopped.
    """
    redis = reach(engine, container, password)
    if redis.info().get("aof_enabled") == "0":
        redis.ask("CONFIG", "SET", "appendonly", "yes")
    deadline = time.monotonic() + PATIENCE
    while _busy(info := redis.info()):
        if time.monotonic() > deadline:
            raise StackError(f"the Redis in {redis.name} still writes its append-only file after {PATIENCE:.0f} s", "redis", redis.name)
        time.sleep(POLL)
    if info.get("aof_last_bgrewrite_status") != "ok":
        raise StackError(f"the Redis in {redis.name} could not write its append-only file; look at its log", "redis", redis.name)
    redis.ask("SAVE")
    return state(info).keys


def save_or_end(engine: Engine, container: str, password: str) -> None:
    """Before one is stopped whose files are another's again: saved if it has keys, removed at once if it has none or cannot be asked.

    One that reads other files than those that it was left has none, and would write that over them: as it is told to, and at its stop.
    """
    try:
        empty = not state(reach(engine, container, password).info()).keys
    except StackError:
        empty = True
    if empty:
        engine.discard(container)
    else:
        with contextlib.suppress(StackError):
            save_redis(engine, container, password)


def _busy(info: Mapping[str, str]) -> bool:
    names = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress", "loading")
    return info.get("aof_enabled") == "0" or any(info.get(name) == "1" for name in names)
