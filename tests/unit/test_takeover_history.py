"""What a takeover that was cut off has done, and whether that still counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, LABEL_SERVICE, Container
from ansible_collections.auren.stack.plugins.module_utils.rollback import KIND as ROLLBACK
from ansible_collections.auren.stack.plugins.module_utils.takeover import Copy
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import begun, meant, told, unfinished, untouched, wrote
from ansible_collections.auren.stack.plugins.module_utils.takeover_record import KIND
from ansible_collections.auren.stack.plugins.module_utils.topology import Step

from tests.unit.builders import swap

COPY = {"path": "/tmp/layer", "source": "", "volume": "copied", "below": "", "size": 7}
SWAP = swap(copies=[COPY])
KEPT = Container("old", "db-replaced-T", "i", "sha", "exited", started_at="2026-01-01T00:00:00Z")
ITSELF = replace(KEPT, name="db", state="running")
BEGAN = 1767225600.5  # half a second after that start


def run(*verbs: str, done: int | None = None, began: float = BEGAN, **more: Any) -> Run:
    steps = tuple(Step(verb, "db") for verb in verbs)
    completed = frozenset(range(1, 1 + (len(steps) if done is None else done)))
    facts = {"id": f"r{began}", "kind": KIND, "record": {"swaps": [SWAP]}, **more}
    return Run(began=began, steps=steps, completed=completed, **facts)


def on(*containers: Container) -> HostState:
    return HostState(containers, ())


def test_what_a_run_that_was_cut_off_has_done() -> None:
    found = begun([run("back up", "stop", "rename", "copy", "make", done=4)], on(KEPT))["old"]
    assert (found.policy, found.ran, found.backed_up, found.copied, found.made) == ("always", True, True, (Copy(**COPY),), True)
    assert unfinished([run("stop", done=0)], on(KEPT)) == {"db": "old"}


def test_of_several_each_step_counts() -> None:
    first, second = run("back up", "stop", "rename", done=3), run("copy", "make", done=1, began=BEGAN + 60)
    found = begun([second, first], on(KEPT))["old"]
    assert (found.backed_up, found.copied, found.made) == (True, (Copy(**COPY),), True)


@pytest.mark.parametrize("again", ["2026-01-01T00:00:00.600000001Z", "2026-01-01T00:10:00Z"])
def test_a_copy_of_what_ran_again_since_is_none(again: str) -> None:
    """By a rollback that was cut off, or by hand: what it wrote then is nowhere else."""
    found = begun([run("back up", "stop", "rename", "copy", "make", done=4)], on(replace(KEPT, started_at=again)))["old"]
    assert (found.policy, found.ran, found.backed_up, found.copied, found.made) == ("always", True, False, (), False)


def test_one_that_its_policy_started_again_before_its_turn_ran_no_more_after_it() -> None:
    """A client crashes while its server changes hands, before it is stopped itself."""
    cut_off = run("stop", "rename", "copy", "make", done=3, moments=(BEGAN + 60, BEGAN + 70, BEGAN + 71, BEGAN + 80))
    crashed = replace(KEPT, started_at="2026-01-01T00:00:30Z")
    assert begun([cut_off], on(crashed))["old"].made
    assert meant([cut_off], on(crashed))["db"]["made"] == BEGAN + 80
    assert not begun([cut_off], on(replace(KEPT, started_at="2026-01-01T00:02:00Z")))["old"].made


def test_keys_are_handed_over_until_it_is_started_again() -> None:
    """Also when it went down with the host before its stop: both files are written to its end."""
    cut_off = run("hand over", "stop", done=1, moments=(BEGAN + 60, BEGAN + 61))
    assert begun([cut_off], on(KEPT))["old"].handed
    assert not begun([cut_off], on(replace(KEPT, started_at="2026-01-01T00:02:00Z")))["old"].handed
    assert not begun([run("hand over", done=0)], on(KEPT))["old"].handed


@pytest.mark.parametrize("ending", ["make", "put back"])
def test_a_run_that_came_to_its_end_is_not_gone_on_with(ending: str) -> None:
    assert begun([run("stop", "rename", "copy", ending)], on(KEPT)) == {}


def test_what_a_successor_may_have_written() -> None:
    assert wrote([run("stop", "copy", done=2)], [], on(KEPT)) == set()
    assert wrote([run("stop", "copy", "make", done=2)], [], on(KEPT)) == {"old"}
    assert wrote([run("stop", "copy", "make", "put back")], [], on(ITSELF)) == set()


def test_a_rollback_that_was_cut_off_has_brought_back_who_has_its_name() -> None:
    taken = run("stop", "copy", "make")
    back = run("put back", done=0, began=BEGAN + 60, kind=ROLLBACK, undoes=(taken.id,), record={})
    assert wrote([taken], [back], on(ITSELF)) == set()
    assert wrote([taken], [back], on(KEPT)) == {"old"}
    assert wrote([taken], [replace(back, undoes=())], on(ITSELF)) == {"old"}  # renamed by hand: nothing went back
    later = run("stop", "copy", "make", began=BEGAN + 120)
    assert wrote([later, taken], [back], on(ITSELF)) == {"old"}


TOLD = {"auren_postgres_user": "them"}
MADE = replace(ITSELF, id="new", labels={LABEL_COMPOSE_PROJECT: "stack", LABEL_SERVICE: "db"}, created_at="2026-01-01T00:01:20Z")


def finding(*verbs: str, told: dict[str, Any] | None, began: float = BEGAN, moments: tuple[float, ...] = ()) -> Run:
    return replace(run(*verbs, began=began, moments=moments), record={"swaps": [{**SWAP, "told": told}]})


def test_what_a_run_found_of_what_it_has_made_is_found_no_more_otherwise() -> None:
    made = finding("stop", "make", told=TOLD, moments=(BEGAN, BEGAN + 79))
    assert told([made], on(KEPT, MADE)) == {"db": TOLD}
    assert told([finding("stop", told=None), made], on(KEPT, MADE)) == {"db": TOLD}
    assert told([finding("stop", told=TOLD)], on(KEPT)) == {"db": TOLD}
    assert told([finding("stop", told=None)], on(KEPT)) == {"db": {}}


def test_what_was_made_anew_since_is_what_the_inventory_says() -> None:
    made = finding("stop", "make", told=TOLD, moments=(BEGAN, BEGAN + 79))
    assert told([made], on(KEPT, replace(MADE, created_at="2026-01-02T00:00:00Z"))) == {}
    assert told([finding("stop", "make", "put back", told=TOLD)], on(ITSELF)) == {}


# --- what a rollback brings back ---------------------------------------------------------------------------------------


def swapped(run: Run, **more: Any) -> Run:
    return replace(run, record={"swaps": [{**SWAP, **more}]})


def test_a_run_that_put_it_back_says_nothing_of_how_it_was() -> None:
    """Its copy is old: what came back has written since."""
    failed = swapped(run("set policy", "stop", "copy", "make", "put back"), policy="no", ran=False)
    done = swapped(run("stop", "rename", "make", began=BEGAN + 60), copies=[])
    assert meant([failed], on(ITSELF)) == {}
    found = meant([done, failed], on(KEPT))["db"]
    assert (found["policy"], found["ran"], found["copies"]) == ("always", True, [])


def test_a_run_that_never_came_to_it_says_nothing_of_how_it_was() -> None:
    failed = swapped(run("back up"), policy="no", copies=[{**COPY, "volume": "another"}])
    done = run("stop", "rename", "copy", "make", began=BEGAN + 60)
    found = meant([done, failed], on(KEPT))["db"]
    assert (found["policy"], [one["volume"] for one in found["copies"]]) == ("always", ["copied"])
    assert begun([failed], on(KEPT)) == {}


def test_only_what_a_successor_may_have_written_to_goes_back() -> None:
    assert meant([run("stop", "rename", "copy", done=3)], on(KEPT))["db"]["copies"] == []
    assert meant([run("stop", "rename", "copy", "make", done=3)], on(KEPT))["db"]["copies"] == [COPY]


@pytest.mark.parametrize("cut_off", [("stop", "rename"), ("stop", "rename", "copy"), ("copy",)])
def test_what_was_copied_before_it_was_in_its_place_again_is_old(cut_off: tuple[str, ...]) -> None:
    """A failed run, or a rollback that was cut off, had put it back; what the last run has copied may be half of it."""
    first, failed = run("stop", "rename", "copy", "make", done=3), run("make", "put back", began=BEGAN + 60)
    last = run(*cut_off, done=len(cut_off) - 1, began=BEGAN + 120)
    assert meant([last, failed, first], on(KEPT))["db"]["copies"] == []
    assert meant([last, replace(first, completed=frozenset((1, 2, 3, 4)))], on(KEPT))["db"]["copies"] == []
    assert meant([run("make", done=0, began=BEGAN + 180), last, first], on(KEPT))["db"]["copies"] == [COPY]
    assert meant([run("set policy", "stop", began=BEGAN + 120), first], on(KEPT))["db"]["copies"] == [COPY]


def test_of_several_containers_the_one_that_is_still_there_comes_back() -> None:
    """The first was made anew by hand after it had come back."""
    first = swapped(run("stop", "rename", "make"), id="gone", kept="gone-too")
    assert meant([run("stop", "rename", "make", began=BEGAN + 60), first], on(KEPT))["db"]["id"] == "old"
    assert meant([first], on(KEPT))["db"]["id"] == "gone"


def test_what_vanished_at_its_stop_goes_on_as_its_copy() -> None:
    cut_off = swapped(run("back up", "hold", "stop"), id="vanished", auto_remove=True, policy="no")
    copy = replace(KEPT, id="copy", state="created", started_at="0001-01-01T00:00:00Z")
    found = begun([cut_off], on(copy))["copy"]
    assert (found.ran, found.backed_up) == (True, True)
    assert unfinished([cut_off], on(copy)) == {"db": "copy"}
    further = swapped(run("make", began=BEGAN + 60), id="copy", ran=True)
    assert meant([further, cut_off], on(copy))["db"]["copies"] == [COPY]


def test_a_stop_that_nobody_saw_the_end_of_may_still_be_under_way() -> None:
    cut_off = run("hold", "stop", done=1)
    for runs in ([cut_off], [run("hand over", done=0, began=BEGAN + 60), cut_off]):
        assert begun(runs, on(ITSELF))["old"].stopping
        assert meant(runs, on(ITSELF))["db"]["stopping"]
    assert not begun([run("hold", "stop")], on(ITSELF))["old"].stopping
    assert not meant([run("hold", "stop")], on(ITSELF))["db"]["stopping"]


def test_a_definition_alone_is_taken_back_where_nothing_was_touched() -> None:
    stopped = swapped(run())
    assert untouched([stopped], on(ITSELF), ())["db"]["policy"] == "no"  # as it is now
    assert untouched([stopped], on(replace(ITSELF, name="moved")), ()) == {}
    assert untouched([run("stop"), stopped], on(ITSELF), meant([run("stop")], on(ITSELF))) == {}


def test_a_backup_counts_when_it_was_stopped_after_it() -> None:
    assert not begun([run("back up", "set policy")], on(KEPT))["old"].backed_up
    assert begun([run("back up", "set policy", "stop", done=2)], on(KEPT))["old"].backed_up
