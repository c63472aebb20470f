"""The bridge's producer is made again when it breaks."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from aiokafka.errors import KafkaConnectionError
from biometric_bridge.publisher import Publisher


class Producer:
    """Knows only an address that is gone. made: all of them."""

    made: ClassVar[list[Producer]] = []

    def __init__(self, **_options: Any) -> None:
        self.client, self.stopped = self, False
        self.made.append(self)

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        self.stopped = True

    async def fetch_all_metadata(self) -> Any:
        raise KafkaConnectionError("localhost:9092 refuses the connection")


def test_one_that_reaches_no_broker_any_more_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka may have told it a wrong address, which it goes on with for good."""
    monkeypatch.setattr("biometric_bridge.publisher.AIOKafkaProducer", Producer)
    monkeypatch.setattr(Producer, "made", [])

    async def story() -> None:
        publisher = Publisher(["kafka:9092"], "events", 1.0)
        running = asyncio.create_task(publisher.run())
        for count in (1, 2):
            while len(Producer.made) < count or publisher._producer is None:
                await asyncio.sleep(0)
            with pytest.raises(KafkaConnectionError):
                await publisher.ping()
            while publisher._producer is Producer.made[count - 1]:
                await asyncio.sleep(0)
        publisher.stop()
        await running

    asyncio.run(asyncio.wait_for(story(), 10))
    assert len(Producer.made) >= 2
    assert all(one.stopped for one in Producer.made)
