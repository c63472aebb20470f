"""The HTTP contract of the bridge."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from biometric_bridge.app import create_app
from biometric_bridge.publisher import PublishError
from biometric_bridge.settings import from_environment
from biometric_bridge.webhooks import MAX_BODY
from fastapi.testclient import TestClient

BODY = {"event_type": "readiness.updated", "user_id": "u1", "data": {"score": 85, "hrv_balance": 70}}
SECRET = "oura secret ü"


class Recorder:
    """Stands where Kafka is: acknowledges and remembers, or refuses. The real one is proved by the pipeline test."""

    def __init__(self):
        self.messages = []
        self.refusal = None

    async def publish(self, messages):
        if self.refusal:
            raise PublishError(self.refusal)
        self.messages += messages


@pytest.fixture
def client(environment):
    with TestClient(create_app(from_environment({**environment, "OURA_WEBHOOK_SECRET": SECRET, "WHOOP_WEBHOOK_SECRET": ""}))) as made:
        made.app.state.publisher.stop()
        made.app.state.publisher = Recorder()
        yield made


def signed(client, body, device="oura", secret=SECRET, content=None):
    raw = content if content is not None else json.dumps(body).encode()
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return client.post(f"/webhooks/{device}", content=raw, headers={"X-Webhook-Signature": signature})


def counted(client, line):
    found = [text.split()[-1] for text in client.get("/metrics").text.splitlines() if text.startswith(line + " ")]
    return float(found[0]) if found else 0.0


def test_an_accepted_webhook(client):
    before = counted(client, 'biometric_events_published_total{device_type="oura"}')
    answer = signed(client, BODY)
    assert answer.status_code == 200
    said = answer.json()
    assert said["status"] == "success"
    assert said["device_type"] == "oura"
    assert said["events_processed"] == 2
    assert said["events_rejected"] == 0
    assert [(event["metric_type"], event["value"]) for event in said["events"]] == [("readiness_score", 85.0), ("hrv_balance", 70.0)]
    messages = client.app.state.publisher.messages
    assert [message.topic for message in messages] == ["biometric-events"] * 2
    assert [json.loads(message.value)["event_id"] for message in messages] == [event["event_id"] for event in said["events"]]
    assert {message.key for message in messages} == {"u1"}
    assert counted(client, 'biometric_events_published_total{device_type="oura"}') == before + 2


def test_another_event_type_processes_nothing(client):
    answer = signed(client, {**BODY, "event_type": "sleep.updated"})
    assert (answer.status_code, answer.json()["events_processed"], answer.json()["events"]) == (200, 0, [])
    assert not client.app.state.publisher.messages


def test_an_unusable_value_goes_to_the_dead_letter_topic(client):
    answer = signed(client, {**BODY, "data": {"score": "high", "hrv_balance": 70}})
    assert (answer.status_code, answer.json()["events_processed"], answer.json()["events_rejected"]) == (200, 1, 1)
    assert [message.topic for message in client.app.state.publisher.messages] == ["biometric-events", "biometric-events.dlq"]


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "ü", "sha256="])
def test_with_a_secret_a_missing_or_wrong_signature_is_401(client, signature):
    headers = {} if signature is None else {"X-Webhook-Signature": signature.encode()}
    answer = client.post("/webhooks/oura", json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, "X-Webhook-Signature is missing or wrong")
    assert not client.app.state.publisher.messages


def test_the_signature_covers_the_raw_body(client):
    raw = b'{ "event_type":"readiness.updated","user_id":"u1",  "data":{"score":85} }'
    assert signed(client, None, content=raw).status_code == 200
    wrong = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    assert client.post("/webhooks/oura", content=raw + b" ", headers={"X-Webhook-Signature": wrong}).status_code == 401


def test_a_signature_may_be_upper_case_or_prefixed(client):
    raw = json.dumps(BODY).encode()
    digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    for form in (digest.upper(), f"sha256={digest}"):
        assert client.post("/webhooks/oura", content=raw, headers={"X-Webhook-Signature": form}).status_code == 200


def test_without_a_secret_no_signature_is_asked_for(client):
    body = {"event_type": "recovery.updated", "user_id": 7, "data": {"recovery_score": 33}}
    assert client.post("/webhooks/whoop", json=body).status_code == 200


@pytest.mark.parametrize("device", ["garmin", "fitbit"])
def test_announcements_are_accepted(client, device):
    assert client.post(f"/webhooks/{device}", json=[{"ownerId": "x"}]).json()["events_processed"] == 0


@pytest.mark.parametrize(
    ("device", "content", "status", "said"),
    [
        ("polar", b"{}", 404, "unknown device; known are oura, whoop, apple_health, garmin, fitbit"),
        ("whoop", b"{", 400, "the body is not JSON"),
        ("whoop", b"", 400, "the body is not JSON"),
        ("whoop", b"\xff\xfe\xff", 400, "the body is not JSON"),
        ("whoop", b'{"user_id": 1, "x": NaN}', 400, "the body is not JSON"),
        ("whoop", b'{"user_id": 1, "x": 1e999}', 400, "the body is not JSON"),
        ("whoop", b"[" * 100_000, 400, "the body is not JSON"),
        ("whoop", b"[" * 9_000 + b"]" * 9_000, 400, "the body is nested deeper than 32 levels"),
        ("whoop", b"[]", 422, "the body must be a JSON object"),
        ("whoop", b'{"event_type": "recovery.updated"}', 422, "user_id must be text of 1 to 128 characters"),
        ("whoop", b" " * (MAX_BODY + 1), 413, f"the body is larger than {MAX_BODY} bytes"),
    ],
)
def test_bad_input(client, device, content, status, said):
    answer = client.post(f"/webhooks/{device}", content=content)
    assert (answer.status_code, answer.json()["detail"]) == (status, said)
    assert not client.app.state.publisher.messages


def test_what_kafka_did_not_take_is_not_acknowledged(client):
    client.app.state.publisher.refusal = "Kafka did not acknowledge in time"
    before = counted(client, 'biometric_events_rejected_total{reason="unpublished"}')
    answer = signed(client, BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == "the event could not be handed on; send it again"
    assert counted(client, 'biometric_events_rejected_total{reason="unpublished"}') == before + 1


def test_health_tells_the_truth_when_all_is_down(environment):
    with TestClient(create_app(from_environment(environment))) as client:
        answer = client.get("/health")
        accepted = client.post("/webhooks/oura", json=BODY)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["status"], said["healthy"]) == ("unhealthy", False)
    assert said["components"] == {
        "redis": "unhealthy",
        "postgres": "unhealthy",
        "kafka_producer": "unhealthy",
        "kafka_consumer": "not_used",
    }
    assert set(said["errors"]) == {"redis", "postgres", "kafka_producer"}
    assert "word" not in answer.text  # no part of a password
    assert accepted.status_code == 503


@pytest.mark.parametrize("path", ["/baselines/u1/readiness_score", "/mode/u1"])
def test_reads_say_503_without_postgres(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (503, "the database does not answer; try again")


def test_documentation_pages_are_for_development_only(environment):
    for mode, status in (("production", 404), ("development", 200)):
        with TestClient(create_app(from_environment({**environment, "ENVIRONMENT": mode}))) as client:
            assert client.get("/openapi.json").status_code == status
