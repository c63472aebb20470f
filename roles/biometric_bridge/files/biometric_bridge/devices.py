"""What each device's webhook body says: pure functions from JSON to readings.

Bodies that store data are those of oura (`readiness.updated`), whoop (`recovery.updated`) and apple_health (`samples`).
Every other `event_type`, and all of garmin and fitbit, is accepted and gives no reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from biometric_bridge.events import Reading

# Field of the vendor's `data` object → metric type. What is not listed stays in raw_data only.
OURA_READINESS = {
    "score": "readiness_score",
    "hrv_balance": "hrv_balance",
    "resting_heart_rate": "resting_heart_rate",
    "recovery_index": "recovery_index",
    "sleep_balance": "sleep_balance",
    "activity_balance": "activity_balance",
    "body_temperature": "body_temperature_score",
    "temperature_deviation": "temperature_deviation",
}
WHOOP_RECOVERY = {
    "recovery_score": "recovery_score",
    "resting_heart_rate": "resting_heart_rate",
    "hrv_rmssd_milli": "hrv_rmssd_milli",
    "spo2_percentage": "spo2_percentage",
    "skin_temp_celsius": "skin_temp_celsius",
}
_APPLE_PREFIX = re.compile(r"^HK(Quantity|Category)TypeIdentifier(?=[A-Z])")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Control characters, and halves of surrogate pairs, which UTF-8 cannot write.
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_MAX_SAMPLES = 1000


class MalformedError(Exception):
    """The body does not have the shape of this device's webhook; the text names the field."""


def user_of(body: Mapping[str, Any]) -> str:
    """`user_id` as text of 1 to 128 characters (whoop sends an integer); MalformedError otherwise."""
    user = body.get("user_id")
    if isinstance(user, int) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str) or not 1 <= len(user.strip()) <= 128 or _UNSTORABLE.search(user):
        raise MalformedError("user_id must be text of 1 to 128 characters")
    return user.strip()


def oura(body: Mapping[str, Any]) -> list[Reading]:
    """Readings of `{"event_type": "readiness.updated", "user_id", "data": {"score", "hrv_balance", …}}`."""
    return _from_data(body, "readiness.updated", OURA_READINESS)


def whoop(body: Mapping[str, Any]) -> list[Reading]:
    """Readings of `{"event_type": "recovery.updated", "user_id", "data": {"recovery_score", …}}`."""
    return _from_data(body, "recovery.updated", WHOOP_RECOVERY)


def apple_health(body: Mapping[str, Any]) -> list[Reading]:
    """Readings of `{"user_id", "samples": [{"type": "HKQuantityTypeIdentifier…", "value", "unit", "startDate"}]}`."""
    samples = body.get("samples")
    if samples is None and "event_type" in body:
        return []
    if not isinstance(samples, list):
        raise MalformedError("samples must be a list")
    if len(samples) > _MAX_SAMPLES:
        raise MalformedError(f"samples holds more than {_MAX_SAMPLES} entries")
    return [_sample(index, sample) for index, sample in enumerate(samples)]


PARSERS: dict[str, Callable[[Mapping[str, Any]], list[Reading]]] = {
    "oura": oura,
    "whoop": whoop,
    "apple_health": apple_health,
}
# These vendors only announce, as an object or a bare list, that data can be fetched from them.
ANNOUNCERS = ("garmin", "fitbit")
DEVICES = (*PARSERS, *ANNOUNCERS)


def read(device: str, body: Any) -> tuple[str, list[Reading]]:
    """The user (empty for announcers) and the readings of a decoded body; MalformedError when the shape is wrong."""
    if device in ANNOUNCERS and isinstance(body, (dict, list)):
        return "", []
    if not isinstance(body, dict):
        raise MalformedError("the body must be a JSON object")
    return user_of(body), PARSERS[device](body)


def _from_data(body: Mapping[str, Any], event_type: str, fields: Mapping[str, str]) -> list[Reading]:
    announced = body.get("event_type")
    if not isinstance(announced, str):
        raise MalformedError("event_type must be text")
    if announced != event_type:
        return []
    data = body.get("data")
    if not isinstance(data, dict):
        raise MalformedError("data must be an object")
    times = (data.get("timestamp"), body.get("timestamp"), data.get("created_at"))
    when = next((time for time in times if time is not None), None)
    source = body.get("event_id") or body.get("id") or data.get("id") or ""
    return [
        Reading(metric, data[name], when, str(source), {"event_type": announced}, data) for name, metric in fields.items() if name in data
    ]


def _sample(index: int, sample: Any) -> Reading:
    if not isinstance(sample, dict) or not isinstance(sample.get("type"), str):
        raise MalformedError(f"samples[{index}].type must be text")
    metric = apple_metric(sample["type"])
    if not _METRIC.fullmatch(metric):
        raise MalformedError(f"samples[{index}].type is not a HealthKit type identifier")
    times = (sample.get("startDate"), sample.get("timestamp"), sample.get("endDate"))
    when = next((time for time in times if time is not None), None)
    metadata = {key: sample[key] for key in ("type", "unit") if isinstance(sample.get(key), str)}
    return Reading(metric, sample.get("value"), when, str(sample.get("uuid") or ""), metadata, sample)


def apple_metric(identifier: str) -> str:
    """`HKQuantityTypeIdentifierHeartRateVariabilitySDNN` → `heart_rate_variability_sdnn` (HealthKit's identifiers)."""
    bare = _APPLE_PREFIX.sub("", identifier)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare)
    return spaced.lower()
