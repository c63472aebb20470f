"""Run in a container of the NEUROS image, which has the clients: all data of the stack as one JSON object, to be compared.

Standard input: JSON {postgres, redis, grafana: passwords, from, to: seconds since 1970}. Texts are what has to stay, numbers what may
grow. It reads with each server's own protocol and writes nothing: no group commits, no key is changed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import urllib.parse
import urllib.request
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

OWN_CACHES = (b"neuros:state:", b"bridge:seen:")  # the applications make them again, and they end by themselves
SETTINGS = {"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "iso_8601", "bytea_output": "hex", "extra_float_digits": "1"}
TABLES = """
SELECT n.nspname || '.' || c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE '%timescaledb%'
"""
DEFINITIONS = """
SELECT 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE '%timescaledb%'
UNION ALL SELECT 'view ' || schemaname || '.' || viewname, definition FROM pg_views
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname NOT LIKE '%timescaledb%'
UNION ALL SELECT 'rights on ' || c.oid::regclass, c.relacl::text FROM pg_class c WHERE c.relacl IS NOT NULL AND c.oid >= 16384
  AND c.relnamespace::regnamespace::text NOT LIKE '%timescaledb%'
UNION ALL SELECT 'large object ' || oid, md5(lo_get(oid)) FROM pg_largeobject_metadata
UNION ALL SELECT 'extension ' || extname, extversion FROM pg_extension
"""
ROLES = """
SELECT rolname, rolsuper || ' ' || rolcanlogin || ' ' || coalesce(md5(rolpassword), 'no password')
FROM pg_authid WHERE oid >= 16384 OR oid = 10
"""
SET = """
SELECT coalesce(d.datname, '') || ' ' || coalesce(setrole::regrole::text, ''), setconfig::text
FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
"""
WITHIN = 60  # seconds for everything


def digest(value: Any) -> str:
    return hashlib.sha256(value if isinstance(value, bytes) else repr(value).encode()).hexdigest()[:20]


# --- Postgres -----------------------------------------------------------------------------------------------------------


async def postgres(password: str) -> dict[str, Any]:
    """Database → table → md5 of a row → how often; and what else a cluster holds."""

    async def to(database: str) -> Any:
        return await asyncpg.connect(
            host="auren-postgres", user="auren_user", password=password, database=database, timeout=5, server_settings=SETTINGS
        )

    connection = await to("auren_production")
    names = [row[0] for row in await connection.fetch("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")]
    found: dict[str, Any] = {"roles": dict(await connection.fetch(ROLES)), "settings": dict(await connection.fetch(SET)), "databases": {}}
    await connection.close()
    for name in names:
        connection = await to(name)
        found["databases"][name] = await database(connection)
        await connection.close()
    return found


async def database(connection: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": {}, "sequences": {}, "definitions": dict(await connection.fetch(DEFINITIONS))}
    for name, quoted, kind in await connection.fetch(TABLES):
        if kind == "S":
            found["sequences"][name] = await connection.fetchval(f"SELECT last_value FROM {quoted}")
        else:
            found["rows"][name] = dict(await connection.fetch(f"SELECT md5(t::text), count(*) FROM {quoted} AS t GROUP BY 1"))
    return found


# --- Redis --------------------------------------------------------------------------------------------------------------


async def redis(password: str) -> dict[str, Any]:
    """Database → key → type, digest of the value, and the moment at which it ends (milliseconds since 1970, -1 for never)."""
    client = Redis(host="auren-redis", password=password)
    found: dict[str, Any] = {"functions": {}}
    for library in await client.function_list(withcode=True):
        named = dict(zip(library[::2], library[1::2])) if isinstance(library, list) else library
        found["functions"][text(named[b"library_name"])] = digest(named[b"library_code"])
    for name in await client.info("keyspace"):
        other = Redis(host="auren-redis", password=password, db=int(name.removeprefix("db")))
        keys = sorted([key async for key in other.scan_iter(count=1000) if not key.startswith(OWN_CACHES)])
        found[name] = {text(key): await entry(other, key) for key in keys}
        await other.aclose()
    await client.aclose()
    return found


async def entry(client: Redis, key: bytes) -> str:
    kind = text(await client.type(key))
    return f"{kind} {digest(await value(client, key, kind))} {await client.execute_command('PEXPIRETIME', key)}"


async def value(client: Redis, key: bytes, kind: str) -> Any:
    """In an order of its own: what a server gives depends on how it holds it."""
    if kind == "stream":
        return await client.xrange(key), await groups(client, key)
    if kind == "zset":
        return await client.zrange(key, 0, -1, withscores=True)
    if kind == "list":
        return await client.lrange(key, 0, -1)
    if kind == "set":
        return sorted(await client.smembers(key))
    return sorted((await client.hgetall(key)).items()) if kind == "hash" else await client.get(key)


async def groups(client: Redis, key: bytes) -> list[Any]:
    found = []
    for group in await client.xinfo_groups(key):
        pending = await client.xpending_range(key, group["name"], "-", "+", 10_000)
        found.append((group["name"], group["last-delivered-id"], [(one["message_id"], one["consumer"]) for one in pending]))
    return found


def text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


# --- Kafka --------------------------------------------------------------------------------------------------------------


async def kafka() -> dict[str, Any]:
    """Topics with settings, end offsets and every record; groups with what they have committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers="auren-kafka:9092")
    consumer = AIOKafkaConsumer(bootstrap_servers="auren-kafka:9092", enable_auto_commit=False, auto_offset_reset="earliest")
    await admin.start()
    await consumer.start()
    try:
        topics = sorted(name for name in await admin.list_topics() if not name.startswith("__"))
        numbers = {one["topic"]: sorted(p["partition"] for p in one["partitions"]) for one in await admin.describe_topics(topics)}
        described = await admin.describe_cluster()
        return {
            "cluster": described["cluster_id"],
            "settings": await settings(admin, topics),
            "topics": {name: await partitions(consumer, name, numbers[name]) for name in topics},
            "groups": {group: await committed(admin, group) for group, *_rest in await admin.list_consumer_groups()},
        }
    finally:
        await consumer.stop()
        await admin.close()


