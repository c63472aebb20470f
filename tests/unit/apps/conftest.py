"""Put both applications on the path as their images do, and give each test applications without any dependency running."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROLES = Path(__file__).resolve().parents[3] / "roles"
for role in ("neuros", "biometric_bridge"):
    sys.path.insert(0, str(ROLES / role / "files"))

# Port 1 refuses at once: Postgres, Redis and Kafka are "down".
DOWN = {
    "POSTGRES_URL": "postgresql://auren:p%40ss-word@127.0.0.1:1/auren",
    "REDIS_URL": "redis://:r%40dis-word@127.0.0.1:1/0",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of an application whose dependencies are all down."""
    return dict(DOWN)
