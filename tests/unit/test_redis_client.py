"""How a Redis in a container is asked: where its program says that it listens, with the password that it accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import container_io
from ansible_collections.auren.stack.plugins.module_utils.data_places import Program
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.redis_client import reach, way
from ansible_collections.auren.stack.plugins.module_utils.redis_keys import redis_keys, save_or_end, save_redis

CONF = "port 6381\nrequirepass one\n"


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["redis-server"], ("-p", "6379")),
        (["docker-entrypoint.sh", "redis-server", "--port", "6380"], ("-p", "6380")),
        (["sh", "-c", "exec redis-server --port ${PORT:-1}"], ("-p", "7000")),
        (["redis-server", "/r.conf"], ("-p", "6381")),
        (["redis-server", "/r.conf", "--port", "0", "--unixsocket", "/run/redis"], ("-s", "/run/redis")),
        (["redis-server", "--port", "0", "--tls-port", "6379"], ()),
    ],
)
def test_its_program_says_where_it_listens(argv: list[str], options: tuple[str, ...]) -> None:
    assert way(Program({"PORT": "7000"}, argv, "/data", {"/r.conf": CONF}.get)) == options


class Server:
    """An Engine with one container in which a Redis listens at a port, and what it was asked with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *argv: str, port: str = "6379", password: str = "", keys: int = 3) -> None:
        self.argv, self.port, self.password, self.keys = argv, port, password, keys
        self.passwords: list[str] = []
        self.done: list[str] = []
        monkeypatch.setattr(container_io, "execute", self.execute)

    def inspect(self, name: str) -> dict[str, Any] | None:
        return {"Id": "abc", "Name": "/db", "Config": {"Cmd": list(self.argv), "Entrypoint": None}} if name == "db" else None

    def discard(self, _container: str) -> None:
        self.done.append("remove")

    def file(self, _container: str, _path: str) -> bytes:
        return CONF.encode()

    def execute(self, _engine: Any, _id: str, command: Sequence[str], environment: dict[str, str], into: Any) -> tuple[int, str]:
        client, option, port, *words = command
        assert (client, option) == ("redis-cli", "-p")
        self.passwords.append(environment.get("REDISCLI_AUTH", ""))
        if port != self.port:
            return 1, f"Could not connect to Redis at 127.0.0.1:{port}: Connection refused"
        if self.password and self.passwords[-1] != self.password:
            into.write(b"NOAUTH Authentication required.\n")
        else:
            keyspace = f"db0:keys={self.keys},expires=0\r\n" if self.keys else ""
            info = f"aof_enabled:1\r\naof_last_bgrewrite_status:ok\r\n{keyspace}"
            into.write({"PING": "PONG\n", "INFO": info, "SAVE": "OK\n"}[words[0]].encode())
            self.done += ["save"] if words[0] == "SAVE" else []
        return 0, ""


@pytest.mark.parametrize(("password", "tried"), [("one", ["one"]), ("two", ["one", "two"])], ids=["of its file", "given"])
def test_the_password_that_it_accepts_is_used(monkeypatch: pytest.MonkeyPatch, password: str, tried: list[str]) -> None:
    server: Any = Server(monkeypatch, "redis-server", "/r.conf", port="6381", password=password)
    assert save_redis(server, "db", "two") == 3
    assert list(dict.fromkeys(server.passwords)) == tried
    assert redis_keys(server, "db", {"redis_password": "two"}) == 3


@pytest.mark.parametrize(
    ("argv", "password", "container", "kind", "said"),
    [
        (["redis-server"], "other", "db", "redis_password", "the Redis in db accepts no password that is known"),
        (
            ["redis-server", "--port", "1"],
            "",
            "db",
            "redis",
            "the Redis in db answers INFO with 'Could not connect to Redis at 127.0.0.1:1: ",
        ),
        (["redis-server", "--port", "0"], "", "db", "redis", "the Redis in db listens with TLS alone, so it cannot be asked"),
        (["redis-server"], "", "gone", "disappeared", "there is no container gone any more, so its Redis cannot be asked"),
    ],
)
def test_one_that_cannot_be_asked_is_told(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], password: str, container: str, kind: str, said: str
) -> None:
    server: Any = Server(monkeypatch, *argv, password=password)
    with pytest.raises(StackError) as error:
        reach(server, container, "wrong")
    assert error.value.kind == kind
    assert error.value.message.startswith(said)


def test_a_new_one_that_never_answers_is_not_one_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.auren.stack.plugins.module_utils.redis_keys.LOADING", 0.0)
    server: Any = Server(monkeypatch, "redis-server", "--port", "1")
    with pytest.raises(StackError, match="the Redis in db answers INFO with"):
        redis_keys(server, "db", {})


@pytest.mark.parametrize(
    ("more", "done"),
    [({}, ["save"]), ({"keys": 0}, ["remove"]), ({"port": "1"}, ["remove"]), ({"password": "other"}, ["remove"])],
    ids=["with keys", "without", "silent", "with a password of its own"],
)
def test_one_without_keys_gets_no_time_to_save(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], done: list[str]) -> None:
    server: Any = Server(monkeypatch, "redis-server", **more)
    save_or_end(server, "db", "one")
    assert server.done == done
