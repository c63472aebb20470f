"""The HTTP contract of NEUROS, and the language model over a real connection."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from neuros.app import create_app
from neuros.settings import from_environment

_spec = importlib.util.spec_from_file_location("llm_server", Path(__file__).with_name("llm_server.py"))
llm_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(llm_server)

ANALYZE = "/api/agents/neuros/analyze"
QUESTION = {"user_id": "u1", "session_id": "s1", "message": "How ready am I?"}
METRICS = {
    "readiness_score": {
        "value": 58.0,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "device_type": "oura",
        "baseline": 80.0,
        "samples": 9,
    }
}


@pytest.fixture
def server():
    made = llm_server.LLMServer()
    yield made
    made.shutdown()
    made.server_close()


def application(environment, metrics=METRICS, **more):
    """A client of an application whose database knows `metrics` of every user, or is down when they are None."""
    app = create_app(from_environment({**environment, **more}))

    async def latest(user):
        return metrics

    client = TestClient(app)
    client.__enter__()
    if metrics is not None:
        app.state.state._store.latest = latest
    return client


@pytest.fixture
def ask(environment):
    clients = []

    def _ask(question=QUESTION, metrics=METRICS, **more):
        clients.append(application(environment, metrics, **more))
        return clients[-1].post(ANALYZE, json=question)

    yield _ask
    for client in clients:
        client.__exit__(None, None, None)


def test_the_rules_answer_when_no_model_is_configured(ask):
    answer = ask(OPENAI_API_KEY="", OPENAI_BASE_URL="")
    assert answer.status_code == 200
    said = answer.json()
    assert set(said) == {"response", "session_id", "weak_signals_detected", "narrative_arc", "data_quality", "source", "notice"}
    assert "readiness score is 58" in said["response"]
    assert (said["session_id"], said["source"], said["notice"]) == ("s1", "rules", None)
    assert (said["narrative_arc"], said["data_quality"]) == ("recovery", "good")
    assert said["weak_signals_detected"] == ["readiness score is 28% below your baseline"]


def test_the_model_answers_and_is_given_the_users_numbers(ask, server):
    said = ask(OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-test", OPENAI_MODEL="small").json()
    assert (said["response"], said["source"], said["notice"]) == ("Take it easy today.", "llm", None)
    assert said["narrative_arc"] == "recovery"
    ((path, authorization, body),) = server.requests
    assert (path, authorization, body["model"]) == ("/v1/chat/completions", "Bearer sk-test", "small")
    system, user = body["messages"]
    assert "Your readiness score is 58" in system["content"]
    assert "28% below your baseline" in system["content"]
    assert user == {"role": "user", "content": "How ready am I?"}


def test_a_base_url_alone_is_enough(ask, server):
    assert ask(OPENAI_BASE_URL=server.url).json()["source"] == "llm"


@pytest.mark.parametrize("behaviour", ["error", "garbage", "other json", "empty", "slow"])
def test_a_model_that_does_not_answer_is_replaced_by_the_rules_which_say_so(ask, server, behaviour):
    server.behaviour = behaviour
    said = ask(OPENAI_BASE_URL=server.url, OPENAI_DEADLINE="1").json()
    assert said["source"] == "rules"
    assert "readiness score is 58" in said["response"]
    assert said["notice"] == "the language model did not answer; these are the rules"


def test_an_unreachable_model_is_replaced_and_shown_in_health(environment):
    client = application(environment, OPENAI_BASE_URL="http://127.0.0.1:1/v1", OPENAI_API_KEY="sk-test")
    assert client.get("/health").json()["llm"] == "not_asked_yet"
    assert client.post(ANALYZE, json=QUESTION).json()["source"] == "rules"
    assert client.get("/health").json()["llm"] == "failed: APIConnectionError"
    client.__exit__(None, None, None)


def test_without_redis_and_postgres_it_says_so_instead_of_inventing(ask, server):
    said = ask(metrics=None, OPENAI_BASE_URL=server.url).json()
    assert said["response"] == "I cannot reach your readings at the moment. Please ask again in a minute."
    assert (said["data_quality"], said["source"], said["notice"]) == ("unavailable", "rules", "neither Redis nor Postgres answers")
    assert not server.requests


def test_an_unknown_user_has_no_data(ask):
    said = ask(metrics={}).json()
    assert (said["data_quality"], said["narrative_arc"]) == ("none", "unknown")


@pytest.mark.parametrize("missing", ["user_id", "session_id", "message"])
def test_every_field_is_required(ask, missing):
    assert ask({key: value for key, value in QUESTION.items() if key != missing}).status_code == 422


@pytest.mark.parametrize("field", ["user_id", "session_id", "message"])
def test_a_blank_field_is_refused(ask, field):
    assert ask({**QUESTION, field: "  "}).status_code == 422


def test_health_is_503_and_names_what_is_down(environment):
    client = application(environment, None)
    answer = client.get("/health")
    client.__exit__(None, None, None)
    said = answer.json()
    assert answer.status_code == 503
    assert (said["status"], said["service"], said["healthy"]) == ("unhealthy", "neuros-advanced", False)
    assert said["components"] == {"postgres": "unhealthy", "redis": "unhealthy", "kafka_consumer": "unhealthy"}
    assert "word" not in json.dumps(said)


def test_metrics_name_the_engine(environment):
    client = application(environment)
    client.post(ANALYZE, json=QUESTION)
    text = client.get("/metrics").text
    client.__exit__(None, None, None)
    assert 'neuros_analyze_total{engine="rules"}' in text
    for name in ("neuros_events_stored_total", "neuros_events_dead_lettered_total", "neuros_analyze_seconds_bucket"):
        assert name in text


def test_the_settings_hide_every_secret(environment):
    settings = from_environment({**environment, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "http://u:llm-pass@h/v1"})
    assert {"sk-test", "p@ss-word", "r@dis-word", "llm-pass"} <= set(settings.secrets)
