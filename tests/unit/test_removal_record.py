"""A removal that took several modules is one record, with a run that nobody else has."""

from __future__ import annotations

import re

from ansible_collections.auren.stack.plugins.filter.removal_record import removal_record
from ansible_collections.auren.stack.plugins.module_utils.changes import record_of
from ansible_collections.auren.stack.plugins.module_utils.journal import Run

NETWORK = {"changes": [{"kind": "remove network", "target": "n"}], "operations": ["remove network n: nobody needs it (0.1 s)"]}
IMAGES = {"changes": [{"kind": "remove image", "target": "i"}], "operations": ["remove image i: it was built here"]}


def test_what_went_beside_the_project_is_in_its_record() -> None:
    gone = Run("20260101T000000Z-site", "site", 1.0, "ann", outcome="done", planned=({"kind": "stop", "target": "one"},))
    record = {**record_of(gone), "done": ["stop one: asked for (1.0 s)"]}
    whole = removal_record(record, [NETWORK, IMAGES], "ben", "web")
    assert [one["kind"] for one in whole["operations"]] == ["stop", "remove network", "remove image"]
    assert whole["done"] == [*record["done"], *NETWORK["operations"], *IMAGES["operations"]]
    assert (whole["run"], whole["who"], whole["kind"], whole["began"]) == (gone.id, "ann", "clean", record["began"])


def test_what_went_alone_has_a_record_of_its_own() -> None:
    whole = removal_record({}, [{}, IMAGES], "ben", "web")
    assert re.fullmatch(r"20\d{6}T\d{6}Z-clean", whole["run"])
    assert (whole["who"], whole["host"], whole["outcome"], whole["operations"]) == ("ben", "web", "done", IMAGES["changes"])
    assert set(whole) == set(record_of(Run("x", "site", 1.0)))


def test_nothing_that_went_is_no_record() -> None:
    assert removal_record({}, [{"changes": [], "operations": []}, {}], "ben", "web") == {}
