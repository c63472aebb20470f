"""A Redis is asked where it listens and with the password that it has, before it is taken over and on its way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.hand_run import SERVER, HandRun
from tests.integration.harness import docker

SECRET = "s3cret word"
SPECS = {"secret_specs": {"redis_password": {"generate": True}}}
BY_SHELL = ["sh", "-c", 'exec redis-server --requirepass "$REDIS_PASSWORD" --appendonly yes --save ""']
BY_FILE = ["sh", "-c", 'exec redis-server --requirepass "$(cat /run/password)" --appendonly yes --save ""']


def cli(hand: HandRun, *words: str, port: int = 6379, password: str = "") -> str:
    """redis-cli in the container, as soon as its server answers."""
    call = f"redis-cli -p {port}"
    script = f'until {call} ping 2>&1 | grep -q "PONG\\|NOAUTH"; do sleep 0.1; done; exec {call} "$@"'
    return docker("exec", "-e", f"REDISCLI_AUTH={password}", hand.called("db"), "timeout", "20", "sh", "-c", script, "sh", *words)


def declared(hand: HandRun, volume: str, port: int = 6379) -> dict[str, Any]:
    """As the role does it: port and password in a file."""
    text = f'port {port}\nrequirepass "<<secret:redis_password:json>>"\nappendonly yes\nsave ""\n'
    test = f'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli -p {port} ping | grep -qx PONG'
    compose = {
        "command": ["redis-server", "/etc/redis/redis.conf"],
        "volumes": [f"{hand.project.directory}/config/{hand.called('db')}:/etc/redis:ro"],
        "healthcheck": {"test": ["CMD-SHELL", test], "interval": "500ms", "start_interval": "100ms", "retries": 20},
    }
    files = {"redis.conf": {"content": text, "on_change": "recreate"}}
    return hand.service("db", volume, compose=compose, files=files, secrets=["redis_password"], runs_as="999:1000")


@pytest.mark.parametrize("port", [6379, 6380], ids=["from the usual port", "by hand too"])
def test_a_redis_on_another_port_is_taken_over_and_back(hand: HandRun, port: int, tmp_path: Path) -> None:
    volume = hand.project.volume("data")
    hand.start("db", "--volume", f"{volume}:/data", command=["redis-server", "--appendonly", "yes", "--save", "", "--port", f"{port}"])
    cli(hand, "SET", "key", "kept", port=port)
    before = hand.meant()
    hand.do(declared(hand, volume, port=6380), backup="", backup_dir=str(tmp_path), **SPECS)
    password = (hand.project.directory / "secrets" / "redis_password").read_text()
    assert cli(hand, "GET", "key", port=6380, password=password) == "kept"
    cli(hand, "SET", "since", "taken over", port=6380, password=password)
    hand.rollback()
    assert hand.meant() == before
    assert cli(hand, "MGET", "key", "since", port=port).split("\n") == ["kept", "taken over"]


def test_a_password_that_its_shell_expands_is_the_one_it_keeps(hand: HandRun, tmp_path: Path) -> None:
    volume = hand.project.volume("data")
    hand.start("db", "--volume", f"{volume}:/data", "--env", f"REDIS_PASSWORD={SECRET}", command=BY_SHELL)
    cli(hand, "SET", "key", "kept", password=SECRET)
    done = hand.do(declared(hand, volume), backup="", backup_dir=str(tmp_path), **SPECS)
    assert SECRET not in done.text
    assert (hand.project.directory / "secrets" / "redis_password").read_text() == SECRET
    assert cli(hand, "GET", "key", password=SECRET) == "kept"
    hand.rollback()
    assert cli(hand, "GET", "key", password=SECRET) == "kept"


def test_a_password_that_only_its_shell_knows_is_given(hand: HandRun, tmp_path: Path) -> None:
    volume = hand.project.volume("data")
    password = tmp_path / "password"
    password.write_text(SECRET)
    password.chmod(0o444)
    hand.start("db", "--volume", f"{volume}:/data", "--volume", f"{password}:/run/password:ro", command=BY_FILE)
    cli(hand, "SET", "key", "kept", password=SECRET)
    said = hand.refused(declared(hand, volume), **SPECS)
    assert said == (
        "the Redis in db accepts no password that is known. Give the one that it has in auren_secrets: redis_password, or leave it "
        """(-e '{"auren_takeover_leave": ["db"]}'). Nothing was changed"""
    )
    hand.do(declared(hand, volume), backup="", backup_dir=str(tmp_path / "backup"), secrets={"redis_password": SECRET}, **SPECS)
    assert cli(hand, "GET", "key", password=SECRET) == "kept"


def test_a_redis_that_cannot_be_asked(hand: HandRun) -> None:
    """Neither the one that runs nor the one that is declared; nobody could say whether it has its keys."""
    volume = hand.project.volume("data")
    closed = ["redis-server", "--port", "0", "--unixsocket", "/tmp/redis", "--save", ""]
    name = hand.start("db", "--volume", f"{volume}:/data", command=closed)
    docker("exec", name, "sh", "-c", "until redis-cli -s /tmp/redis ping; do sleep 0.1; done; redis-cli -s /tmp/redis SAVE")
    tls = hand.service("db", volume, compose={"command": ["redis-server", "--port", "0", "--tls-port", "6379"]})
    leave = """or leave it (-e '{"auren_takeover_leave": ["db"]}'). Nothing was changed"""
    assert hand.refused(tls) == (
        "the Redis db is declared to listen with TLS alone, so it could not be asked whether it has its keys. Declare a port without TLS "
        f"beside that, {leave}"
    )
    assert hand.run(hand.service("db", volume), check=True).status == 0
    docker("exec", name, "rm", "/tmp/redis")
    said = hand.refused(hand.service("db", volume))
    assert said.startswith("the Redis in db answers INFO with 'Could not connect to Redis at /tmp/redis: "), said
    assert said.endswith(f". Put that right, {leave}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["redis-server"], ["redis-server", "--appendonly", "yes", "--appendfilename", "other.aof"]),
        ([*SERVER], ["redis-server", "--dbfilename", "other.rdb"]),
    ],
    ids=["a log", "a dump"],
)
def test_one_that_reads_other_files_empties_none(hand: HandRun, old: list[str], new: list[str]) -> None:
    """Neither as it is told to save nor at its stop, where Redis saves by itself under its usual settings."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", command=old)
    before, keys = hand.meant(), hand.keys("db")
    said = hand.short(str(hand.run(hand.service("db", volume, compose={"command": new})).msg))
    assert said.startswith("db had 50 keys, and the new one has none. The old db runs again, as it was, after "), said
    assert (hand.meant(), hand.keys("db"), hand.files()) == (before, keys, [])


def test_a_stopped_one_whose_files_the_new_one_does_not_read(hand: HandRun) -> None:
    """A backup is none of the two ways in which its keys get there."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", command=["redis-server"])
    docker("stop", hand.called("db"))
    before = hand.meant()
    said = hand.refused(hand.service("db", volume, compose={"command": ["redis-server", "--appendonly", "yes"]}))
    assert said == (
        "db is exited, so it cannot write its keys to the files that the declared Redis reads, which would start empty. Start it, then run "
        """again, or leave it (-e '{"auren_takeover_leave": ["db"]}'). Nothing was changed"""
    )
    assert hand.meant() == before
    docker("start", hand.called("db"))
    hand.do(hand.service("db", volume, compose={"command": ["redis-server", "--appendonly", "yes"]}))
    assert hand.keys("db")
