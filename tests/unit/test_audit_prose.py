"""What a sentence of a document claims, where words mislead."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils.audit_fields import Scope
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names
from ansible_collections.auren.stack.plugins.module_utils.audit_prose import Known, read

from tests.unit.audit_host import facts

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
