# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups of the data of containers, each proved readable before it gets its name. One file for each kind of server; this is their list."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import backup_grafana, backup_postgres, backup_redis
from ansible_collections.auren.stack.plugins.module_utils.backup_files import Backup
from ansible_collections.auren.stack.plugins.module_utils.backup_grafana import grafana
from ansible_collections.auren.stack.plugins.module_utils.backup_postgres import postgres
from ansible_collections.auren.stack.plugins.module_utils.backup_redis import redis
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.model import Container

KINDS = ("grafana", "postgres", "redis")
__all__ = ["KINDS", "Backup", "grafana", "needed", "postgres", "redis", "take"]


def needed(engine: Engine, container: Container, kind: str, password: str = "", data_dir_on_host: str | None = None) -> int:
    """Bytes that a backup will take at most, about: to compare with ``tree.room`` of the place for it. Arguments as for ``take``."""
    if kind == "postgres":
        return backup_postgres.needed(engine, container)
    if kind == "redis":
        return backup_redis.needed(engine, container, password)
    return backup_grafana.needed(engine, container, data_dir_on_host)


def take(engine: Engine, container: Container, kind: str, folder: Path, password: str = "", data_dir_on_host: str | None = None) -> Backup:
    """The backup of one container. kind: one of KINDS. password: Redis'. data_dir_on_host: Grafana's, if it is known."""
    if kind == "postgres":
        return postgres(engine, container, folder)
    if kind == "redis":
        return redis(engine, container, folder, password)
    return grafana(engine, container, data_dir_on_host, folder)
