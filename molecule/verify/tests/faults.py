"""The table of faults: how each is put into a running stack and taken away again, what verify has to say, and what fixes it.

`causes` are the red lines, all of them, as regular expressions; `warnings` what is noted and keeps nobody from working. `kinds` is what the
first line (else the first warning) is found as, source and kind in the table of runbooks, and `page` the runbook that this leads to. `fix`
are lines of that page, with the names of this fault's containers; where two things are the matter, also one of the other's page. It is
empty where no command can know what is right. After it the ways to take a fault away find it gone.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from target import PROJECT_DIR, Target

LABEL = ["--label", "auren.stack.test=fault"]
FILL = f"cat /dev/zero > {PROJECT_DIR}/filler 2>/dev/null; truncate --size=-64K {PROJECT_DIR}/filler"


@dataclass(frozen=True)
class Fault:
    name: str
    put_in: Callable[[Target], AbstractContextManager[None]]
    causes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    page: str = ""
    fix: tuple[str, ...] = ()


# --- ways to put a fault in ---------------------------------------------------------------------------------------------


def perhaps(target: Target, *words: str) -> None:
    """A command of docker that fails where the fix has done the same already."""
    target.run("sh", "-c", f"docker {shlex.join(words)} || true")


def between(
    before: list[list[str]], after: list[list[str]], unfixed: list[list[str]] | None = None
) -> Callable[[Target], AbstractContextManager[None]]:
    """Commands of docker that put it in, and others that take it away. unfixed: those of them, the first, that fail where it is fixed."""

    @contextmanager
    def put_in(target: Target) -> Iterator[None]:
        for words in before:
            target.docker(*words)
        try:
            yield
        finally:
            for words in unfixed or []:
                perhaps(target, *words)
            for words in after:
                target.docker(*words)

    return put_in


def edited(path: str, old: str, new: str, *then: list[str]) -> Callable[[Target], AbstractContextManager[None]]:
    """A file of the project changed by hand, and what makes its service take it; the same with the old one afterwards."""

    @contextmanager
    def put_in(target: Target) -> Iterator[None]:
        whole = f"{PROJECT_DIR}/{path}"
        target.run("cp", "-a", whole, "/root/kept")
        target.run("sed", "-i", f"s|{old}|{new}|", whole)
        assert target.run("sh", "-c", f"cmp -s {whole} /root/kept && echo same || echo changed") == "changed"
        try:
            for words in then:
                target.run(*words)
            yield
        finally:
            target.run("cp", "-a", "/root/kept", whole)
            for words in then:
                target.run(*words)

    return put_in


def recreated(service: str) -> list[str]:
    compose = ["docker", "compose", "--project-directory", PROJECT_DIR]
    return [*compose, "up", "--detach", "--no-deps", "--force-recreate", service]


RELOADED = ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9090/-/reload', data=b'')"]
ONCE_AGAIN = ["docker", "restart", "auren-grafana"]
TOPICS = ["--env", "KAFKA_HEAP_OPTS=-Xmx64m", "auren-kafka", "/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "auren-kafka:9092"]
SITE = "ansible-playbook auren.stack.site"
STREAMLINE = "ansible-playbook auren.stack.streamline"
ANEW = f"docker compose -f {PROJECT_DIR}/docker-compose.yml up -d --no-deps --force-recreate"
PASSWORD_OF_THE_FILE = (
    f"sed p {PROJECT_DIR}/secrets/postgres_password | docker exec -i auren-postgres psql -U auren -d auren -c '\\password auren'"
)
REPLICA_OF_NO_ONE = """docker exec auren-redis sh -c 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli REPLICAOF NO ONE'"""


def sql(statement: str) -> list[str]:
    return ["exec", "auren-postgres", "psql", "-U", "auren", "-d", "auren", "-q", "-c", statement]


def redis(*words: str) -> list[str]:
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" exec redis-cli "$@"'
    return ["exec", "auren-redis", "sh", "-c", login, "redis-cli", *words]


def stopped(name: str) -> Callable[[Target], AbstractContextManager[None]]:
    return between([["stop", name]], [["start", name]])


table_gone = between(
    [sql("ALTER TABLE user_baselines RENAME TO gone")],
    [sql("DROP TABLE IF EXISTS user_baselines"), sql("ALTER TABLE gone RENAME TO user_baselines")],
)


