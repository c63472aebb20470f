"""No secret leaves in any form that a program prints, and what is no secret stays readable."""

from __future__ import annotations

import base64
import html
import json
from typing import Callable
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor, started_with

HEAD, TAIL = "CANARY7f3a9c", "9c3a7fYRANAC"
VALUE = HEAD + """ $a ${HOME} 'q' "r" #s \\t @u:v/w %41 &y=z é\n""" + TAIL
PLAIN = "Zk3-x_9QpLmN0aB7"
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON in JSON": lambda v: json.dumps(json.dumps({"p": v})),
    "percent": lambda v: quote(v, safe=""),
    "percent, slashes kept": quote,
    "percent in small letters": lambda v: quote(v, safe="").replace("%C3%A9", "%c3%a9").replace("%2F", "%2f"),
    "form": quote_plus,
    "percent twice": lambda v: quote(quote(v, safe=""), safe=""),
    "HTML": html.escape,
    "shell": lambda v: "".join(c if c.isalnum() or c == "\n" else f"\\{c}" for c in v),
    "hexadecimal": lambda v: v.encode().hex(),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 after one": lambda v: base64.b64encode(f"x{v}y".encode()).decode(),
    "base64 after two": lambda v: base64.b64encode(f":x{v}".encode()).decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(f"user:{v}".encode()).decode(),
}


@pytest.mark.parametrize("value", [VALUE, PLAIN], ids=["special", "plain"])
@pytest.mark.parametrize("form", FORMS)
def test_a_known_value_is_hidden_in_every_form(form: str, value: str) -> None:
    shown = FORMS[form](value)
    assert Redactor(["another-one"]).values(f"before {shown} after") == f"before {shown} after"
    hidden = Redactor([value]).values(f"before {shown} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert HEAD not in hidden
    assert TAIL not in hidden
    assert shown[6:-6] not in hidden


def test_lines_of_a_value_of_several_lines_are_hidden_one_by_one() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQDD\n-----END PRIVATE KEY-----"
    assert Redactor([key]).values("it read AASCBKcwggSjAgEAAoIBAQDD and stopped") == "it read **** and stopped"
    other = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"
    assert Redactor([]).text(f"a\n{other}\nb") == "a\n-----BEGIN RSA PRIVATE KEY-----****-----END RSA PRIVATE KEY-----\nb"
    assert "abc" not in Redactor([]).text("-----BEGIN PRIVATE KEY-----\nabc")  # the log ended in the middle of it


def test_a_short_value_is_hidden_as_a_word_and_does_not_tear_names_apart() -> None:
    redactor = Redactor(["auren", "ab", ""])
    assert redactor.values("auren-redis uses auren, ab") == "auren-redis uses ****, ab"
    assert redactor.held("POSTGRES_PASSWORD", "ab") == "****"


@pytest.mark.parametrize(
    "line",
    [
        "connecting to postgresql://auren:{0}@auren-postgres:5432/auren",
        "POSTGRES_PASSWORD={0}",
        '{{"password": "{0}"}}',
        "Authorization: Bearer {0}",
        "redis-server --requirepass {0}",
        "config set requirepass {0}",
        "api_key: {0}",
        "GET /hook?token={0} 200",
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_knows_it(line: str) -> None:
    shown = Redactor([]).text(line.format("Qx7-unknown_Value"))
    assert "Qx7-unknown_Value" not in shown
    assert "****" in shown


@pytest.mark.parametrize(
    "token", ["sk-proj-abcdefghijklmnop1234", "ghp_abcdefghijklmnop1234", "AKIAABCDEFGHIJKLMNOP", "eyJhbGciOiJI.eyJzdWIiOiIx.sig"]
)
def test_tokens_of_known_shape_are_hidden(token: str) -> None:
    assert Redactor([]).text(f"sent {token} today") == "sent **** today"


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T00:00:00Z INFO [GroupMetadataManager brokerId=1] Finished loading offsets",
        "task-abcdefghijklmnopqrstuv of http://auren-redis-exporter:9121/metrics",
        "psql: FATAL: no pg_hba.conf entry for host 172.19.0.9, user auren, database auren",
        "KAFKA_BOOTSTRAP_SERVERS=auren-kafka:9092",
    ],
)
def test_what_is_none_stays_readable(line: str) -> None:
    assert Redactor([PLAIN]).text(line) == line


def inspected() -> dict[str, object]:
    return {
        "Name": "/one",
        "Path": "sh",
        "Args": ["--requirepass", "in-args-1"],
        "State": {"Health": {"Log": [{"Output": "tried in-env-12"}]}},
        "HostConfig": {"NetworkMode": "auren-network"},
        "Config": {
            "Env": [
                *("DB_PASSWORD=in-env-12", "URL=redis://:in%2Furl-123@cache:6379/0", "PORT=80", "API_KEY_FILE=/run/secrets/api"),
                *("REDIS_ARGS=--requirepass in-options-1 --save 60 1", "LLM_KEY=in-key-123"),
            ],
            "Labels": {"traefik.auth.token": "in-label-1", "auren.stack.service": "one"},
            "Cmd": ["--requirepass", "in-args-1", "--port", "6379"],
            "Entrypoint": ["sh", "-c", "exec app --api-key=in-words-1 --slow"],
            "Healthcheck": {"Test": ["CMD", "redis-cli", "-a", "in-test-1", "ping"]},
        },
    }


SECRETS = ("in-env-12", "in/url-123", "in%2Furl-123", "in-label-1", "in-args-1", "in-words-1", "in-test-1")
SECRETS += ("in-options-1", "in-key-123")


def test_what_a_container_was_started_with_is_known_and_hidden() -> None:
    raw = inspected()
    known = started_with(raw)
    assert set(SECRETS) <= known
    assert not {"80", "6379", "/run/secrets/api", "one", "--slow"} & known
    shown = json.dumps(Redactor(known).inspected(raw))
    assert [one for one in SECRETS if one in shown] == []
    told = ("PORT=80", "API_KEY_FILE=/run/secrets/api", "@cache:6379/0", "--slow", "6379", "auren-network", "DB_PASSWORD=****")
    assert [one for one in told if one not in shown] == []
    assert json.dumps(inspected()) == json.dumps(raw)
