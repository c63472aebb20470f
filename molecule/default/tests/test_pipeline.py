"""One event's way: webhook → Kafka → row in TimescaleDB → answer of NEUROS."""

from __future__ import annotations

import uuid

import pytest
from target import Target, wait_until

BRIDGE = "http://127.0.0.1:8888"
NEUROS = "http://127.0.0.1:8000"
WITHIN = 30  # seconds from the webhook's answer to the row


@pytest.fixture(scope="module")
def user() -> str:
    return f"molecule-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def sent(target: Target, user: str) -> dict[str, object]:
    body = {"event_type": "readiness.updated", "user_id": user, "data": {"score": 83, "hrv_balance": 67}}
    answer = target.http(f"{BRIDGE}/webhooks/oura", body)
    assert answer.status == 200, answer
    return dict(answer.json)


def rows_of(target: Target, user: str) -> list[str]:
    return target.rows(f"SELECT metric_type, value FROM biometric_events WHERE user_id = '{user}' ORDER BY 1")


def test_the_webhook_is_accepted(sent: dict[str, object]) -> None:
    assert sent["status"] == "success"
    assert sent["device_type"] == "oura"
    assert int(str(sent["events_processed"])) >= 1


def test_the_event_becomes_rows(target: Target, user: str, sent: dict[str, object]) -> None:
    rows = wait_until(lambda: rows_of(target, user), WITHIN)
    assert len(rows) == sent["events_processed"]
    assert any(float(row.split("|")[1]) == 83 for row in rows), rows


def test_the_answer_uses_the_users_own_number(target: Target, user: str, sent: dict[str, object]) -> None:
    assert sent["status"] == "success"
    wait_until(lambda: rows_of(target, user), WITHIN)
    question = {"user_id": user, "session_id": str(uuid.uuid4()), "message": "How ready am I today?"}
    answer = target.http(f"{NEUROS}/api/agents/neuros/analyze", question)
    assert answer.status == 200, answer
    assert answer.json["session_id"] == question["session_id"]
    assert "83" in answer.json["response"] or "67" in answer.json["response"], answer.text


def test_another_user_is_told_nothing_of_it(target: Target, sent: dict[str, object]) -> None:
    assert sent["status"] == "success"
    question = {"user_id": f"molecule-{uuid.uuid4()}", "session_id": "s", "message": "How ready am I today?"}
    answer = target.http(f"{NEUROS}/api/agents/neuros/analyze", question)
    assert answer.status == 200, answer
    assert "83" not in answer.json["response"]


def test_an_event_that_is_not_known_stores_nothing(target: Target) -> None:
    body = {"event_type": "ring.battery", "user_id": f"molecule-{uuid.uuid4()}", "data": {}}
    answer = target.http(f"{BRIDGE}/webhooks/oura", body)
    assert (answer.status, answer.json["events_processed"]) == (200, 0)


def test_a_message_without_a_user_is_refused(target: Target) -> None:
    assert target.http(f"{NEUROS}/api/agents/neuros/analyze", {"message": "?"}).status == 422
