"""The HTTP side of the bridge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any

from auren_common.health import Health
from auren_common.logs import brief
from auren_common.waiting import close_within
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from biometric_bridge import webhooks
from biometric_bridge.metrics import PUBLISH_SECONDS, PUBLISHED
from biometric_bridge.publisher import Message, Publisher, PublishError
from biometric_bridge.settings import Settings
from biometric_bridge.stores import DATABASE_ERRORS, Stores

log = logging.getLogger(__name__)
router = APIRouter()


def create_app(settings: Settings) -> FastAPI:
    """The application; it starts whether or not Kafka, Redis and Postgres are there."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(settings.kafka_servers, settings.topic, settings.publish_deadline)
        stores = Stores(settings.postgres_url, settings.redis_url, settings.retry_window)
        await stores.open()
        app.state.settings, app.state.publisher, app.state.stores = settings, publisher, stores
        app.state.health = Health({"redis": stores.ping_redis, "postgres": stores.ping_postgres, "kafka_producer": publisher.ping})
        running = asyncio.create_task(publisher.run())
        yield
        publisher.stop()
        await close_within(4, "the publisher", running)
        await stores.close()
        log.info("stopped")

    docs: dict[str, Any] = {} if settings.environment != "production" else {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(title="AUREN biometric bridge", lifespan=lifespan, **docs)
    app.include_router(router)
    return app


@router.post("/webhooks/{device}")
async def webhook(device: str, request: Request) -> dict[str, Any]:
    """Take a device's webhook. 200 only after Kafka acknowledged every event; 503 asks the sender to repeat it."""
    state = request.app.state
    webhooks.check_device(device)
    body = await webhooks.read_body(request)
    webhooks.check_signature(state.settings.webhook_secrets.get(device), body, request.headers.get("X-Webhook-Signature"))
    user, readings = webhooks.readings_of(device, webhooks.decode(body))
    undated = any(reading.timestamp is None for reading in readings)
    seen = await state.stores.first_seen(device, body) if undated else datetime.now(timezone.utc)
    parsed = webhooks.parse(device, user, readings, seen)
    await publish(state, device, parsed)
    PUBLISHED.labels(device).inc(len(parsed.events))
    return {
        "status": "success",
        "device_type": device,
        "events_processed": len(parsed.events),
        "events": [
            {"event_id": e.event_id, "metric_type": e.metric_type, "value": e.value, "timestamp": e.timestamp} for e in parsed.events
        ],
        "events_rejected": len(parsed.dead_letters),
    }


async def publish(state: Any, device: str, parsed: webhooks.Parsed) -> None:
    """Send events and dead letters together; 503 when Kafka did not take all of them."""
    messages = [Message(state.settings.topic, e.user_id, e.encode()) for e in parsed.events]
    messages += [Message(state.settings.dead_letter_topic, parsed.user_id, letter.value, letter.headers) for letter in parsed.dead_letters]
    if not messages:
        return
    try:
        with PUBLISH_SECONDS.time():
            await state.publisher.publish(messages)
    except PublishError as error:
        log.warning("webhook not accepted: %s", brief(error), extra={"device_type": device})
        answer = webhooks.refuse(503, "unpublished", "the event could not be handed on; send it again")
        answer.headers = {"Retry-After": "5"}
        raise answer from None


@router.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """200 with the verdict in `healthy`; this bridge consumes nothing, so kafka_consumer is `not_used`."""
    report = await request.app.state.health.check()
    return {
        "status": "healthy" if report.healthy else "unhealthy",
        "service": "biometric-bridge",
        "healthy": report.healthy,
        "components": {**report.components, "kafka_consumer": "not_used"},
        "errors": report.errors,
    }


@router.get("/metrics")
async def metrics() -> Response:
    """The counters in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/baselines/{user}/{metric}")
async def baselines(user: str, metric: str, request: Request) -> dict[str, Any]:
    """The user's baseline of a metric; 404 when there is none yet."""
    row: dict[str, Any] | None = await from_database(request.app.state.stores.baseline(user, metric))
    if row is None:
        raise HTTPException(404, "no baseline of this metric for this user")
    return row


@router.get("/mode/{user}")
async def mode(user: str, request: Request) -> dict[str, Any]:
    """The user's present mode; `balanced` for one who never switched."""
    row: dict[str, Any] | None = await from_database(request.app.state.stores.mode(user))
    return row or {"user_id": user, "mode": "balanced", "reason": "no switch recorded", "switched_at": None}


async def from_database(answer: Any) -> Any:
    """Await a query; 503 when Postgres does not answer."""
    try:
        return await answer
    except DATABASE_ERRORS as error:
        log.warning("Postgres did not answer: %s", brief(error))
        raise HTTPException(503, "the database does not answer; try again") from None
