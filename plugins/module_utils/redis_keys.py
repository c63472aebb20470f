# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Redis that hands its keys over: on the disk in each of the two ways in which a server may read them at its start.

With ``appendonly yes`` Redis 7 reads the append-only file alone, and starts empty beside a full dump.rdb; without, the dump alone (Redis
documentation, "Redis persistence"). Asked through redis-cli in the container; the password goes by its environment.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from ansible_collections.auren.stack.plugins.module_utils import container_io
from ansible_collections.auren.stack.plugins.module_utils.backup_redis import state
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

PATIENCE = 300.0  # seconds that writing all keys may take
LOADING = 5.0  # seconds without a key after which there is none
POLL = 0.25


def _ask(engine: Engine, container: str, password: str, *words: str) -> str:
    status, said = container_io.execute(
        engine, container, ["redis-cli", "--no-raw", *words], {"REDISCLI_AUTH": password} if password else {}
    )
    if status or said.startswith("(error)"):
        raise StackError(f"redis-cli {words[0]} in {container[:12]} says {said.strip()[:200]!r}", "redis", container, said)
    return said.strip()


def _info(engine: Engine, container: str, password: str) -> dict[str, str]:
    status, said = container_io.execute(engine, container, ["redis-cli", "INFO"], {"REDISCLI_AUTH": password} if password else {})
    if status:
        raise StackError(f"redis-cli INFO in {container[:12]} says {said.strip()[:200]!r}", "redis", container, said)
    return {key: value for key, colon, value in (line.strip().partition(":") for line in said.splitlines()) if colon}


def redis_keys(engine: Engine, container: str, values: Mapping[str, str]) -> int:
    """How many keys a server of the project has that has just become healthy, which may still read them. values: of secrets."""
    deadline = time.monotonic() + LOADING
    while True:
        found = 0
        with contextlib.suppress(StackError):
            info = _info(engine, container, values.get("redis_password", ""))
            found = state(info).keys
            deadline = time.monotonic() + LOADING if info.get("loading") == "1" else deadline
        if found or time.monotonic() > deadline:
            return found
        time.sleep(POLL)


def save_redis(engine: Engine, container: str, password: str) -> int:
    """Both files are there and hold everything; the number of keys. Raises StackError when it cannot be done: nothing was stopped."""
    info = _info(engine, container, password)
    if info.get("aof_enabled") == "0":
        _ask(engine, container, password, "CONFIG", "SET", "appendonly", "yes")
    deadline = time.monotonic() + PATIENCE
    while _busy(info := _info(engine, container, password)):
        if time.monotonic() > deadline:
            raise StackError(f"the Redis in {container[:12]} still writes its append-only file after {PATIENCE:.0f} s", "redis", container)
        time.sleep(POLL)
    if info.get("aof_last_bgrewrite_status") != "ok":
        raise StackError(f"the Redis in {container[:12]} could not write its append-only file; look at its log", "redis", container)
    _ask(engine, container, password, "SAVE")
    return state(info).keys


def _busy(info: Mapping[str, str]) -> bool:
    names = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress", "loading")
    return info.get("aof_enabled") == "0" or any(info.get(name) == "1" for name in names)
