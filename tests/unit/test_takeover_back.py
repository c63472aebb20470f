"""From the journals of takeovers to the old containers in their places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, LABEL_SERVICE, Container, Endpoint
from ansible_collections.auren.stack.plugins.module_utils.rollback import plan_rollback
from ansible_collections.auren.stack.plugins.module_utils.starters import Starter
from ansible_collections.auren.stack.plugins.module_utils.takeover_back import (
    Asked,
    afterwards,
    asked,
    data_of,
    plan_return,
    without_networks,
)
from ansible_collections.auren.stack.plugins.module_utils.topology import Move, Step

from tests.unit.builders import swap

STARTER = Starter("script", "/etc/cron.daily/x", 0, "it starts db", ("db",), "", "755")


def container(name: str, identity: str, **more: Any) -> Container:
    return Container(**{"id": identity, "name": name, "image": "i", "image_id": "sha", "state": "running", **more})


def run(began: float, *swaps: dict[str, Any], kind: str = "takeover") -> Run:
    steps = tuple(Step(verb, swap["name"]) for swap in swaps for verb in ("stop", "rename", "copy", "make"))
    record = {"swaps": list(swaps), "starters": [STARTER.to_data()]}
    return Run(f"r{began}", kind, began, steps=steps, completed=frozenset(range(1, len(steps) + 1)), record=record)


NEW = container("db", "new", labels={LABEL_SERVICE: "db", LABEL_COMPOSE_PROJECT: "stack"})
OLD = container("db-replaced-T", "old", state="exited", restart_policy="no")


def back(*containers: Container, runs: list[Run] | None = None, disabled: bool = True, copied: bool = True) -> Any:
    host = Asked(lambda _starter: disabled, lambda _copy: copied, lambda container, path: f"/volumes/{container.id}{path}")
    return plan_return(HostState(containers, ()), runs or [run(1.0, swap())], host)


def test_the_old_one_takes_its_place_again() -> None:
    found = back(NEW, OLD)
    [one] = found.returns
    assert (one.name, one.old, one.successor, one.before.policy, one.before.ran) == ("db", OLD, NEW, "always", True)
    assert [op.kind for op in found.operations] == ["put back", "enable"]
    [now] = afterwards(HostState((NEW, OLD), ()), found).containers
    assert (now.id, now.name, now.state, now.restart_policy) == ("old", "db", "running", "always")


def test_one_that_is_as_it_was_needs_nothing() -> None:
    found = back(replace(OLD, name="db", state="running", restart_policy="always"), disabled=False)
    assert (found.returns, found.operations) == ([], [])


def test_one_that_was_only_stopped_is_started() -> None:
    [one] = back(replace(OLD, name="db")).returns
    assert one.successor is None


def test_of_several_runs_the_oldest_says_how_it_was() -> None:
    """The second run found it stopped, because the first one was cut off."""
    runs = [run(2.0, swap(policy="no", ran=False)), run(1.0, swap())]
    [one] = back(NEW, OLD, runs=runs).returns
    assert (one.before.policy, one.before.ran) == ("always", True)


def test_servers_come_back_first() -> None:
    other = swap(name="app", id="old-app", kept="app-replaced-T")
    apps = (
        container("app-replaced-T", "old-app", state="exited"),
        container("app", "new-app", labels={LABEL_SERVICE: "app", LABEL_COMPOSE_PROJECT: "stack"}),
    )
    assert [one.name for one in back(NEW, OLD, *apps, runs=[run(1.0, swap(), other)]).returns] == ["db", "app"]


def test_what_one_is_linked_to_comes_back_before_it() -> None:
    """The Engine does not start one while that is stopped. A link is told by the name that it leads to now, or did when it was made."""
    other = swap(name="app", id="old-app", kept="app-replaced-T")
    for link in ("db-replaced-T:cache", "db:cache"):
        app = container("app-replaced-T", "old-app", state="exited", links=("elsewhere:x", link))
        assert [one.name for one in back(NEW, OLD, app, runs=[run(1.0, other, swap())]).returns] == ["db", "app"]
        assert [one.name for one in back(container("db", "old", restart_policy="always"), app, runs=[run(1.0, other, swap())]).returns] == [
            "app"
        ]
    both = (replace(OLD, links=("app-replaced-T:x",)), container("app-replaced-T", "old-app", state="exited", links=("db-replaced-T:x",)))
    assert [one.name for one in back(NEW, *both, runs=[run(1.0, other, swap())]).returns] == ["app", "db"]


def test_it_starts_on_the_networks_that_it_is_going_to_have() -> None:
    places = (Endpoint("net", "n", "10.0.0.2", ()), Endpoint("legacy", "l", "10.1.0.2", ()))
    old = replace(OLD, endpoints=places)
    gone = (Move("disconnect", "db", "net", ()), Move("disconnect", "other", "legacy", ()), Move("remove network", "net", "", ()))
    found = without_networks(back(NEW, old), gone)
    assert [one.leaves for one in found.returns] == [("net",)]
    assert "; it is not on net any more" in found.operations[0].cause
    assert [op.kind for op in found.operations] == [doing.verb for doing in found.doings] == ["put back", "enable"]
    [now] = afterwards(HostState((NEW, old), ()), found).containers
    assert [endpoint.network for endpoint in now.endpoints] == ["legacy"]


def test_one_that_runs_or_would_be_on_no_network_stays_on_it() -> None:
    alone = replace(OLD, endpoints=(Endpoint("net", "n", "10.0.0.2", ()),))
    runs = replace(OLD, state="running", endpoints=(*alone.endpoints, Endpoint("legacy", "l", "10.1.0.2", ())))
    for old in (alone, runs):
        assert [one.leaves for one in without_networks(back(NEW, old), [Move("disconnect", "db", "net", ())]).returns] == [()]


def test_what_vanished_has_a_copy() -> None:
    copy = container("db-replaced-T", "copy", state="created", restart_policy="no")
    [one] = back(NEW, copy, runs=[run(1.0, swap(policy="no", auto_remove=True))]).returns
    assert one.old == copy


def test_what_is_gone_or_somebody_elses_is_left() -> None:
    assert back(NEW, disabled=False).warnings == ["left as it is: db: what it replaced is gone"]
    stranger = container("db", "stranger")
    found = back(stranger, OLD, disabled=False)
    assert found.returns == []
    assert found.warnings == ["left as it is: db: a container that somebody else made has its name"]


def test_runs_of_other_kinds_say_nothing() -> None:
    assert back(NEW, OLD, runs=[run(1.0, swap(), kind="connect")]).operations == []


APP = swap(name="app", id="old-app", kept="app-replaced-T")
UP = Starter("link", "/etc/systemd/system/x.wants/stack.service", 0, "it starts both", ("db", "app"), "", "../stack.service")


def boot_unit(*containers: Container, swaps: tuple[dict[str, Any], ...] = (swap(), APP)) -> tuple[list[str], list[str]]:
    """What a rollback enables of a unit that starts both, and what it says about it."""
    runs = [replace(run(1.0, *swaps), record={"swaps": list(swaps), "starters": [UP.to_data()]})]
    found = back(*containers, runs=runs)
    assert [one.place for one in found.starters] == [op.target for op in found.operations if op.kind == "enable"]
    return [one.place for one in found.starters], [warning for warning in found.warnings if warning.startswith("stays disabled")]


def test_what_would_start_one_that_does_not_come_back_stays_disabled() -> None:
    """After a cleanup the unit's `compose up` would make another one beside the project's, on the same volume."""
    mine = container("app", "new-app", labels=NEW.labels)
    told = f"stays disabled: {UP.path}: the old container of app does not come back, and it could start another one on the same data"
    assert boot_unit(NEW, OLD, mine) == ([], [told])
    assert boot_unit(NEW, OLD) == ([], [told])
    assert boot_unit(NEW, mine) == ([], [told.replace("of app", "of db, app")])
    assert boot_unit(NEW, OLD, mine, container("app-replaced-T", "old-app", state="exited")) == ([UP.path], [])


def test_what_was_not_touched_or_is_back_already_is_in_its_place() -> None:
    """A run that was cut off has stopped at the first service, or a rollback that was cut off came as far as the second one."""
    there = container("app", "old-app", restart_policy="always")
    copy = container("app", "copy-of-app", restart_policy="always")
    assert boot_unit(NEW, OLD, there) == ([UP.path], [])
    assert boot_unit(NEW, OLD, copy, swaps=(swap(), {**APP, "auto_remove": True})) == ([UP.path], [])
    assert boot_unit(NEW, OLD, copy)[0] == []  # somebody else's


def test_the_old_one_keeps_its_data_where_nothing_is_left_of_the_copy() -> None:
    """Somebody has removed the volume since: an empty one would be copied over what is there."""
    runs = [run(1.0, swap(copies=[{"path": "/data", "source": "", "volume": "copied", "below": "", "size": 7}]))]
    assert len(back(NEW, OLD, runs=runs).returns[0].copies) == 1
    found = back(NEW, OLD, runs=runs, copied=False)
    assert found.returns[0].copies == ()
    told = "db: nothing is in copied any more, where its data was copied to: it has what it had when it was taken over"
    assert found.warnings == [told]


COPIED = run(1767225600.0, swap(copies=[{"path": "/data", "source": "", "volume": "copied", "below": "", "size": 7}]))
BEFORE, SINCE = "2025-12-31T00:00:00Z", "2026-01-01T00:10:00Z"


@pytest.mark.parametrize("state", ["running", "exited"])
def test_what_it_wrote_since_somebody_started_it_by_hand_is_not_copied_over(state: str) -> None:
    """Half of the new one, or a new one that is gone, is what the copy has; hours of service are in the old one alone."""
    old = replace(OLD, state=state, started_at=SINCE)
    [problem] = back(old, runs=[COPIED]).conflicts
    assert problem.message == (
        "db-replaced-T was started again after its data had been copied to copied, and what it wrote since would be replaced by that. "
        "If what it has is what counts, give it its place (docker rename db-replaced-T db) and run again; "
        "if what is in copied is, remove it (docker rm -f db-replaced-T), and db stays the project's. Nothing was changed"
    )
    [problem] = back(NEW, old, runs=[COPIED]).conflicts
    assert "(docker stop db; docker rm db; docker rename db-replaced-T db)" in problem.message
    in_place = back(replace(old, name="db"), runs=[COPIED])
    assert (in_place.conflicts, in_place.returns[0].copies) == ([], ())
    assert back(NEW, old, runs=[run(COPIED.began, swap())]).conflicts == []


def test_the_plan_says_what_is_copied_over_what() -> None:
    for there in ((NEW,), ()):
        found = back(*there, replace(OLD, started_at=BEFORE), runs=[COPIED])
        assert found.conflicts == []
        assert "; what is in copied replaces what it has at /data" in found.operations[0].cause


def test_it_does_not_start_beside_another_one_on_its_data() -> None:
    """Whoever looks at the volume with a server of his own meanwhile; the project's own one is stopped first."""
    runs, data = [run(1.0, swap(places=["/data"]))], ("/volumes/old/data",)
    other = container("check", "other", writes=data)
    harmless = (replace(other, state="exited"), container("log", "log", writes=("/logs",)))
    assert back(replace(NEW, writes=data), OLD, *harmless, runs=runs).conflicts == []
    [problem] = back(replace(NEW, writes=data), OLD, other, runs=runs).conflicts
    said = "check runs on the data of db, and two must never write there. Stop it first (docker stop check). Nothing was changed"
    assert problem.message == said


