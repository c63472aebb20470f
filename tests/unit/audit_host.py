"""A host as the documents in tests/unit/audit speak of it: eight services, their exporters, verification, Prometheus' targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import audit_judge
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Facts, ImageFact, Judged, ScrapeTarget
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Known as Declared
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Container, Endpoint, Network, Pool

DOCUMENTS = Path(__file__).parent / "audit"
NET = "auren-network"
SECRET = "b7-Vq2.zRt9w"  # what the services hold; in clear text nowhere but in the planted document
BACKENDS = ("auren-postgres", "auren-redis", "auren-kafka")

# name: role, image, port inside, published as, health, aliases, needs, volume
STACK: dict[str, tuple[str, str, int, str, str, tuple[str, ...], tuple[str, ...], str]] = {
    "auren-postgres": (
        "postgres",
        "timescale/timescaledb:2.17.2-pg16",
        5432,
        "127.0.0.1:5432",
        "healthy",
        ("postgres",),
        (),
        "/var/lib/postgresql/data",
    ),
    "auren-redis": ("redis", "redis:7.4.1-alpine", 6379, "127.0.0.1:6379", "healthy", ("redis",), (), "/data"),
    "auren-kafka": ("kafka", "apache/kafka:3.9.1", 9092, "127.0.0.1:9092", "healthy", ("kafka",), (), "/var/lib/kafka/data"),
    "neuros-advanced": ("neuros", "neuros-advanced:final-v2", 8000, "127.0.0.1:8000", "healthy", ("neuros",), BACKENDS, ""),
    "biometric-production": (
        "biometric_bridge",
        "auren_deploy_biometric-bridge:1.4",
        8888,
        "127.0.0.1:8888",
        "healthy",
        ("biometric",),
        BACKENDS,
        "",
    ),
    "auren-prometheus": ("prometheus", "prom/prometheus:v2.53.3", 9090, "127.0.0.1:9090", "healthy", ("prometheus",), (), "/prometheus"),
    "auren-grafana": (
        "grafana",
        "grafana/grafana:11.6.0",
        3000,
        "127.0.0.1:3000",
        "healthy",
        ("grafana",),
        ("auren-prometheus",),
        "/var/lib/grafana",
    ),
    "auren-pwa": ("pwa", "auren-pwa:2.3", 80, "0.0.0.0:8080", "healthy", ("pwa",), ("neuros-advanced", "biometric-production"), ""),
    "auren-redis-exporter": (
        "redis_exporter",
        "oliver006/redis_exporter:v1.69.0-alpine",
        9121,
        "",
        "",
        ("redis-exporter",),
        ("auren-redis",),
        "",
    ),
    "auren-postgres-exporter": (
        "postgres_exporter",
        "prometheuscommunity/postgres-exporter:v0.17.1",
        9187,
        "",
        "",
        (),
        ("auren-postgres",),
        "",
    ),
}
ENV = {
    "auren-postgres": {"POSTGRES_PASSWORD": SECRET, "POSTGRES_DB": "auren_production", "PG_MAJOR": "16"},
    "neuros-advanced": {"LOG_LEVEL": "INFO", "POSTGRES_URL": f"postgresql://auren:{SECRET}@auren-postgres:5432/auren"},
}
SUBNET = "172.28.0.0/16"


def container(name: str, **more: Any) -> Container:
    role, image, port, published, health, aliases, _needs, volume = STACK[name]
    place = list(STACK).index(name) + 2
    address, _colon, host = published.rpartition(":")
    known: dict[str, Any] = {
        "state": "running",
        "health": health,
        "restart_policy": "unless-stopped",
        "network_mode": NET,
        "env": ENV.get(name, {}),
        "endpoints": (Endpoint(NET, "id-net", f"172.28.0.{place}", aliases),),
        "bindings": (Binding(address, int(host), f"{port}/tcp"),) if host else (),
        "volumes": (f"{role}_data",) if volume else (),
        **more,
    }
    return Container(f"id-{name}", name, image, f"sha256:{name}", **known)


def check(client: str, service: str, status: str = "pass", evidence: str = "it answers", **more: Any) -> dict[str, Any]:
    return {"check": f"http {service}", "client": client, "service": service, "status": status, "evidence": evidence, "because": "", **more}


def _checks() -> tuple[dict[str, Any], ...]:
    arrows = [(client, need) for client, one in STACK.items() for need in one[6]]
    arrows += [("auren-prometheus", name) for name in ("neuros-advanced", "auren-redis-exporter", "auren-postgres-exporter")]
    return tuple(check(*arrow) for arrow in arrows)


TARGETS = tuple(
    ScrapeTarget(job, address, "/metrics", "up")
    for job, address in (
        ("prometheus", "auren-prometheus:9090"),
        ("neuros", "neuros-advanced:8000"),
        ("biometric", "biometric-production:8888"),
        ("redis", "auren-redis-exporter:9121"),
        ("postgres", "auren-postgres-exporter:9187"),
    )
)


def facts(**changed: Any) -> Facts:
    """The host when all is well, with what a test changes of it."""
    known: dict[str, Any] = {
        "containers": tuple(container(name) for name in STACK),
        "networks": (
            Network("id-net", NET, "bridge", (SUBNET,), pools=(Pool(SUBNET, "172.28.0.1"),)),
            Network("id-bridge", "bridge", "bridge", ("172.17.0.0/16",)),
        ),
        "services": {name: Declared(name, one[0], one[6], one[5], one[0] == "pwa") for name, one in STACK.items()},
        "images": {one[1]: ImageFact(f"sha256:{name}", (f"{one[1]}@sha256:1",) if "/" in one[1] else ()) for name, one in STACK.items()},
        "listening": {name: frozenset({one[2], 41234}) for name, one in STACK.items()},
        "mounts": {name: ((f"{one[0]}_data", one[7]),) for name, one in STACK.items() if one[7]},
        "volumes": frozenset(f"{one[0]}_data" for one in STACK.values() if one[7]),
        "host_ports": (Binding("0.0.0.0", 22, "/tcp"),),
        "addresses": frozenset({"127.0.0.1", "203.0.113.7"}),
        "targets": TARGETS,
        "checks": _checks(),
        "paths": {"/opt/auren/docker": True},
        "secrets": frozenset({SECRET}),
        "network": NET,
        "engine": "27.3.1",
    }
    return Facts(**{**known, **changed})


def with_container(name: str, **more: Any) -> tuple[Container, ...]:
    """All containers, one of them changed."""
    return tuple(replace(one, **more) if one.name == name else one for one in facts().containers)


def judged(text: str, host: Facts | None = None) -> list[Judged]:
    """Without what the document leaves out."""
    return [one for one in audit_judge.audit(text, host or facts()).claims if one.kind != "missing"]


def verdicts(text: str, host: Facts | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.verdict) for one in judged(text, host)]


def document(name: str) -> str:
    return (DOCUMENTS / name).read_bytes().decode("utf-8", errors="replace")
