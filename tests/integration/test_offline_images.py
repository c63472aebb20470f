"""The offline image set keeps the contracts of the images it stands for.

Needs an Engine on which the set is built (`auren_image_source: build`); what is not there is skipped. The same contracts hold
for the images of the registries, so the tests may run on those too. Every object has the label auren.test=offline-images.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pytest

docker = pytest.importorskip("docker")

pytestmark = pytest.mark.images

POSTGRES = "timescale/timescaledb:latest-pg17"
REDIS = "redis:7-alpine"
KAFKA = "apache/kafka:3.9.1"
PROMETHEUS = "prom/prometheus:v2.53.3"
NODE = "prom/node-exporter:v1.9.0"
REDIS_EXPORTER = "oliver006/redis_exporter:v1.69.0-alpine"
POSTGRES_EXPORTER = "prometheuscommunity/postgres-exporter:v0.17.1"
PYTHON = "python:3.13-slim"

LABELS = {"auren.test": "offline-images"}
PASSWORD = "offline-$'pass"
SECRET = "/run/secrets/password"

# image → what `docker image inspect` must say, as the makers' images do
CONFIG: dict[str, dict[str, Any]] = {
    PYTHON: {"Cmd": ["python3"]},
    POSTGRES: {
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["postgres"],
        "StopSignal": "SIGINT",
        "Volumes": {"/var/lib/postgresql/data": {}},
    },
    REDIS: {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"], "WorkingDir": "/data", "Volumes": {"/data": {}}},
    KAFKA: {
        "User": "appuser",
        "Cmd": ["/etc/kafka/docker/run"],
        "ExposedPorts": {"9092/tcp": {}},
        "Volumes": {"/etc/kafka/secrets": {}, "/mnt/shared/config": {}, "/var/lib/kafka/data": {}},
    },
    PROMETHEUS: {"User": "nobody", "Entrypoint": ["/bin/prometheus"], "WorkingDir": "/prometheus", "Volumes": {"/prometheus": {}}},
    NODE: {"User": "nobody", "Entrypoint": ["/bin/node_exporter"], "ExposedPorts": {"9100/tcp": {}}},
    REDIS_EXPORTER: {"User": "59000:59000", "Entrypoint": ["/redis_exporter"], "ExposedPorts": {"9121/tcp": {}}},
    POSTGRES_EXPORTER: {"User": "nobody", "Entrypoint": ["/bin/postgres_exporter"], "ExposedPorts": {"9187/tcp": {}}},
}


def until(what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
    """Waits for a condition; fails naming `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


class Lab:
    """Containers on a network of their own, removed with their volumes by `close`."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.prefix = f"offline-{uuid.uuid4().hex[:8]}"
        self.network = client.networks.create(self.prefix, labels=LABELS)
        self.containers: list[Any] = []

    def start(self, name: str, image: str, files: dict[str, str] | None = None, **options: Any) -> Any:
        """Starts a container that the others reach as `name`, with these files in it; skips the test without its image."""
        if not self.client.images.list(image):
            pytest.skip(f"{image} is not on this Engine: build the offline image set first")
        endpoint = self.client.api.create_endpoint_config(aliases=[name])
        container = self.client.containers.create(
            image,
            name=f"{self.prefix}-{name}",
            hostname=name,
            labels=LABELS,
            network=self.prefix,
            networking_config={self.prefix: endpoint},
            **options,
        )
        self.containers.append(container)
        for path, text in (files or {}).items():
            put(container, path, text)
        container.start()
        return container

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True, v=True)
        self.network.remove()


def put(container: Any, path: str, text: str) -> None:
    """Writes a world-readable file into a container, running or not."""
    buffer, data, target = io.BytesIO(), text.encode(), PurePosixPath(path)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for parent in reversed(target.relative_to("/").parents[:-1]):
            folder = tarfile.TarInfo(str(parent))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        entry = tarfile.TarInfo(str(target.relative_to("/")))
        entry.size, entry.mode = len(data), 0o644
        archive.addfile(entry, io.BytesIO(data))
    container.put_archive("/", buffer.getvalue())


def run(container: Any, *command: str, **environment: str) -> tuple[int, str]:
    """Exit status and combined output of a command in a running container."""
    status, output = container.exec_run(list(command), environment=environment)
    return status, output.decode().strip()


def logged(container: Any, text: str, times: int = 1) -> Callable[[], bool]:
    return lambda: container.logs().decode().count(text) >= times


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Engine answers: {error}")
    made = Lab(client)
    yield made
    made.close()


@pytest.fixture(scope="module")
def postgres(lab: Lab) -> Any:
    files = {SECRET: PASSWORD + "\n", "/docker-entrypoint-initdb.d/50-once.sql": "CREATE TABLE once (n int); INSERT INTO once VALUES (1);"}
    server = lab.start(
        "postgres", POSTGRES, files, environment={"POSTGRES_PASSWORD_FILE": SECRET, "POSTGRES_USER": "auren", "POSTGRES_DB": "stack"}
    )
    until("PostgreSQL accepts TCP", lambda: run(server, "pg_isready", "-h", "postgres")[0] == 0)
    return server


@pytest.fixture(scope="module")
def redis(lab: Lab) -> Any:
    server = lab.start(
        "redis",
        REDIS,
        {"/etc/redis/redis.conf": f'requirepass "{PASSWORD}"\nappendonly yes\n'},
        command=["redis-server", "/etc/redis/redis.conf"],
    )
    until("Redis listens", logged(server, "Ready to accept connections"))
    return server


@pytest.fixture(scope="module")
def kafka(lab: Lab) -> Any:
    server = lab.start(
        "kafka",
        KAFKA,
        mem_limit="512m",
        environment={
            "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "INSIDE://:9092,HOST://:19092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": "INSIDE://kafka:9092,HOST://127.0.0.1:19092",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_HEAP_OPTS": "-Xms192m -Xmx192m",
        },
    )
    until("Kafka starts", logged(server, "Kafka Server started"), 60)
    return server


@pytest.mark.parametrize("image", CONFIG)
def test_the_image_is_configured_as_its_makers_do(lab: Lab, image: str) -> None:
    if not lab.client.images.list(image):
        pytest.skip(f"{image} is not on this Engine: build the offline image set first")
    config = lab.client.images.get(image).attrs["Config"]
    assert {key: config.get(key) for key in CONFIG[image]} == CONFIG[image]


def test_python_takes_packages_where_the_official_image_does(lab: Lab) -> None:
    box = lab.start("python", PYTHON, {"/src/pyproject.toml": '[project]\nname = "probe"\nversion = "1"\n'}, command=["sleep", "infinity"])
    assert run(box, "python", "-c", "import sys, ssl, sqlite3; print(sys.prefix, *sys.version_info[:2])") == (0, "/usr/local 3 13")
    assert run(box, "pip", "--version")[1].split()[3].startswith("/usr/local/lib/python3.13/site-packages")
    assert run(box, "python3", "-m", "venv", "/tmp/venv")[0] == 0
    assert run(box, "/tmp/venv/bin/pip", "--version")[0] == 0


def sql(client: Any, statement: str, password: str = PASSWORD, host: str = "postgres") -> tuple[int, str]:
    return run(client, "psql", "-h", host, "-U", "auren", "-d", "stack", "-qtAc", statement, PGPASSWORD=password)


def test_postgres_asks_for_the_password_of_the_file_and_has_hypertables(lab: Lab, postgres: Any) -> None:
    client = lab.start("psql", POSTGRES, entrypoint=["sleep", "infinity"])
    status, output = sql(client, "SELECT 1", password="wrong")
    assert status == 2
    assert 'password authentication failed for user "auren"' in output
    assert sql(client, "CREATE TABLE t (at timestamptz NOT NULL, v int); SELECT FROM create_hypertable('t', 'at');")[0] == 0
    assert sql(client, "INSERT INTO t SELECT now() - i * interval '1 day', i FROM generate_series(1, 40) i")[0] == 0
    assert int(sql(client, "SELECT count(*) FROM show_chunks('t')")[1]) > 4
    assert sql(client, "SELECT sum(n) FROM once") == (0, "1")
    assert sql(client, "SHOW data_directory") == (0, "/var/lib/postgresql/data")
    assert sql(client, "SELECT count(*) FROM pg_hba_file_rules WHERE address = 'all' AND auth_method = 'scram-sha-256'") == (0, "1")
    assert run(postgres, "stat", "-c", "%u:%g %a", "/var/lib/postgresql/data")[1] == "70:70 700"

    postgres.stop(timeout=20)
    postgres.reload()
    assert postgres.attrs["State"]["ExitCode"] == 0
    postgres.start()
    until("PostgreSQL is back", lambda: sql(client, "SELECT count(*) FROM t, once") == (0, "40"))


def test_postgres_begins_an_interrupted_init_again(lab: Lab) -> None:
    script = "/docker-entrypoint-initdb.d/99-last.sh"
    server = lab.start(
        "interrupted",
        POSTGRES,
        {SECRET: PASSWORD, script: "echo reached; sleep 60\n"},
        environment={"POSTGRES_PASSWORD_FILE": SECRET, "POSTGRES_USER": "auren", "POSTGRES_DB": "stack"},
    )
    until("the last init script runs", logged(server, "reached"))
    server.kill()
    put(server, script, "psql -U auren -d stack -qc 'CREATE TABLE whole ()'\n")
    server.start()
    until("PostgreSQL accepts TCP", lambda: run(server, "pg_isready", "-h", "interrupted")[0] == 0)
    assert sql(server, "SELECT count(*) FROM whole", host="interrupted") == (0, "0")
    assert "init process complete" in server.logs().decode()


def test_postgres_refuses_to_start_without_a_password(lab: Lab) -> None:
    server = lab.start("unset", POSTGRES)
    assert server.wait(timeout=20)["StatusCode"] == 1
    assert "superuser password is not specified" in server.logs().decode()


def test_redis_steps_down_asks_for_the_password_and_keeps_data(lab: Lab, redis: Any) -> None:
    def cli(*words: str, password: str = PASSWORD) -> tuple[int, str]:
        return run(redis, "redis-cli", "--no-auth-warning", "-h", "redis", *words, REDISCLI_AUTH=password)

    assert "WRONGPASS" in cli("ping", password="wrong")[1]
    assert cli("set", "k", "v") == (0, "OK")
    assert cli("config", "get", "protected-mode")[1].split() == ["protected-mode", "no"]
    assert run(redis, "stat", "-c", "%u:%g", "/data/appendonlydir")[1] == "999:1000"
    assert run(redis, "grep", "-c", "^Uid:.999", "/proc/1/status") == (0, "1")
    redis.restart(timeout=10)
    until("Redis is back", lambda: cli("get", "k") == (0, "v"))


def tool(kafka: Any, name: str, *words: str, server: str = "kafka:9092") -> str:
    status, output = run(kafka, f"/opt/kafka/bin/kafka-{name}.sh", "--bootstrap-server", server, *words)
    assert status == 0, output
    return output


def test_kafka_carries_events_on_both_listeners_and_is_formatted_once(kafka: Any) -> None:
    tool(kafka, "topics", "--create", "--topic", "events", "--partitions", "3")
    sent = run(kafka, "bash", "-c", "echo event | /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server kafka:9092 --topic events")
    assert sent[0] == 0, sent[1]
    consume = ("--topic", "events", "--group", "g", "--from-beginning", "--max-messages", "1", "--timeout-ms", "20000")
    assert "event" in tool(kafka, "console-consumer", *consume, server="127.0.0.1:19092").split()
    assert "kafka:9092 (id: 1" in tool(kafka, "broker-api-versions")

    kafka.restart(timeout=20)
    until("Kafka starts again", logged(kafka, "Kafka Server started", 2), 60)
    assert "already formatted" in kafka.logs().decode()
    assert tool(kafka, "consumer-groups", "--list") == "g"
    assert sum(int(line.split(":")[2]) for line in tool(kafka, "get-offsets", "--topic", "events").split()) == 1
    kafka.reload()
    assert not kafka.attrs["State"]["OOMKilled"]
    properties = run(kafka, "cat", "/opt/kafka/config/server.properties")[1].split()
    assert "offsets.topic.replication.factor=1" in properties


SCRAPE = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: all
    static_configs: [{targets: ['localhost:9090', 'node:9100', 'redis-exporter:9121', 'postgres-exporter:9187']}]
"""


def test_prometheus_sees_the_exporters_and_they_see_their_servers(lab: Lab, postgres: Any, redis: Any) -> None:
    lab.start("node", NODE)
    lab.start(
        "redis-exporter",
        REDIS_EXPORTER,
        {SECRET: json.dumps({"redis://redis:6379": PASSWORD})},
        environment={"REDIS_ADDR": "redis://redis:6379", "REDIS_PASSWORD_FILE": SECRET},
    )
    lab.start(
        "postgres-exporter",
        POSTGRES_EXPORTER,
        {SECRET: PASSWORD},
        environment={
            "DATA_SOURCE_URI": "postgres:5432/stack?sslmode=disable",
            "DATA_SOURCE_USER": "auren",
            "DATA_SOURCE_PASS_FILE": SECRET,
        },
    )
    server = lab.start(
        "prometheus",
        PROMETHEUS,
        {"/etc/prometheus/prometheus.yml": SCRAPE},
        command=["--config.file=/etc/prometheus/prometheus.yml", "--web.enable-lifecycle"],
    )

    def value(query: str) -> str:
        return run(server, "promtool", "query", "instant", "http://localhost:9090", query)[1]

    def says(query: str, expected: str) -> bool:
        return value(query).startswith(expected)

    until("Prometheus is healthy", lambda: run(server, "promtool", "check", "healthy")[0] == 0)
    for query, expected in {
        "sum(up)": "{} => 4 ",
        "sum(pg_up)": "{} => 1 ",
        "sum(redis_up)": "{} => 1 ",
        "sum(node_textfile_scrape_error)": "{} => 0 ",
    }.items():
        until(f"{query}: {expected}", partial(says, query, expected))
    assert 'collector="systemd"' not in value("node_scrape_collector_success")
