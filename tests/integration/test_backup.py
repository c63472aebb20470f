"""Backups of real servers: what is in them comes back, what is cut off is refused, and nothing that failed looks complete."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import backup, backup_grafana, backup_postgres, backup_redis, container_io
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.redis_client import reach

from tests.integration.harness import RUN, docker, image

BASE = f"{RUN}-backup"
PASSWORD = "pass 'word' of-the-test"
ODD = "o\"dd/na'me = é"


@pytest.fixture(scope="module")
def engine(images: None) -> Iterator[Engine]:
    yield Engine()
    found = docker("ps", "-aq", "--filter", f"name={BASE}").split()
    docker("rm", "-f", "-v", *found, check=False)


def run(engine: Engine, name: str, *words: str) -> Container:
    docker("run", "-d", "--name", f"{BASE}-{name}", *words)
    return at(engine, name)


def at(engine: Engine, name: str) -> Container:
    found = engine.container(f"{BASE}-{name}")
    assert found
    return found


def until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def private(folder: Path) -> None:
    """Only root gets at anything in it."""
    for path in (folder, *folder.rglob("*")):
        facts = path.stat()
        wanted = 0o700 if path.is_dir() else 0o600
        assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (wanted, 0, 0), path


def refused(error: pytest.ExceptionInfo[StackError], name: str, folder: Path) -> None:
    assert error.value.kind == "backup"
    assert error.value.message.startswith(f"the backup of {BASE}-{name} failed: ")
    assert "nothing was changed" in error.value.message
    assert "auren_backup=done" in error.value.message
    assert PASSWORD not in error.value.message + error.value.detail
    assert list(folder.iterdir()) == []


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def sql(name: str, text: str, database: str = "postgres") -> str:
    return docker(
        "exec",
        f"{BASE}-{name}",
        "psql",
        "-U",
        "owner",
        "-qAtX",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        backup_postgres._named(database),
        "-c",
        text,
    )


@pytest.fixture(scope="module")
def postgres(engine: Engine) -> Container:
    """A server with two databases besides its own: one with events in a hypertable, one with an odd name."""
    settings = ["-e", "POSTGRES_USER=owner", "-e", f"POSTGRES_PASSWORD={PASSWORD}", "-e", "POSTGRES_DB=postgres"]
    fast = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "timescaledb.telemetry_level=off"]
    run(engine, "postgres", *settings, image("postgres"), "postgres", *fast)
    ready = ["exec", f"{BASE}-postgres", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "owner"]
    until("PostgreSQL listens", lambda: subprocess.run(["docker", *ready], check=False).returncode == 0)
    for database in ("events", '"o""dd/na\'me = é"'):
        sql("postgres", f"CREATE DATABASE {database}")
    sql("postgres", f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    sql("postgres", "CREATE TABLE t AS SELECT 'é' AS one; CREATE TABLE u AS SELECT 1", ODD)
    sql("postgres", "CREATE EXTENSION IF NOT EXISTS timescaledb", "events")
    sql(
        "postgres",
        "CREATE TABLE events (at timestamptz NOT NULL, user_id text, body text); SELECT create_hypertable('events', 'at');"
        "INSERT INTO events SELECT '2026-01-01'::timestamptz + n * interval '1 hour', 'user' || n, md5(n::text) || md5((n + 1)::text) "
        "FROM generate_series(1, 3000) n; CREATE TABLE parted (k int) PARTITION BY LIST (k); "
        "CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1); INSERT INTO parted VALUES (1); CREATE UNLOGGED TABLE quick AS SELECT 2",
        "events",
    )
    return at(engine, "postgres")


ROWS = "SELECT count(*) || ' ' || md5(string_agg(at || user_id || body, '' ORDER BY at)) FROM events"


def test_every_database_comes_back_in_another(engine: Engine, postgres: Container, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "backups"
    estimate = backup.needed(engine, postgres, "postgres")
    made = backup.take(engine, postgres, "postgres", folder)
    assert made.what == f"3 databases of {BASE}-postgres, {made.bytes / 1e6:.1f} MB, read back"
    assert 0 < made.bytes < estimate
    assert sorted(path.name for path in made.path.iterdir()) == [
        "events.dump",
        "globals.sql",
        "o%22dd%2Fna%27me %3D %C3%A9.dump",
        "postgres.dump",
    ]
    private(made.path)
    assert "CREATE ROLE reader" in (made.path / "globals.sql").read_text()
    sql("postgres", "CREATE DATABASE second")
    sql("postgres", "CREATE EXTENSION IF NOT EXISTS timescaledb; SELECT timescaledb_pre_restore()", "second")
    with open(made.path / "events.dump", "rb") as dump:
        status, said = container_io.execute(engine, postgres.id, ["pg_restore", "-U", "owner", "-d", "second"], {}, None, dump)
    assert (status, said) == (0, "")
    sql("postgres", "SELECT timescaledb_post_restore()", "second")
    assert sql("postgres", ROWS, "second") == sql("postgres", ROWS, "events")
    assert sql("postgres", ROWS, "events").startswith("3000 ")
    sql("postgres", "DROP DATABASE second")
    again = backup.postgres(engine, postgres, folder)
    assert again.path != made.path, "a finished backup is never replaced"
    assert sorted(path.name for path in folder.iterdir()) == [f"{BASE}-postgres", f"{BASE}-postgres-2"]


def test_a_dump_that_is_cut_off_damaged_or_lacks_a_table_is_refused(engine: Engine, postgres: Container, tmp_path: Path) -> None:
    whole = (backup.postgres(engine, postgres, tmp_path).path / "events.dump").read_bytes()
    server = backup_postgres.Server(engine, postgres)
    tables = set(server.ask(backup_postgres.TABLES, "events"))
    assert len(tables) > 10, "chunks and the extension's own tables are among them"
    path = tmp_path / "copy"
    path.write_bytes(whole)
    backup_postgres.prove(server, "events", path, tables)
    with pytest.raises(StackError, match="lacks 1 table;"):
        backup_postgres.prove(server, "events", path, tables | {1})
    for length in (len(whole) - 1, len(whole) * 9 // 10, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(StackError, match="cannot read the dump of the database events"):
            backup_postgres.prove(server, "events", path, tables)
    path.write_bytes(whole[: len(whole) * 9 // 10])
    with open(path, "rb") as cut:
        status, listed = container_io.execute(engine, postgres.id, ["pg_restore", "--list"], {}, None, cut)
    assert (status, "TABLE DATA" in listed) == (0, True), "its table of contents alone would have passed"


def test_a_backup_that_fails_leaves_nothing(engine: Engine, postgres: Container, tmp_path: Path) -> None:
    (tmp_path / f"{BASE}-postgres.part").mkdir()
    (tmp_path / f"{BASE}-postgres.part" / "old.dump").write_text("left by a run that was killed")
    sql("postgres", "CREATE DATABASE closed ALLOW_CONNECTIONS false")
    try:
        with pytest.raises(StackError, match="the database closed allows no connections") as error:
            backup.postgres(engine, postgres, tmp_path)
    finally:
        sql("postgres", "DROP DATABASE closed")
    refused(error, "postgres", tmp_path)


# --- Redis ------------------------------------------------------------------------------------------------------------


def redis(engine: Engine, name: str, *options: str) -> Container:
    made = run(engine, name, image("redis"), "redis-server", "--save", "", *options)
    until("Redis answers", lambda: docker("exec", made.name, "redis-cli", *port(options), "ping", check=False) != "")
    return made


def port(options: tuple[str, ...]) -> list[str]:
    return ["-p", options[options.index("--port") + 1]] if "--port" in options else []


def ask(made: Container, *words: str, password: str = "") -> str:
    auth = ["-e", f"REDISCLI_AUTH={password}"] if password else []
    return docker("exec", *auth, made.name, "redis-cli", *words)


def test_keys_of_a_redis_with_a_password_come_back(engine: Engine, tmp_path: Path) -> None:
    made = redis(engine, "locked")
    ask(made, "config", "set", "requirepass", PASSWORD)
    ask(made, "eval", "for i=1,5000 do redis.call('set', 'k' .. i, string.rep(i, 9)) end", "0", password=PASSWORD)
    ask(made, "-n", "3", "set", "gone", "soon", "px", "1", password=PASSWORD)
    ask(made, "-n", "3", "set", "kept", "long", password=PASSWORD)
    done = backup.take(engine, made, "redis", tmp_path, PASSWORD)
    assert done.what in {f"{keys} keys of {BASE}-locked, {done.bytes / 1e6:.1f} MB, read back" for keys in (5001, 5002)}
    assert [path.name for path in done.path.iterdir()] == ["dump.rdb"]
    private(done.path)
    assert backup_redis.damage(done.path / "dump.rdb") == ""
    assert done.bytes < backup.needed(engine, made, "redis", PASSWORD)
    docker("create", "--name", f"{BASE}-again", image("redis"))
    docker("cp", str(done.path / "dump.rdb"), f"{BASE}-again:/data/dump.rdb")
    docker("start", f"{BASE}-again")
    again = at(engine, "again")
    until("Redis answers", lambda: docker("exec", again.name, "redis-cli", "dbsize", check=False) == "5000")
    assert (ask(again, "get", "k4321"), ask(again, "-n", "3", "get", "kept")) == ("4321" * 9, "long")
    for password in ("", "wrong"):
        folder = tmp_path / f"none{password}"
        with pytest.raises(StackError, match=r"the Redis in .*-locked accepts no password that is known") as error:
            backup.redis(engine, made, folder, password)
        refused(error, "locked", folder)


def test_a_redis_that_is_written_to_and_saving_already_is_copied(engine: Engine, tmp_path: Path) -> None:
    """With a log, on another port, without a password; its keys expire and are changed all the time."""
    made = redis(engine, "busy", "--port", "7000", "--appendonly", "yes", "--rdb-key-save-delay", "40")
    cli = ["-p", "7000"]
    ask(made, *cli, "eval", "for i=1,5000 do redis.call('set', 'k' .. i, i, 'px', 1 + i % 3000) end", "0")
    writes = ["docker", "exec", made.name, "redis-benchmark", "-p", "7000", "-q", "-t", "set", "-r", "10000", "-n", "10000000", "-c", "2"]
    writing = subprocess.Popen(writes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until("there are writes", lambda: int(ask(made, *cli, "dbsize")) > 10)
        assert ask(made, *cli, "bgsave") in ("Background saving started", "ERR Background save already in progress")
        done = backup.redis(engine, made, tmp_path, "")
    finally:
        docker("kill", made.name)
        writing.wait()
    assert int(done.what.split()[0]) > 10


def test_a_snapshot_that_is_not_whole_or_not_this_one_is_refused(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = redis(engine, "open")
    ask(made, "eval", "for i=1,300 do redis.call('set', 'k' .. i, string.rep('v', i)) end", "0")
    server = backup_redis.Server(reach(engine, made.id, ""))
    whole = (backup.redis(engine, made, tmp_path, "").path / "dump.rdb").read_bytes()
    now, path = server.state(), tmp_path / "copy"
    path.write_bytes(whole)
    assert backup_redis.prove(server, path, now, now) == 300
    ask(made, "del", "k1", "k2")
    later = server.state()
    assert (later.changed, backup_redis.prove(server, path, now, later)) == (2, 300), "what has changed since explains it"
    ask(made, "save")
    with pytest.raises(StackError, match="the copy of the snapshot holds 300 keys, Redis has 298"):
        backup_redis.prove(server, path, now, server.state())
    flipped = whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:12], b"", b"x" + whole, flipped):
        path.write_bytes(content)
        with pytest.raises(StackError, match="the copy of the snapshot is not whole"):
            backup_redis.prove(server, path, now, now)
        assert backup_redis.damage(path) != ""
    docker("exec", "-u", "0", made.name, "sh", "-c", "rm $(which redis-check-rdb)")
    with pytest.raises(StackError, match="the copy of the snapshot is not whole: its checksum is wrong"):
        backup_redis.prove(server, path, now, now)
    path.write_bytes(whole)
    assert backup_redis.prove(server, path, now, now) == 300


def test_a_redis_that_cannot_save_is_told(engine: Engine, tmp_path: Path) -> None:
    made = redis(engine, "stuck", "--dir", "/proc")
    with pytest.raises(StackError, match="Redis could not write its snapshot; docker logs says why") as error:
        backup.redis(engine, made, tmp_path, "")
    refused(error, "stuck", tmp_path)


# --- Grafana ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def busy(path: Path, journal: str) -> Iterator[None]:
    """A database that is written to all the time: what is taken from one row is given to the other, in two statements."""
    ended, ready = threading.Event(), threading.Event()

    def work() -> None:
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as base:
            base.execute(f"PRAGMA journal_mode={journal}")
            base.executescript("CREATE TABLE t (k INTEGER PRIMARY KEY, v INT, fill TEXT); INSERT INTO t VALUES (0, 100, ''), (1, 0, '');")
            base.executemany("INSERT INTO t VALUES (?, 0, ?)", ((k, "x" * 300) for k in range(2, 3000)))
            base.commit()
            ready.set()
            while not ended.is_set():
                with base:
                    base.execute("UPDATE t SET v = v - 1, fill = hex(randomblob(500)) WHERE k = 0")
                    base.execute("UPDATE t SET fill = hex(randomblob(200)) WHERE k > 1 AND k % 50 = abs(random()) % 50")
                    base.execute("UPDATE t SET v = v + 1 WHERE k = 1")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(20)
        yield
    finally:
        ended.set()
        thread.join()


def whole(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as base:
        sums = base.execute("SELECT sum(v), count(*) FROM t").fetchone()
        return bool(sums == (100, 3000) and base.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.fixture
def grafana(engine: Engine) -> Iterator[Container]:
    """A Grafana whose data is in its own layer."""
    made = run(engine, "grafana", "--stop-signal", "SIGKILL", "--user", "0", "-e", "SECRET=x", image("grafana"))
    docker("exec", made.name, "sh", "-c", "cd /var/lib/grafana; mkdir -p plugins/one; echo text >plugins/one/file; ln -s one plugins/two")
    yield made
    docker("rm", "-f", "-v", made.name)


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("way", ["told", "found", "through the Engine"])
def test_a_database_that_is_written_to_is_copied_whole(
    engine: Engine, grafana: Container, tmp_path: Path, way: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(backup_grafana._on_host(engine, grafana, None))
    assert (place / "plugins" / "one" / "file").read_text() == "text\n"
    if way == "through the Engine":
        monkeypatch.setattr(backup_grafana, "_on_host", lambda *_any: "")
        docker("exec", "-d", grafana.name, "python3", "-c", WRITER, journal)
        until("it is written to", lambda: docker("exec", grafana.name, "ls", "/tmp/ready", check=False) != "")
        done = backup.grafana(engine, grafana, None, tmp_path)
        assert at(engine, "grafana").state == "running"
    else:
        with busy(place / "grafana.db", journal):
            done = backup.grafana(engine, grafana, str(place) if way == "told" else None, tmp_path)
    assert whole(done.path / "databases" / "grafana.db")
    private(done.path)
    assert done.what.startswith(f"1 SQLite database and 1 other file of {BASE}-grafana, ")
    with tarfile.open(done.path / "files.tar") as archive:
        assert archive.getnames() == [".", "./plugins", "./plugins/one", "./plugins/one/file", "./plugins/two"]
    assert sorted(path.name for path in done.path.iterdir()) == ["databases", "files.tar"]


WRITER = """
import sqlite3, sys
base = sqlite3.connect("/var/lib/grafana/grafana.db")
base.execute("PRAGMA journal_mode=" + sys.argv[1])
base.executescript("CREATE TABLE t (k INTEGER PRIMARY KEY, v INT, fill TEXT); INSERT INTO t VALUES (0, 100, ''), (1, 0, '');")
base.executemany("INSERT INTO t VALUES (?, 0, ?)", ((k, "x" * 300) for k in range(2, 3000)))
base.commit()
open("/tmp/ready", "w")
while True:
    with base:
        base.execute("UPDATE t SET v = v - 1 WHERE k = 0")
        base.execute("UPDATE t SET fill = hex(randomblob(200)) WHERE k > 1 AND k % 50 = abs(random()) % 50")
        base.execute("UPDATE t SET v = v + 1 WHERE k = 1")
"""


def test_a_stopped_grafana_is_copied_and_a_damaged_database_is_refused(engine: Engine, grafana: Container, tmp_path: Path) -> None:
    place = Path(backup_grafana._on_host(engine, grafana, None))
    with busy(place / "grafana.db", "wal"):
        pass
    content = (place / "grafana.db").read_bytes()
    docker("stop", grafana.name)
    stopped = at(engine, "grafana")
    done = backup.take(engine, stopped, "grafana", tmp_path / "good")
    assert whole(done.path / "databases" / "grafana.db")
    assert done.bytes < backup.needed(engine, stopped, "grafana")
    damaged = Path(stopped.upper) / "var/lib/grafana/grafana.db"
    damaged.write_bytes(content[:8192] + os.urandom(8192) + content[16384:])
    with pytest.raises(StackError, match=r"grafana\.db (is damaged|cannot be copied)") as error:
        backup.grafana(engine, stopped, None, tmp_path / "bad")
    refused(error, "grafana", tmp_path / "bad")


def test_the_stand_in_has_a_backup_too(engine: Engine, grafana: Container, tmp_path: Path) -> None:
    done = backup.take(engine, grafana, "grafana", tmp_path)
    assert done.what.startswith("0 SQLite databases and 1 other file of ")
