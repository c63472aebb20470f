"""From a device's body to events: parsing, validation, identity."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from biometric_bridge.devices import DEVICES, MalformedError, apple_metric, read
from biometric_bridge.events import Reading, make_event
from biometric_bridge.webhooks import parse

SEEN = datetime(2026, 3, 1, 8, 0, tzinfo=timezone.utc)
OURA = {"event_type": "readiness.updated", "user_id": "u1", "data": {"score": 85, "hrv_balance": 70, "contributors": {}}}
WHOOP = {"event_type": "recovery.updated", "user_id": 10129, "data": {"recovery_score": 33, "hrv_rmssd_milli": 41.5}}
APPLE = {
    "user_id": "u1",
    "samples": [
        {"type": "HKQuantityTypeIdentifierHeartRate", "value": 61, "unit": "count/min", "startDate": "2026-03-01T07:00:00+01:00"},
        {"type": "HKQuantityTypeIdentifierStepCount", "value": 1200},
    ],
}


def events_of(device, body, seen=SEEN):
    user, readings = read(device, body)
    return parse(device, user, readings, seen)


@pytest.mark.parametrize(
    ("device", "body", "user", "metrics"),
    [
        ("oura", OURA, "u1", {"readiness_score": 85.0, "hrv_balance": 70.0}),
        ("whoop", WHOOP, "10129", {"recovery_score": 33.0, "hrv_rmssd_milli": 41.5}),
        ("apple_health", APPLE, "u1", {"heart_rate": 61.0, "step_count": 1200.0}),
        ("oura", {"event_type": "sleep.updated", "user_id": "u1"}, "u1", {}),
        ("whoop", {"event_type": "workout.updated", "user_id": 1, "data": {"recovery_score": 3}}, "1", {}),
        ("apple_health", {"event_type": "export.finished", "user_id": "u1"}, "u1", {}),
        ("garmin", {"dailies": [{"userId": "x"}]}, "", {}),
        ("fitbit", [{"collectionType": "activities", "ownerId": "x"}], "", {}),
    ],
)
def test_devices(device, body, user, metrics):
    parsed = events_of(device, body)
    assert parsed.user_id == user
    assert {event.metric_type: event.value for event in parsed.events} == metrics
    assert not parsed.dead_letters


def test_an_event_carries_what_the_consumer_needs():
    event = json.loads(events_of("apple_health", APPLE).events[0].encode())
    event.pop("event_id")
    assert event == {
        "user_id": "u1",
        "device_type": "apple_health",
        "metric_type": "heart_rate",
        "value": 61.0,
        "timestamp": "2026-03-01T06:00:00+00:00",
        "metadata": {"type": "HKQuantityTypeIdentifierHeartRate", "unit": "count/min"},
        "raw_data": APPLE["samples"][0],
    }


@pytest.mark.parametrize(
    ("device", "body", "said"),
    [
        ("oura", [], "the body must be a JSON object"),
        ("garmin", "text", "the body must be a JSON object"),
        ("oura", {"event_type": "readiness.updated", "data": {}}, "user_id must be text of 1 to 128 characters"),
        ("oura", {**OURA, "user_id": "  "}, "user_id must be text of 1 to 128 characters"),
        ("oura", {**OURA, "user_id": True}, "user_id must be text of 1 to 128 characters"),
        ("oura", {**OURA, "user_id": "a\x00b"}, "user_id must be text of 1 to 128 characters"),
        ("oura", {**OURA, "user_id": "a\ud800"}, "user_id must be text of 1 to 128 characters"),
        ("oura", {**OURA, "user_id": "a" * 129}, "user_id must be text of 1 to 128 characters"),
        ("oura", {"user_id": "u1", "data": {}}, "event_type must be text"),
        ("whoop", {**WHOOP, "data": None}, "data must be an object"),
        ("apple_health", {"user_id": "u1"}, "samples must be a list"),
        ("apple_health", {"user_id": "u1", "samples": [{"value": 1}]}, "samples[0].type must be text"),
        ("apple_health", {"user_id": "u1", "samples": [{"type": "a b", "value": 1}]}, "samples[0].type is not a HealthKit type identifier"),
        ("apple_health", {"user_id": "u1", "samples": [{}] * 1001}, "samples holds more than 1000 entries"),
    ],
)
def test_a_malformed_body_names_the_field(device, body, said):
    with pytest.raises(MalformedError) as refused:
        read(device, body)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("value", "timestamp", "reason"),
    [
        ("85", None, "value is not a number but str"),
        (None, None, "value is not a number but NoneType"),
        (True, None, "value is not a number but bool"),
        (10**400, None, "value is too large"),
        (85, "yesterday", "timestamp is not ISO 8601"),
        (85, 1772352000, "timestamp is not ISO 8601 text"),
        (85, "0001-01-01T00:00:00+14:00", "timestamp is not ISO 8601"),
        (85, "2026-03-03T08:00:00Z", "timestamp lies more than a day in the future"),
    ],
)
def test_an_unusable_reading_is_a_dead_letter_and_the_others_go_on(value, timestamp, reason):
    bad = {"type": "HKQuantityTypeIdentifierHeartRate", "value": value, "startDate": timestamp}
    parsed = events_of("apple_health", {"user_id": "u1", "samples": [bad, APPLE["samples"][1]]})
    assert [event.metric_type for event in parsed.events] == ["step_count"]
    (letter,) = parsed.dead_letters
    headers = dict(letter.headers)
    assert headers["reason"].decode() == reason
    assert headers["source"] == b"biometric-bridge"
    assert json.loads(letter.value)["raw_data"] == bad


def test_a_retry_is_the_same_event_and_anything_else_another_one():
    reading = Reading("readiness_score", 85, "2026-03-01T07:00:00Z", "abc")
    first = make_event("oura", "u1", reading, SEEN)
    again = make_event("oura", "u1", Reading("readiness_score", 85.0, "2026-03-01T08:00:00+01:00", "abc"), SEEN + timedelta(hours=3))
    assert (first.event_id, first.timestamp) == (again.event_id, again.timestamp)
    others = [
        make_event("whoop", "u1", reading, SEEN),
        make_event("oura", "u2", reading, SEEN),
        make_event("oura", "u1", Reading("hrv_balance", 85, "2026-03-01T07:00:00Z", "abc"), SEEN),
        make_event("oura", "u1", Reading("readiness_score", 86, "2026-03-01T07:00:00Z", "abc"), SEEN),
        make_event("oura", "u1", Reading("readiness_score", 85, "2026-03-01T07:00:01Z", "abc"), SEEN),
        make_event("oura", "u1", Reading("readiness_score", 85, "2026-03-01T07:00:00Z", "abd"), SEEN),
    ]
    assert len({first.event_id, *(event.event_id for event in others)}) == 7


def test_the_identity_does_not_change_between_releases():
    event = make_event("oura", "u1", Reading("readiness_score", 85, "2026-03-01T07:00:00Z"), SEEN)
    assert event.event_id == "a687b8e5-d20d-5ed2-9aab-b34f93ff7a43"


def test_without_a_time_of_its_own_a_reading_is_dated_when_it_was_first_seen():
    assert {event.timestamp for event in events_of("oura", OURA).events} == {SEEN.isoformat()}
    dated = {**OURA, "data": {**OURA["data"], "timestamp": "2026-02-28T06:30:00"}}
    assert {event.timestamp for event in events_of("oura", dated).events} == {"2026-02-28T06:30:00+00:00"}


@pytest.mark.parametrize(
    ("identifier", "metric"),
    [
        ("HKQuantityTypeIdentifierHeartRate", "heart_rate"),
        ("HKQuantityTypeIdentifierHeartRateVariabilitySDNN", "heart_rate_variability_sdnn"),
        ("HKQuantityTypeIdentifierVO2Max", "vo2_max"),
        ("HKCategoryTypeIdentifierSleepAnalysis", "sleep_analysis"),
        ("heart_rate", "heart_rate"),
    ],
)
def test_apple_metric(identifier, metric):
    assert apple_metric(identifier) == metric


def test_every_device_of_the_contract_is_known():
    assert set(DEVICES) == {"oura", "whoop", "apple_health", "garmin", "fitbit"}