DATA = ("/volumes/old/data",)
TWIN = container("twin", "twin", state="exited", restart_policy="no", writes=DATA)
STOPPED = Run(
    "r0",
    "connect",
    0.5,
    steps=(Step("set policy", "twin", policy="no", before="always"), Step("stop", "twin")),
    containers={"twin": "twin"},
    completed=frozenset({1, 2}),
)


@pytest.mark.parametrize("there", [(NEW, OLD), (replace(OLD, name="db", state="running", restart_policy="always"),)])
def test_what_was_stopped_for_a_takeover_is_not_started_beside_the_old_one(there: tuple[Container, ...]) -> None:
    """Also when the old one is back already: that rollback was cut off, or took back the takeover alone."""
    took, host = (
        run(1.0, swap(places=["/data"])),
        Asked(lambda _starter: False, lambda _copy: True, lambda c, path: f"/volumes/{c.id}{path}"),
    )
    state = HostState((*there, TWIN), ())
    later = afterwards(state, plan_return(state, [took], host))
    undoing = plan_rollback(later, [STOPPED], data_of(state, [STOPPED, took], host))
    assert undoing.plan.actions() == []
    assert undoing.plan.warnings == ["kept: twin stays stopped: db runs on its data; where both ran there before, one does now"]
    assert plan_rollback(later, [STOPPED], data_of(state, [STOPPED], host)).plan.actions() == [
        "set restart policy of twin: it was always",
        "start twin: it ran",
    ]


