"""Any text ends with a result, no planted secret is in it, and what is false is false for a reason."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_judge, audit_secrets
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit import network_hosts  # noqa: F401  where hypothesis keeps its examples
from tests.unit.audit_host import SECRET, STACK, document, facts

CALM = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
HOST = facts()
PIECES = [
    *("| Container | Port | Status |", "|---|---|---|", "```mermaid", "graph TD", "A[auren-redis] --> B", "```"),
    *("# auren-kafka", "- Port: 1", "auren-redis:6379"),
    *("172.28.0.3", "172.28.0.0/99", "999.999.999.999", "http://[::1", "http://auren-redis:99999/", "image: a:b"),
    *("`auren-network`", "<!--", "-->", "~~~"),
    *("```yaml", "services:", "  x:", "    ports:", '      - "1:2:3"', "Prometheus scrapes all"),
    *("depends on Redis", "99999999999999999999 containers", "docker exec", "|", "\\|"),
    *("-----BEGIN PRIVATE KEY-----", "password:", "Authorization: Bearer", "://a:@", "version v9", "on-failure:x"),
    *("subgraph", "-->|", "&", "**", "✅"),
]  # fmt: skip
LINES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30), st.sampled_from(list(STACK))), max_size=40)
DOCUMENT = st.builds(
    lambda words, gaps: "".join(word + gap for word, gap in zip(words, gaps)),
    LINES,
    st.lists(st.sampled_from(["\n", " ", "\n\n", "\r\n", " | "]), min_size=40, max_size=40),
)
# What a password may look like; not what stands for one, and no part of the host's own names.
VALUE = st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!$%^*-+_~.", min_size=7, max_size=24).map(
    lambda text: f"Zq9{text}7x"
)
FORMS = [
    "POSTGRES_PASSWORD={}",
    "- POSTGRES_PASSWORD: {}",
    "Password: `{}`",
    "The password of the database everywhere: {}",
    "**Admin password**: {}",
    "The password is `{}`",
    '"api_key": "{}"',
    "redis://:{}@auren-redis:6379/0",
    "postgresql://auren:{}@localhost:5432/auren",
    'curl -H "Authorization: Bearer {}" http://localhost:8000',
    "redis-cli -a {} ping",
    "curl -u admin:{} http://localhost:3000",
    "export OPENAI_API_KEY={}",
    "| redis | password: {} |",
    "--requirepass {}",
    "psql --password {} -h localhost",
    "  token: '{}'",
    "WHOOP_WEBHOOK_SECRET = {}",
    "PGPASSWORD={} psql -h localhost",
    "requirepass {}",
    "CREATE ROLE x WITH PASSWORD '{}'",
]


@given(DOCUMENT)
@CALM
def test_any_text_ends_with_a_result(text: str) -> None:
    found = audit_judge.audit(text, HOST, "x.md")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(
        0 <= one.line <= lines and one.verdict in ("true", "false", "unprovable") and one.evidence and one.text for one in found.claims
    )
    json.dumps([asdict(one) for one in found.claims])
    assert len([row for row in audit_judge.markdown(found).splitlines() if row.startswith("|")]) in (0, len(found.claims) + 2)


@given(st.binary(max_size=2000))
@CALM
def test_any_bytes_end_with_a_result(content: bytes) -> None:
    audit_judge.audit(content.decode("utf-8", errors="surrogateescape"), HOST)


@given(st.sampled_from(FORMS), VALUE, DOCUMENT, DOCUMENT, st.booleans())
@example("POSTGRES_PASSWORD={}", "Zq9MASKED27x", "", "", False)  # a word that stands for a secret, by chance
@CALM
def test_no_secret_leaves(form: str, secret: str, before: str, after: str, again: bool) -> None:
    """Wherever it stands, and also where it is said a second time."""
    safe = before.replace("-----BEGIN PRIVATE KEY-----", "").replace("<!--", "").replace("~~~", "")
    text = f"{safe}\n\n{form.format(secret)}\n\n{after}" + (f"\nremember {secret} well\n" if again else "")
    found = audit_judge.audit(text, HOST, "x.md")
    assert secret not in f"{[asdict(one) for one in found.claims]}{audit_judge.markdown(found)}{found!r}"
    assert any(one.kind == "secret" for one in found.claims)
    assert any(secret in value or value in secret for value in found.hidden)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_secret_is_told_with_its_line(form: str) -> None:
    found = audit_secrets.find(f"# One\n\n{form.format('Xk7-pq2_Lm')}\n")
    assert [one.line for one in found.found] == [3]
    assert "Xk7-pq2_Lm" not in "".join(found.lines)


@pytest.mark.parametrize(
    "line",
    [
        "POSTGRES_PASSWORD=<your password>",
        "POSTGRES_PASSWORD=${POSTGRES_PASSWORD}",
        "POSTGRES_PASSWORD=$(cat /run/secrets/x)",
        "password: ****",
        "Password: see the vault",
        "Password: stored in /run/secrets/postgres_password",
        "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password",
        "The password drift cost 13 hours.",
        "The password is kept in the vault.",
        "Authorization: Bearer <token>",
        "curl -u admin:$PASS http://x",
        "redis://:${REDIS_PASSWORD}@auren-redis:6379",
        "redis://auren-redis:6379/0",
        "max_tokens: 4000",
        "token: your_token_here",
        "`secrets/` holds them",
        "| Password | where |",
        "secret: redis_password",
        "<<secret:redis_password:url>>",
        "API key: {{ vault_openai_key }}",
        "ssh-keygen -t ed25519",
        "git clone git@example.org:auren/stack.git",
        "https://user@example.org/x",
        "Keyboard: us",
        "Passwords are kept in this file: vault2.yml",
        "Password rotation takes: 2 minutes",
        "Monkey: yes",
        "compass: north-east-9",
    ],
)
def test_what_only_stands_for_a_secret_is_none(line: str) -> None:
    assert audit_secrets.find(line).found == ()


@given(st.integers(0, 160), st.sampled_from(PIECES))
@CALM
def test_one_more_line_makes_no_other_line_false(place: int, piece: str) -> None:
    """A line that is put into the clean document can be wrong itself, and leaves the lines outside its block alone."""
    lines = document("clean.md").split("\n")
    place = min(place, len(lines))
    inserted = [*lines[:place], "", piece if not piece.startswith(("```", "~~~", "<!--", "#", "-----")) else "", "", *lines[place:]]
    false = [
        one
        for one in audit_judge.audit("\n".join(inserted), HOST).claims
        if one.verdict == "false" and one.kind not in ("missing", "count")
    ]
    assert all(abs(one.line - place) < 60 for one in false), false


def test_what_the_services_hold_is_found_wherever_it_stands() -> None:
    found = audit_judge.audit(f"Say {SECRET} to enter.\n", HOST)
    assert [(one.line, one.kind) for one in found.claims if one.kind != "missing"] == [(1, "secret")]
    assert SECRET not in f"{found.claims}"