@contextmanager
def another_password(target: Target) -> Iterator[None]:
    """Of the server, and of nobody else."""
    target.docker(*sql("ALTER ROLE auren PASSWORD 'another'"))
    try:
        yield
    finally:
        target.run("bash", "-c", PASSWORD_OF_THE_FILE)


@contextmanager
def on_a_network_that_is_gone(target: Target) -> Iterator[None]:
    """The operators' recipe: started on a legacy network, connected to the right one, and the old one removed."""
    name = "auren-node-exporter"
    image, *command = target.docker("inspect", name, "--format", "{{.Config.Image}}{{range .Config.Cmd}}\n{{.}}{{end}}").split("\n")
    target.docker("rename", name, f"{name}-kept")
    try:
        target.docker("network", "create", "auren_default")
        words = ["--name", name, "--network", "auren_default", "--restart", "unless-stopped"]
        target.docker(
            "run", "--detach", *LABEL, *words, "-v", "/proc:/host/proc:ro", "-v", "/sys:/host/sys:ro", "-v", "/:/rootfs:ro", image, *command
        )
        target.docker("network", "disconnect", "auren-network", f"{name}-kept")
        target.docker("network", "connect", "--alias", "node-exporter", "auren-network", name)
        target.docker("network", "disconnect", "auren_default", name)
        target.docker("network", "rm", "auren_default")
        yield
    finally:
        target.docker("rm", "--force", "--volumes", name)
        target.docker("rename", f"{name}-kept", name)
        target.docker("network", "connect", "--alias", "node-exporter", "auren-network", name)
        perhaps(target, "network", "rm", "auren_default")


