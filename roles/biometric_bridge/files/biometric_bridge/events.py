"""The event that travels through Kafka, and the identity that makes a retry the same event."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid5

# The namespace of AUREN event ids; changing it would make every retry a new row.
NAMESPACE = UUID("6f1b6c1e-5d0c-5b5e-9d0a-3b8f3c1f7a10")
_FUTURE = timedelta(days=1)


@dataclass(frozen=True)
class Reading:
    """One metric of a webhook body as the device wrote it; `timestamp` None means the body has none."""

    metric_type: str
    value: Any
    timestamp: Any = None
    source_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    raw: Any = None


@dataclass(frozen=True)
class Event:
    """One measured value, as consumers of the topic read it; `timestamp` is ISO 8601 in UTC."""

    event_id: str
    user_id: str
    device_type: str
    metric_type: str
    value: float
    timestamp: str
    metadata: dict[str, Any]
    raw_data: Any

    def encode(self) -> bytes:
        """The Kafka value: JSON, UTF-8."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":")).encode()


def event_id(device: str, user: str, metric: str, source_id: str, timestamp: str, value: float) -> str:
    """UUID version 5 (RFC 9562) over what makes a measurement this one: the same reading always gets the same id.

    The value is part of it, because devices send a corrected score under the id of the object that it replaces.
    """
    return str(uuid5(NAMESPACE, json.dumps([device, user, metric, source_id, timestamp, repr(value)])))


def make_event(device: str, user: str, reading: Reading, seen: datetime) -> Event:
    """The event of a reading; `seen` dates one that has no time of its own. ValueError says why it is unusable."""
    value = usable_number(reading.value)
    when = seen if reading.timestamp is None else usable_time(reading.timestamp)
    if when > seen + _FUTURE:
        raise ValueError("timestamp lies more than a day in the future")
    stamp = when.astimezone(timezone.utc).isoformat()
    return Event(
        event_id=event_id(device, user, reading.metric_type, reading.source_id, stamp, value),
        user_id=user,
        device_type=device,
        metric_type=reading.metric_type,
        value=value,
        timestamp=stamp,
        metadata=reading.metadata,
        raw_data=reading.raw,
    )


def usable_number(value: Any) -> float:
    """A finite float; ValueError for text, booleans, null and what overflows a double."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"value is not a number but {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("value is too large") from None
    if not math.isfinite(number):
        raise ValueError("value is not finite")
    return number


def usable_time(value: Any) -> datetime:
    """An ISO 8601 text as an aware time; without an offset it is UTC. ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError("timestamp is not ISO 8601 text")
    try:
        when = datetime.fromisoformat(value)
        return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError("timestamp is not ISO 8601") from None


def dead_letter(device: str, user: str, reading: Reading) -> bytes:
    """The record for the dead-letter topic: the reading as it came."""
    record = {
        "user_id": user,
        "device_type": device,
        "metric_type": reading.metric_type,
        "value": reading.value,
        "timestamp": reading.timestamp,
        "metadata": reading.metadata,
        "raw_data": reading.raw,
    }
    return json.dumps(record, allow_nan=False, separators=(",", ":")).encode()


def dead_letter_headers(reason: str, seen: datetime) -> tuple[tuple[str, bytes], ...]:
    """Kafka headers that say why nobody can use it, like those that NEUROS writes."""
    return ("source", b"biometric-bridge"), ("reason", reason.encode()), ("failed_at", seen.isoformat().encode())
