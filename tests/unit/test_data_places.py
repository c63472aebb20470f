"""Where the bytes of a service are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.data_places import (
    Program,
    below,
    directories,
    holder,
    holds,
    mounts,
    redis_setting,
)
from ansible_collections.auren.stack.plugins.module_utils.model import Mount


def program(
    argv: list[str], env: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None, workdir: str = "/data"
) -> Program:
    return Program(env or {}, argv, workdir, (files or {}).get)


@pytest.mark.parametrize(
    ("kind", "started", "expected"),
    [
        ("postgres", program(["docker-entrypoint.sh", "postgres"]), ["/var/lib/postgresql/data"]),
        ("postgres", program(["postgres"], {"PGDATA": "/pg/data/"}), ["/pg/data"]),
        ("postgres", program(["postgres", "-D", "/one"], {"PGDATA": "/pg"}), ["/one"]),
        ("postgres", program(["postgres", "-c", "data_directory=/two", "-c", "port=1"]), ["/two"]),
        ("postgres", program(["postgres", "--data_directory=/three"]), ["/three"]),
        ("redis", program(["redis-server"]), ["/data"]),
        ("redis", program(["redis-server", "--dir", "/x"]), ["/x"]),
        ("redis", program(["redis-server", "--dir=/x", "--dir=/y"]), ["/y"]),
        ("redis", program(["redis-server", "/etc/r.conf"], files={"/etc/r.conf": '# dir /no\nport 1\nDIR "/from file"\n'}), ["/from file"]),
        ("redis", program(["redis-server", "r.conf"], files={"/data/r.conf": "dir ./below\n"}), ["/data/below"]),
        ("redis", program(["sh", "-c", "mkdir /x; exec redis-server --dir '/in shell'"]), ["/in shell"]),
        ("redis", program(["/bin/bash", "-ec", "exec redis-server --dir /y # why"]), ["/y"]),
        ("redis", program(["docker-entrypoint.sh", "sh", "-c", "exec redis-server --dir /z"]), ["/z"]),
        ("kafka", program(["run"], {"KAFKA_LOG_DIRS": "/a,/b"}), ["/a", "/b"]),
        ("kafka", program(["run"], {"KAFKA_CFG_LOG_DIRS": "/bitnami/x"}), ["/bitnami/x"]),
        ("kafka", program(["run"], files={"/opt/kafka/config/server.properties": "#log.dirs=/no\nlog.dirs=/from/file\n"}), ["/from/file"]),
        ("kafka", program(["run"], {"BITNAMI_APP_NAME": "kafka"}), ["/bitnami/kafka/data"]),
        ("kafka", program(["run"]), ["/tmp/kafka-logs"]),
        ("prometheus", program(["prometheus"], workdir="/prometheus"), ["/prometheus/data"]),
        ("prometheus", program(["prometheus", "--storage.tsdb.path=/tsdb"]), ["/tsdb"]),
        ("grafana", program(["run.sh"]), ["/var/lib/grafana"]),
        ("grafana", program(["run.sh"], {"GF_PATHS_DATA": "/g"}), ["/g"]),
        ("grafana", program(["run.sh", "cfg:default.paths.data=/h"], {"GF_PATHS_DATA": "/g"}), ["/h"]),
        ("neuros", program(["python"]), []),
    ],
)
def test_a_program_says_where_it_keeps_data(kind: str, started: Program, expected: list[str]) -> None:
    assert directories(kind, started) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('exec redis-server --requirepass "$REDIS_PASSWORD"', ["exec", "redis-server", "--requirepass", "re al$"]),
        ("redis-server --dir=${DATA}/db;true", ["redis-server", "--dir=/d/db", "true"]),
        ("redis-server '$DATA' \\$DATA", ["redis-server", "$DATA", "$DATA"]),
        ("redis-server $FLAGS --save ''", ["redis-server", "--port", "7000", "--save", ""]),
        ('a ${PORT:-6380} ${EMPTY:-$DATA} ${EMPTY-6381}. ${PORT:="x y"} ${DATA:?none}', ["a", "6380", "/d", ".", "x", "y", "/d"]),
        ('a "$(cat /run/secrets/p)" `pwd` $OTHER $EMPTY "$EMPTY" ${DATA#/} pre$(x)', ["a", "", "", "", "", "", ""]),
        ("a 'open", ["a", "open"]),
    ],
)
def test_a_shell_puts_the_environment_into_its_words(text: str, expected: list[str]) -> None:
    """Empty text stands for what nobody knows before the shell runs."""
    env = {"REDIS_PASSWORD": "re al$", "DATA": "/d", "FLAGS": "--port 7000", "EMPTY": ""}
    assert program(["sh", "-c", text], env).words() == expected
    assert program(["redis-server", "$DATA"], env).words() == ["redis-server", "$DATA"]


def test_a_password_that_a_shell_expands_is_known() -> None:
    started = ["sh", "-c", 'exec redis-server --requirepass "$REDIS_PASSWORD"']
    assert redis_setting(program(started, {"REDIS_PASSWORD": "real"}), "requirepass") == "real"
    assert redis_setting(program(started), "requirepass") == ""


def test_the_command_line_outranks_the_file() -> None:
    started = program(["redis-server", "/r.conf", "--requirepass", "one"], files={"/r.conf": "requirepass two\n"})
    assert redis_setting(started, "requirepass") == "one"
    assert redis_setting(program(["redis-server", "/r.conf"], files={"/r.conf": "requirepass two\n"}), "requirepass") == "two"
    assert redis_setting(program(["redis-server"]), "requirepass") == ""


def test_the_innermost_mount_holds_a_directory() -> None:
    outer, inner = Mount("/var/lib", "bind", source="/srv"), Mount("/var/lib/db", "volume", name="data", source="/v/data")
    assert holder([outer, inner], "/var/lib/db/base") == inner
    assert holder([outer, inner], "/var/lib/dbx") == outer
    assert holder([outer, inner], "/opt") is None
    assert (below(inner, "/var/lib/db/base"), below(inner, "/var/lib/db"), below(outer, "/var/lib/.x")) == ("base", "", ".x")


def test_an_inspection_names_its_mounts_and_what_is_in_memory() -> None:
    name = "ab" * 32
    raw = {
        "HostConfig": {"Tmpfs": {"/run/x/": "size=1m"}},
        "Mounts": [
            {"Type": "volume", "Name": name, "Source": f"/v/{name}/_data", "Destination": "/data", "Driver": "local", "RW": True},
            {"Type": "bind", "Source": "/srv/conf", "Destination": "/etc/x/", "RW": False},
        ],
    }
    memory, volume, bind = mounts(raw)
    assert (memory.destination, memory.lasting) == ("/run/x", False)
    assert (volume.anonymous, volume.reference, volume.writable) == (True, name, True)
    assert (bind.anonymous, bind.reference, bind.destination, bind.writable) == (False, "/srv/conf", "/etc/x", False)


def test_data_is_known_by_its_files(tmp_path: Path) -> None:
    assert not holds("postgres", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").touch()
    assert holds("postgres", str(tmp_path))
    assert not holds("redis", str(tmp_path))
    assert not holds("postgres", str(tmp_path / "nowhere"))
