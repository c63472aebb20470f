"""The probes from inside a client's network namespace, against real servers; the client's image has none of their tools."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import names, netns
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Result, Target

from tests.integration.harness import RUN, docker, image, module_environment

PASSWORD = """p$a 'q' "r" #s \\t @u :v /w %x%41 é"""
KAFKA = "apache/kafka:3.9.1"
KAFKA_LISTENERS = {  # one real broker with a listener for each thing that can be wrong with what it advertises
    "GOOD": (9092, f"{RUN}-kafka:9092"),
    "NAMELESS": (9192, "no-such-broker:9192"),
    "CLOSED": (9292, f"{RUN}-kafka:1"),
    "OTHER": (9392, f"{RUN}-redis:6379"),
}
Ask = Callable[..., Result]


def started(short: str, ref: str, network: str, *words: str, **env: str) -> str:
    """Run a container of these tests; returns its name."""
    given = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
    docker("run", "--detach", "--name", f"{RUN}-{short}", "--network", network, *given, *words[:-1], ref, *words[-1].split())
    return f"{RUN}-{short}"


@pytest.fixture(scope="module")
def servers(network: str) -> Iterator[str]:
    """Redis, Redis without a password, Postgres, Kafka, and a client that only sleeps."""
    advertised = ",".join(f"{name}://{where}" for name, (_, where) in KAFKA_LISTENERS.items())
    listening = ",".join(f"{name}://:{port}" for name, (port, _) in KAFKA_LISTENERS.items())
    protocols = ",".join(f"{name}:PLAINTEXT" for name in [*KAFKA_LISTENERS, "CONTROLLER"])
    try:
        started(
            "kafka", KAFKA, network, "",
            KAFKA_NODE_ID="1", KAFKA_PROCESS_ROLES="broker,controller", KAFKA_CONTROLLER_QUORUM_VOTERS="1@127.0.0.1:9093",
            KAFKA_LISTENERS=f"{listening},CONTROLLER://127.0.0.1:9093", KAFKA_ADVERTISED_LISTENERS=advertised,
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=protocols, KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_INTER_BROKER_LISTENER_NAME="GOOD", KAFKA_HEAP_OPTS="-Xmx256m",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1", KAFKA_AUTO_CREATE_TOPICS_ENABLE="true",
        )  # fmt: skip
        started("postgres", image("postgres"), network, "--network-alias", "db", "", POSTGRES_PASSWORD=PASSWORD)
        docker("run", "-d", "--name", f"{RUN}-redis", "--network", network, image("redis"), "redis-server", "--requirepass", PASSWORD)
        docker("run", "-d", "--name", f"{RUN}-open", "--network", network, image("redis"), "redis-server", "--protected-mode", "no")
        yield started("client", image("prometheus"), network, "--init", "--entrypoint", "sleep", "infinity")
    finally:
        docker("rm", "--force", "--volumes", *(f"{RUN}-{s}" for s in ("kafka", "postgres", "redis", "open", "client")), check=False)


@pytest.fixture(scope="module")
def ask(servers: str) -> Ask:
    """Run a probe from the client; a server that is still starting is asked again."""
    pid = int(docker("inspect", "-f", "{{.State.Pid}}", servers))

    def once(probe: str, host: str, port: int, options: dict[str, Any], timeout: float) -> Result:
        def work() -> dict[str, Any]:
            return asdict(registry.run(probe, Target(host, port, names.of_container(pid).resolve), options, timeout))

        [found] = netns.run([netns.Job(servers, pid, work)], timeout + 1)
        assert found is not None
        return Result(**found)

    def asked(probe: str, host: str, port: int = 0, timeout: float = 5, **options: Any) -> Result:
        return once(probe, host, port, options, timeout)

    for probe, host, port, options in (
        ("postgres", "db", 5432, {"user": "postgres", "password": PASSWORD}),
        ("kafka", f"{RUN}-kafka", 9092, {}),
    ):
        until = time.monotonic() + 90
        while not (last := once(probe, host, port, options, 5)).ok:
            assert time.monotonic() < until, last
            time.sleep(0.5)
    return asked


def test_names_are_those_of_the_client(ask: Ask, servers: str) -> None:
    found = ask("dns", f"{RUN}-redis", names=["db", servers, "localhost"])
    assert found.ok, found
    assert found.seconds < 1
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"{RUN}-redis")
    assert found.evidence.startswith(f"{RUN}-redis is {address}, db is ")


