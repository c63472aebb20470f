"""Secrets of an environment: which values are some, and placeholders that give the exact text again."""

from __future__ import annotations

import re

import pytest
from ansible_collections.auren.stack.plugins.module_utils import secrets
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import hide, is_secret, is_secret_key, moved_secrets, values_in
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "key",
    [
        *("POSTGRES_PASSWORD", "redis_passwd", "SECRET", "JWT_SECRET_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "APIKEY", "TLS_PRIVATE_KEY"),
        *(
            "AWS_ACCESS_KEY_ID",
            "GOOGLE_CREDENTIALS",
            "SENTRY_DSN",
            "DSN",
            "DB_PASS",
            "REDISCLI_AUTH",
            "MYSQL_PWD",
            "apiToken",
            "a.passphrase",
        ),
        *("KAFKA_SASL_JAAS_CONFIG", "ENCRYPTION_KEY", "GF_SECURITY_ADMIN_PASSWORD", "KAFKA_CFG_SSL_KEYSTORE_KEY", "GF_SECURITY_SECRET_KEY"),
        *("AUTH_HEADER", "DBPASS", "JWT", "SLACK_WEBHOOK_URL", "HTTP_AUTHORIZATION"),
        *("OPENAI_KEY", "LLM_KEY", "ANTHROPIC_KEY", "llmKey", "PUBLIC_API_KEY", "MY_PUBLIC_AND_OTHER_KEY"),
    ],
)
def test_keys_of_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("POSTGRES_PASSWORD_FILE", "TOKEN_FILE", "PWD", "PATH", "POSTGRES_USER", "COMPASS_URL", "TOKENIZERS_PARALLELISM", "KEY", "AUTHOR"),
        *("PROXY_BYPASS", "COMPASS", "JWT_ISSUER", "WEBHOOK_ENABLED"),
        *("POSTGRES_HOST_AUTH_METHOD", "PUBLIC_KEY", "LOG_LEVEL", "", "MONKEY", "KEY_PREFIX", "REDIS_EXPORTER_CHECK_KEYS"),
        *("PRIMARY_KEY", "JWT_PUBLIC_KEY", "KAFKA_PARTITION_KEY", "sortKey", "FOREIGN_KEY", "GPG_KEY", "SandboxKey"),
    ],
)
def test_keys_of_no_secrets(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("URL", "postgres://me:pw@db/x", True),
        ("URL", "redis://:pw@db", True),
        ("URL", "postgres://me:p/w@db/x", True),
        ("URL", "postgres://me@db/x", False),
        ("URL", "http://host:8080/a@b", False),
        ("BROKERS", "kafka:9092,other:9092", False),
        ("URL", "jdbc:postgresql://db:5432/x?user=me&password=pw", True),
        ("OPTS", "host=db password=pw", True),
        ("URL", "https://0a1b2c3d4e5f6a7b@git.example.com", True),
        ("STORAGE", "AccountName=a;AccountKey=hunter2", True),
        ("A_FILE", "postgres://me:pw@db/x", True),
        ("A_PASSWORD_FILE", "/run/secrets/x", False),
        ("ALLOW_EMPTY_PASSWORD", "yes", False),
        ("A_PASSWORD", "", False),
        ("A_PASSWORD", "0", True),
        ("MAX_TOKENS", "4096", False),
        ("API_TOKENS", "a,b", True),
        ("REDIS_ARGS", "--requirepass hunter2", True),
        ("REDIS_ARGS", "--save 60 1 --appendonly yes", False),
        ("X", "--db-password hunter2", True),
        ("X", "redis-server --masterauth 'hunter2'", True),
        ("X", '{"db": {"password": "hunter2"}}', True),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer hunter2", True),
        ("LLM_KEY", "hunter2", True),
        ("GF_SERVER_CERT_KEY", "/etc/grafana/grafana.key", False),
        ("LLM_KEY", "/9Jk+Ab3/xyz==", True),
        ("POSTGRES_INITDB_ARGS", "--data-checksums --auth-host=scram-sha-256 --auth-local trust", False),
        ("KAFKA_OPTS", "-Xmx1g -Djava.security.auth.login.config=/etc/kafka/jaas.conf", False),
        ("KAFKA_SASL_JAAS_CONFIG", 'org.apache.kafka.PlainLoginModule required username="a" password="hunter2";', True),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,CLIENT:SASL_PLAINTEXT", False),
        ("AUTH_URL", "http://auth-service:8080/login", False),
        ("MODEL_ARGS", "max_tokens=4096 top_p=1", False),
    ],
)
def test_values(key: str, value: str, secret: bool) -> None:
    assert is_secret(key, value) is secret


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("REDIS_ARGS", "--save '' --requirepass 'hunter2'", {"hunter2"}),
        ("URL", "a://u:p%40w@h", {"p%40w", "p@w"}),
        ("DSN", "a://u:pw@h", {"a://u:pw@h", "pw"}),
        ("LLM_KEY", "hunter2", {"hunter2"}),
        ("PORT", "80", set()),
    ],
)
def test_what_is_secret_of_a_value(key: str, value: str, found: set[str]) -> None:
    assert values_in(key, value) == found


