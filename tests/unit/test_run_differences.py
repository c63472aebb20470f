"""Two Compose services compared for a person: the same in other words is the same, and no secret is in what is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.run_config import Difference, compose_of, differences, narrowed
from ansible_collections.auren.stack.plugins.module_utils.run_ports import published
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.inspected import container

SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"restart": "no", "ipc": "private", "shm_size": "64m", "privileged": False, "logging": {"driver": "json-file"}}),
    ({}, {"image": "x", "container_name": "y", "networks": {"n": {}}, "labels": {"auren.stack.service": "y", "com.docker.compose.x": "z"}}),
    ({"stop_grace_period": "60s"}, {"stop_grace_period": "1m0s"}),
    ({"stop_grace_period": "1.5s"}, {"stop_grace_period": "1s500ms"}),
    ({}, {"stop_grace_period": "10s"}),
    ({"mem_limit": "256m"}, {"mem_limit": 268435456}),
    ({"mem_limit": "0.5g"}, {"mem_limit": "512MB"}),
    ({"memswap_limit": -1}, {"memswap_limit": "-1"}),
    ({"cpus": 2}, {"cpus": "2.0"}),
    ({"command": ["a", "b c"]}, {"command": "a 'b c'"}),
    ({"entrypoint": ["x"]}, {"entrypoint": "x"}),
    ({"environment": {"A": "1", "B": "true"}}, {"environment": ["B=true", "A=1"]}),
    ({"environment": {"B": "true", "C": "5"}}, {"environment": {"B": True, "C": 5, "D": None}}),
    ({"labels": {"a": "b=c"}}, {"labels": ["a=b=c"]}),
    ({"ports": ["127.0.0.1:6379:6379"]}, {"ports": [{"target": 6379, "published": "6379", "host_ip": "127.0.0.1", "protocol": "tcp"}]}),
    ({"ports": ["80:80", "81:81/udp"]}, {"ports": ["81:81/udp", "0.0.0.0:80:80/tcp"]}),
    ({"ports": ["7000-7001:8000-8001"]}, {"ports": ["7001:8001", "7000:8000"]}),
    ({"ports": ["80"]}, {"ports": [80]}),
    ({"expose": ["80"]}, {"expose": ["80/tcp"]}),
    ({"volumes": ["v:/a", "/x:/b:ro"]}, {"volumes": ["/x/:/b/:ro", "v:/a:rw"]}),
    ({"volumes": ["v:/a:ro,nocopy"]},
     {"volumes": [{"type": "volume", "source": "v", "target": "/a", "read_only": True, "volume": {"nocopy": True}}]}),
    ({"volumes": ["/x:/b:z,rslave"]},
     {"volumes": [{"type": "bind", "source": "/x", "target": "/b", "bind": {"propagation": "rslave", "selinux": "z"}}]}),
    ({"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1048576}}]},
     {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m"}}]}),
    ({"tmpfs": ["/t:size=1m,rw"]}, {"tmpfs": "/t:rw,size=1m"}),
    ({"cap_add": ["NET_ADMIN", "SYS_TIME"]}, {"cap_add": ["CAP_SYS_TIME", "net_admin"]}),
    ({"security_opt": ["no-new-privileges", "seccomp:unconfined"]}, {"security_opt": ["seccomp=unconfined", "no-new-privileges:true"]}),
    ({"devices": ["/dev/a"]}, {"devices": ["/dev/a:/dev/a:rwm"]}),
    ({"extra_hosts": ["a:1.2.3.4", "b:::1", "a:2.3.4.5"]}, {"extra_hosts": {"a": ["1.2.3.4", "2.3.4.5"], "b": "[::1]"}}),
    ({"ulimits": {"nofile": 5}}, {"ulimits": {"nofile": {"soft": 5, "hard": 5}}}),
    ({"healthcheck": {"test": ["CMD-SHELL", "a b"], "interval": "90s"}},
     {"healthcheck": {"test": "a b", "interval": "1m30s", "retries": 3}}),
    ({"healthcheck": {"test": ["NONE"]}}, {"healthcheck": {"disable": True}}),
    ({"dns": ["1.1.1.1"]}, {"dns": "1.1.1.1"}),
    ({"sysctls": {"a": "1"}}, {"sysctls": ["a=1"]}),
    ({"group_add": ["5", "x"]}, {"group_add": ["x", 5]}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert differences(one, other) == []
    assert differences(other, one) == []


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str]]]] = [
    ({"environment": {"A": "1", "B": "2", "C": "3"}}, {"environment": {"A": "1", "B": "5", "D": "4"}},
     [("environment.B", "set", "another value"), ("environment.C", "set", "not set"), ("environment.D", "not set", "set")]),
    ({}, {"restart": "unless-stopped"}, [("restart", "no", "unless-stopped")]),
    ({"mem_limit": "256m"}, {}, [("mem_limit", "256m", "not set")]),
    ({}, {"logging": {"driver": "json-file", "options": {"max-size": "10m"}}}, [("logging.options.max-size", "not set", "10m")]),
    ({"ports": ["6379:6379"]}, {"ports": ["127.0.0.1:6379:6379"]}, [("ports.6379/tcp", "0.0.0.0:6379", "127.0.0.1:6379")]),
    ({"ports": ["80"]}, {}, [("ports.80/tcp", "0.0.0.0:(any)", "not set")]),
    ({"volumes": ["a:/data"]}, {"volumes": ["b:/data:ro"]}, [("volumes./data", "a", "b:ro")]),
    ({"volumes": ["/x:/d:rshared"]}, {"volumes": ["/x:/d"]}, [("volumes./d", "/x:rshared", "/x")]),
    ({"cap_add": ["A", "B"]}, {"cap_add": ["A"]}, [("cap_add", "A, B", "A")]),
    ({"privileged": True}, {}, [("privileged", "true", "not set")]),
    ({"dns": ["1.1.1.1", "8.8.8.8"]}, {"dns": ["8.8.8.8", "1.1.1.1"]}, [("dns", "1.1.1.1, 8.8.8.8", "8.8.8.8, 1.1.1.1")]),
    ({"healthcheck": {"test": ["CMD", "a"]}}, {"healthcheck": {"test": ["CMD", "b"], "interval": "10s"}},
     [("healthcheck.interval", "30s", "10s"), ("healthcheck.test", "CMD a", "CMD b")]),
    ({"command": ["a", "b c", ""]}, {}, [("command", "a 'b c' ''", "not set")]),
    ({"ulimits": {"nofile": 5}}, {"ulimits": {"nofile": {"soft": 5, "hard": 6}}}, [("ulimits.nofile", "5", "5:6")]),
    ({"labels": {"api.token": "x"}}, {"labels": {"api.token": "y"}}, [("labels.api.token", "set", "another value")]),
    ({}, {"env_file": ["/x.env"]}, [("env_file", "not set", "/x.env")]),
]  # fmt: skip


@pytest.mark.parametrize(("running", "declared", "told"), DIFFERENT)
def test_what_differs(running: dict[str, Any], declared: dict[str, Any], told: list[tuple[str, str, str]]) -> None:
    assert differences(running, declared) == [Difference(*one) for one in told]


PASSWORD = "hunter2-Zx"
COMMANDS: list[tuple[Any, str]] = [
    (["redis-server", "--requirepass", PASSWORD, "--port", "1"], "redis-server --requirepass **** --port 1"),
    (f"redis-server --requirepass {PASSWORD} --port 1", "redis-server --requirepass **** --port 1"),
    (["redis-server", f"--requirepass {PASSWORD}"], "redis-server '--requirepass ****'"),
    (["x", f"--password={PASSWORD}", "y"], "x --password=**** y"),
    (["x", f"-pass={PASSWORD}"], "x -pass=****"),
    (["x", "--api-key", PASSWORD], "x --api-key ****"),
    (["sh", "-c", f"exec redis-server --requirepass '{PASSWORD} x' --port 1"], "sh -c 'exec redis-server --requirepass **** --port 1'"),
    (["sh", "-c", f'A_TOKEN="{PASSWORD}" run'], "sh -c A_TOKEN=****"),
    (["env", f"PGPASSWORD={PASSWORD}", "psql"], "env PGPASSWORD=**** psql"),
    (["connect", f"postgres://me:{PASSWORD}@db/x"], "connect postgres://me:****@db/x"),
    (["connect", f"postgres://me:{PASSWORD}@x@db/x"], "connect postgres://me:****@db/x"),
    (["connect", f"redis://:{PASSWORD}/y@db/x"], "connect redis://****@db/x"),
    (["redis-cli", "-a", PASSWORD, "ping"], "redis-cli -a **** ping"),
    (["sh", "-c", f"redis-cli -a {PASSWORD} ping"], "sh -c 'redis-cli -a **** ping'"),
    (["mysqladmin", f"-p{PASSWORD}", "ping"], "mysqladmin -p**** ping"),
    (["sh", "-c", f"mysql -u me -p{PASSWORD}"], "sh -c 'mysql -u me -p****'"),
    (["curl", "-u", f"me:{PASSWORD}", "http://x"], "curl -u **** http://x"),
    (["curl", "-H", f"Authorization: Bearer {PASSWORD}"], "curl -H 'Authorization: ****"),
    (["psql", "-c", f"ALTER USER me PASSWORD '{PASSWORD}'"], "psql -c 'ALTER USER me PASSWORD ****'"),
    (["requirepass", PASSWORD], "requirepass ****"),
]


@pytest.mark.parametrize("key", ["command", "entrypoint"])
@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_a_secret_in_a_command_is_hidden(key: str, command: Any, shown: str) -> None:
    [found] = differences({key: command}, {})
    assert PASSWORD not in found.current
    assert found.current.startswith(shown)


@pytest.mark.parametrize("environment", [{"DB_PASSWORD": PASSWORD}, {"DB": f"postgres://me:{PASSWORD}@db/x"}])
def test_a_secret_of_the_environment_is_hidden_wherever_it_is(environment: dict[str, str]) -> None:
    running = {"environment": environment, "command": ["run", PASSWORD], "labels": {"note": f"it is {PASSWORD}"}}
    found = differences(running, {"environment": environment})
    assert found == [Difference("command", "run ****", "not set"), Difference("labels.note", "it is ****", "not set")]


def test_two_secrets_are_told_apart_without_being_told() -> None:
    found = differences({"command": ["x", "--password", "one"]}, {"command": ["x", "--password", "two"]})
    assert found == [Difference("command", "x --password ****", "x --password **** (another value)")]


WORDS = st.text(alphabet="abcXYZ019-_.:/@#%$&'\"\\ ", min_size=6, max_size=20)


@given(
    WORDS,
    st.sampled_from(["--requirepass", "--password", "-pass", "--db.secret", "--auth-token", "--api_key"]),
    st.sampled_from(["apart", "joined", "environment"]),
)
def test_what_a_flag_says_is_secret_is_never_shown(value: str, flag: str, how: str) -> None:
    secret = f"Q7{value}Q7"
    words = {"apart": [flag, secret], "joined": [f"{flag}={secret}"], "environment": [secret]}[how]
    environment = {"SOME_PASSWORD": secret} if how == "environment" else {}
    found = differences({"command": ["run", *words, "after"], "environment": environment}, {"command": ["other"]})
    assert all("Q7" not in one.current + one.desired for one in found)
    if how == "apart":
        assert found[0].current == f"run {flag} **** after"


NARROWED: list[tuple[list[Any], list[Any], list[tuple[str, str]]]] = [
    (["6379:6379"], ["127.0.0.1:6379:6379"], [("0.0.0.0:6379 → 6379/tcp", "127.0.0.1:6379 → 6379/tcp")]),
    (["0.0.0.0:6379:6379"], ["127.0.0.1:6379:6379"], [("0.0.0.0:6379 → 6379/tcp", "127.0.0.1:6379 → 6379/tcp")]),
    (["6379:6379"], ["6379:6379"], []),
    (["127.0.0.1:6379:6379"], ["6379:6379"], []),
    (["127.0.0.1:6379:6379"], ["0.0.0.0:6379:6379"], []),
    (["[::1]:6379:6379"], ["[::]:6379:6379"], []),
    (["6379:6379"], ["0.0.0.0:6379:6379"], [("[::]:6379 → 6379/tcp", "not published")]),
    (["6379:6379"], ["0.0.0.0:6379:6379", "[::]:6379:6379"], []),
    (["6379:6379"], [], [("0.0.0.0:6379 → 6379/tcp", "not published")]),
    (["6379:6379"], ["6380:6379"], [("0.0.0.0:6379 → 6379/tcp", "0.0.0.0:6380 → 6379/tcp")]),
    (["6379:6379/udp"], ["6379:6379"], [("0.0.0.0:6379 → 6379/udp", "not published")]),
    (["10.0.0.1:80:80", "10.0.0.2:80:80"], ["10.0.0.2:80:80"], [("10.0.0.1:80 → 80/tcp", "10.0.0.2:80 → 80/tcp")]),
    ([{"target": 80, "published": 80}], ["127.0.0.1:80:80"], [("0.0.0.0:80 → 80/tcp", "127.0.0.1:80 → 80/tcp")]),
    (["80"], ["8080:80"], []),
    (["80"], [], [("0.0.0.0:(any) → 80/tcp", "not published")]),
    (["8080:80"], ["80"], [("0.0.0.0:8080 → 80/tcp", "0.0.0.0:(any) → 80/tcp")]),
    (["[::]:80:80"], ["[::1]:80:80"], [("[::]:80 → 80/tcp", "[::1]:80 → 80/tcp")]),
]


@pytest.mark.parametrize(("running", "declared", "told"), NARROWED)
def test_narrowed(running: list[Any], declared: list[Any], told: list[tuple[str, str]]) -> None:
    assert narrowed({"ports": running}, {"ports": declared}) == told


def test_a_service_without_ports_narrows_nothing() -> None:
    assert narrowed({}, {"ports": ["80:80"]}) == []


def test_a_port_that_cannot_be_read_is_left_as_it_is() -> None:
    assert [one.inner for one in published(["${PORT}:80", 81])] == ["${PORT}:80", "81/tcp"]


def test_what_is_read_of_a_container_does_not_differ_from_itself() -> None:
    host = {
        "Memory": 5 << 20,
        "ExtraHosts": ["b:::1"],
        "Devices": [{"PathOnHost": "/a", "PathInContainer": "/b", "CgroupPermissions": "r"}],
    }
    compose = compose_of(container({"StopTimeout": 90}, host), None).compose
    assert differences(compose, compose) == []
