"""What NEUROS takes for an event and what for poison."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from biometric_bridge.devices import read
from biometric_bridge.webhooks import parse
from neuros.events import PoisonError, dead_letter_headers, decode

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
