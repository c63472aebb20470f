"""The event as it is read from Kafka, and what makes a message one that nobody can store."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID


class PoisonError(Exception):
    """A message that will fail however often it is read; the text says why."""


@dataclass(frozen=True)
class Event:
    """One measured value, checked; `metadata` and `raw_data` are JSON text."""

    event_id: UUID
    user_id: str
    device_type: str
    metric_type: str
    value: float
    timestamp: datetime
    metadata: str
    raw_data: str


def decode(message: bytes | None) -> Event:
    """The event in a Kafka value (JSON object, UTF-8); PoisonError names the first field that is wrong."""
    try:
        body = json.loads(message or b"")
    except (ValueError, RecursionError):
        raise PoisonError("the message is not JSON") from None
    if not isinstance(body, dict):
        raise PoisonError("the message is not a JSON object")
    return Event(
        event_id=_uuid(body),
        user_id=_text(body, "user_id"),
        device_type=_text(body, "device_type"),
        metric_type=_text(body, "metric_type"),
        value=_value(body),
        timestamp=_timestamp(body),
        metadata=json.dumps(body.get("metadata") or {}),
        raw_data=json.dumps(body.get("raw_data")),
    )


def dead_letter_headers(reason: str, origin: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Kafka headers that say why and whence; the dead letter's key and value are those of the message."""
    words = {"source": "neuros", "reason": reason, "failed_at": datetime.now(timezone.utc).isoformat(), **origin}
    return [(name, str(word).encode()) for name, word in words.items()]


def _uuid(body: Mapping[str, Any]) -> UUID:
    try:
        return UUID(body["event_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PoisonError("event_id is not a UUID") from None


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise PoisonError(f"{name} is not text")
    return value


def _value(body: Mapping[str, Any]) -> float:
    value = body.get("value")
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise PoisonError("value is not a finite number")


def _timestamp(body: Mapping[str, Any]) -> datetime:
    try:
        when = datetime.fromisoformat(body["timestamp"])
        return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise PoisonError("timestamp is not ISO 8601") from None
