"""The pipeline on real parts: Kafka, TimescaleDB, Redis and both applications, on a network of their own."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jinja2 import Template

from tests.stream import Stream

ROOT = Path(__file__).resolve().parents[3]
LABEL = "auren.stack.test=pipeline"
# Every character that a URL, a shell or an environment file could trip over.
PASSWORD = "p@s/s:w%r#d?&$x'y"
TOPICS = ("biometric-events", "biometric-events.dlq")
PORTS = {"neuros": 8000, "bridge": 8888}
KAFKA_ENVIRONMENT = {
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_NODE_ID": "1",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "CONTROLLER://127.0.0.1:9093,INTERNAL://:9092",
    "KAFKA_ADVERTISED_LISTENERS": "INTERNAL://kafka:9092",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "3",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_HEAP_OPTS": "-Xms256m -Xmx256m",
}


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of these tests."""
    config.addinivalue_line("markers", "pipeline: runs Kafka, TimescaleDB, Redis and both applications in containers")


def docker(*words: str, text: str | None = None) -> str:
    """Run a docker command and return its output; a failure fails the test with what Docker said."""
    done = subprocess.run(["docker", *words], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words[:3])}: {done.stderr or done.stdout}"
    return done.stdout.strip()


def until(what: str, check: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for a true value; a failure tells what was waited for and what came last."""
    end = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < end:
        try:
            last = check()
        except (OSError, AssertionError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.2)
    pytest.fail(f"waited {seconds:g} s for {what}; last: {last!r}")


@dataclass
class Stack:
    """Five containers of one prefix. `start` of one that exists starts it again, with its data."""

    prefix: str
    ports: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, image: str, environment: dict[str, str], *words: str, command: tuple[str, ...] = ()) -> None:
        """Create and start a container that the network knows as `name`."""
        options = [f"--env={key}={value}" for key, value in environment.items()]
        docker("run", "-d", "--name", f"{self.prefix}-{name}", "--label", LABEL, "--network", self.prefix,
               "--network-alias", name, *options, *words, image, *command)  # fmt: skip

    def docker(self, action: str, name: str, *words: str) -> str:
        """`stop`, `start`, `kill`, `logs` … of one container."""
        return docker(action, *words, f"{self.prefix}-{name}")

    def inspect(self, name: str, form: str) -> str:
        """One value of the container's state."""
        return docker("inspect", "--format", form, f"{self.prefix}-{name}")

    def sql(self, query: str) -> str:
        """Answer of Postgres, columns separated by |."""
        words = ("psql", "-U", "auren", "-d", "auren", "-qAt", "-v", "ON_ERROR_STOP=1")
        return docker("exec", "-i", f"{self.prefix}-postgres", *words, text=query)

    def kafka(self, tool: str, *words: str, text: str | None = None) -> str:
        """Output of one of Kafka's own tools against the broker."""
        command = (f"/opt/kafka/bin/{tool}.sh", "--bootstrap-server", "kafka:9092", *words)
        return docker("exec", "-i", f"{self.prefix}-kafka", *command, text=text)

    def call(self, app: str, path: str, body: Any = None, seconds: float = 30) -> tuple[int, Any]:
        """Status and JSON (or text) of a GET, or of a POST when there is a body. OSError when nobody answers."""
        url = f"http://127.0.0.1:{self.ports[app]}{path}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode()

    def healthy(self, app: str) -> bool:
        """The application's own verdict."""
        return bool(self.call(app, "/health")[1]["healthy"])

    def learn_port(self, app: str) -> None:
        """A published port of Docker's choice is another one after each start."""
        self.ports[app] = int(docker("port", f"{self.prefix}-{app}", str(PORTS[app])).rpartition(":")[2])

    def rows(self, user_like: str) -> int:
        """How many rows the users have."""
        return int(self.sql(f"SELECT count(*) FROM biometric_events WHERE user_id LIKE '{user_like}'"))


def start_applications(stack: Stack) -> None:
    """Build both images and start them, before anything that they need exists."""
    environment = {
        "POSTGRES_URL": f"postgresql://auren:{quote(PASSWORD, safe='')}@postgres:5432/auren",
        "REDIS_URL": f"redis://:{quote(PASSWORD, safe='')}@redis:6379/0",
        "KAFKA_BROKERS": "kafka:9092",
        "OPENAI_API_KEY": "",
        "OURA_WEBHOOK_SECRET": "",
    }
    for app, role in (("neuros", "neuros"), ("bridge", "biometric_bridge")):
        docker("build", "-q", "-t", f"{stack.prefix}/{app}", "--label", LABEL, str(ROOT / "roles" / role / "files"))
        stack.run(app, f"{stack.prefix}/{app}", environment, "--memory=1g", f"--publish=127.0.0.1::{PORTS[app]}")
        stack.learn_port(app)


def start_dependencies(stack: Stack) -> None:
    """Kafka with its topics, Redis, and TimescaleDB with the schema of the role postgres."""
    stack.run("kafka", "apache/kafka:3.9.1", KAFKA_ENVIRONMENT)
    stack.run("redis", "redis:7-alpine", {}, command=("redis-server", "--requirepass", PASSWORD, "--save", ""))
    login = {"POSTGRES_USER": "auren", "POSTGRES_DB": "auren", "POSTGRES_PASSWORD": PASSWORD}
    stack.run("postgres", "timescale/timescaledb:latest-pg17", login)
    for topic in TOPICS:
        create = ("--create", "--if-not-exists", "--topic", topic, "--partitions", "3")
        until(f"topic {topic}", lambda create=create: "opic" in stack.kafka("kafka-topics", *create), 60)
    # The server that initdb starts for itself listens on no address.
    until("Postgres", lambda: docker("exec", f"{stack.prefix}-postgres", "pg_isready", "-h", "127.0.0.1", "-U", "auren"))
    schema = (ROOT / "roles" / "postgres" / "templates" / "schema.sql.j2").read_text()
    stack.sql(f"BEGIN; {Template(schema).render(postgres_compress_after='', postgres_drop_after='', postgres_schema_extra='')} COMMIT;")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole pipeline, healthy; removed with everything it made."""
    made = Stack(f"auren-pipeline-{uuid.uuid4().hex[:6]}")
    docker("network", "create", "--label", LABEL, made.prefix)
    try:
        start_applications(made)
        for app in PORTS:
            until(f"{app} to answer", lambda app=app: made.call(app, "/health"))
            assert not made.healthy(app), f"{app} calls itself healthy without any dependency"
        start_dependencies(made)
        for app in PORTS:
            until(f"{app} to find its dependencies", lambda app=app: made.healthy(app), 40)
        yield made
    finally:
        for name in ("neuros", "bridge", "kafka", "redis", "postgres"):
            subprocess.run(["docker", "rm", "-fv", f"{made.prefix}-{name}"], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", made.prefix], capture_output=True, check=False)
        for app in PORTS:
            subprocess.run(["docker", "rmi", f"{made.prefix}/{app}"], capture_output=True, check=False)


@pytest.fixture
def stream(stack: Stack) -> Callable[..., Stream]:
    """Make a stream of webhooks whose users have names of their own."""
    return lambda: Stream(lambda body: stack.call("bridge", "/webhooks/whoop", body)[0], f"stream{uuid.uuid4().hex[:8]}")
