"""What a takeover kept goes: exactly that, when its time has come and its successor serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.cleanup import DAY, Wish, age, plan_cleanup
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE, Container, Endpoint, Network
from ansible_collections.auren.stack.plugins.module_utils.topology import Step

NOW = 1_800_000_000.0
STAMP = "20270107T080000Z"  # eight days before


def on(*names: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(name, f"id-{name}", "", ()) for name in names)


def container(name: str, **more: Any) -> Container:
    return Container(**{"id": f"id-{name}", "name": name, "image": "i", "image_id": "sha", "state": "exited", **more})


KEPT = container(f"db-replaced-{STAMP}", endpoints=on("old", "stack"), network_mode="old", volumes=("data",))
NEW = container("db", state="running", labels={LABEL_SERVICE: "db"}, endpoints=on("stack"))
SWAPS = [{"name": "db", "id": KEPT.id, "kept": KEPT.name, "networks": ["old", "stack"]}]
RUN = Run("r", "takeover", NOW, steps=(Step("stop", "db"),), record={"swaps": SWAPS})
NETWORKS = tuple(Network(f"id-{name}", name, "bridge", ()) for name in ("old", "stack", "other", "bridge"))


def planned(*containers: Container, runs: tuple[Run, ...] = (RUN,), **wish: Any) -> Any:
    return plan_cleanup(HostState(containers, NETWORKS), runs, Wish("stack", **{"window": 7.0, **wish}), NOW)


def test_it_goes_with_its_network() -> None:
    found = planned(KEPT, NEW)
    days = age(KEPT, STAMP, (RUN,), NOW)
    assert days > 7
    assert [op.text() for op in found.plan.operations] == [
        f"remove container {KEPT.name}: db has been taken over {days:.1f} days ago; its volumes stay (data)",
        "remove network old: nothing is on it or was created on it",
    ]
    assert [move.steps[0].verb for move in found.moves] == ["remove container", "remove network"]


def test_it_stays_within_the_window() -> None:
    found = planned(KEPT, NEW, window=30.0)
    assert found.plan.operations == []
    assert found.plan.warnings[0].startswith(f"kept: {KEPT.name}, for ")
    assert found.plan.warnings[1] == f"kept: the network old: {KEPT.name} is on it"


def test_its_time_begins_with_its_successor() -> None:
    """A run that was cut off eight days ago has named it; the one that made its successor is of today, and knows it by its id."""
    later = {**SWAPS[0], "kept": "db-replaced-20270115T080000Z"}
    for ended in (frozenset({1}), frozenset[int]()):
        today = Run("s", "takeover", NOW - 60, steps=(Step("make", "db"),), record={"swaps": [later]}, completed=ended, moments=(NOW - 30,))
        found = planned(KEPT, NEW, runs=(today, RUN))
        assert found.plan.operations == []
        assert found.plan.warnings[0] == f"kept: {KEPT.name}, for 7.0 more days (auren_rollback_window)"
    over = replace(today, moments=(NOW - 7.5 * DAY,))
    [first, *_network] = planned(KEPT, NEW, runs=(over, RUN)).plan.operations
    assert first.cause.startswith("db has been taken over 7.5 days ago")


def test_the_way_back_stays_while_its_successor_does_not_serve() -> None:
    for successor in ([], [replace(NEW, state="exited")], [replace(NEW, health="unhealthy")], [replace(NEW, labels={})]):
        [problem] = planned(KEPT, *successor).plan.conflicts
        assert (problem.kind, problem.target) == ("not_serving", "db")


def test_what_a_run_put_back_itself_is_not_in_the_way() -> None:
    failed = replace(RUN, steps=(*RUN.steps, Step("put back", "db")), completed=frozenset({1, 2}))
    found = planned(replace(NEW, labels={}), runs=(failed,))
    assert (found.plan.operations, found.plan.conflicts) == ([], [])


def test_one_that_was_started_is_not_removed() -> None:
    [problem] = planned(replace(KEPT, state="running"), NEW).plan.conflicts
    assert (problem.kind, problem.target) == ("still_running", KEPT.name)


def test_another_projects_containers_are_none_of_ours() -> None:
    """By the journal, not by a name that looks like it."""
    found = planned(KEPT, NEW, runs=())
    assert (found.plan.operations, found.plan.warnings) == ([], [])


def test_a_network_stays_for_whoever_needs_it() -> None:
    for other, why in (
        (container("tool", endpoints=on("old")), "tool is on it"),
        (container("tool", network_mode="id-old"), "tool cannot start without it"),
    ):
        found = planned(KEPT, NEW, other)
        assert [op.kind for op in found.plan.operations] == ["remove container"]
        assert found.plan.warnings == [f"kept: the network old: {why}"]


def test_networks_are_kept_and_added_by_name() -> None:
    assert [op.target for op in planned(KEPT, NEW, keep=("old",)).plan.operations] == [KEPT.name]
    assert [op.target for op in planned(KEPT, NEW, sources=("other", "bridge", "stack")).plan.operations] == [KEPT.name, "old", "other"]
