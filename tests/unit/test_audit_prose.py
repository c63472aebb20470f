"""What a sentence of a document claims, where words mislead."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils.audit_fields import Scope
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names
from ansible_collections.auren.stack.plugins.module_utils.audit_prose import Known, read

from tests.unit.audit_host import facts, verdicts, with_container

NAMED, ALL = ["neuros-advanced:8000"], ["*"]


@pytest.mark.parametrize(
    ("said", "scraped"),
    [
        ("neuros-advanced:8000 every 15 seconds.", NAMED),
        ("neuros-advanced:8000 every 15s.", NAMED),
        ("neuros-advanced:8000 every `15s`.", NAMED),
        ("neuros-advanced:8000 each minute.", NAMED),
        ("neuros-advanced:8000 every thirty seconds.", NAMED),
        ("neuros-advanced:8000 every other minute.", NAMED),
        ("neuros-advanced:8000 every half an hour.", NAMED),
        ("neuros-advanced:8000 every scrape_interval.", NAMED),
        ("neuros-advanced:8000 each time, at each scrape interval.", NAMED),
        ("neuros-advanced:8000 all the time.", NAMED),
        ("all metrics of neuros-advanced:8000 itself.", NAMED),
        ("every 15 seconds neuros-advanced:8000 itself.", NAMED),
        ("neuros-advanced:8000 and auren-prometheus:9090, each on its own port.", [*NAMED, "auren-prometheus:9090"]),
        ("every service.", ALL),
        ("every service each minute.", ALL),
        ("every 15 seconds every service.", ALL),
        ("each of the containers every 15 seconds.", ALL),
        ("every component within seconds.", ALL),
        ("all services every 15 seconds.", ALL),
        ("all metrics of all services.", ALL),
        ("everything, each minute.", ALL),
    ],
)
def test_how_often_is_not_how_much(said: str, scraped: list[str]) -> None:
    claims = read(Scope(1), f"Prometheus scrapes {said}", Known(Names(facts())))
    assert [claim.value for claim in claims if claim.kind == "scrape"] == scraped


STATED = [  # what says that something is so, and what speaks of another time
    ("auren-kafka is stopped.", "Stop NEUROS before Kafka is stopped."),
    ("auren-redis is down, and NEUROS waits.", "While auren-redis is down, NEUROS waits."),
    ("- [x] auren-kafka is stopped", "- [ ] auren-kafka is stopped"),
    ("- auren-kafka is stopped", "- [ ] Check that auren-kafka is stopped"),
    ("Kafka is stopped.", "Ensure that Kafka is stopped."),
    ("| Service | Note |\n|---|---|\n| NEUROS | Redis is down |", "| Risk | Note |\n|---|---|\n| x | Redis is down |"),
    ("| Service | State |\n|---|---|\n| Redis | down |", "| Alert | Meaning |\n|---|---|\n| Redis | Redis is down |"),
    ("| Kafka | Now |\n|---|---|\n| x | Kafka is stopped |", "| What | Scenario |\n|---|---|\n| x | Kafka is stopped |"),
    ("| Service | Image |\n|---|---|\n| Redis | redis:6.0 |", "| Date | Image |\n|---|---|\n| 2025-10-01 | `redis:6.0` |"),
    (
        "| Service | Image | Issues |\n|---|---|---|\n| Redis | redis:6.0 | none |",
        "| Service | Image | Change |\n|---|---|---|\n| Redis | redis:6.0 | → redis:7.4.1-alpine |",
    ),
    ("Redis: pull the image `redis:8`", "To upgrade: pull the image `redis:8`"),
    ("- Kafka runs `apache/kafka:4.0.0`", "- Next: move Kafka to `apache/kafka:4.0.0`"),
    ("## Services\n\n- Redis is down", "## Alerts\n\n- Redis is down"),
    ("These run:\n\n- Redis is down", "Next steps:\n\n- Redis is down"),
]


@pytest.mark.parametrize(("now", "then"), STATED)
def test_what_is_not_about_now_is_never_false(now: str, then: str) -> None:
    assert "false" in {verdict for _kind, verdict in verdicts(now)}
    assert "false" not in {verdict for _kind, verdict in verdicts(then)}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ('## Endpoints\n\n- Health: GET /health → {"status":"healthy"}', "## Services\n\n- Health: healthy"),
        ("## auren-redis-exporter\n\n- Health: /health answers healthy", "## auren-redis-exporter\n\n- Health: healthy"),
        ('NEUROS answers {"redis": "down"} then.', "NEUROS says: Redis is down."),
    ],
)
def test_what_a_request_answers_is_no_state(answer: str, state: str) -> None:
    assert [one for one in verdicts(answer) if one[0] == "health"] == []
    assert ("health", "false") in verdicts(state)


@pytest.mark.parametrize(
    "said", ["All systems operational", "- ✅ All services operational", "System status: operational", "All systems up!"]
)
def test_a_state_of_all_needs_no_verb(said: str) -> None:
    stopped = facts(containers=with_container("auren-kafka", state="exited", health=""))
    assert verdicts(said) == [("health", "true")]
    assert verdicts(said, stopped) == [("health", "false")]
    assert verdicts("All services up to date", stopped) == verdicts("- Status: 200 OK", stopped) == []
    assert ("health", "false") not in verdicts("Once all systems are operational, start NEUROS.", stopped)