CASES: list[tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, str]]] = [
    ({"A": "x", "E": ""}, {}, {"A": "x", "E": ""}, {}),
    ({"DB_PASSWORD": "pw"}, {}, {"DB_PASSWORD": "<<secret:auren_redis_db_password>>"}, {"auren_redis_db_password": "pw"}),
    ({"DB_PASSWORD": "pw"}, {"pw": "known"}, {"DB_PASSWORD": "<<secret:known>>"}, {}),
    ({"ANY": "pw"}, {"pw": "known"}, {"ANY": "<<secret:known>>"}, {}),
    ({"URL": "redis://me:pw@h/0"}, {"pw": "known"}, {"URL": "redis://me:<<secret:known:url>>@h/0"}, {}),
    ({"URL": "redis://:p%40w@h/0"}, {}, {"URL": "redis://:<<secret:auren_redis_url:url>>@h/0"}, {"auren_redis_url": "p@w"}),
    ({"URL": "redis://:p%40w@h/0"}, {"p@w": "known"}, {"URL": "redis://:<<secret:known:url>>@h/0"}, {}),
    ({"URL": "redis://:p+w!@h"}, {}, {"URL": "<<secret:auren_redis_url>>"}, {"auren_redis_url": "redis://:p+w!@h"}),
    ({"URL": "redis://:p%4aw@h"}, {}, {"URL": "<<secret:auren_redis_url>>"}, {"auren_redis_url": "redis://:p%4aw@h"}),
    ({"URL": "redis://:p%ffw@h"}, {}, {"URL": "<<secret:auren_redis_url>>"}, {"auren_redis_url": "redis://:p%ffw@h"}),
    ({"URL": "a://u:x@h,a://u:y@i"}, {}, {"URL": "a://u:<<secret:auren_redis_url:url>>@h,a://u:<<secret:auren_redis_url_2:url>>@i"},
     {"auren_redis_url": "x", "auren_redis_url_2": "y"}),
    ({"URL": "a://u:x@h?token=y"}, {}, {"URL": "<<secret:auren_redis_url>>"}, {"auren_redis_url": "a://u:x@h?token=y"}),
    ({"A_TOKEN": "x", "B_TOKEN": "x"}, {}, {"A_TOKEN": "<<secret:auren_redis_a_token>>", "B_TOKEN": "<<secret:auren_redis_a_token>>"},
     {"auren_redis_a_token": "x"}),
    ({"A.TOKEN": "x", "A_TOKEN": "y"}, {}, {"A.TOKEN": "<<secret:auren_redis_a_token>>", "A_TOKEN": "<<secret:auren_redis_a_token_2>>"},
     {"auren_redis_a_token": "x", "auren_redis_a_token_2": "y"}),
    ({"A_TOKEN": "x"}, {"other": "auren_redis_a_token"}, {"A_TOKEN": "<<secret:auren_redis_a_token_2>>"}, {"auren_redis_a_token_2": "x"}),
    ({"TEXT": "see <<secret:x>>"}, {}, {"TEXT": "<<secret:auren_redis_text>>"}, {"auren_redis_text": "see <<secret:x>>"}),
    ({"URL": "a://u:x@h --requirepass y"}, {}, {"URL": "<<secret:auren_redis_url>>"}, {"auren_redis_url": "a://u:x@h --requirepass y"}),
    ({"REDIS_ARGS": "--requirepass y"}, {}, {"REDIS_ARGS": "<<secret:auren_redis_redis_args>>"},
     {"auren_redis_redis_args": "--requirepass y"}),
    ({"P_FILE": "/run/x"}, {}, {"P_FILE": "/run/x"}, {}),
    ({"SENTRY_DSN": "https://k@s/1"}, {}, {"SENTRY_DSN": "<<secret:auren_redis_sentry_dsn>>"}, {"auren_redis_sentry_dsn": "https://k@s/1"}),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "known", "moved", "new"), CASES)
def test_moved(environment: dict[str, str], known: dict[str, str], moved: dict[str, str], new: dict[str, str]) -> None:
    assert moved_secrets("auren-redis", environment, known) == (moved, new)


KEYS = st.sampled_from(["A_PASSWORD", "B_TOKEN", "URL", "DSN", "A.TOKEN", "A_TOKEN", "PLAIN", "X_FILE", "É"])
PIECES = st.sampled_from(
    ["redis://", "u", ":", "p@w", "p%40w", "@", "h", "/", ",", "<<secret:", "a", ">>", ":url", "?password=", "%zz", " ", "$", "9"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(PIECES, max_size=12).map("".join)


@given(st.text(min_size=1), st.dictionaries(KEYS, TEXTS), st.dictionaries(TEXTS, st.sampled_from(["one", "two_3"]), max_size=2))
def test_filling_in_gives_the_exact_environment_again(service: str, environment: dict[str, str], known: dict[str, str]) -> None:
    known = dict({name: value for value, name in known.items()}.items())
    by_value = {value: name for name, value in known.items()}
    moved, new = moved_secrets(service, environment, by_value)
    assert {key: secrets.fill(text, {**known, **new}) for key, text in moved.items()} == environment
    assert not set(new) & set(known)
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in new)
    assert not any(secrets.malformed(text) for text in moved.values())


@given(TEXTS.filter(lambda text: len(text) > 3), st.sampled_from(["A_PASSWORD", "B_TOKEN", "DSN"]))
def test_a_secret_is_not_left_in_the_environment(value: str, key: str) -> None:
    moved, new = moved_secrets("s", {key: value}, {})
    if is_secret(key, value):
        assert moved[key] != value
        assert new


@given(
    st.lists(PIECES | st.sampled_from(["--password", "token=", "Authorization: Bearer ", '"secret": "x"', "-u "]), max_size=9).map("".join)
)
def test_what_is_hidden_already_is_no_secret(text: str) -> None:
    assert hide(hide(text)) == hide(text)
