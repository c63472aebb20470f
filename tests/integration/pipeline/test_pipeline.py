"""Webhook → Kafka → row → answer, and what happens to it when a part goes away under load."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime, timezone

import pytest

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
ANALYZE = "/api/agents/neuros/analyze"
OUTAGE = 8  # seconds; longer than every deadline inside the applications


def new_user():
    return f"user-{uuid.uuid4().hex[:8]}"


def ask(stack, user):
    status, answer = stack.call("neuros", ANALYZE, {"user_id": user, "session_id": "s", "message": "How ready am I?"})
    assert status == 200, answer
    return answer


def wait_for_rows(until, stack, user, wanted, seconds=60):
    """Wait for the number, and then see that it stays at it."""
    until(f"{wanted} rows of {user}", lambda: stack.rows(user) >= wanted, seconds)
    time.sleep(1)
    assert stack.rows(user) == wanted


@pytest.fixture(scope="module")
def until(request):
    return request.config.pluginmanager.get_plugin(str(request.path.with_name("conftest.py"))).until


def test_webhook_to_row_to_answer(stack, until):
    user = new_user()
    body = {"event_type": "readiness.updated", "user_id": user, "data": {"score": 91, "hrv_balance": 88}}
    status, accepted = stack.call("bridge", "/webhooks/oura", body)
    assert (status, accepted["events_processed"]) == (200, 2)
    wait_for_rows(until, stack, user, 2, 10)
    rows = stack.sql(
        "SELECT event_id, device_type, metric_type, value, metadata->>'event_type', raw_data->>'score', created_at IS NOT NULL"
        f" FROM biometric_events WHERE user_id = '{user}' ORDER BY value DESC"
    ).splitlines()
    ids = [event["event_id"] for event in accepted["events"]]
    assert rows == [
        f"{ids[0]}|oura|readiness_score|91|readiness.updated|91|t",
        f"{ids[1]}|oura|hrv_balance|88|readiness.updated|91|t",
    ]
    answer = ask(stack, user)
    assert "readiness score is 91" in answer["response"]
    assert (answer["source"], answer["narrative_arc"]) == ("rules", "performance")
    until("the mode", lambda: stack.call("bridge", f"/mode/{user}")[1]["mode"] == "performance")
    status, baseline = stack.call("bridge", f"/baselines/{user}/readiness_score")
    assert (status, baseline["baseline_value"], baseline["sample_count"]) == (200, 91.0, 1)
    assert stack.call("bridge", f"/baselines/{user}/weight")[0] == 404


def test_a_repeated_webhook_is_one_row_and_counts_once(stack, until):
    user = new_user()
    for data in ({"score": 80}, {"score": 81, "timestamp": "2026-01-02T03:04:05Z"}):
        body = {"event_type": "readiness.updated", "user_id": user, "data": data}
        first = stack.call("bridge", "/webhooks/oura", body)[1]["events"]
        assert stack.call("bridge", "/webhooks/oura", body)[1]["events"] == first
    wait_for_rows(until, stack, user, 2, 10)
    assert stack.sql(f"SELECT baseline_value, sample_count FROM user_baselines WHERE user_id = '{user}'") == "80.5|2"


def test_a_late_older_reading_does_not_replace_the_newer_one(stack, until):
    user = new_user()
    for score, day in ((72, "2026-02-02"), (65, "2026-02-01")):
        body = {"event_type": "readiness.updated", "user_id": user, "data": {"score": score, "timestamp": f"{day}T08:00:00Z"}}
        assert stack.call("bridge", "/webhooks/oura", body)[0] == 200
    wait_for_rows(until, stack, user, 2, 10)
    assert "readiness score is 72" in ask(stack, user)["response"]


def test_poison_goes_to_the_dead_letter_topic_and_the_rest_goes_on(stack, until):
    user = new_user()
    good = {
        "event_id": str(uuid.uuid4()),
        "user_id": user,
        "device_type": "oura",
        "metric_type": "readiness_score",
        "value": 77,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "raw_data": None,
    }
    # Valid JSON that jsonb cannot hold: only Postgres can tell.
    refused = {**good, "event_id": str(uuid.uuid4()), "raw_data": "nul \x00 byte"}
    lines = ["no json " + user, json.dumps({**good, "value": "high"}), json.dumps(refused), json.dumps(good)]
    stack.kafka("kafka-console-producer", "--topic", "biometric-events", text="\n".join(lines) + "\n")
    wait_for_rows(until, stack, user, 1, 15)
    bridged = {"event_type": "readiness.updated", "user_id": user, "data": {"score": "high"}}
    assert stack.call("bridge", "/webhooks/oura", bridged)[1]["events_rejected"] == 1
    options = ("--topic", "biometric-events.dlq", "--from-beginning", "--timeout-ms", "6000", "--property", "print.headers=true")
    letters = [line for line in stack.kafka("kafka-console-consumer", *options).splitlines() if user in line]
    assert len(letters) == 4
    for reason, payload in (
        ("the message is not JSON", lines[0]),
        ("value is not a finite number", lines[1]),
        ("Postgres refuses it: UntranslatableCharacterError", lines[2]),
        ("value is not a number but str", '"value":"high"'),
    ):
        assert [line for line in letters if f"reason:{reason}" in line and payload in line], reason


# Stopped refuses connections; paused takes them and never answers, so that what was sent may or may not have arrived.
AWAY = [("kafka", "stop"), ("kafka", "pause"), ("postgres", "stop"), ("postgres", "pause"), ("redis", "stop")]


@pytest.mark.parametrize(("part", "how"), AWAY)
def test_a_part_that_goes_away_and_comes_back_costs_no_event(stack, stream, until, part, how):
    with stream() as devices:
        time.sleep(2)
        stack.docker(how, part)
        for app in ("bridge", "neuros"):
            until(f"{app} to notice", lambda app=app: not stack.healthy(app), 10)
        time.sleep(OUTAGE)
        stack.docker("start" if how == "stop" else "unpause", part)
        for app in ("bridge", "neuros"):
            until(f"{app} to recover", lambda app=app: stack.healthy(app), 60)
        time.sleep(2)
    print(f"{part} {how}: {devices.accepted} accepted, {devices.refused} refused and repeated")
    assert devices.accepted > 20
    wait_for_rows(until, stack, f"{devices.name}-%", devices.accepted)
    counted = stack.sql(f"SELECT count(DISTINCT user_id), sum(sample_count) FROM user_baselines WHERE user_id LIKE '{devices.name}-%'")
    assert counted == f"{devices.accepted}|{devices.accepted}"
    assert "recovery score is" in ask(stack, f"{devices.name}-{devices.accepted - 1}")["response"]


def test_rows_and_answers_go_on_without_redis(stack, until):
    user = new_user()
    stack.docker("stop", "redis", "--time=10")
    try:
        body = {"event_type": "readiness.updated", "user_id": user, "data": {"score": 64}}
        assert stack.call("bridge", "/webhooks/oura", body)[0] == 200
        wait_for_rows(until, stack, user, 1, 10)
        assert "readiness score is 64" in ask(stack, user)["response"]
    finally:
        stack.docker("start", "redis")
    for app in ("bridge", "neuros"):
        until(f"{app} to recover", lambda app=app: stack.healthy(app))


@pytest.mark.parametrize(("signal", "app"), [("KILL", "neuros"), ("TERM", "neuros"), ("KILL", "bridge"), ("TERM", "bridge")])
def test_an_application_that_is_ended_under_load_loses_nothing(stack, stream, until, app, signal):
    with stream() as devices:
        time.sleep(2)
        start = time.monotonic()
        if signal == "TERM":
            stack.docker("stop", app, "--time=20")
            assert time.monotonic() - start < 10
            assert stack.inspect(app, "{{.State.ExitCode}}") == "0"
            assert '"message": "stopped"' in stack.docker("logs", app, "--tail=3")
        else:
            stack.docker("kill", app, "--signal=KILL")
        time.sleep(2)
        stack.docker("start", app)
        stack.learn_port(app)
        until(f"{app} to recover", lambda: stack.healthy(app), 40)
        time.sleep(2)
    print(f"{app} {signal}: {devices.accepted} accepted, {devices.refused} refused and repeated")
    assert devices.accepted > 20
    wait_for_rows(until, stack, f"{devices.name}-%", devices.accepted)


def test_applications_run_without_privileges_and_small(stack):
    for app in ("bridge", "neuros"):
        assert stack.inspect(app, "{{.Config.User}}") == "10001:10001"
        used = stack.docker("stats", app, "--no-stream", "--format", "{{.MemUsage}}").split()[0]
        print(f"{app}: {used}")
        assert used.endswith("MiB")
        assert float(used.removesuffix("MiB")) < 250


def test_logs_are_json_and_hold_no_secret(stack):
    for app in ("bridge", "neuros"):
        lines = stack.docker("logs", app).splitlines()
        assert lines
        for line in lines:
            assert {"time", "level", "logger", "message"} <= set(json.loads(line))
            assert "p@s/s" not in line
            assert "p%40s" not in line
            assert "Traceback" not in line, line