def test_a_name_that_nobody_has(ask: Ask) -> None:
    for probe in sorted(registry.PROBES):
        found = ask(probe, f"{RUN}-nobody", 6379, user="u")
        assert found.kind == "dns", found
        assert found.evidence.startswith(f"{RUN}-nobody does not resolve: ")


def test_a_closed_port(ask: Ask) -> None:
    for probe in sorted(set(registry.PROBES) - {"dns"}):
        found = ask(probe, f"{RUN}-redis", 1, user="u")
        assert (found.kind, found.evidence) == ("refused", f"{RUN}-redis:1 refuses the connection: nothing listens there")


def test_an_address_that_nobody_has(ask: Ask, network: str) -> None:
    subnet = ipaddress.ip_network(docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network))
    found = ask("tcp", str(subnet[-2]), 6379, timeout=0.5)
    assert found.kind in ("timeout", "unreachable"), found
    assert found.seconds < 1.5


@pytest.mark.parametrize(
    ("host", "options", "kind"),
    [
        ("redis", {"password": PASSWORD}, ""),
        ("redis", {"password": PASSWORD, "user": "default"}, ""),
        ("redis", {"password": "wrong"}, "auth"),
        ("redis", {}, "no_password"),
        ("open", {}, ""),
        ("open", {"password": "never asked for"}, "auth"),
    ],
)
def test_redis(ask: Ask, host: str, options: dict[str, Any], kind: str) -> None:
    found = ask("redis", f"{RUN}-{host}", 6379, **options)
    assert (found.ok, found.kind) == (not kind, kind), found
    assert options.get("password", PASSWORD) not in found.evidence


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"password": PASSWORD}, ""),
        ({"password": "wrong"}, "auth"),
        ({}, "no_password"),
        ({"password": PASSWORD, "user": "nobody"}, "auth"),
        ({"password": PASSWORD, "database": "nowhere"}, "status"),
    ],
)
def test_postgres(ask: Ask, options: dict[str, Any], kind: str) -> None:
    found = ask("postgres", "db", 5432, **{"user": "postgres", **options})
    assert (found.ok, found.kind) == (not kind, kind), found
    assert options.get("password", PASSWORD) not in found.evidence


@pytest.mark.parametrize(
    ("listener", "kind", "evidence"),
    [
        ("GOOD", "", "and so does what it advertises: RUN-kafka:9092"),
        ("NAMELESS", "advertised", "it advertises no-such-broker:9192: no-such-broker does not resolve"),
        ("CLOSED", "advertised", "it advertises RUN-kafka:1: RUN-kafka:1 refuses the connection"),
        ("OTHER", "advertised", "it advertises RUN-redis:6379: RUN-redis:6379 "),
    ],
)
def test_kafka(ask: Ask, listener: str, kind: str, evidence: str) -> None:
    found = ask("kafka", f"{RUN}-kafka", KAFKA_LISTENERS[listener][0], timeout=2)
    assert (found.ok, found.kind) == (not kind, kind), found
    assert evidence.replace("RUN", RUN) in found.evidence


@pytest.mark.parametrize(
    ("options", "kind", "evidence"),
    [
        ({"extension": "plpgsql", "tables": {"pg_class": ["relname", "oid"], "pg_type": []}}, "", "with extension plpgsql, table pg_class"),
        ({"extension": "o'clock"}, "missing", "postgres on db:5432 has no extension o'clock"),
        ({"tables": {"nothing": ["a"], "pg_class": ["colour"]}}, "missing", "has no table nothing, no column colour in table pg_class"),
    ],
)
def test_what_a_database_has(ask: Ask, options: dict[str, Any], kind: str, evidence: str) -> None:
    found = ask("postgres", "db", 5432, user="postgres", password=PASSWORD, **options)
    assert (found.ok, found.kind) == (not kind, kind), found
    assert evidence in found.evidence


def test_a_redis_that_became_a_replica_takes_no_writes(ask: Ask) -> None:
    assert ask("redis", f"{RUN}-open", 6379, writable=True).ok
    docker("exec", f"{RUN}-open", "redis-cli", "replicaof", "127.0.0.1", "1")
    try:
        found = ask("redis", f"{RUN}-open", 6379, writable=True)
        assert (found.kind, found.ok) == ("readonly", False)
        assert found.evidence == f"{RUN}-open:6379 takes no writes: it is a replica of 127.0.0.1:1; REPLICAOF NO ONE ends that"
        assert ask("redis", f"{RUN}-open", 6379).ok
    finally:
        docker("exec", f"{RUN}-open", "redis-cli", "replicaof", "no", "one")


