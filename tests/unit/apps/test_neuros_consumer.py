"""The loop of the consumer without a broker: what it does when nothing comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from neuros import consumer as consuming
from neuros.consumer import Consumer
from neuros.settings import Settings, from_environment


class Silent:
    """A Kafka client to which no record comes. reachable: whether a broker that it knows answers."""

    def __init__(self, reachable: bool) -> None:
        self.reachable, self.asked = reachable, 0

    async def getmany(self, **_options: Any) -> dict[Any, Any]:
        return {}

    async def topics(self) -> set[str]:
        self.asked += 1
        if not self.reachable:
            raise KafkaError("no known broker answers")
        return {"biometric-events"}


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setattr(consuming, "_QUIET", -1.0)
    settings: Settings = from_environment({"POSTGRES_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h", "KAFKA_BROKERS": "h:1"})
    return Consumer(settings, None, None)  # type: ignore[arg-type]


def test_in_the_quiet_a_broker_is_asked(loop: Consumer) -> None:
    client = Silent(reachable=True)
    asyncio.run(loop._turn(client))  # type: ignore[arg-type]
    assert client.asked == 1


def test_brokers_that_are_known_under_an_address_that_leads_nowhere_end_the_session(loop: Consumer) -> None:
    with pytest.raises(KafkaError):
        asyncio.run(loop._turn(Silent(reachable=False)))  # type: ignore[arg-type]
