"""From an HTTP request to events: size, device, signature, JSON, shape, values, in this order."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import HTTPException, Request

from biometric_bridge.devices import DEVICES, MalformedError, read
from biometric_bridge.events import Event, Reading, dead_letter, dead_letter_headers, make_event
from biometric_bridge.metrics import REJECTED

# Written as ASCII an event is at most three times as long, which still fits Kafka's 1 MiB.
MAX_BODY = 256 * 1024
# Every reader downstream has a limit of its own here; the strictest known is Postgres' jsonb with some thousands.
MAX_DEPTH = 32


@dataclass(frozen=True)
class DeadLetter:
    """A record for the dead-letter topic with its Kafka headers."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Parsed:
    """The events of one body, and the dead letters of readings that nobody can use."""

    user_id: str
    events: list[Event]
    dead_letters: list[DeadLetter]


def refuse(status: int, reason: str, detail: str) -> HTTPException:
    """Count a refusal under `reason` and give the answer to raise."""
    REJECTED.labels(reason).inc()
    return HTTPException(status, detail)


async def read_body(request: Request) -> bytes:
    """The raw body; 413 as soon as it exceeds MAX_BODY."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise refuse(413, "too_large", f"the body is larger than {MAX_BODY} bytes")
    return bytes(body)


def check_device(device: str) -> None:
    """404 for a device that has no webhook here."""
    if device not in DEVICES:
        raise refuse(404, "unknown_device", f"unknown device; known are {', '.join(DEVICES)}")


def check_signature(secret: str | None, body: bytes, signature: str | None) -> None:
    """With a secret set, X-Webhook-Signature must be the HMAC-SHA256 hex of the raw body (RFC 2104); else 401."""
    if not secret:
        return
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = (signature or "").strip().lower().removeprefix("sha256=")
    # Bytes, because compare_digest refuses text that is not ASCII.
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise refuse(401, "bad_signature", "X-Webhook-Signature is missing or wrong")


def decode(body: bytes) -> Any:
    """The JSON of the body; 400 when it is none. NaN and Infinity are not JSON (RFC 8259), nor of use is 1e999."""
    try:
        decoded = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        raise refuse(400, "malformed", "the body is not JSON") from None
    if _deeper_than(decoded, MAX_DEPTH):
        raise refuse(400, "malformed", f"the body is nested deeper than {MAX_DEPTH} levels")
    return decoded


def readings_of(device: str, body: Any) -> tuple[str, list[Reading]]:
    """User and readings of a decoded body; 422 when it has not the shape of this device's webhook."""
    try:
        return read(device, body)
    except MalformedError as error:
        raise refuse(422, "malformed", str(error)) from None


def parse(device: str, user: str, readings: list[Reading], seen: datetime) -> Parsed:
    """Events of the readings; one with an unusable value or time becomes a dead letter instead."""
    parsed = Parsed(user, [], [])
    for reading in readings:
        try:
            parsed.events.append(make_event(device, user, reading, seen))
        except ValueError as error:
            REJECTED.labels("unusable_value").inc()
            parsed.dead_letters.append(DeadLetter(dead_letter(device, user, reading), dead_letter_headers(str(error), seen)))
    return parsed


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal} is no finite number")
    return number


def _deeper_than(value: Any, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 1 or _deeper_than(child, levels - 1) for child in children if isinstance(child, (dict, list)))
