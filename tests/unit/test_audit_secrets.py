"""What is a secret in a document, what only speaks of one, and what is hidden where."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_secrets

from tests.unit.audit_host import SECRET, judged, verdicts

SAID = "Hunter2x!"


@pytest.mark.parametrize(
    "line",
    [
        "password_encryption: scram-sha-256",
        "token_ttl: 3600",
        "TOKEN_EXPIRY=24h",
        "access_token_expire: 3000",
        "passwordMinLength: 12",
        "password_min_length: 12",
        "secret_rotation_days=90",
        "API_KEY_HEADER: X-API-Key2",
        "password_hash: argon2id-v19",
        "The token is 32 characters long.",
        "The password is 16+ characters long.",
        "The token is base64url-encoded.",
        "Passwords are hashed with: argon2id",
        "Password changed on: 2025-11-02T10:00Z",
        "API key: one per user",
        "API keys: OpenAI, Anthropic",
        "Password: ask Jane",
        "Password: Jane's",
        "Password: 12",
        "Auth token: JWT",
        "Password: https://vault.example.org/x",
        "Credentials: `secrets/grafana_admin_password`",
        "Password: ~/.pgpass",
        "POSTGRES_PASSWORD: !vault |",
        "SMTP_AUTH=login",
        "POSTGRES_HOST_AUTH=scram-sha-256",
        "Built for (arm64 / x86_64), (admin / viewer), (TCP/UDP), (postgres:16-alpine), (admin:8080).",
        "login at http://localhost:3000, login ghcr.io/auren2x, login auth/oauth2, Login: /auth/v2login",
        "sshpass -p $PASS ssh host",
        "| Secret | Where |\n|---|---|\n| redis_password | vault |",
        "| Token | Lifetime |\n|---|---|\n| refresh | 30d |",
        "| Service | Login |\n|---|---|\n| Grafana | SSO / OAuth2 |\n| PWA | auren-pwa:8080 |",
        "| What | How |\n|---|---|\n| Password | vault |\n| Port | 3000 |",
    ],
)
def test_what_only_speaks_of_a_secret_is_none(line: str) -> None:
    assert audit_secrets.find(line).found == ()


@pytest.mark.parametrize(
    "line",
    [
        "Grafana: http://localhost:3000 (admin / {})",
        "Grafana (`admin`/`{}`)",
        "Log in with admin:{}",
        "login jane:{}.",
        "Credentials: admin / {}",
        "SMTP_PW={}",
        "smtp_pw: '{}'",
        "REDIS_AUTH={}",
        "sshpass -p {} ssh root@host",
        "sshpass -p '{}' ssh root@host",
        "| Service | Login |\n|---|---|\n| Grafana | admin / {} |",
        "| Service | Credentials |\n|---|---|\n| Grafana | `jane:{}` |",
        "| User | Password |\n|---|---|\n| jane | {} |",
        "| Setting | Value |\n|---|---|\n| Password | {} |",
        "| Service | Token |\n|---|---|\n| API | {} |",
        "Password: {} for Jane",
        "password: {}, user: jane",
        "PGPASSWORD={} psql -h localhost",
    ],
)
def test_a_secret_is_told_and_hidden(line: str) -> None:
    found = audit_secrets.find(f"{line.format(SAID)}\n\nRemember {SAID} well.")
    assert [one.value for one in found.found] == [SAID]
    assert SAID not in "".join(found.lines)
    assert not [one for one in judged(line.format(SAID)) if SAID in f"{one}"]


@pytest.mark.parametrize("line", ["login admin:admin", "Grafana (admin/admin)", "| Login |\n|---|\n| admin/admin |"])
def test_a_user_who_is_the_password_too(line: str) -> None:
    assert [one.value for one in audit_secrets.find(line).found] == ["admin"]
    assert "admin" not in audit_secrets.find(line).lines[-1]


def test_only_what_looks_like_a_password_is_hidden_elsewhere() -> None:
    for said in ("access_token_expire: 3000", "password: 303000"):
        assert ("port", "false") in verdicts(f"{said}\n\nNEUROS listens on port 3000.")
    assert audit_secrets.find("password: 3000x\n\n3000x").lines[2] == "3000x"
    assert audit_secrets.find(f"password: {SAID}\n\n{SAID}").lines[2] == "****"
    assert audit_secrets.find(f"{SECRET}\n\n777777", {SECRET, "777777"}).lines == ("****", "", "****")
