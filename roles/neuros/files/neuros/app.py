"""The HTTP side of NEUROS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from auren_common.health import Health
from auren_common.logs import brief
from auren_common.waiting import close_within
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, StringConstraints

from neuros import rules
from neuros import store as storage
from neuros.consumer import Consumer
from neuros.llm import LLM, LLMError
from neuros.metrics import ANALYZE, ANALYZE_SECONDS, LLM_FAILURES
from neuros.settings import Settings
from neuros.state import Metrics, State

log = logging.getLogger(__name__)
router = APIRouter()

UNREACHABLE = "I cannot reach your readings at the moment. Please ask again in a minute."

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000)]


class Question(BaseModel):
    """What a user asks; every field is required."""

    user_id: Name
    session_id: Name
    message: Words


class Answer(BaseModel):
    """`source` is the engine that answered, llm or rules; `notice` says when it is not the one configured."""

    response: str
    session_id: str
    weak_signals_detected: list[str]
    narrative_arc: str
    data_quality: str
    source: str
    notice: str | None = None


def create_app(settings: Settings) -> FastAPI:
    """The application; it starts whether or not Kafka, Redis and Postgres are there."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = storage.Store(settings.postgres_url, settings.stores_events)
        await store.open()
        state = State(settings.redis_url, store, settings.stores_events)
        consumer = Consumer(settings, store, state)
        llm = None
        if settings.llm_url:
            llm = LLM(settings.llm_url, settings.llm_key, settings.llm_model, settings.llm_deadline)
        app.state.state, app.state.llm = state, llm
        app.state.health = Health({"postgres": store.ping, "redis": state.ping, "kafka_consumer": consumer.ping})
        consuming, copying = asyncio.create_task(consumer.run()), asyncio.create_task(state.run())
        yield
        consumer.stop()
        await close_within(5, "the consumer", consuming)
        state.stop()
        await close_within(1, "the state", copying)
        await state.close()
        await store.close()
        if llm is not None:
            await close_within(1, "the LLM client", llm.close())
        log.info("stopped")

    docs: dict[str, Any] = {} if settings.environment != "production" else {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(title="NEUROS", lifespan=lifespan, **docs)
    app.include_router(router)
    return app


@router.post("/api/agents/neuros/analyze")
async def analyze(question: Question, request: Request) -> Answer:
    """Answer from the user's own numbers: by the LLM where one is configured and answers, else by the rules."""
    state = request.app.state
    with ANALYZE_SECONDS.time():
        metrics = await known_numbers(state.state, question.user_id)
        assessment = rules.assess(metrics or {})
        if metrics is None:
            text, source, notice = UNREACHABLE, "rules", "neither Redis nor Postgres answers"
        else:
            text, source, notice = await reply(state.llm, assessment, question.message)
    ANALYZE.labels(source).inc()
    return Answer(
        response=text,
        session_id=question.session_id,
        weak_signals_detected=assessment.weak_signals,
        narrative_arc=assessment.arc,
        data_quality="unavailable" if metrics is None else assessment.data_quality,
        source=source,
        notice=notice or None,
    )


async def known_numbers(state: State, user: str) -> Metrics | None:
    """The user's newest values, or None when neither Redis nor Postgres answers."""
    try:
        return await state.read(user)
    except storage.ERRORS as error:
        log.warning("answering without the user's numbers: %s", brief(error))
        return None


async def reply(llm: LLM | None, assessment: rules.Assessment, message: str) -> tuple[str, str, str]:
    """Text, engine, and why the rules stood in for a configured LLM (empty when they did not)."""
    if llm is None:
        return rules.answer(assessment, message), "rules", ""
    try:
        return await llm.answer(assessment, message), "llm", ""
    except LLMError as error:
        LLM_FAILURES.inc()
        log.warning("the rules answer, the LLM does not: %s", brief(error))
        return rules.answer(assessment, message), "rules", "the language model did not answer; these are the rules"


@router.get("/health")
async def health(request: Request, response: Response) -> dict[str, Any]:
    """200 when the pipeline works, 503 when a part does not; `llm` is told and does not count, the rules stand in."""
    report = await request.app.state.health.check()
    response.status_code = 200 if report.healthy else 503
    llm = request.app.state.llm
    return {
        "status": "healthy" if report.healthy else "unhealthy",
        "service": "neuros-advanced",
        "healthy": report.healthy,
        "components": report.components,
        "errors": report.errors,
        "llm": llm.last_outcome if llm else "not_configured",
    }


@router.get("/metrics")
async def metrics() -> Response:
    """The counters in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
