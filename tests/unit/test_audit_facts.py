"""What a document is compared with, and whom it means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.auren.stack.plugins.module_utils import audit_facts, audit_judge
from ansible_collections.auren.stack.plugins.module_utils.audit_model import ImageFact
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint, Network

from tests.unit.audit_host import SECRET, document, facts, verdicts


def test_what_a_document_leaves_out() -> None:
    stranger = Container("id-x", "leftover-worker", "old:1", "sha256:x", "running", endpoints=(Endpoint("old", "id-old", "10.5.0.2", ()),))
    away = replace(stranger, name="not-ours", endpoints=(Endpoint("elsewhere", "id-else", "10.6.0.2", ()),))
    host = facts(containers=(*facts().containers, stranger, away), networks=(*facts().networks, Network("id-old", "old", "bridge", ())))
    text = document("clean.md") + "\nThe network `old` goes soon.\n"
    assert [one.text for one in audit_judge.audit(text, host).claims if one.kind == "missing"] == ["leftover-worker"]
    assert [one.text for one in audit_judge.audit(document("clean.md"), host).claims if one.kind == "missing"] == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("PostgreSQL", "auren-postgres"),
        ("TimescaleDB", "auren-postgres"),
        ("NEUROS Advanced", "neuros-advanced"),
        ("NEUROS API (`neuros-advanced`)", "neuros-advanced"),
        ("Biometric Bridge", "biometric-production"),
        ("Redis", "auren-redis"),
        ("Redis Cache", "auren-redis"),
        ("Redis Exporter", "auren-redis-exporter"),
        ("Grafana dashboards", "auren-grafana"),
        ("**auren-pwa**", "auren-pwa"),
        ("exporter", ""),  # two of them
        ("User", ""),
        ("", ""),
    ],
)
def test_whom_a_document_means(said: str, meant: str) -> None:
    assert audit_judge.Names(facts()).resolve(said) == meant


def test_what_services_hold_and_whom_they_are_told_of() -> None:
    env = {
        "DB": f"postgresql://u:{SECRET}%40@auren-postgres:5432/x",
        "API_KEY": "key-of-nobody",
        "POSTGRES_USER": "redis",
        "CACHE_HOST": "redis",
    }
    one = replace(
        facts().containers[5], env={**env, "PASSWORD_FILE": "/run/secrets/p", "MAX_TOKENS": "4000"}, command=("run", "kafka:9092")
    )
    assert audit_facts.held([one]) == {f"{SECRET}%40", f"{SECRET}@", "key-of-nobody"}
    told = audit_facts.told_of(facts(containers=(*facts().containers[:5], one)))
    assert {pair: where for pair, where in told.items() if pair[0] == "auren-prometheus"} == {
        ("auren-prometheus", "auren-postgres"): "environment key DB of auren-prometheus",
        ("auren-prometheus", "auren-redis"): "environment key CACHE_HOST of auren-prometheus",
        ("auren-prometheus", "auren-kafka"): "command of auren-prometheus",
    }


def test_facts_show_no_secret() -> None:
    assert SECRET not in repr(facts(containers=()))


def test_an_image_that_was_built_here_cannot_be_pulled() -> None:
    host = facts(images={"own:1": ImageFact("sha256:own", (), built=True)})
    assert verdicts("```bash\ndocker pull own:1\n```", host) == [("image", "false")]
