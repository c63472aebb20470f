"""From Kafka to a row: at least once from Kafka, once in Postgres."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from auren_common.logs import brief
from auren_common.waiting import Backoff, close_within

from neuros import store as storage
from neuros.events import PoisonError, dead_letter_headers, decode
from neuros.metrics import DEAD_LETTERED, REPEATED, STORE_RETRIES, STORED
from neuros.settings import Settings
from neuros.state import State

log = logging.getLogger(__name__)

TRANSIENT = (*storage.ERRORS, KafkaError)
# Kafka takes 1 MiB by default; the headers of a dead letter must fit in as well.
_LARGEST = 1_000_000
_QUIET = 15.0  # seconds without a record after which a broker is asked for a sign of life
_SILENT = 20.0  # seconds without a poll after which the loop counts as stuck: four times the longest wait


class Consumer:
    """Commits an offset only after the row is stored or the message is in the dead-letter topic."""

    def __init__(self, settings: Settings, store: storage.Store, state: State) -> None:
        self._settings = settings
        self._store = store
        self._state = state
        self._stopping = asyncio.Event()
        self._backoff = Backoff(self._stopping)
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._polled = self._heard = 0.0

    async def run(self) -> None:
        """Consume until `stop`, joining the group again after whatever went wrong."""
        while not self._stopping.is_set():
            try:
                await self._session()
            except Exception as error:
                log.warning("consumer starts again in %g s: %s", self._backoff.delay, brief(error))
                await self._backoff.wait()

    def stop(self) -> None:
        """Let `run` finish the message in hand, commit, leave the group and return."""
        self._stopping.set()

    async def ping(self) -> None:
        """Ask a broker now; raises when none answers, no partition is ours, or the loop has stopped turning."""
        consumer = self._consumer
        if consumer is None:
            raise ConnectionError("not connected")
        if self._settings.topic not in await consumer.topics():
            raise ConnectionError(f"topic {self._settings.topic} does not exist")
        if not consumer.assignment():
            raise ConnectionError("no partition assigned")
        if time.monotonic() - self._polled > _SILENT:
            raise ConnectionError(f"no poll for {time.monotonic() - self._polled:.0f} s")

    async def _session(self) -> None:
        consumer, producer = self._build()
        try:
            await producer.start()
            await consumer.start()
            log.info("consuming %s as group %s", self._settings.topic, self._settings.kafka_group)
            self._consumer, self._producer, self._polled = consumer, producer, time.monotonic()
            self._heard = self._polled
            while not self._stopping.is_set():
                await self._turn(consumer)
        finally:
            self._consumer = self._producer = None
            await close_within(3, "the Kafka consumer", consumer.stop())
            await close_within(2, "the dead-letter producer", producer.stop())

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=500, max_records=200)
        self._polled = time.monotonic()
        if batches:
            self._heard = self._polled
        elif self._polled - self._heard > _QUIET:
            # The client asks only the brokers that it was told of: had Kafka once given an address that leads nowhere, it would never ask
            # elsewhere. This raises then, and a new session begins at the configured address.
            await consumer.topics()
            self._heard = self._polled
        for partition, records in batches.items():
            await self._partition(consumer, partition, records)

    async def _partition(self, consumer: AIOKafkaConsumer, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        """Handle records in order; on a passing failure go back to the first unhandled one and wait."""
        done = records[0].offset
        failure: BaseException | None = None
        for record in records:
            if self._stopping.is_set():
                break
            try:
                await self._handle(record)
            except TRANSIENT as error:
                failure = error
                break
            done = record.offset + 1
            self._backoff.reset()
        if done > records[0].offset:
            await consumer.commit({partition: done})
        if failure is not None:
            STORE_RETRIES.inc()
            log.warning("event kept in Kafka, next try in %g s: %s", self._backoff.delay, brief(failure))
            consumer.seek(partition, done)
            await self._backoff.wait()

    async def _handle(self, record: ConsumerRecord) -> None:
        if not self._settings.stores_events:
            self._notice(record)
            return
        try:
            event = decode(record.value)
            new = await self._store.add(event)
        except PoisonError as poison:
            await self._bury(record, str(poison))
            return
        (STORED if new else REPEATED).inc()
        self._state.touch(event.user_id)

    def _notice(self, record: ConsumerRecord) -> None:
        """The row is another's work: only note whose numbers are new. What cannot be read here is stored all the same."""
        with suppress(PoisonError):
            self._state.touch(decode(record.value).user_id)

    async def _bury(self, record: ConsumerRecord, reason: str) -> None:
        if self._producer is None:
            raise ConnectionError("no producer for dead letters")
        origin = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        await self._producer.send_and_wait(
            self._settings.dead_letter_topic, (record.value or b"")[:_LARGEST], record.key, headers=dead_letter_headers(reason, origin)
        )
        DEAD_LETTERED.inc()
        log.warning("message moved to the dead-letter topic: %s", reason, extra=origin)

    def _build(self) -> tuple[AIOKafkaConsumer, AIOKafkaProducer]:
        common = {
            "bootstrap_servers": self._settings.kafka_servers,
            "client_id": "neuros",
            "retry_backoff_ms": 200,
            "request_timeout_ms": 10_000,
        }
        consumer = AIOKafkaConsumer(
            self._settings.topic,
            group_id=self._settings.kafka_group,
            enable_auto_commit=False,
            # A new group begins with what was there before it; and a topic made late is found within seconds.
            auto_offset_reset="earliest",
            metadata_max_age_ms=5_000,
            session_timeout_ms=10_000,
            **common,
        )
        return consumer, AIOKafkaProducer(acks="all", **common)