def kafka_tool(tool: str, *words: str, detached: bool = False) -> str:
    flags = ["--detach"] if detached else []
    return docker("exec", *flags, f"{RUN}-kafka", f"/opt/kafka/bin/{tool}.sh", "--bootstrap-server", f"{RUN}-kafka:9092", *words)


def test_topics_and_those_who_consume(ask: Ask) -> None:
    kafka_tool("kafka-topics", "--create", "--topic", "events", "--partitions", "3")

    def asked(**options: Any) -> Result:
        return ask("kafka", f"{RUN}-kafka", 9092, **options)

    found = asked(topics={"events": 3})
    assert found.ok, found
    assert found.evidence.endswith("; it has topic events")
    few = asked(topics={"events": 4})
    assert (few.kind, few.evidence) == ("missing", f"the topic events of {RUN}-kafka:9092 has 3 partitions instead of 4")
    for _again in range(2):  # asking for it has not made it
        none = asked(topics={"nothing": 1})
        assert (none.kind, none.evidence) == ("missing", f"{RUN}-kafka:9092 has no topic nothing")
    nobody = asked(groups=["readers"])
    assert (nobody.kind, nobody.evidence) == (
        "missing",
        f"nobody consumes from {RUN}-kafka:9092 in the group readers: it never had a group",
    )
    assert "__consumer_offsets" not in kafka_tool("kafka-topics", "--list")
    kafka_tool("kafka-console-consumer", "--topic", "events", "--group", "readers", detached=True)
    until = time.monotonic() + 60
    while not (somebody := asked(topics={"events": 1}, groups=["readers"])).ok:
        assert time.monotonic() < until, somebody
        time.sleep(0.5)
    assert somebody.evidence.endswith("; it has topic events, group readers with 1 members")
    others = asked(groups=["others"])
    assert (others.kind, others.evidence) == ("missing", f"nobody consumes from {RUN}-kafka:9092 in the group others (it is Dead)")


def test_one_protocol_is_not_another(ask: Ask) -> None:
    found = {
        "redis": ask("redis", "db", 5432, timeout=1),
        "http": ask("http", f"{RUN}-redis", 6379, timeout=1),
        "postgres": ask("postgres", f"{RUN}-kafka", 9092, timeout=1, user="u"),
    }
    assert {name: result.kind for name, result in found.items() if result.kind not in ("protocol", "timeout")} == {}


# --- the children ---------------------------------------------------------------------------------------------------


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_many_at_once_and_one_that_hangs(servers: str) -> None:
    pid, before = int(docker("inspect", "-f", "{{.State.Pid}}", servers)), children()

    def answers() -> dict[str, Any]:
        return {"namespace": os.readlink("/proc/self/ns/net"), "much": "x" * 300_000}

    def hangs() -> dict[str, Any]:
        time.sleep(60)
        return {}

    jobs = [netns.Job(servers, pid, hangs if n == 7 else answers) for n in range(20)]
    start = time.monotonic()
    found = netns.run(jobs, 2)
    assert 2 <= time.monotonic() - start < 3
    assert [n for n, one in enumerate(found) if one is None] == [7]
    assert {one["namespace"] for one in found if one} == {os.readlink(f"/proc/{pid}/ns/net")}
    assert children() == before


def test_work_that_breaks_is_told(servers: str) -> None:
    pid, before = int(docker("inspect", "-f", "{{.State.Pid}}", servers)), children()
    with pytest.raises(StackError, match=rf"a probe from {servers} broke: ZeroDivisionError"):
        netns.run([netns.Job(servers, pid, lambda: {"x": 1 / 0})], 2)
    with pytest.raises(StackError, match=f"{servers} has just ended"):
        netns.run([netns.Job(servers, 1 << 22, dict)], 2)
    assert children() == before


ORPHAN = """
import os, sys, time
from ansible_collections.auren.stack.plugins.module_utils import netns
def work():
    print(os.getpid(), flush=True)
    time.sleep(60)
if sys.argv[1:]:
    os.setuid(65534)
netns.run([netns.Job("one", int((sys.argv[1:] or ["0"])[0]), work)], 1)
"""


def test_a_child_ends_also_when_its_parent_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], env=module_environment(), stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())  # type: ignore[union-attr]
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and "zombie" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.1)


def test_without_root(servers: str) -> None:
    pid = docker("inspect", "-f", "{{.State.Pid}}", servers)
    done = subprocess.run([sys.executable, "-c", ORPHAN, pid], env=module_environment(), capture_output=True, text=True, check=False)
    assert "StackError: entering the network of a container needs root: run with become" in done.stderr
    assert json.dumps(done.stdout) == '""'
