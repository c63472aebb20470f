"""The stores as their clients see them: over TCP, with the password the client holds."""

from __future__ import annotations

import pytest
from target import Target, wait_until

LOGIN = """
import asyncio, os, sys, asyncpg
async def main():
    connection = await asyncpg.connect(os.environ["POSTGRES_URL"], timeout=10, **eval(sys.argv[1]))
    print(await connection.fetchval("SELECT current_user || ' over ' || coalesce(host(inet_server_addr()), 'socket')"))
try:
    asyncio.run(main())
except asyncpg.PostgresError as error:
    print(type(error).__name__)
"""
PING = """
import asyncio, os, redis.asyncio
async def main():
    client = redis.asyncio.from_url(os.environ["REDIS_URL"])
    print(await client.ping())
asyncio.run(main())
"""


@pytest.mark.parametrize("client", ["neuros-advanced", "biometric-production"])
class TestFromTheClient:
    """The probe runs in the client's container, with the client's own environment."""

    def test_postgres_takes_the_password_that_the_client_holds(self, target: Target, client: str) -> None:
        said = target.docker("exec", client, "python", "-c", LOGIN, "{}")
        assert said.startswith("auren over ")
        assert not said.endswith(("127.0.0.1", "socket"))

    def test_postgres_refuses_another_password(self, target: Target, client: str) -> None:
        said = target.docker("exec", client, "python", "-c", LOGIN, "{'password': 'wrong'}")
        assert said == "InvalidPasswordError"

    def test_redis_takes_the_password_that_the_client_holds(self, target: Target, client: str) -> None:
        assert target.docker("exec", client, "python", "-c", PING) == "True"


def test_redis_asks_for_a_password(target: Target) -> None:
    said = target.docker("exec", "auren-redis", "sh", "-c", "REDISCLI_AUTH= redis-cli ping")
    assert "NOAUTH" in said


def test_biometric_events_is_a_hypertable(target: Target) -> None:
    found = target.rows("SELECT hypertable_name FROM timescaledb_information.hypertables")
    assert "biometric_events" in found


def kafka_on_the_host(target: Target, *arguments: str) -> str:
    """Run Kafka's own topic tool in the host's network, so that it follows what the host listener advertises."""
    image = target.containers()["auren-kafka"]["Config"]["Image"]
    tool = ["--entrypoint", "/opt/kafka/bin/kafka-topics.sh", image, "--bootstrap-server", "127.0.0.1:9092"]
    return target.docker("run", "--rm", "--network", "host", "--label", "auren.stack.test=client", *tool, *arguments)


def test_kafka_can_be_used_from_the_host(target: Target) -> None:
    topics = set(kafka_on_the_host(target, "--list").split())
    assert {"biometric-events", "biometric-events.dlq", "terra-biometric-events", "user-interactions"} <= topics


def test_the_bridges_own_verdict_is_healthy(target: Target) -> None:
    def verdict() -> bool:
        answer = target.http("http://127.0.0.1:8888/health")
        return bool(answer.status == 200 and answer.json["healthy"])

    assert wait_until(verdict, 15)


def test_neuros_says_who_it_is(target: Target) -> None:
    answer = target.http("http://127.0.0.1:8000/health")
    assert (answer.status, answer.json["status"]) == (200, "healthy")
    assert answer.json["service"].startswith("neuros")
