"""The reference applications and old-style ones in all four pairings: each event becomes one row, or nothing is started."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from target import PROJECT_DIR, Target, play, wait_until

DOUBLES = Path(__file__).resolve().parents[1] / "doubles"
OLD_BRIDGE = ["-e", f"biometric_image=auren-test/old-bridge:1 biometric_bridge_build_context={DOUBLES / 'bridge'}"]
OLD_NEUROS = ["-e", f"neuros_image=auren-test/old-neuros:1 neuros_build_context={DOUBLES / 'neuros'}"]
NOT_STORING = ["-e", "neuros_stores_events=false"]
BODY = {"event_type": "readiness.updated", "data": {"score": 83, "hrv_balance": 67}}
SETTLED = 5  # seconds in which a second writer, if there were one, would have written too

TWICE = (
    "stores_events is true for biometric-production (biometric_bridge_stores_events), neuros-advanced (neuros_stores_events): "
    "every event would be stored twice; leave it true for one of them"
)
NONE = (
    "stores_events is true for none of biometric-production (biometric_bridge_stores_events), neuros-advanced "
    "(neuros_stores_events): no event would be stored; set it to true for one of them"
)
CANNOT = (
    "biometric_bridge_stores_events is true, but the reference bridge never stores: no event would be stored. Leave it out, and let NEUROS "
    "store, or give the image of a bridge that stores in biometric_image. Nothing was changed"
)


@pytest.fixture(scope="module", autouse=True)
def reference_again(target: Target) -> Iterator[None]:
    """Whatever a test left, the reference pairing serves at the end."""
    yield
    done = play()
    assert done.status == 0, done.output


def converged(*arguments: str) -> None:
    """Converge, and a second time without a change."""
    done = play(*arguments)
    assert done.status == 0, done.output
    again = play(*arguments)
    assert (again.status, again.changed) == (0, 0), again.output


def sent(target: Target) -> str:
    """Send one webhook of two readings as a new user, return the user."""
    user = f"mixed-{uuid.uuid4()}"
    answer = target.http("http://127.0.0.1:8888/webhooks/oura", {**BODY, "user_id": user})
    assert (answer.status, answer.json["events_processed"]) == (200, 2), answer
    return user


def rows(target: Target, user: str) -> list[str]:
    return target.rows(f"SELECT metric_type, value FROM biometric_events WHERE user_id = '{user}' ORDER BY 1")


def assert_stored_once(target: Target) -> str:
    """Send a webhook; its rows appear, each once, and stay so. Returns the user."""
    user = sent(target)
    wait_until(lambda: len(rows(target, user)) >= 2, 30)
    time.sleep(SETTLED)
    assert rows(target, user) == ["hrv_balance|67", "readiness_score|83"]
    return user


def answered(target: Target, user: str) -> str:
    question = {"user_id": user, "session_id": "s", "message": "How ready am I today?"}
    answer = target.http("http://127.0.0.1:8000/api/agents/neuros/analyze", question)
    assert answer.status == 200, answer
    return str(answer.json["response"])


def seen(target: Target) -> list[object]:
    """What a refusal must leave as it was: containers, files with their times, images."""
    files = target.run("find", PROJECT_DIR, "-type", "f", "-not", "-name", "*.lock", "-printf", "%p %T@ %s\\n").splitlines()
    return [target.started(), sorted(files), sorted(target.docker("images", "--quiet", "--no-trunc").split())]


def test_reference_bridge_and_reference_neuros(target: Target) -> None:
    assert "83" in answered(target, assert_stored_once(target))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (OLD_BRIDGE, TWICE),
        (OLD_NEUROS, NONE),
        ([*OLD_NEUROS, "-e", "biometric_bridge_stores_events=true"], CANNOT),
        (NOT_STORING, NONE),
    ],
    ids=["old bridge, reference NEUROS", "reference bridge, old NEUROS", "a bridge that cannot", "nobody"],
)
def test_two_writers_and_none_are_refused_before_anything_starts(target: Target, arguments: list[str], sentence: str) -> None:
    before = seen(target)
    refused = play(*arguments)
    assert refused.status != 0, refused.output
    assert sentence in " ".join(refused.output.split()), refused.output
    assert seen(target) == before


def test_old_bridge_and_a_reference_neuros_that_does_not_store(target: Target) -> None:
    converged(*OLD_BRIDGE, *NOT_STORING)
    user = assert_stored_once(target)
    assert wait_until(lambda: "83" in answered(target, user), 40)
    assert target.containers()["neuros-advanced"]["State"]["Health"]["Status"] == "healthy"


def test_old_bridge_and_old_neuros(target: Target) -> None:
    converged(*OLD_BRIDGE, *OLD_NEUROS)
    user = assert_stored_once(target)
    assert answered(target, user) == "I hear you."
    assert target.http("http://127.0.0.1:8000/metrics").status == 404


def test_back_to_the_reference_nothing_is_stored_again(target: Target) -> None:
    """What the old bridge told Kafka meanwhile is read now, and is no second row."""
    before = target.rows("SELECT user_id, metric_type, value FROM biometric_events ORDER BY 1, 2")
    converged()
    assert_stored_once(target)
    assert set(before) <= set(now := target.rows("SELECT user_id, metric_type, value FROM biometric_events ORDER BY 1, 2"))
    assert len(now) == len(before) + 2