def test_one_that_only_shares_what_is_no_data_is_started() -> None:
    clock, host = "/etc/localtime", Asked(lambda _starter: False, lambda _copy: True, lambda c, path: f"/volumes/{c.id}{path}")
    there = container("db", "old", restart_policy="always", writes=(*DATA, clock))
    state = HostState((there, replace(TWIN, writes=(clock,))), ())
    for places, started in ((["/data"], True), ([], True)):
        undoing = plan_rollback(state, [STOPPED], data_of(state, [run(1.0, swap(places=places))], host))
        assert bool(undoing.moves) is started, "one that keeps no data shares none"
    asleep = HostState((replace(there, state="exited"), TWIN), ())
    assert plan_rollback(asleep, [STOPPED], data_of(asleep, [run(1.0, swap(places=["/data"]))], host)).moves


def test_the_plan_tells_of_a_stop_that_may_be_under_way() -> None:
    there, holder = container("db", "old", restart_policy="no", auto_remove=True), container("db-replaced-T", "holder", state="created")
    for completed in ((), (1,)):
        runs = [replace(run(1.0, swap(auto_remove=True)), steps=(Step("stop", "db"),), completed=frozenset(completed))]
        assert back(there, holder, runs=runs).returns[0].before.stopping is not bool(completed)


def test_one_that_vanished_since_the_reading_is_told(tmp_path: Path) -> None:
    class Gone(Engine):
        def __init__(self) -> None:
            pass

        def inspect(self, name: str) -> None:
            return None

    with pytest.raises(StackError, match="db-replaced-T disappeared while it was being looked at; run again"):
        asked(Gone(), tmp_path).data(OLD, "/data")


def test_what_was_to_hold_the_volumes_goes_with_one_that_did_not_stop() -> None:
    there, holder = container("db", "old", restart_policy="no", auto_remove=True), container("db-replaced-T", "holder", state="created")
    runs = [replace(run(1.0, swap(auto_remove=True, policy="no")), steps=(Step("hold", "db"),))]
    assert [one.old.id for one in back(there, holder, runs=runs).returns] == ["old"]
    assert back(there, runs=runs).returns == []
