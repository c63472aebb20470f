"""The live map of a host, and what is remarkable on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import disks, live_map
from ansible_collections.auren.stack.plugins.module_utils.container_checks import Seen
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Text
from ansible_collections.auren.stack.plugins.module_utils.journal import Run
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Endpoint, Network

from tests.unit.builders import container, foreign, image, service, swap

NET, OLD = Network("id-net", "net", "bridge", ("10.0.0.0/24",)), Network("id-old", "old", "bridge", ("10.1.0.0/24",))
WELL: dict[str, Any] = {"restart_policy": "unless-stopped", "network_mode": "net"}
ONE = container(
    "one", endpoints=(Endpoint("net", "id-net", "10.0.0.2", ("cache",)),), bindings=(Binding("127.0.0.1", 80, "80/tcp"),), **WELL
)
SERVICES = {"one": service("one", role="cache", compose={"ports": ["127.0.0.1:80:80"]}, aliases=["cache"], needs=["two"])}


def remarks(state: HostState, **seen: Any) -> list[tuple[str, str, str]]:
    found = live_map.remarks(state, SERVICES, {"one": Seen(state.container("one"), state.networks, "sha256:1", **seen)}, "net")
    return [(one.kind, one.target, one.status) for one in found]


def test_everything_that_runs_whoever_has_made_it() -> None:
    labels = {"auren.stack.offline": "true", "auren.stack.stands-in": "one for another"}
    state = HostState((ONE, foreign("by-hand", labels={"com.docker.compose.project": "old"})), (OLD, NET))
    first, second = live_map.containers(state, SERVICES, {"sha256:1": image(labels=labels, digests=("img@sha256:1",))})
    assert (first["name"], first["made"], first["role"], first["restart_policy"]) == ("by-hand", "by the Compose project old", "", "no")
    assert second == {
        "name": "one",
        "id": ONE.id[:12],
        "image_id": ONE.image_id,
        "role": "cache",
        "made": "by auren.stack",
        "image": "img:1",
        "digests": ["img@sha256:1"],
        "stands_in": "one for another",
        "state": "running",
        "health": "",
        "restarts": 0,
        "restart_policy": "unless-stopped",
        "networks": {"net": {"address": "10.0.0.2", "names": ["cache", "one"]}},
        "ports": ["127.0.0.1:80 → 80/tcp"],
        "volumes": [],
        "mounts": [],
        "needs": ["two"],
    }
    assert [(n["name"], n["containers"], n["created_on"]) for n in live_map.networks(state)] == [("net", ["one"], ["one"]), ("old", [], [])]


def test_a_host_that_is_as_declared_has_nothing_remarkable() -> None:
    assert remarks(HostState((ONE,), (NET,))) == []


def test_drift_duplicates_strangers_and_addresses() -> None:
    double = foreign("again", image="img:1", image_id="sha256:1")
    state = HostState(
        (ONE, double, foreign("stranger")), (NET, OLD), texts=(Text("stranger", "environment key DB of stranger", "10.0.0.9:5432"),)
    )
    assert remarks(state, edited=["/app/x.py"]) == [
        ("edited", "one", "warn"),
        ("superfluous", "again", "warn"),
        ("superfluous", "old", "warn"),
        ("unknown", "stranger", "warn"),
        ("address", "net", "warn"),
    ]


@pytest.mark.parametrize(("name", "known"), [("one-copy", False), ("0123_one", False), ("0123456789ab_one", True), ("one-candidate", True)])
def test_a_copy_with_the_labels_of_a_service_is_a_stranger(name: str, known: bool) -> None:
    """``docker commit`` keeps labels. What Compose calls otherwise for a moment, and a candidate, are ours."""
    label = name if name == "one-candidate" else "one"
    found = live_map.remarks(
        HostState((ONE, container(name, labels={"auren.stack.service": label}, **WELL)), (NET,)),
        {"one": SERVICES["one"]},
        {"one": Seen(ONE, (NET,), "sha256:1")},
        "net",
    )
    assert [one.line for one in found if one.target == name] == (
        [] if known else [f"{name} (img:1, running) has the labels of one, as a copy has, and is not declared: it is left alone"]
    )


KEPT = "one-replaced-20260101T000000Z"


def taken_over(**more: Any) -> list[Run]:
    """The journal of a takeover, newest first."""
    return [Run("r1", "takeover", 1.0, outcome="done", record={"swaps": [swap(name="one", id=f"id-{KEPT}", kept=KEPT, **more)]})]


def test_what_a_takeover_kept_is_no_stranger() -> None:
    """Nor is the network that only it needs, be it that it is on it, or that it was created there."""
    there = (Endpoint("old", "id-old", "", ()),)
    born, shared = Network("id-born", "born", "bridge", ()), Network("id-shared", "shared", "bridge", ())
    old = foreign(KEPT, image="img:1", state="exited", endpoints=(*there, Endpoint("shared", "id-shared", "", ())), network_mode="id-born")
    other = foreign("other", endpoints=(Endpoint("shared", "id-shared", "", ()),))
    state = HostState((ONE, old, other), (NET, OLD, born, shared))
    found = live_map.remarks(state, {}, {}, "net", taken_over())
    assert [(one.kind, one.target) for one in found] == [("unknown", "other"), ("kept", KEPT), ("kept", "born"), ("kept", "old")]
    way = "streamline's cleanup removes it after the rollback window"
    assert found[1].line == f"{KEPT} (img:1, exited) is kept by a takeover; {way}"
    assert found[2].line == f"the network born is kept by a takeover: only what it kept needs it; {way}"


@pytest.mark.parametrize(
    ("runs", "more"),
    [
        ([], {}),  # taken back, or of another project
        (taken_over(), {"state": "running"}),  # beside its successor
        (taken_over(), {"name": "one"}),  # that the gate put back
    ],
)
def test_what_is_not_kept_any_more_is_a_stranger(runs: list[Run], more: dict[str, Any]) -> None:
    old = replace(foreign(KEPT, state="exited", endpoints=(Endpoint("old", "id-old", "", ()),)), **more)
    kinds = [one.kind for one in live_map.remarks(HostState((old,), (NET, OLD)), {}, {}, "net", runs)]
    assert kinds in (["superfluous"], ["unknown"])


def test_what_was_changed_by_hand_says_what_to_do() -> None:
    file = "/opt/stack/docker-compose.yml"
    found = live_map.changed_by_hand(SERVICES["one"], "mem_limit 2g, declared 1g")
    assert (found.kind, found.target, found.line) == (
        "field",
        "one",
        "one was changed by hand (mem_limit 2g, declared 1g): declare it so, or run site and then "
        f"docker compose -f {file} up -d --no-deps --force-recreate one",
    )
    assert live_map.not_declared("/p/.env", [".env"]).line.startswith(".env is a file that nobody declared, ")
    assert live_map.not_declared("one", list("abcde")).line.startswith("a, b, c and 2 more are files that nobody declared, ")


@pytest.mark.parametrize(
    ("free", "wanted", "status", "said"),
    [
        (50, 5, "pass", "50 % of the disk of /d is free (0.0 GB)"),
        (9, 5, "warn", "only 9 % of the disk of /d is free"),
        (4, 5, "fail", "only 4 % of the disk of /d is free (0.0 GB): docker system df shows what takes it"),
        (19, 20, "fail", "only 19 %"),
    ],
)
def test_a_disk(free: int, wanted: float, status: str, said: str) -> None:
    found = disks.judged("/d", free, 100, wanted)
    assert (found.status, found.evidence[: len(said)]) == (status, said)


def test_a_file_system_is_told_once(tmp_path: Any) -> None:
    (tmp_path / "a").mkdir()
    assert len(disks.disks([str(tmp_path), str(tmp_path / "a"), str(tmp_path / "none")], 0)) == 1
