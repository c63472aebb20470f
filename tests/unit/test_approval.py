"""An id stands for exactly this plan on exactly this host; any other approval is answered with what is the matter."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import approval
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint, Network, Pool
from ansible_collections.auren.stack.plugins.module_utils.network_apply import announced
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.plan_text import markdown
from ansible_collections.auren.stack.plugins.module_utils.topology import Attachment, Move, Step

PLACE = Endpoint("old", "id-old", "10.0.0.2", ("web",))
APP = Container("id-app", "app", "img:1", "sha256:1", "running", restart_policy="no", network_mode="old", endpoints=(PLACE,))
OLD = Network("id-old", "old", "bridge", ("10.0.0.0/24",), pools=(Pool("10.0.0.0/24"),))
HOST = ("machine vm", "vm")
MOVES = [Move("connect", "app", "target", (Step("connect", "app", "target", Attachment(("web",))),))]
PLAN = Plan([Operation("connect", "app to target", "it is not on it", after="on target")], warnings=["mind the gap"])


def state(app: Container = APP, *more: Container, networks: tuple[Network, ...] = (OLD,), host: tuple[str, str] = HOST) -> HostState:
    return HostState((app, *more), networks, host=host)


def plan(now: HostState | None = None, looked_at: tuple[str, ...] = ("app",), moves: list[Move] = MOVES) -> dict[str, Any]:
    return approval.document("connect", now or state(), PLAN, moves, looked_at)


# --- what an id stands for --------------------------------------------------------------------------------------------


def place(**more: Any) -> HostState:
    return state(replace(APP, endpoints=(replace(PLACE, **more),)))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (state(replace(APP, health="healthy", started_at="now", restart_count=3, pid=9, exit_code=1)), True),
        (place(ipv4="10.0.0.7"), True),
        (state(APP, Container("id-b", "b", "i", "s", "running")), True),
        (state(networks=(OLD, Network("id-x", "x", "bridge", ()))), True),
        (state(replace(APP, id="other")), False),
        (state(replace(APP, restart_policy="always")), False),
        (state(replace(APP, state="exited")), False),
        (state(replace(APP, network_mode="id-old")), False),
        (place(aliases=("web", "api")), False),
        (place(fixed_ipv4="10.0.0.2"), False),
        (place(driver_opts={"x": "y"}), False),
        (state(networks=(replace(OLD, id="again"),)), False),
        (state(networks=(replace(OLD, labels={"a": "b"}),)), False),
        (state(networks=(replace(OLD, options={"a": "b"}),)), False),
        (state(networks=(replace(OLD, pools=(Pool("10.0.0.0/24", "10.0.0.254"),)),)), True),
            (state(networks=(replace(OLD, pools=(Pool("10.0.1.0/24"),)),)), False),
        (state(networks=(OLD, Network("id-t", "target", "bridge", ()))), False),
        (state(host=("machine vm2", "vm")), False),
    ],
    ids=[
        "health and counters", "chosen address", "another container", "another network", "made anew", "policy", "stopped", "created on",
        "alias", "fixed address", "options of a place", "network made anew", "label", "option",
            "gateway that the Engine added", "subnet", "target came", "another host",
    ],
)  # fmt: skip
def test_the_id_covers_what_the_plan_looks_at_and_no_more(other: HostState, same: bool) -> None:
    assert (plan(other)["id"] == plan()["id"]) is same


def test_the_id_covers_the_steps_and_not_their_words() -> None:
    other = Plan([Operation("connect", "app to target", "because")])
    assert approval.document("connect", state(), other, MOVES, ["app"])["id"] == plan()["id"]
    assert approval.document("rollback", state(), PLAN, MOVES, ["app"])["id"] != plan()["id"]
    assert plan(moves=[])["id"] != plan()["id"]
    assert approval.ID.fullmatch(plan()["id"])


def test_a_plan_is_the_same_in_whatever_order_the_engine_lists() -> None:
    other = replace(APP, id="id-b", name="b")
    both = plan(state(APP, other), ("app", "b")), plan(state(other, APP), ("b", "app", "app"))
    assert json.dumps(both[0]) == json.dumps(both[1])


# --- approved or not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approve", "done"), [("auto", True), ("", False), (" , ", False), ("{id}", True), ("0000-0123456789, {id}", True), ("{id},", True)]
)
def test_who_may(tmp_path: Path, approve: str, done: bool) -> None:
    now = plan()
    assert approval.approved(tmp_path, approve.format(id=now["id"]), now) is done
    assert list(tmp_path.iterdir()) == []


def test_what_was_approved_and_has_been_done_before_is_no_mistake(tmp_path: Path) -> None:
    nothing = approval.document("connect", state(), Plan(), [], ["app"])
    assert approval.approved(tmp_path, plan()["id"], nothing) is True
    assert approval.approved(tmp_path, "", nothing) is False
    assert refused(tmp_path, "yes", nothing).kind == "bad_approval"


def test_what_is_felt_names_everybody_who_feels_it() -> None:
    several = [
        Operation("connect", "a to net", "x"),
        Operation("disconnect", "a from old", "x", notice="names may fail"),
        Operation("reconnect", "c on net", "x", notice="it is off"),
        Operation("disconnect", "b from old", "x", notice="names may fail"),
    ]
    assert announced(several) == "a from old, b from old: names may fail; c on net: it is off"
    assert announced(several[:1]) == ""


def refused(project: Path, approve: str, now: dict[str, Any] | None = None) -> StackError:
    with pytest.raises(StackError) as caught:
        approval.approved(project, approve, now or plan())
    return caught.value


@pytest.mark.parametrize("word", ["yes", "AUTO", "3f9a", "3f9a-012345678g", "../../etc/passwd", "3f9a-0123456789\x00"])
def test_what_is_no_id(tmp_path: Path, word: str) -> None:
    error = refused(tmp_path, f"{plan()['id']},{word}")
    assert error.message == (
        f"auren_approve is {word!r}, which is no id of a plan: give one as it was printed (such as 3f9a-0123456789), or auto. "
        "Nothing was changed"
    )


def test_a_plan_of_another_host(tmp_path: Path) -> None:
    other = plan(state(host=("machine x", "x")))
    assert refused(tmp_path, other["id"]).message == (
        f"the plan {other['id']} is of another host; the plan of vm is {plan()['id']}. Nothing was changed here"
    )


def test_a_plan_that_is_not_known(tmp_path: Path) -> None:
    wanted = f"{plan()['id'][:4]}-0123456789"
    assert refused(tmp_path, wanted).message == (
        f"the plan {wanted} is not known on vm; the plan of now is {plan()['id']}: look at it, then approve that one. Nothing was changed"
    )


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (plan(state(replace(APP, id="new"))), "the container app was made anew"),
        (plan(state(replace(APP, restart_policy="always", state="exited"))), "the container app has changed (restart policy, runs)"),
        (plan(place(aliases=())), "the container app has changed (networks)"),
        (plan(state(networks=(replace(OLD, id="new"),))), "the network old was made anew"),
        (plan(state(networks=(OLD, Network("t", "target", "bridge", ())))), "the network target is new"),
        (plan(state(networks=())), "the network old is gone"),
        (plan(state(APP, replace(APP, name="b")), ("app", "b")), "the container b is new"),
        (plan(looked_at=()), "the container app is gone; the network old is gone"),
        (plan(moves=[]), "other steps were asked for"),
    ],
)
def test_a_plan_that_does_not_fit_any_more(tmp_path: Path, now: dict[str, Any], said: str) -> None:
    before = plan()
    approval.store(tmp_path, before)
    assert refused(tmp_path, before["id"], now).message == (
        f"the host has changed since the plan {before['id']} was made: {said}. Look at the plan of now, {now['id']}, and approve that one. "
        "Nothing was changed"
    )


# --- kept on the host -------------------------------------------------------------------------------------------------


def test_a_plan_is_kept_for_root_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        approval.store(tmp_path, plan())
    finally:
        os.umask(before)
    path = approval.plan_path(tmp_path, plan()["id"])
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]
    assert approval.stored(tmp_path, plan()["id"]) == plan()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"5", b"{}", b'{"id": "x"}', b'{"id": 5}', b"\xff\xfe"])
def test_a_file_that_is_no_plan(tmp_path: Path, damage: bytes) -> None:
    approval.store(tmp_path, plan())
    path = approval.plan_path(tmp_path, plan()["id"])
    path.write_bytes(damage)
    with pytest.raises(StackError) as caught:
        approval.stored(tmp_path, plan()["id"])
    assert caught.value.message.startswith(f"the plan file {path} is damaged (")
    assert caught.value.message.endswith("; remove it, make the plan anew and approve that one. Nothing was changed")


def test_a_plan_that_somebody_has_edited(tmp_path: Path) -> None:
    approval.store(tmp_path, plan())
    path = approval.plan_path(tmp_path, plan()["id"])
    path.write_text(json.dumps({**plan(), "steps": []}))
    with pytest.raises(StackError, match="its content is not what its id stands for"):
        approval.stored(tmp_path, plan()["id"])


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    made = [{**plan(), "id": f"0000-{number:010x}"} for number in range(approval.KEPT + 3)]
    for number, one in enumerate(made):
        approval.store(tmp_path, one)
        os.utime(approval.plan_path(tmp_path, one["id"]), (number, number))
    left = {path.stem for path in approval.plan_path(tmp_path, "x").parent.iterdir()}
    assert left == {one["id"] for one in made[-approval.KEPT :]}


# --- as a page --------------------------------------------------------------------------------------------------------


def test_a_plan_as_a_page() -> None:
    noticed = Plan([Operation("connect", "a|b to target", "it is not on it", notice="a moment")])
    page = markdown(approval.document("connect", state(), noticed, MOVES, ["app"]), {"Warnings": ["mind the gap"], "Nothing": []})
    assert page.splitlines() == [
        f"# Plan {plan()['id']}: connect on vm",
        "",
        "| | operation | cause | what may be felt |",
        "|---|---|---|---|",
        "| 1 | connect **a\\|b to target** | it is not on it | a moment |",
        "",
        "## Warnings",
        "",
        "- mind the gap",
    ]
    assert markdown(plan(), {}).splitlines()[-1].endswith("| it is not on it | nothing |")
    nothing = approval.document("connect", state(), Plan(), [], ["app"])
    assert markdown(nothing, {}).splitlines()[-1] == "Nothing to do."
