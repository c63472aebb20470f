"""The rule engine, rule by rule."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from neuros import rules

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=timezone.utc)


def reading(value, baseline=None, samples=1, hours=1.0, device="oura"):
    return {
        "value": value,
        "timestamp": (NOW - timedelta(hours=hours)).isoformat(),
        "device_type": device,
        "baseline": value if baseline is None else baseline,
        "samples": samples,
    }


@pytest.mark.parametrize(
    ("metrics", "arc"),
    [
        ({}, "unknown"),
        ({"recovery_score": reading(33)}, "recovery"),
        ({"recovery_score": reading(34)}, "balanced"),
        ({"recovery_score": reading(67)}, "performance"),
        ({"readiness_score": reading(69)}, "recovery"),
        ({"readiness_score": reading(85)}, "performance"),
        ({"readiness_score": reading(90), "hrv_balance": reading(70)}, "balanced"),
        ({"readiness_score": reading(90), "recovery_score": reading(20)}, "recovery"),
        ({"heart_rate": reading(61)}, "balanced"),
        ({"recovery_score": reading(20, hours=49)}, "unknown"),
        ({"recovery_score": reading(20, hours=49), "readiness_score": reading(90)}, "performance"),
    ],
)
def test_arc(metrics, arc):
    assert rules.assess(metrics, NOW).arc == arc


@pytest.mark.parametrize(
    ("metric", "found", "signals"),
    [
        ("heart_rate", reading(70, baseline=60, samples=5), ["heart rate is 17% above your baseline"]),
        ("heart_rate", reading(50, baseline=60, samples=5), ["heart rate is 17% below your baseline"]),
        ("heart_rate", reading(70, baseline=60, samples=4), []),
        ("heart_rate", reading(68, baseline=60, samples=5), []),
        ("heart_rate", reading(70, baseline=60, samples=5, hours=49), []),
        ("temperature_deviation", reading(0.3, baseline=0, samples=9), []),
        ("recovery_score", reading(33), ["recovery score is low"]),
    ],
)
def test_weak_signals(metric, found, signals):
    assert rules.assess({metric: found}, NOW).weak_signals == signals


@pytest.mark.parametrize(
    ("metrics", "quality"),
    [
        ({}, "none"),
        ({"heart_rate": reading(60, hours=49)}, "stale"),
        ({"heart_rate": reading(60, samples=4)}, "limited"),
        ({"heart_rate": reading(60, samples=4), "step_count": reading(9, samples=5)}, "good"),
    ],
)
def test_data_quality(metrics, quality):
    assert rules.assess(metrics, NOW).data_quality == quality


def test_the_answer_uses_the_users_own_numbers_and_begins_with_what_was_asked():
    metrics = {"heart_rate": reading(61), "readiness_score": reading(58, baseline=80, samples=9, hours=3)}
    said = rules.answer(rules.assess(metrics, NOW), "How is my readiness today?")
    assert said == (
        "Your readiness score is 58 (oura, 3 hours ago, low range); your baseline is 80 over 9 readings."
        " Your heart rate is 61 (oura, 60 minutes ago)."
        " Your numbers ask for recovery: keep today easy, sleep early, and leave hard training for later."
    )


def test_without_readings_the_answer_says_so():
    assert rules.answer(rules.assess({}, NOW), "hi") == "I have no readings of yours yet. Connect a device, let it sync, and ask me again."


def test_an_old_reading_is_told_with_its_age():
    said = rules.answer(rules.assess({"recovery_score": reading(88, hours=100)}, NOW), "hi")
    assert said.startswith("Your recovery score is 88 (oura, 4 days ago, high range).")
    assert "no reading from the last 48 hours" in said
