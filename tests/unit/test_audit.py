"""What a document claims, judged against a host: planted errors with their exact verdicts, and a clean document without a false alarm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_judge
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Facts, ScrapeTarget
from ansible_collections.auren.stack.plugins.module_utils.model import Endpoint

from tests.unit.audit_host import DOCUMENTS, NET, SECRET, TARGETS, check, document, facts, judged, verdicts, with_container

BROKEN = tuple(
    {**one, "status": "fail", "evidence": "auren-redis:6379 does not accept the password"}
    if (one["client"], one["service"]) == ("biometric-production", "auren-redis")
    else one
    for one in facts().checks
)
PLANTED_HOST = facts(
    containers=with_container("auren-kafka", state="exited", health=""),
    checks=BROKEN,
    targets=(*TARGETS, ScrapeTarget("raw", "auren-redis:6379", "/metrics", "down", "EOF")),
)
PLANTED = [  # line, kind, how the evidence begins
    (0, "missing", "auren-postgres-exporter (prometheuscommunity/postgres-exporter:v0.17.1, running) is on this host"),
    (3, "health", "auren-kafka is exited: docker start auren-kafka"),
    (4, "count", "10 services are declared, 9 of 10 containers run, 10 containers are on auren-network"),
    (10, "image", "auren-postgres runs timescale/timescaledb:2.17.2-pg16; timescale/timescaledb:latest-pg16 is not on this host"),
    (10, "floating_tag", "timescale/timescaledb has the tag latest-pg16: that is another image tomorrow"),
    (12, "image", "auren-kafka runs apache/kafka:3.9.1; bitnami/kafka:3.5 is not on this host, and bitnami's images cannot be pulled"),
    (12, "health", "auren-kafka is exited: docker start auren-kafka"),
    (13, "listed_not_drawn", "neuros-advanced is listed to need auren-kafka, but the diagram draws no arrow between them"),
    (14, "port", "biometric-production listens on 8888 inside, and publishes 127.0.0.1:8888 → 8888/tcp"),
    (14, "port_twice", "neuros-advanced, biometric-production cannot both have 8000 of the host; neuros-advanced has it"),
    (15, "health", "auren-redis-exporter runs, but it has no health check: nobody knows whether it is healthy"),
    (16, "container", "there is no container neuros-langgraph in any state"),
    (16, "health", "there is no container neuros-langgraph"),
    (16, "floating_tag", "neuros-langgraph has the tag latest"),
    (21, "port", "auren-grafana publishes 127.0.0.1:3000 → 3000/tcp"),
    (22, "restart", "auren-grafana has the restart policy unless-stopped"),
    (23, "volume", "auren-grafana has grafana_data at /var/lib/grafana"),
    (24, "version", "auren-grafana runs grafana/grafana:11.6.0"),
    (25, "secret", "it can be read by whoever has the document"),
    (29, "port", "it is the other way round: auren-pwa publishes 0.0.0.0:8080 → 80/tcp"),
    (33, "port", "auren-prometheus publishes 127.0.0.1:9090 → 9090/tcp"),
    (34, "network", "there is no network auren_default; there are auren-network"),
    (38, "url", "a browser on a user's machine cannot resolve neuros-advanced, which is a name inside Docker's networks"),
    (40, "url", "nobody listens on 8081 of this host"),
    (46, "count", "10 containers are on auren-network"),
    (46, "subnet", "auren-network has 172.28.0.0/16"),
    (47, "network", "there is no network auren_deploy_auren-network"),
    (49, "address", "auren-kafka has 172.28.0.4 on auren-network"),
    (49, "lasting_address", "auren-redis has it by chance, and another one when it is made anew: write the name"),
    (53, "scrape", "it does not scrape auren-grafana, auren-kafka, auren-pwa; auren-redis cannot be scraped"),
    (53, "scrape", "Prometheus scrapes auren-redis:6379/metrics, which is down (EOF)"),
    (54, "port", "auren-kafka listens on 9092 inside"),
    (
        61,
        "drawn_not_listed",
        "the diagram draws neuros-advanced → auren-postgres, but auren-postgres is not listed among what neuros-advanced needs",
    ),
    (63, "arrow", "verification: http auren-redis from biometric-production fails: auren-redis:6379 does not accept the password"),
    (69, "image", "bitnami's images cannot be pulled freely any more since September 2025"),
    (70, "container", "there is no container biometric-unified in any state"),
    (71, "secret", "it can be read"),
    (72, "secret", "it can be read"),
    (73, "secret", "it can be read"),
    (76, "secret", "it can be read"),
    (79, "env", "neuros-advanced has another value: INFO"),
    (82, "secret", "it can be read"),
]
PLANTED_SECRETS = (
    "Sup3rS3cret!now", "hunter2-prod", "tok-4f9a8b7c6d5e", "sk-proj-abcdefghij0123456789", SECRET, "MIIEpAIBAAKCAQEA7bq7c0", "BEGIN RSA"
)  # fmt: skip


# --- whole documents -----------------------------------------------------------------------------------------------------


def test_every_planted_error_is_found_and_nothing_else_is_false() -> None:
    found = audit_judge.audit(document("planted.md"), PLANTED_HOST, "planted.md")
    false = sorted((one.line, one.kind, one.evidence) for one in found.claims if one.verdict == "false")
    assert [(line, kind) for line, kind, _evidence in false] == sorted((line, kind) for line, kind, _evidence in PLANTED)
    for line, kind, begins in PLANTED:
        assert [one for one in false if one[:2] == (line, kind) and one[2].startswith(begins)], (line, kind, begins)
    assert len({kind for _line, kind, _evidence in PLANTED}) >= 15
    assert found.false_claims == len(PLANTED)


def test_the_kinds_of_secrets_are_told_and_the_secrets_are_not() -> None:
    found = audit_judge.audit(document("planted.md"), PLANTED_HOST, "planted.md")
    assert {(one.line, one.text) for one in found.claims if one.kind == "secret"} == {
        (25, "a password in clear text"),
        (71, "a password in a URL in clear text"),
        (72, "an Authorization header in clear text"),
        (73, "an API key in clear text"),
        (76, "a value that a service on this host holds in clear text"),
        (82, "a private key in clear text"),
    }
    shown = f"{found.claims}{audit_judge.markdown(found)}{audit_judge.summary(found)}{found!r}"
    assert [secret for secret in PLANTED_SECRETS if secret in shown] == []
    assert {*PLANTED_SECRETS} - {"BEGIN RSA"} == {*found.hidden}


def test_a_clean_document_raises_no_alarm() -> None:
    found = audit_judge.audit(document("clean.md"), facts(), "clean.md")
    assert [one for one in found.claims if one.verdict == "false"] == []
    counts = {verdict: sum(one.verdict == verdict for one in found.claims) for verdict in ("true", "unprovable")}
    assert counts["true"] >= 130
    assert counts["unprovable"] <= 20
    assert {one.kind for one in found.claims if one.verdict == "true"} >= {
        *("container", "image", "port", "health", "dependency", "network", "subnet", "driver", "count", "url", "volume", "path"),
        *("restart", "version", "arrow", "scrape"),
    }


def test_the_same_document_is_read_the_same_with_other_line_ends() -> None:
    text = document("clean.md")
    assert judged(text.replace("\n", "\r\n")) == judged(text)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("empty.md", []),
        ("no_tables.md", [("network", "true"), ("port", "true"), ("port", "false"), ("health", "true")]),
        ("unclosed_fence.md", [("image", "true"), ("container", "true"), ("container", "false"), ("port", "true")]),
        ("windows.md", [("container", "true"), ("port", "true"), ("port", "false"), ("container", "true")]),
    ],
)
def test_odd_documents(name: str, wanted: list[tuple[str, str]]) -> None:
    assert sorted(verdicts(document(name))) == sorted(wanted)


def test_binary_garbage_claims_nothing() -> None:
    found = judged(document("garbage.bin"))
    assert [one for one in found if one.verdict != "unprovable"] == []
    assert audit_judge.markdown(audit_judge.audit(document("garbage.bin"), facts())).startswith("# Audit of a document")


def test_a_huge_document_is_read_in_time_and_its_end_is_told() -> None:
    text = "| Container | Port |\n|---|---|\n" + "| auren-redis | 6379 |\n" * 25000 + "POSTGRES_PASSWORD=at-the-very-end-9\n"
    found = audit_judge.audit(text, facts())
    assert sum(one.kind == "port" for one in found.claims) == 20000 - 2
    assert [(one.line, one.kind, one.verdict) for one in found.claims][-2:] == [(20000, "unread", "unprovable"), (25003, "secret", "false")]
    assert judged("x" * 3_000_000 + " `auren-redis` -- " * 100) == []  # nobody writes such a line


def test_a_document_without_a_claim_says_so() -> None:
    report = audit_judge.markdown(audit_judge.audit("Hello.\n", Facts(), "a|b.md"))
    assert report.startswith("# Audit of a\\|b.md\n\na\\|b.md: 0 claims, 0 true, 0 false, 0 unprovable.\n\nIt claims nothing")


def test_the_report_has_what_is_false_first_and_breaks_no_table() -> None:
    text = "| Container | Port |\n|---|---|\n| auren-redis | 6379 |\n\nThe port of Kafka is a|b: `auren-kafka:1234`.\n"
    rows = [row for row in audit_judge.markdown(audit_judge.audit(text, facts())).splitlines() if row.startswith("|")][2:]
    words = [row.split(" | ")[1] for row in rows]
    assert words == sorted(words)  # **false**, true, unprovable
    assert "a\\|b: auren-kafka:1234" in next(row for row in rows if "| 5 |" in row)
    assert rows[0].startswith("|  | **false** | missing | auren-grafana |")


# --- one error each, and the same statement when it is right ---------------------------------------------------------------


def alone(name: str, **more: Any) -> Facts:
    return facts(containers=with_container(name, **more))


STOPPED = alone("auren-kafka", state="exited", health="")
CASES: list[tuple[str, list[tuple[str, str]], Facts | None]] = [
    # URLs, by who follows them
    ("Users open http://neuros-advanced:8000 in the browser.", [("url", "false")], None),
    ("Users open http://203.0.113.7:8080 in the browser.", [("url", "true")], None),
    ("Users open http://203.0.113.7:3000 in the browser.", [("url", "false")], None),
    ("The page is at http://auren.example.org:8080.", [("url", "unprovable")], None),
    ("nginx forwards to http://neuros-advanced:8000 inside.", [("url", "true")], None),
    ("nginx forwards to http://neuros-advanced:8001 inside.", [("url", "false")], None),
    ("Prometheus scrapes http://nobody-there:9100/metrics.", [("url", "false")], None),
    ("```bash\ncurl http://neuros-advanced:8000/health\n```", [("url", "false")], None),
    ("```bash\ncurl http://localhost:8000/health\n```", [("url", "true")], None),
    ("```bash\ndocker exec auren-pwa curl http://neuros-advanced:8000/health\n```", [("container", "true"), ("url", "true")], None),
    ("```bash\ndocker exec auren-pwa curl http://localhost:8000/\n```", [("container", "true"), ("url", "false")], None),
    ("Users open http://172.28.0.5:8000 in the browser.", [("url", "false")], None),
    ("See http://<your-host>:3000 and http://${HOST}:3000.", [("url", "unprovable"), ("url", "unprovable")], None),
    # ports
    ("| Service | Host port | Container port |\n|---|---|---|\n| auren-pwa | 8080 | 80 |",
     [("container", "true"), ("port", "true"), ("port", "true")], None),
    ("| Service | Host port | Container port |\n|---|---|---|\n| auren-pwa | 80 | 8080 |",
     [("container", "true"), ("port", "false"), ("port", "false")], None),
    ("The PWA publishes ports 8080:80.", [("port", "true")], None),
    ("Redis listens on port 6380.", [("port", "false")], None),
    ("PostgreSQL, Redis and Kafka use ports 5432, 6379 and 9092.", [("port", "true")] * 3, None),
    ("Ports 8000 (NEUROS) and 8889 (Biometric bridge) are open.", [("port", "true"), ("port", "false")], None),
    ("- auren-redis: 6379", [("container", "true"), ("port", "true")], None),
    ("- auren-redis: 127.0.0.1:6379", [("container", "true"), ("port", "true")], None),
    ("- auren-redis: 0.0.0.0:6379", [("container", "true"), ("port", "false")], None),
    ("NEUROS asks for `auren-pwa:8080`.", [("port", "false")], None),
    ("### auren-redis-exporter\n\nPorts: not published", [("port", "true")], None),
    ("### auren-redis\n\nPorts: not published", [("port", "false")], None),
    ("Redis listens on port 6379.", [("port", "unprovable")], facts(listening={}, containers=with_container("auren-redis", bindings=()))),
    # images
    ("Kafka runs the image `apache/kafka:3.9.1`.", [("image", "true")], None),
    ("Kafka runs the image `apache/kafka:3.9.0`.", [("image", "false")], None),
    ("```bash\ndocker pull bitnami/kafka:3.5\n```", [("image", "false")], None),
    ("```bash\ndocker pull auren-pwa:2.3\n```", [("image", "false")], None),
    ("```bash\ndocker pull apache/kafka:3.9.1\n```", [("image", "true")], None),
    ("```bash\ndocker pull apache/kafka:4.0.0\n```", [("image", "unprovable")], None),
    ("We use the image `nobody/has-it:1.0`.", [("image", "false")], None),
    ("```yaml\nservices:\n  redis:\n    image: redis\n```", [("image", "true"), ("floating_tag", "false")], None),
    (f"Redis runs the image `redis:7.4.1-alpine@sha256:{'a' * 64}`.", [("image", "true")], None),
    # containers and their state
    ("The container `neuros-langgraph` answers.", [("container", "false")], None),
    ("auren-kafka is running.", [("health", "false")], STOPPED),
    ("auren-kafka is running.", [("health", "true")], None),
    ("auren-kafka is down.", [("health", "true")], STOPPED),
    ("- ✅ Kafka and Redis", [("health", "false"), ("health", "true")], STOPPED),
    ("| Container | Health |\n|---|---|\n| auren-redis-exporter | ✅ |", [("container", "true"), ("health", "true")], None),
    ("auren-redis-exporter is healthy.", [("health", "false")], None),
    ("auren-redis is healthy.", [("health", "false")], alone("auren-redis", health="unhealthy")),
    ("auren-redis is healthy.", [("health", "unprovable")], alone("auren-redis", health="starting")),
    ("auren-redis is healthy.", [("health", "false")], facts(checks=(check("auren-redis", "auren-redis", "fail", "it is full"),))),
    ("All services are healthy.", [("health", "false")], None),  # the exporters have no health check
    ("All services are running.", [("health", "false")], STOPPED),
    ("Status: ✅ COMPLETE", [("health", "unprovable")], facts(checks=())),
    ("Status: ✅ COMPLETE", [("health", "true")], None),
    # counts, versions, policies, volumes, paths, environment
    ("All 10 containers are running.", [("count", "true"), ("health", "true")], None),
    ("The stack runs seven services.", [("count", "false")], None),
    ("Restart the 2 containers that hang.", [], None),
    ("PostgreSQL version 16 is used.", [("version", "true")], None),
    ("PostgreSQL version 15 is used.", [("version", "false")], None),
    ("Docker Engine 27 is installed.", [("version", "true")], None),
    ("Docker Engine 20.10 is installed.", [("version", "false")], None),
    ("Redis has the restart policy `always`.", [("restart", "false")], None),
    ("All containers have the restart policy `unless-stopped`.", [("restart", "false")], alone("auren-redis", restart_policy="")),
    ("Redis keeps its data in the volume `redis-data`.", [("volume", "false")], None),
    ("Redis keeps its data in the volume `redis_data`.", [("volume", "true")], None),
    ("### Redis\n\nData: /var/lib/redis", [("volume", "false")], None),
    ("The project is in `/opt/auren/docker`.", [("path", "true")], None),
    ("The project is in `/opt/auren/stack`.", [("path", "unprovable")], None),
    ("```env\nLOG_LEVEL=INFO\nPOSTGRES_DB=auren\nNOBODY_HAS=1\n```", [("env", "true"), ("env", "false"), ("env", "unprovable")], None),
    # networks and addresses
    ("Redis is on the network `auren_default`.", [("network", "false")], None),
    ("Redis is on `auren-network`.", [("network", "true")], None),
    (
        "All containers are on `auren-network`.",
        [("network", "false")],
        alone("auren-redis", endpoints=(Endpoint("other", "id-other", "10.9.0.2", ()),)),
    ),
    ("The subnet of `auren-network` is 172.28.0.0/16.", [("network", "true"), ("subnet", "true")], None),
    ("The subnet of `auren-network` is 172.18.0.0/16.", [("network", "true"), ("subnet", "false")], None),
    ("Redis has 172.28.0.3.", [("address", "true"), ("lasting_address", "false")], None),
    ("Redis has 172.28.0.9.", [("address", "false")], None),
    ("| Container | Address (observed) |\n|---|---|\n| auren-redis | 172.28.0.3 |", [("container", "true"), ("address", "true")], None),
    (
        "Redis has 172.28.0.3.",
        [("address", "true")],
        alone("auren-redis", endpoints=(Endpoint(NET, "id-net", "172.28.0.3", (), fixed_ipv4="172.28.0.3"),)),
    ),
    ("The gateway is 172.28.0.1, and the office has 198.51.100.9.", [("address", "true"), ("address", "unprovable")], None),
    # monitoring
    ("Prometheus scrapes all services.", [("scrape", "false")], None),
    ("Prometheus scrapes all services.",
     [("scrape", "false")], facts(targets=None, containers=tuple(c for c in facts().containers if "exporter" not in c.name))),
    ("Prometheus scrapes `auren-redis:6379`.", [("port", "true"), ("scrape", "false")], None),
    ("Prometheus scrapes `auren-redis:6379`.", [("port", "true"), ("scrape", "false")], facts(targets=None)),
    ("Prometheus scrapes `neuros-advanced:8000`.", [("port", "true"), ("scrape", "unprovable")], facts(targets=None)),
    ("Redis and PostgreSQL are scraped by Prometheus.", [("scrape", "true"), ("scrape", "true")], None),
    # who needs whom
    ("NEUROS depends on Redis.", [("dependency", "true")], None),
    ("NEUROS depends on Grafana.", [("dependency", "unprovable")], None),
    ("Grafana depends on Tempo.", [], None),
    ("```mermaid\ngraph LR\n  a[auren-grafana] --> b[auren-prometheus]\n```",
     [("arrow", "true"), ("container", "true"), ("container", "true")], None),
    ("```mermaid\ngraph LR\n  auren-grafana --> auren-kafka\n```",
     [("arrow", "unprovable"), ("container", "true"), ("container", "true")], None),
    ("```mermaid\ngraph LR\n  auren-grafana --> auren-kafka\n```",
     [("arrow", "false"), ("container", "true"), ("container", "true")], STOPPED),
    (
        "```mermaid\ngraph LR\n  auren-grafana --> auren-kafka\n```",
        [("arrow", "true"), ("container", "true"), ("container", "true")],
        facts(flows=frozenset({("auren-grafana", "auren-kafka")})),
    ),
    ("```mermaid\nsequenceDiagram\n  auren-grafana ->> auren-kafka: hello\n```", [], None),
    # what is not about now is never false
    ("Before October, Kafka was `bitnami/kafka:3.5`, and Redis had 172.19.0.9.",
     [("image", "unprovable"), ("address", "unprovable")], None),
    ("## Change history\n\n- auren-kafka is stopped", [("health", "unprovable")], None),
    ("If auren-redis is unhealthy, restart it.", [("health", "unprovable")], None),
    ("Kafka must be on the network `kafka-net`.", [("network", "unprovable")], None),
    ("Use Kafka's port 19092 instead.", [("port", "unprovable")], None),
    ("Redis had the restart policy `always`.", [("restart", "unprovable")], None),
    ("Is auren-kafka running?", [("health", "unprovable")], STOPPED),
    ("<!-- auren-redis is down -->", [], None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted", "host"), CASES, ids=[f"{number}" for number in range(len(CASES))])
def test_a_claim(text: str, wanted: list[tuple[str, str]], host: Facts | None) -> None:
    assert sorted(verdicts(text, host)) == sorted(wanted), judged(text, host)


def test_a_name_may_be_a_word_like_any_other() -> None:
    named = tuple(replace(one, name="app-stopped") if one.name == "auren-pwa" else one for one in facts().containers)
    host = facts(containers=named)
    assert verdicts("app-stopped is running, and app-stopped is healthy.", host) == [("health", "true")]
    assert verdicts("app-stopped is down.", host) == [("health", "false")]


def test_a_port_of_the_host_belongs_to_one() -> None:
    text = "| Service | Published |\n|---|---|\n| auren-redis | 6379 |\n| auren-kafka | 6379 |\n"
    assert [(one.line, one.evidence) for one in judged(text) if one.kind == "port_twice"] == [
        (4, "auren-redis, auren-kafka cannot both have 6379 of the host; auren-redis has it")
    ]


@pytest.mark.parametrize(
    ("listed", "drawn", "wanted"),
    [
        ("auren-redis", "neuros-advanced --> auren-redis", []),
        ("auren-redis", "auren-redis --> neuros-advanced", []),  # data may be drawn the other way
        ("auren-redis", "neuros-advanced --> auren-redis & auren-kafka", ["drawn_not_listed"]),
        ("auren-redis, auren-kafka", "neuros-advanced --> auren-redis\n auren-kafka", ["listed_not_drawn"]),
        ("auren-redis, auren-kafka", "neuros-advanced --> auren-redis", ["listed_not_drawn"]),
        ("none", "neuros-advanced --> auren-redis", ["drawn_not_listed"]),
        ("auren-redis", "neuros-advanced --> auren-redis\n auren-prometheus -.-> neuros-advanced", []),
        ("auren-redis", "", []),
    ],
)
def test_what_is_drawn_and_what_is_listed(listed: str, drawn: str, wanted: list[str]) -> None:
    table = f"| Service | Depends on |\n|---|---|\n| neuros-advanced | {listed} |\n| auren-kafka | - |\n\n"
    text = f"{table}```mermaid\nflowchart TD\n {drawn}\n auren-pwa --> auren-kafka\n```\n"
    found = [one.kind for one in judged(text) if one.kind in ("drawn_not_listed", "listed_not_drawn") and "neuros" in one.evidence]
    assert found == (wanted if drawn else [])


# --- facts ----------------------------------------------------------------------------------------------------------------


def test_every_document_is_read_somewhere() -> None:
    assert {path.name for path in DOCUMENTS.iterdir()} == {
        *("planted.md", "clean.md", "empty.md", "no_tables.md", "unclosed_fence.md", "windows.md", "garbage.bin"),
    }
