"""Run in a container of the NEUROS image, which has the clients: data for Redis and Kafka, and the wait until NEUROS has done its part.

Standard input: JSON with the password of each. Ends when every event is stored, every offset committed and every copy in Redis is made, so
nothing changes any more unless somebody does something.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata
from redis.asyncio import Redis

KAFKA = "auren-kafka:9092"
WITHIN = 45  # seconds for what has to happen by itself
TOPICS = {"biometric-events": 3, "biometric-events.dlq": 1, "user-interactions": 2}
USERS = [f"kept-{number}" for number in range(7)]
METRICS = ("hrv", "heart_rate")
EVENTS = 40  # of each user and metric
CODE = "#!lua name=auren\nredis.register_function{function_name='twice', callback=function(k, a) return 2 * a[1] end, flags={'no-writes'}}"


async def fill_redis(redis: Redis, other: Redis) -> None:
    """Every type, in two databases, some with an end that is hours away."""
    async with redis.pipeline(transaction=False) as line:
        for number in range(800):
            line.set(
                f"session:{number}", uuid.uuid5(uuid.NAMESPACE_URL, str(number)).bytes, ex=36_000 + number if number % 4 == 0 else None
            )
        for number in range(40):
            line.hset(f"user:{number}", mapping={f"field {n}": f"wörter {n * number}" for n in range(1 + 6 * number)})
            line.rpush(f"queue:{number}", *(f"job {n}" for n in range(1 + 10 * number)))
            line.sadd(f"tags:{number}", *(f"tag {n * n}" for n in range(1 + 20 * number)))
            line.zadd(f"ranking:{number}", {f"kept-{n}": n / 7 for n in range(1 + 5 * number)})
            line.xadd("readings", {"hrv": str(number)}, id=f"{1_700_000_000_000 + number}-0")
        line.setbit("seen", 70_001, 1)
        line.pfadd("visitors", *range(2000))
        line.expire("user:7", 50_000)
        await line.execute()
    await redis.xgroup_create("readings", "stored", id="0")
    await redis.xreadgroup("stored", "first", {"readings": ">"}, count=25)
    await redis.xack("readings", "stored", *(f"{1_700_000_000_000 + number}-0" for number in range(20)))
    await redis.function_load(CODE, replace=True)
    await other.mset({f"staging:{number}": f"value {number}" for number in range(50)})


def events() -> list[tuple[bytes, bytes]]:
    """Key and value: the readings of some hours, and one that nobody can store."""
    since = datetime.now(timezone.utc) - timedelta(hours=6)
    found = [
        (user.encode(), json.dumps({
            "event_id": str(uuid.uuid4()), "user_id": user, "device_type": "oura", "metric_type": metric, "value": 40 + number,
            "timestamp": (since + timedelta(minutes=number)).isoformat(), "metadata": {"number": number}, "raw_data": None,
        }).encode())
        for user in USERS for metric in METRICS for number in range(EVENTS)
    ]  # fmt: skip
    return [*found, (b"kept-0", b"no JSON at all")]


async def fill_kafka() -> None:
    admin = await began(lambda: AIOKafkaAdminClient(bootstrap_servers=KAFKA))
    made = await admin.create_topics(
        [NewTopic(name, count, 1, topic_configs={"retention.ms": "604800000"}) for name, count in TOPICS.items()]
    )
    if refused := [error for error in made.topic_errors if error[1]]:
        sys.exit(f"not made: {refused}")
    await admin.close()
    producer = await began(lambda: AIOKafkaProducer(bootstrap_servers=KAFKA, acks="all"))
    sent = [await producer.send("biometric-events", value, key) for key, value in events()]
    for number in range(1500):
        headers = [("number", str(number).encode())]
        sent.append(await producer.send("user-interactions", b"\x00\xff%d" % number, b"%d" % (number % 50), headers=headers))
    await asyncio.gather(*sent)
    await producer.stop()


async def commit() -> None:
    """The operators' group has read a part of each partition."""
    consumer = await began(lambda: AIOKafkaConsumer(bootstrap_servers=KAFKA, group_id="analytics", enable_auto_commit=False))
    found = [TopicPartition("user-interactions", number) for number in range(TOPICS["user-interactions"])]
    consumer.assign(found)
    ends = await consumer.end_offsets(found)
    await consumer.commit({one: OffsetAndMetadata(end // 2 + one.partition, "by hand") for one, end in ends.items()})
    await consumer.stop()


async def began(make: Any) -> Any:
    """A client that has started; Kafka may take its time."""
    deadline = time.monotonic() + WITHIN
    while True:
        client = make()
        try:
            await client.start()
            return client
        except Exception:
            await (client.close if hasattr(client, "close") else client.stop)()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)


EVENTS_OF = [TopicPartition("biometric-events", number) for number in range(TOPICS["biometric-events"])]
DEAD = TopicPartition("biometric-events.dlq", 0)


async def waiting(redis: Redis, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> str:
    """What NEUROS has not done yet; empty when it has nothing to do."""
    ends = await consumer.end_offsets([*EVENTS_OF, DEAD])
    committed = await admin.list_consumer_group_offsets("neuros")
    behind = [one for one in EVENTS_OF if ends[one] and (one not in committed or committed[one].offset < ends[one])]
    if behind or ends[DEAD] != 1:
        return f"not committed: {behind}, dead letters: {ends[DEAD]}"
    for user in USERS:
        copy = json.loads(await redis.get(f"neuros:state:{user}") or "{}")
        if any(copy.get(metric, {}).get("samples") != EVENTS for metric in METRICS):
            return f"the copy of {user} is {copy}"
    return ""


async def settle(redis: Redis) -> None:
    admin = await began(lambda: AIOKafkaAdminClient(bootstrap_servers=KAFKA))
    consumer = await began(lambda: AIOKafkaConsumer(bootstrap_servers=KAFKA, enable_auto_commit=False))
    consumer.assign([*EVENTS_OF, DEAD])  # else it forgets where partitions are
    deadline = time.monotonic() + WITHIN
    while problem := await waiting(redis, admin, consumer):
        if time.monotonic() > deadline:
            sys.exit(f"NEUROS after {WITHIN} s: {problem}")
        await asyncio.sleep(0.3)
    await consumer.stop()
    await admin.close()


async def main() -> None:
    passwords = json.load(sys.stdin)
    redis, other = (Redis(host="auren-redis", password=passwords["redis"], db=number) for number in (0, 3))
    await fill_redis(redis, other)
    await fill_kafka()
    await commit()
    await settle(redis)
    await redis.aclose()
    await other.aclose()


asyncio.run(main())
