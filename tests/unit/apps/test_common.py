"""What both applications share."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from auren_common.environment import SettingsError, kafka_servers, number, passwords_in, postgres_url, redis_url
from auren_common.health import Health
from auren_common.logs import JsonFormatter
from auren_common.waiting import Backoff, close_within

ROLES = Path(__file__).resolve().parents[3] / "roles"


def test_the_two_copies_are_the_same():
    copies = [
        {path.name: path.read_text() for path in (ROLES / role / "files" / "auren_common").glob("*.py")}
        for role in ("neuros", "biometric_bridge")
    ]
    assert copies[0] == copies[1]
    assert copies[0]


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"POSTGRES_URL": "postgres://u:p%40w@h:5/d"}, "postgresql://u:p%40w@h:5/d"),
        ({"POSTGRES_URL": "postgresql+asyncpg://u@h/d"}, "postgresql://u@h/d"),
        (
            {"POSTGRES_HOST": "h", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "p@w/:?#%", "POSTGRES_DB": "d"},
            "postgresql://u:p%40w%2F%3A%3F%23%25@h:5432/d",
        ),
        ({"POSTGRES_URL": "", "POSTGRES_HOST": "h", "POSTGRES_PORT": "6"}, "postgresql://auren@h:6/auren"),
    ],
)
def test_postgres_url(env, url):
    assert postgres_url(env) == url


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"REDIS_URL": "redis://:a%20b@h:6379/0"}, "redis://:a%20b@h:6379/0"),
        ({"REDIS_URL": " ", "REDIS_HOST": "h", "REDIS_PASSWORD": "a/b"}, "redis://:a%2Fb@h:6379/0"),
        ({"REDIS_HOST": "h"}, "redis://h:6379/0"),
    ],
)
def test_redis_url(env, url):
    assert redis_url(env) == url


def test_kafka_servers_reads_either_name():
    assert kafka_servers({"KAFKA_BROKERS": "a:1, b:2"}) == ["a:1", "b:2"]
    assert kafka_servers({"KAFKA_BROKERS": "a:1", "KAFKA_BOOTSTRAP_SERVERS": "c:3"}) == ["c:3"]


@pytest.mark.parametrize(
    ("read", "env", "said"),
    [
        (postgres_url, {}, "set POSTGRES_URL, or POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"),
        (postgres_url, {"POSTGRES_URL": "mysql://secret@h"}, "POSTGRES_URL must begin with postgresql://"),
        (redis_url, {}, "set REDIS_URL, or REDIS_HOST and REDIS_PASSWORD"),
        (redis_url, {"REDIS_URL": "secret@h"}, "REDIS_URL must begin with redis://"),
        (kafka_servers, {"KAFKA_BROKERS": " , "}, "set KAFKA_BOOTSTRAP_SERVERS (or KAFKA_BROKERS) to host:port"),
        (lambda env: number(env, "N", 1), {"N": "many"}, "N is not a number"),
        (lambda env: number(env, "N", 1), {"N": "0"}, "N must be a positive number"),
    ],
)
def test_a_bad_environment_is_named_and_not_shown(read, env, said):
    with pytest.raises(SettingsError) as refused:
        read(env)
    assert str(refused.value) == said


def test_passwords_are_found_as_written_and_decoded():
    assert passwords_in("redis://:a%20b@h", "postgresql://u@h/d", "") == ["a%20b", "a b"]


def record(message, *args, **extra):
    made = logging.LogRecord("neuros", logging.WARNING, "f.py", 1, message, args, extra.pop("exc_info", None))
    vars(made).update(extra)
    return made


def test_a_log_line_is_one_json_object_without_secrets():
    try:
        raise ValueError("hunter2-and-more at\nredis://:hunter2@h")
    except ValueError:
        failure = sys.exc_info()
    line = JsonFormatter(["hunter2", "hunter2-and-more", "abc"]).format(
        record("login with %s: abc", "hunter2", exc_info=failure, device_type="oura", tried=3)
    )
    assert "\n" not in line
    assert "hunter2" not in line
    told = json.loads(line)
    assert told["level"] == "warning"
    assert told["message"] == "login with ***: abc"  # three letters are too short to be told from a word
    assert (told["device_type"], told["tried"]) == ("oura", 3)
    assert "ValueError: *** at" in told["error"]


def test_health_asks_at_once_within_a_deadline_and_shares_one_round():
    asked = []

    async def good():
        asked.append("good")

    async def bad():
        raise ConnectionRefusedError("nobody there\nsecond line")

    async def slow():
        await asyncio.sleep(30)

    async def scene():
        health = Health({"good": good, "bad": bad, "slow": slow, "slower": slow}, deadline=0.2, ttl=5)
        return await asyncio.gather(health.check(), health.check())

    start = time.monotonic()
    first, second = asyncio.run(scene())
    assert time.monotonic() - start < 1
    assert first is second
    assert asked == ["good"]
    assert not first.healthy
    assert first.components == {"good": "healthy", "bad": "unhealthy", "slow": "unhealthy", "slower": "unhealthy"}
    assert first.errors["bad"] == "ConnectionRefusedError: nobody there"
    assert first.errors["slow"] == "no answer within 0.2 s"


def test_health_is_measured_again_after_its_ttl():
    answers = iter([ConnectionError("away"), None])

    async def probe():
        answer = next(answers)
        if answer:
            raise answer

    async def scene():
        health = Health({"redis": probe}, ttl=0.05)
        before = await health.check()
        await asyncio.sleep(0.1)
        return before.healthy, (await health.check()).healthy

    assert asyncio.run(scene()) == (False, True)


def test_backoff_grows_to_its_cap_and_a_stop_ends_it():
    async def scene():
        stopping = asyncio.Event()
        backoff = Backoff(stopping, first=0.001, cap=0.004)
        delays = []
        for _ in range(5):
            delays.append(backoff.delay)
            await backoff.wait()
        backoff.reset()
        delays.append(backoff.delay)
        stopping.set()
        long = Backoff(stopping, first=60)
        start = time.monotonic()
        await long.wait()
        return delays, time.monotonic() - start

    delays, waited = asyncio.run(scene())
    assert delays == [0.001, 0.002, 0.004, 0.004, 0.004, 0.001]
    assert waited < 1


def test_a_clean_up_that_does_not_let_itself_be_cancelled_is_left() -> None:
    """As a client's that goes on looking for its broker."""

    async def stubborn() -> None:
        for _second in range(100):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    async def closing() -> float:
        begin = time.monotonic()
        await close_within(0.1, "the client", stubborn())
        return time.monotonic() - begin

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(closing()) < 1
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
    finally:
        loop.close()
