"""Ways to put a fault into a running stack, each with the way that takes it out again; and what a page says against it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from target import PROJECT_DIR, Target

LABEL = ["--label", "auren.stack.test=fault"]
FILL = f"cat /dev/zero > {PROJECT_DIR}/filler 2>/dev/null; truncate --size=-64K {PROJECT_DIR}/filler"


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
