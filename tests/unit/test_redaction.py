"""No secret leaves in any form that a program prints, and what is no secret stays readable."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Callable
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor, started_with

from tests.leaks import leaks

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
        '"Authorization":["Bearer {0}"]',
        '"X-Api-Key": [ "{0}" ]',
        '["authorization","Bearer {0}"]',
        "headers [(b'host', b'x'), (b'authorization', b'Bearer {0}')]",
        r"{{\"headers\":[[\"x-api-key\",\"{0}\"]]}}",
        "sent Bearer {0} to it",
        "it had basic {0}",
        '{{"name":"POSTGRES_PASSWORD","value":"{0}"}}',
        r"[{{\"Name\": \"API_KEY\", \"Value\": \"{0}\"}}]",
        "cloning https://{0}@git.example.com/a",
        "AUTH_HEADER=Bearer {0}",
        "DBPASS={0}",
        "JWT={0}",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={0}",
        "posting to https://hooks.example.com/services/{0}",
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_knows_it(line: str) -> None:
    shown = Redactor([]).text(line.format("Qx7-unknown_Value"))
    assert "Qx7-unknown_Value" not in shown
    assert "****" in shown


LONG = "abcdefghij0123456789ABCDEFGHIJ"


@pytest.mark.parametrize(
    "token",
    [
        *("sk-proj-abcdefghijklmnop1234", f"ghp_{LONG}", "AKIAABCDEFGHIJKLMNOP", "ASIAABCDEFGHIJKLMNOP"),
        *("eyJhbGciOiJIUzI1.eyJzdWIiOiIxIn0.sig", f"github_pat_{LONG}", f"glpat-{LONG}", f"xoxb-{LONG}", f"glsa_{LONG}_0a1b2c3d"),
        *(
            f"dckr_pat_{LONG}",
            f"AIza{LONG}-abcd",
            f"sk_live_{LONG}",
            f"rk_live_{LONG}",
            f"hf_{LONG}",
            f"npm_{LONG}abcdef",
            f"pypi-AgE{LONG}",
        ),
    ],
)
def test_tokens_of_known_shape_are_hidden(token: str) -> None:
    """And found where none may be."""
    assert Redactor([]).text(f"sent {token} today") == "sent **** today"
    assert leaks(Path("x"), f"sent {token} today".encode()) == ["x:1: a token"]


def test_a_private_key_of_pgp_is_one() -> None:
    begin, end = "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----END PGP PRIVATE KEY BLOCK-----"
    assert Redactor([]).text(f"a\n{begin}\nabc\n{end}\nb") == f"a\n{begin}****{end}\nb"
    assert leaks(Path("x"), begin.encode()) == ["x:1: a private key"]


def test_an_entry_of_a_list_is_hidden_by_its_name() -> None:
    told = {"Env": [{"value": "ab1", "name": "DBPASS"}, {"Name": "PORT", "Value": "80"}, {"value": 3, "name": "A_TOKEN"}]}
    hidden = {"Env": [{"value": "****", "name": "DBPASS"}, {"Name": "PORT", "Value": "80"}, {"value": 3, "name": "A_TOKEN"}]}
    assert Redactor([]).deep(told) == hidden


@pytest.mark.parametrize(
    "line", ["AUTH_HEADER=Bearer x", "DBPASS=x", "JWT=x", "SLACK_WEBHOOK_URL=https://hooks.example.com/x", "A_AUTHORIZATION=x"]
)
def test_a_variable_is_hidden_by_its_key(line: str) -> None:
    assert Redactor([]).variable(line) == f"{line.partition('=')[0]}=****"


def test_a_connection_string_keeps_who_is_meant() -> None:
    assert Redactor([]).variable("STORAGE=AccountName=me;AccountKey=Qx7==") in ("STORAGE=****", "STORAGE=AccountName=me;AccountKey=****")


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T00:00:00Z INFO [GroupMetadataManager brokerId=1] Finished loading offsets",
        "task-abcdefghijklmnopqrstuv of http://auren-redis-exporter:9121/metrics",
        "psql: FATAL: no pg_hba.conf entry for host 172.19.0.9, user auren, database auren",
        "KAFKA_BOOTSTRAP_SERVERS=auren-kafka:9092",
        "the bearer of news, a bearer authentication/authorization and Bearer errors.",
        'the "basic settings" of a basic PostgreSQL, BASIC authentication',
        "ssh://git@git.example.com/a and https://someone@git.example.com/a",
        '{"name": "LOG_LEVEL", "value": "INFO"} ["author","me"]',
        "hf_model_cache_directory_of_somebody_x, ASIA, EURASIA",
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
