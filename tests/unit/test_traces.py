"""What shells and programs write by themselves, and what only looks like it."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils import traces

LOGS = [
    "/app/error.log",
    "/opt/x/access.log.1",
    "/opt/x/access.log-20261124.gz",
    "/opt/kafka/logs/server.log.2026-11-24-17",
    "/opt/kafka/logs/kafkaServer-gc.log.0.current",
    "/opt/kafka/logs/kafkaServer.out",
    "/app/logs/2026/access",
    "/srv/log/messages-20261124",
    "/app/app.log.json",
    "/app/logs/events.jsonl",
]
LEFT = [
    *(f"/root/.{name}_history" for name in ("psql", "rediscli", "bash", "ash", "python", "node_repl")),
    "/root/.lesshst",
    "/root/.viminfo",
    "/root/.cache/pip/x.py",
    "/app/__pycache__/a.cpython-313.pyc.1400",
    "/app/a.pyc",
    "/opt/app/celery.pid",
    "/app/poetry.lock",
]
NEITHER = [
    "/app/main.py",
    "/app/rotate.log.py",
    "/app/rotate.log.1.py",
    "/app/logs/__init__.py",
    "/app/logs/handlers/file.js",
    "/opt/app/log/log4j2.xml",
    "/app/logs/settings.json",
    "/etc/app/logback.xml",
    "/app/x.login",
    "/app/my.logger.conf",
    "/app/order_history",
    "/app/sales_history.py",
    "/root/.bash_history.py",
    "/root/.bashrc",
    "/app/a.cache.py",
    "/app/a.pidgin.py",
]


@pytest.mark.parametrize("path", LOGS)
def test_logs(path: str) -> None:
    assert (traces.log(path), traces.left(path)) == (True, True)


@pytest.mark.parametrize("path", LEFT)
def test_what_is_left_behind(path: str) -> None:
    assert (traces.log(path), traces.left(path)) == (False, True)


@pytest.mark.parametrize("path", NEITHER)
def test_what_somebody_put_there(path: str) -> None:
    assert (traces.log(path), traces.left(path)) == (False, False)