async def settings(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, Any]:
    """Topic → what was set for it alone (the source 1 is DYNAMIC_TOPIC_CONFIG)."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])
    found = {}
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            found[name] = {entry[0]: entry[1] for entry in entries if entry[3] == 1}
    return found


async def partitions(consumer: AIOKafkaConsumer, topic: str, numbers: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number in numbers:
        one = TopicPartition(topic, number)
        consumer.assign([one])
        await consumer.seek_to_beginning(one)
        end, records = (await consumer.end_offsets([one]))[one], {}
        while await consumer.position(one) < end:
            for record in (await consumer.getmany(one, timeout_ms=1000)).get(one, []):
                said = (record.key, record.value, list(record.headers), record.timestamp, record.timestamp_type)
                records[str(record.offset)] = digest(said)
        found[str(number)] = {"end": end, "records": records}
    return found


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[str, Any]:
    offsets = await admin.list_consumer_group_offsets(group)
    return {f"{one.topic} {one.partition}": {"offset": at.offset, "metadata": at.metadata or ""} for one, at in offsets.items()}


# --- Prometheus and Grafana -----------------------------------------------------------------------------------------------


def prometheus(begin: int, end: int) -> dict[str, Any]:
    """Series → digest of every sample, as it was stored: of the live ones between two moments, of the imported ones all."""
    selections = {'{job=~".+"}': end - begin, "auren_history": 24 * 3600}
    found = {}
    for selector, seconds in selections.items():
        question = urllib.parse.urlencode({"query": f"{selector}[{seconds}s] @ {end}"})
        with urllib.request.urlopen(f"http://auren-prometheus:9090/api/v1/query?{question}", timeout=20) as answer:
            series = json.load(answer)["data"]["result"]
        for one in series:
            found[json.dumps(one["metric"], sort_keys=True)] = f"{len(one['values'])} samples {digest(one['values'])}"
    return found


def grafana(password: str) -> str:
    """Whether the administrator's password is the one that it was."""
    request = urllib.request.Request("http://auren-grafana:3000/api/search")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return f"HTTP {answer.status}"


async def main() -> None:
    given = json.load(sys.stdin)
    found = {
        "postgres": await postgres(given["postgres"]),
        "redis": await redis(given["redis"]),
        "kafka": await kafka(),
        "prometheus": prometheus(given["from"], given["to"]),
        "grafana": {"login": grafana(given["grafana"])},
    }
    json.dump(found, sys.stdout)


asyncio.run(asyncio.wait_for(main(), WITHIN))