@contextmanager
def scraped_at_the_host(target: Target) -> Iterator[None]:
    """What works from the host's own point of view, and not from Prometheus'."""
    gateway = target.docker("network", "inspect", "auren-network", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    put_in = edited("config/auren-prometheus/prometheus.yml", "auren-redis-exporter:9121", f"{gateway}:9121", RELOADED)
    with put_in(target):
        yield


@contextmanager
def moved_tag(target: Target) -> Iterator[None]:
    """Built anew over the tag that is in use, as a newer version would be."""
    ref = target.docker("inspect", "auren-node-exporter", "--format", "{{.Config.Image}}")
    target.docker("tag", ref, "auren-kept:1")
    built = target.docker("build", "--quiet", "--tag", ref, "-", stdin="FROM auren-kept:1\nLABEL built=anew\n")
    try:
        yield
    finally:
        target.docker("tag", "auren-kept:1", ref)
        target.run(*recreated("auren-node-exporter"))
        target.docker("rmi", "auren-kept:1", built)


@contextmanager
def small_disk(target: Target) -> Iterator[None]:
    """The project's directory on a small file system that is almost full. The containers stay on the real one."""
    aside = target.run("mktemp", "--directory")
    target.run("cp", "-a", f"{PROJECT_DIR}/.", aside)
    target.run("mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", PROJECT_DIR)
    try:
        target.run("cp", "-a", f"{aside}/.", PROJECT_DIR)
        target.run("sh", "-c", FILL)
        yield
    finally:
        target.run("umount", PROJECT_DIR)
        target.run("rm", "-r", aside)


def intruder(alias: str) -> Callable[[Target], AbstractContextManager[None]]:
    words = ["--name", "intruder", "--network", "auren-network", "--network-alias", alias, "--entrypoint", "sleep"]
    return between([["run", "--detach", "--init", *LABEL, *words, "redis:7-alpine", "600"]], [["rm", "--force", "--volumes", "intruder"]])


@contextmanager
def two_at_once(target: Target) -> Iterator[None]:
    with stopped("auren-kafka-exporter")(target), table_gone(target):
        yield


# --- the table ------------------------------------------------------------------------------------------------------------

FAULTS = [
    Fault(
        "another database password in one client",
        edited("secrets/env/neuros-advanced.env", "^POSTGRES_PASSWORD=.*", "POSTGRES_PASSWORD='drifted'", recreated("neuros-advanced")),
        (r"neuros-advanced → auren-postgres: auren-postgres:5432 does not accept the password .* POSTGRES_PASSWORD, which differs from",),
        kinds=("postgres auth",),
        page="password-drift",
        fix=(SITE,),
    ),
    Fault(
        "another database password in the server",
        another_password,
        tuple(rf"^{who} → auren-postgres: .* does not accept the password" for who in ("biometric-production", "host", "neuros-advanced")),
        kinds=("postgres auth",),
        page="password-drift",
        fix=(PASSWORD_OF_THE_FILE,),
    ),
    Fault(
        "a table that is missing",
        table_gone,
        (r"→ auren-postgres: auren on .* has no table user_baselines",),
        kinds=("postgres missing",),
        page="missing-tables",
        fix=("docker restart auren-postgres",),
    ),
    Fault(
        "Kafka stopped",
        stopped("auren-kafka"),
        (r"^auren-kafka is exited \(exit code \d+\): docker start auren-kafka",),
        kinds=("container down",),
        page="stopped-container",
        fix=("docker start auren-kafka",),
    ),
    Fault(
        "Kafka advertises localhost",
        edited("services/auren-kafka.yml", "INTERNAL://auren-kafka:9092", "INTERNAL://localhost:9092", recreated("auren-kafka")),
        (r"→ auren-kafka: auren-kafka:9092 answers, but it advertises localhost:9092",),
        kinds=("kafka advertised",),
        page="kafka-listeners",
        fix=(f"{SITE} --tags kafka", "docker restart biometric-production"),
    ),
    Fault(
        "a topic that is missing",
        between([["exec", *TOPICS, "--delete", "--topic", "biometric-events.dlq"]], [["restart", "auren-kafka"]]),
        (r"→ auren-kafka: auren-kafka:9092 has no topic biometric-events.dlq",),
        kinds=("kafka missing",),
        page="kafka-topics",
        fix=("docker restart auren-kafka",),
    ),
    Fault(
        "Redis read-only",
        between([redis("REPLICAOF", "127.0.0.1", "1")], [redis("REPLICAOF", "NO", "ONE")]),
        (r"→ auren-redis: auren-redis:6379 takes no writes: it is a replica of 127.0.0.1:1",),
        kinds=("redis readonly",),
        page="redis-read-only",
        fix=(REPLICA_OF_NO_ONE,),
    ),
    Fault(
        "an alias dropped by a plain disconnect and connect",
        between(
            [["network", "disconnect", "auren-network", "auren-redis"], ["network", "connect", "auren-network", "auren-redis"]],
            [
                ["network", "disconnect", "auren-network", "auren-redis"],
                ["network", "connect", "--alias", "redis", "auren-network", "auren-redis"],
            ],
        ),
        (r"^auren-redis has lost the name redis on auren-network",),
        kinds=("container alias",),
        page="lost-alias",
        fix=(STREAMLINE,),
    ),
    Fault(
        "a container on the wrong network",
        between(
            [
                ["network", "create", "auren_deploy_auren-network"],
                ["network", "connect", "auren_deploy_auren-network", "auren-postgres-exporter"],
                ["network", "disconnect", "auren-network", "auren-postgres-exporter"],
            ],
            [
                ["network", "disconnect", "auren_deploy_auren-network", "auren-postgres-exporter"],
                ["network", "rm", "auren_deploy_auren-network"],
            ],
            unfixed=[["network", "connect", "--alias", "postgres-exporter", "auren-network", "auren-postgres-exporter"]],
        ),
        (r"^auren-postgres-exporter is not on auren-network \(it is on auren_deploy_auren-network\)",),
        kinds=("container network",),
        page="wrong-network",
        fix=(STREAMLINE,),
    ),
    Fault(
        "a creation network that is gone",
        on_a_network_that_is_gone,
        (r"^auren-node-exporter will not start again after a stop or a reboot: the network .* that it was created on is gone",),
        kinds=("container cannot_start",),
        page="creation-network",
        fix=(STREAMLINE, "docker restart auren-node-exporter"),
    ),
    Fault(
        "a target by the host's address",
        scraped_at_the_host,
        (r"host → auren-prometheus: .* scrapes redis at [\d.]+:9121 instead of auren-redis-exporter:9121",),
        kinds=("prometheus target",),
        page="prometheus-targets",
        fix=(f"{SITE} --tags prometheus",),
    ),
    Fault(
        "a target on a published port",
        edited("config/auren-prometheus/prometheus.yml", "auren-grafana:3000", "auren-grafana:13000", RELOADED),
        (r"host → auren-prometheus: .* scrapes grafana at auren-grafana:13000 instead of auren-grafana:3000",),
        kinds=("prometheus target",),
        page="prometheus-targets",
        fix=(f"{SITE} --tags prometheus",),
    ),
    Fault(
        "an exporter stopped",
        stopped("auren-redis-exporter"),
        (r"^auren-redis-exporter is exited",),
        kinds=("container down",),
        page="stopped-container",
        fix=("docker start auren-redis-exporter",),
    ),
    Fault(
        # Grafana itself would start, and its panels would stay empty: tests/unit/test_probes.py. The stand-in refuses such files.
        "another uid of the data source",
        edited("config/auren-grafana/datasources/prometheus.yml", "uid: auren-prometheus", "uid: another", ONCE_AGAIN),
        (r"^auren-grafana (crashes and is restarted again and again|was restarted \d+ times)",),
        kinds=("container loop", "container restarted"),
        page="restart-loop",
        fix=(SITE,),
    ),
    Fault(
        "a panel on a metric that nobody exports",
        edited("config/auren-grafana/dashboards/pipeline.json", '"redis_memory_used_bytes"', '"redis_memory_nobody"', ONCE_AGAIN),
        warnings=(
            r"the panel 'Redis memory' of the dashboard auren-pipeline is about the metric redis_memory_nobody, which nobody exports",
        ),
        kinds=("grafana unexported",),
        page="empty-panels",
        fix=(f"{SITE} --tags grafana",),
    ),
    Fault(
        "a restart loop",
        edited("services/auren-node-exporter.yml", "--collector.uname", "--collector.nonsense", recreated("auren-node-exporter")),
        (r"^auren-node-exporter (crashes and is restarted again and again|was restarted \d+ times)",),
        kinds=("container loop", "container restarted"),
        page="restart-loop",
        fix=(SITE,),
    ),
    Fault(
        "a tag that was moved",
        moved_tag,
        warnings=(r"auren-node-exporter runs an older image than the one that prom/node-exporter:\S+ is now",),
        kinds=("container image",),
        page="moved-tag",
        fix=(SITE,),
    ),
    Fault(
        "a file edited inside a container",
        between(
            [["exec", "--user", "root", "neuros-advanced", "touch", "/usr/local/hot-patch.py"]],
            [["exec", "--user", "root", "neuros-advanced", "rm", "-f", "/usr/local/hot-patch.py"]],
        ),
        warnings=(r"neuros-advanced: /usr/local/hot-patch.py was changed inside the running container",),
        kinds=("container edited",),
        page="hot-patch",
        fix=(f"{ANEW} neuros-advanced",),
    ),
    Fault(
        "a disk that is nearly full",
        small_disk,
        (rf"^only \d % of the disk of {PROJECT_DIR} is free",),
        kinds=("disk disk",),
        page="disk-full",  # what may go is for a person to say; here it is the whole disk that goes
    ),
    Fault(
        "a stopped container without a restart policy",
        between(
            [["update", "--restart", "no", "auren-redis-exporter"], ["stop", "auren-redis-exporter"]],
            [["update", "--restart", "unless-stopped", "auren-redis-exporter"], ["start", "auren-redis-exporter"]],
        ),
        (r"^auren-redis-exporter is exited",),
        (r"auren-redis-exporter has no restart policy, and stays down after a crash or a reboot",),
        kinds=("container down",),
        page="stopped-container",
        fix=(SITE,),
    ),
    Fault(
        "a port that is open to everybody",
        edited("services/auren-redis.yml", "127.0.0.1:6379", "0.0.0.0:6379", recreated("auren-redis")),
        (r"^auren-redis does not publish 6379/tcp as 127.0.0.1:6379",),
        (r"auren-redis publishes 6379/tcp as 0.0.0.0:6379, which was not declared",),
        kinds=("container ports",),
        page="ports",
        fix=(SITE,),
    ),
    Fault(
        "a page that does not hand calls on",
        edited("config/auren-pwa/nginx.conf", "~ /api/neuros/", "~ /api/other/", ["docker", "restart", "auren-pwa"]),
        (r"host → auren-pwa: GET /api/neuros/health of 127.0.0.1:80 answers 404 instead of 200",),
        kinds=("proxy status",),
        page="nginx-proxy",
        fix=("ansible-playbook auren.stack.pwa",),
    ),
    Fault(
        "a name that two containers answer to",
        intruder("auren-redis"),
        (r"^intruder answers to auren-redis on auren-network as well as auren-redis",),
        kinds=("container twice",),
        page="name-twice",
        fix=("docker network disconnect auren-network intruder",),
    ),
    Fault(
        "two faults at once",
        two_at_once,
        (r"^auren-kafka-exporter is exited", r"→ auren-postgres: auren on .* has no table user_baselines"),
        kinds=("container down",),
        page="stopped-container",
        fix=("docker start auren-kafka-exporter", "docker restart auren-postgres"),
    ),
]
