"""What NEUROS takes for an event and what for poison."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone

import pytest
from auren_common.environment import SettingsError
from biometric_bridge.devices import read
from biometric_bridge.webhooks import parse
from neuros.consumer import Consumer
from neuros.events import PoisonError, dead_letter_headers, decode
from neuros.settings import from_environment
from neuros.state import State
from neuros.store import Store

GOOD = {
    "event_id": "c0ffee00-0000-5000-8000-000000000001",
    "user_id": "u1",
    "device_type": "oura",
    "metric_type": "readiness_score",
    "value": 85,
    "timestamp": "2026-03-01T07:00:00Z",
}


def test_neuros_reads_what_the_bridge_writes():
    body = {"event_type": "readiness.updated", "user_id": 'ü"ser', "data": {"score": 85}}
    user, readings = read("oura", body)
    (sent,) = parse("oura", user, readings, datetime.now(timezone.utc)).events
    got = decode(sent.encode())
    assert (str(got.event_id), got.user_id, got.metric_type, got.value) == (sent.event_id, 'ü"ser', "readiness_score", 85.0)
    assert got.timestamp.isoformat() == sent.timestamp
    assert json.loads(got.raw_data) == {"score": 85}
    assert json.loads(got.metadata) == {"event_type": "readiness.updated"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (None, "the message is not JSON"),
        (b"\xff\x00", "the message is not JSON"),
        (b"{", "the message is not JSON"),
        (b"[" * 100_000, "the message is not JSON"),
        (b"[1]", "the message is not a JSON object"),
        ({"event_id": "7"}, "event_id is not a UUID"),
        ({"event_id": 7}, "event_id is not a UUID"),
        ({"user_id": ""}, "user_id is not text"),
        ({"device_type": None}, "device_type is not text"),
        ({"metric_type": 3}, "metric_type is not text"),
        ({"value": "85"}, "value is not a finite number"),
        ({"value": float("nan")}, "value is not a finite number"),
        ({"value": 10**400}, "value is not a finite number"),
        ({"value": False}, "value is not a finite number"),
        ({"timestamp": 5}, "timestamp is not ISO 8601"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp is not ISO 8601"),
    ],
)
def test_poison_is_named(message, said):
    raw = json.dumps({**GOOD, **message}).encode() if isinstance(message, dict) else message
    with pytest.raises(PoisonError) as refused:
        decode(raw)
    assert str(refused.value) == said


def test_a_dead_letter_says_why_and_whence():
    headers = dict(dead_letter_headers("value is not a finite number", {"topic": "biometric-events", "partition": 1, "offset": 7}))
    assert headers["reason"] == b"value is not a finite number"
    assert (headers["source"], headers["topic"], headers["partition"], headers["offset"]) == (b"neuros", b"biometric-events", b"1", b"7")


class Record:
    """What a consumer looks at in a Kafka record."""

    def __init__(self, value: bytes) -> None:
        self.value = value


@pytest.mark.parametrize("message", [json.dumps(GOOD).encode(), b'{"readings": {}}', b"\xff"])
def test_where_another_stores_nothing_is_written_and_nothing_buried(environment, message):
    settings = from_environment({**environment, "STORE_EVENTS": "False"})
    store = Store(settings.postgres_url, settings.stores_events)  # never opened: any use of it raises
    state = State(settings.redis_url, store, settings.stores_events)
    asyncio.run(Consumer(settings, store, state)._handle(Record(message)))
    assert list(state._behind) == (["u1"] if b"c0ffee" in message else [])


@pytest.mark.parametrize(("said", "meant"), [("", True), ("true", True), ("false", False)])
def test_it_stores_unless_told_otherwise(environment, said, meant):
    assert from_environment({**environment, "STORE_EVENTS": said}).stores_events is meant


def test_a_word_that_is_neither_yes_nor_no(environment):
    with pytest.raises(SettingsError, match=r"^STORE_EVENTS must be true or false$"):
        from_environment({**environment, "STORE_EVENTS": "perhaps"})
