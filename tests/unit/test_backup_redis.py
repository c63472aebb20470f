"""What a backup of Redis is judged by: its answers to INFO, and the ends and checksum of a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import backup_redis


def test_the_checksum_is_the_one_of_redis() -> None:
    """The test value in Redis' own crc64.c."""
    assert backup_redis.checksum([b"1234", b"56789"]) == 0xE9C6D914C4B8D9CA


def test_info_is_read() -> None:
    info = {
        "rdb_bgsave_in_progress": "0",
        "aof_rewrite_in_progress": "1",
        "rdb_last_bgsave_status": "err",
        "rdb_last_save_time": "17",
        "rdb_changes_since_last_save": "4",
        "expired_keys": "2",
        "evicted_keys": "1",
        "used_memory": "900",
        "db0": "keys=5,expires=1,avg_ttl=0,subexpiry=0",
        "db15": "keys=6,expires=0,avg_ttl=0",
        "db_size": "x",
    }
    assert backup_redis.state(info) == backup_redis.State(False, True, False, 17, 4, 11, 3, 900)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is too short"),
        (b"RUBBISH and more than eighteen", "it does not begin as a snapshot"),
        (b"REDIS0010 cut off in the middle of", "it does not end as a snapshot"),
        (b"REDIS0010 whatever\xff" + b"\1" * 8, "its checksum is wrong"),
        (b"REDIS0010 whatever\xff" + bytes(8), ""),
    ],
)
def test_a_snapshot_is_judged_from_the_outside(tmp_path: Path, content: bytes, said: str) -> None:
    """Eight zeros are no checksum: the server was told to write none."""
    (tmp_path / "dump.rdb").write_bytes(content)
    assert backup_redis.damage(tmp_path / "dump.rdb") == said
