"""Which services a takeover has left between two containers, and whose data an old one runs on again."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND, beside, started_again
from ansible_collections.auren.stack.plugins.module_utils.topology import Step

from tests.unit.builders import container, service, snapshot, swap

RUN = Run("r", KIND, 1.0, steps=(Step("stop", "db"), Step("make", "db")), completed=frozenset((1, 2)), record={"swaps": [swap()]})
OLD = Container("old", "db-replaced-T", "i", "sha", "running", writes=("/volumes/data",))


def test_an_old_container_that_somebody_has_started() -> None:
    new = container("db")
    assert started_again([RUN], [new, OLD]) == [OLD]
    assert started_again([RUN], [new, replace(OLD, name="db-by-hand")]) == [replace(OLD, name="db-by-hand")]
    assert started_again([RUN], [new, replace(OLD, id="holder")]) == [replace(OLD, id="holder")]  # of one that vanished at its stop
    assert started_again([RUN], [new, replace(OLD, state="exited")]) == []
    assert started_again([RUN], [replace(OLD, name="db")]) == []  # in its own place
    assert started_again([replace(RUN, steps=())], [new, OLD]) == []


def test_a_service_does_not_start_on_the_data_that_it_runs_on() -> None:
    def told(**data: str) -> list[str]:
        one = service("db", data=[{"volume": "data", "target": "/data", **data}])
        return [problem.message for problem in beside([OLD], [one], snapshot(data="/volumes/data", other="/volumes/other"))]

    assert told() == [
        "db-replaced-T, which a takeover has kept, runs on data, where db keeps its data: two must never write there. "
        "Stop it (docker stop db-replaced-T), or take the takeover back (rollback). Nothing was changed"
    ]
    assert told(volume="/volumes/data/db") == [told()[0].replace("on data,", "on /volumes/data/db,")]
    assert told(volume="other") == told(volume="to-be-made") == told(mode="ro") == []
