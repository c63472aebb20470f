"""Publish to Kafka and know that it arrived."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from auren_common.logs import brief
from auren_common.waiting import Backoff, close_within

log = logging.getLogger(__name__)


class PublishError(Exception):
    """Kafka did not acknowledge in time: the sender must be told to try again."""


@dataclass(frozen=True)
class Message:
    """What goes to Kafka; the key keeps one user's events in order."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """A producer with `acks=all` that is made again when it breaks, for as long as `run` runs."""

    def __init__(self, servers: list[str], topic: str, deadline: float) -> None:
        self._servers = servers
        self._topic = topic
        self._deadline = deadline
        self._producer: AIOKafkaProducer | None = None
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Keep a producer connected until `stop`; returns when the last one is closed."""
        backoff = Backoff(self._stopping)
        while not self._stopping.is_set():
            producer = self._build()
            try:
                await producer.start()
                log.info("connected to Kafka")
                backoff.reset()
                self._wake.clear()
                self._producer = producer
                if not self._stopping.is_set():
                    await self._wake.wait()
            except (KafkaError, OSError, asyncio.TimeoutError) as error:
                log.warning("no Kafka yet, next try in %g s: %s", backoff.delay, brief(error))
                await backoff.wait()
            finally:
                self._producer = None
                await close_within(3, "the Kafka producer", producer.stop())

    def stop(self) -> None:
        """Let `run` flush, close and return."""
        self._stopping.set()
        self._wake.set()

    async def publish(self, messages: list[Message]) -> None:
        """Return when every in-sync replica has all messages; PublishError after the deadline or on a refusal."""
        producer = self._producer
        if producer is None:
            raise PublishError("not connected to Kafka")
        try:
            await asyncio.wait_for(
                asyncio.gather(*(producer.send_and_wait(m.topic, m.value, m.key.encode(), headers=list(m.headers)) for m in messages)),
                self._deadline,
            )
        except (KafkaTimeoutError, asyncio.TimeoutError):
            raise PublishError("Kafka did not acknowledge in time") from None
        except KafkaError as error:
            if not error.retriable:
                # A sender that died of this fails every later message too; a new producer costs little.
                self._wake.set()
            raise PublishError(brief(error)) from error

    async def ping(self) -> None:
        """Ask a broker for its metadata now; raises when none answers or the topic has no partition."""
        if self._producer is None:
            raise ConnectionError("not connected")
        try:
            cluster = await self._producer.client.fetch_all_metadata()
        except KafkaError:
            # It knows only the addresses that Kafka told it last; a new producer asks at the first one again.
            self._wake.set()
            raise
        if not cluster.available_partitions_for_topic(self._topic):
            raise ConnectionError(f"topic {self._topic} has no leader or does not exist")

    def _build(self) -> AIOKafkaProducer:
        # A batch that a broker never answered dies within the deadline; idempotence stays off, because such
        # a producer may not expire batches, and a repeated event has the same id anyway.
        return AIOKafkaProducer(
            bootstrap_servers=self._servers,
            client_id="biometric-bridge",
            acks="all",
            request_timeout_ms=int(self._deadline * 750),
            retry_backoff_ms=200,
            metadata_max_age_ms=30_000,
        )
