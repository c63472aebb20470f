"""The table of faults: how each is put into a running stack and taken away again, what verify has to say, and what fixes it.

`causes` are the red lines, all of them, as regular expressions; `warnings` what is noted and keeps nobody from working. `kinds` is what the
first line (else the first warning) is found as, source and kind in the table of runbooks, and `page` the runbook that this leads to. `fix`
are lines of that page, with the names of this fault's containers; where two things are the matter, also one of the other's page. It is
empty where no command can know what is right. After it the ways to take a fault away find it gone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from target import PROJECT_DIR, Target
from ways import (
    ANEW,
    ONCE_AGAIN,
    PASSWORD_OF_THE_FILE,
    RELOADED,
    REPLICA_OF_NO_ONE,
    SITE,
    STREAMLINE,
    TOPICS,
    another_password,
    between,
    edited,
    intruder,
    moved_tag,
    on_a_network_that_is_gone,
    recreated,
    redis,
    scraped_at_the_host,
    small_disk,
    stopped,
    table_gone,
    two_at_once,
)


@dataclass(frozen=True)
class Fault:
    name: str
    put_in: Callable[[Target], AbstractContextManager[None]]
    causes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    page: str = ""
    fix: tuple[str, ...] = ()


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
