"""The planner of the Compose project: observed and declared to operations, each with its cause; real files in a directory."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import definition, project
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_SERVICE,
    LABEL_SPEC,
    Binding,
    Container,
    Endpoint,
)
from ansible_collections.auren.stack.plugins.module_utils.project import Declared
from ansible_collections.auren.stack.plugins.module_utils.project_plan import Work, plan_present
from ansible_collections.auren.stack.plugins.module_utils.project_remove import Leave, plan_leave

from tests.unit.builders import container, foreign, image, observed, service, snapshot
from tests.unit.project_runs import actions, converged, free

# --- what is created, recreated, started ------------------------------------------------------------------------------


def test_nothing_is_there(house: House) -> None:
    two = service("two", house, needs=["one"], data=[{"volume": "v", "target": "/d"}])
    work = plan_present(house, {"two": two, "one": service("one", house)}, observed(), free)
    assert work.plan.actions() == ["create volume v: it is not there", "create one: it is not there", "create two: it is not there"]
    assert [str(f.wanted.path.relative_to(house.project_dir)) for f in work.files] == [
        "services/two.yml",
        "services/one.yml",
        "docker-compose.yml",
        "images.json",
        ".auren/declared.json",
    ]
    assert not list(house.directory.iterdir()), "a planner writes nothing"


def test_everything_is_as_declared(house: House) -> None:
    called, seen = converged(house, service("one", house, aliases=["uno"]), service("two", house, needs=["one"]))
    work = plan_present(house, called, seen, free)
    assert (work.plan.actions(), work.files, work.plan.changed) == ([], [], False)


@pytest.mark.parametrize(
    ("live", "action"),
    [
        ({"state": "exited", "exit_code": 137}, "start one: it is exited (exit code 137)"),
        ({"state": "created"}, "start one: it is created (exit code 0)"),
        ({"image_id": "sha256:0"}, "recreate one: img:1 is now another image than the one it runs"),
        ({"endpoints": ()}, "recreate one: it is not on net"),
        ({"endpoints": (Endpoint("net", "", "", ()),)}, "recreate one: it lacks the alias uno on net"),
        ({"endpoints": (Endpoint("other", "", "", ("uno",)),)}, "recreate one: it is not on net"),
        (
            {"image_id": "sha256:0", "endpoints": ()},
            "recreate one: img:1 is now another image than the one it runs, it is not on net",
        ),
    ],
)
def test_the_live_container_differs(house: House, live: dict[str, Any], action: str) -> None:
    called, seen = converged(house, service("one", house, aliases=["uno"]), service("two", house), one=live)
    assert actions(house, called, seen) == [action]


@pytest.mark.parametrize("label", ["", "[]", "{", '{"image": "x"}'])
def test_a_container_without_a_readable_spec_is_recreated(house: House, label: str) -> None:
    called, seen = converged(house, service("one", house), one={"labels": {LABEL_SPEC: label}})
    assert actions(house, called, seen)[0].startswith("recreate one: ")


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, "environment key A changed"),
        ({}, {"mem_limit": "1g"}, "mem_limit added"),
        ({"image": "img:0"}, {}, "image changed"),
    ],
)
def test_the_declaration_differs(house: House, before: dict[str, Any], after: dict[str, Any], cause: str) -> None:
    _, seen = converged(house, service("one", house, before), service("two", house))
    called = {"one": service("one", house, after), "two": service("two", house)}
    assert actions(house, called, seen) == [f"recreate one: {cause}"]


def test_an_interrupted_run_is_seen_in_the_label_not_in_the_files(house: House) -> None:
    """Files and record are new, the container is old: the cause is still there."""
    old = definition.spec(service("one", house, {"mem_limit": "1g"}), {})
    called, seen = converged(house, service("one", house, {"mem_limit": "2g"}), one={"labels": {LABEL_SPEC: json.dumps(old)}})
    assert actions(house, called, seen) == ["recreate one: mem_limit changed"]


def test_what_a_killed_run_left_is_removed_and_its_service_recreated(house: House) -> None:
    called, seen = converged(house, service("one", house))
    left = container("0123456789ab_one", labels={LABEL_SERVICE: "one"}, state="created")
    seen.snapshot = dataclasses.replace(seen.snapshot, containers=(*seen.snapshot.containers, left))
    assert actions(house, called, seen) == [
        "remove container 0123456789ab_one: a run that was cut off left it behind",
        "recreate one: a run was cut off while it replaced it",
    ]


@pytest.mark.parametrize("name", ["one-copy", "copy_one", "0123_one", "0123456789ab_one-copy"])
def test_a_copy_with_the_labels_of_a_service_is_nothing_that_a_run_left(house: House, name: str) -> None:
    called, seen = converged(house, service("one", house))
    copy = container(name, labels={LABEL_SERVICE: "one"}, state="exited")
    seen.snapshot = dataclasses.replace(seen.snapshot, containers=(*seen.snapshot.containers, copy))
    assert actions(house, called, seen) == []


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("services/one.yml", ["write services/one.yml: missing"]),
        ("config/one/a", ["write config/one/a: missing"]),
        ("docker-compose.yml", ["write docker-compose.yml: missing"]),
        (".auren/declared.json", ["write .auren/declared.json: missing"]),
    ],
)
def test_a_lost_file(house: House, path: str, action: list[str]) -> None:
    called, seen = converged(house, service("one", house, files={"a": {"content": "x"}}))
    (house.directory / path).unlink()
    assert actions(house, called, seen) == action


def test_files_of_a_replaced_service_go_without_saying(house: House) -> None:
    _, seen = converged(house, service("one", house, files={"a": {"content": "x"}}), service("two", house))
    called = {"one": service("one", house, files={"a": {"content": "y"}}), "two": service("two", house)}
    (house.directory / "services" / "two.yml").unlink()
    assert actions(house, called, seen) == ["write services/two.yml: missing", "recreate one: file a changed"]


def test_a_file_that_is_no_longer_declared(house: House) -> None:
    _, seen = converged(house, service("one", house, files={"a": {"content": "x", "on_change": "reload"}, "b": {"content": "y"}}))
    called = {"one": service("one", house, files={"b": {"content": "y"}})}
    work = plan_present(house, called, seen, free)
    assert work.plan.actions() == ["remove file config/one/a: it is no longer declared"]
    assert work.stale == [house.directory / "config/one/a"]


RELOAD = {"reload": {"port": 1, "path": "/r"}}


def test_a_file_that_is_reloaded(house: House) -> None:
    def one(text: str) -> Service:
        return service("one", house, files={"a": {"content": text, "on_change": "reload"}}, **RELOAD)

    called, seen = converged(house, one("x"))
    assert actions(house, called, seen) == []
    assert actions(house, {"one": one("y")}, seen) == ["write config/one/a: content", "reload one: file a changed"]
    seen.declared["one"] = dataclasses.replace(seen.declared["one"], reloaded="earlier")
    assert actions(house, called, seen)[-1] == "reload one: the last run did not get as far"


def test_a_recreated_service_is_not_reloaded_as_well(house: House) -> None:
    def one(text: str, memory: str) -> Service:
        return service("one", house, {"mem_limit": memory}, files={"a": {"content": text, "on_change": "reload"}}, **RELOAD)

    _, seen = converged(house, one("x", "1g"))
    assert actions(house, {"one": one("y", "2g")}, seen) == ["recreate one: mem_limit changed"]


def test_the_others_of_the_project_stay_and_are_in_the_master_file(house: House) -> None:
    _, seen = converged(house, service("one", house), service("two", house))
    work = plan_present(house, {"one": service("one", house, {"mem_limit": "1g"})}, seen, free)
    assert work.plan.actions() == ["recreate one: mem_limit added"]
    assert sorted(work.merged) == ["one", "two"]
    assert "docker-compose.yml" not in [file.wanted.path.name for file in work.files]


def test_a_record_is_read_as_it_was_written(house: House) -> None:
    _, seen = converged(house, service("one", house, aliases=["é"], secrets=["pw"]), values={"pw": "hidden"})
    assert project.read_declared(house.directory) == seen.declared
    record = project.declared_path(house.directory)
    assert "hidden" not in record.read_text()
    for damaged in ("", "[]", '{"services": {"one": {}}}'):
        record.chmod(0o600)
        record.write_text(damaged)
        with pytest.raises(StackError, match="it is written anew"):
            project.read_declared(house.directory)


def test_what_is_given_lives_in_the_house_of_the_host(house: House) -> None:
    """A policy that the inventory declares for all is none that somebody took away."""
    home = dataclasses.replace(house, restart="no")
    converged(home, service("one", home))
    [found] = project.declared_services(house.directory, [service("one", house).entry], "net").values()
    assert (found.house.restart, found.house.network) == ("no", "net")


# --- what is refused --------------------------------------------------------------------------------------------------


def conflicts(work: Work) -> list[tuple[str, str]]:
    assert not work.plan.operations, "what is refused has no operation"
    return [(c.kind, c.target) for c in work.plan.conflicts]


PORTS = {"ports": ["127.0.0.1:80:80"]}
BOUND = {"bindings": (Binding("127.0.0.1", 80, "80/tcp"),)}


@pytest.mark.parametrize(
    ("others", "taken", "found"),
    [
        ((), "", []),
        ((), "nginx (pid 1)", [("port_taken", "127.0.0.1:80")]),
        ((foreign("x", **BOUND),), "", [("port_taken", "127.0.0.1:80")]),
        ((foreign("x", **{**BOUND, "state": "exited"}),), "", []),
        ((foreign("one"),), "", [("name_taken", "one")]),
        ((foreign("one", state="exited"),), "", [("name_taken", "one")]),
        ((container("one", project="other"),), "", [("name_taken", "one")]),
        ((foreign("x", labels={"com.docker.compose.project": "stack"}),), "", [("project_label", "x")]),
        ((foreign("x", labels={"com.docker.compose.project": "stack"}, state="exited"),), "", [("project_label", "x")]),
        ((container("two", **BOUND),), "docker-proxy (pid 2)", []),  # one of the project may be about to move away
        ((container("two", project="other", **BOUND),), "", [("port_taken", "127.0.0.1:80")]),
    ],
)
def test_who_is_in_the_way(house: House, others: tuple[Container, ...], taken: str, found: list[tuple[str, str]]) -> None:
    work = plan_present(house, {"one": service("one", house, PORTS)}, observed(*others), lambda _: taken)
    assert [(c.kind, c.target) for c in work.plan.conflicts] == found
    assert bool(work.plan.operations) is not bool(found)


def test_our_own_port_is_ours(house: House) -> None:
    called, seen = converged(house, service("one", house, PORTS), one=BOUND)
    assert actions(house, called, seen, taken=lambda _: "docker-proxy (pid 3)") == []


@pytest.mark.parametrize(("pending", "found"), [(False, [("image_missing", "img:1")]), (True, [])])
def test_an_image_that_is_missing_or_about_to_be_obtained(house: House, pending: bool, found: list[tuple[str, str]]) -> None:
    work = plan_present(house, {"one": service("one", house)}, observed(images={"img:1": None}), free, pending)
    assert [(c.kind, c.target) for c in work.plan.conflicts] == found


def test_data_that_the_image_cannot_read(house: House, tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16")
    one = service("one", house, data=[{"volume": "v", "target": "/d", "guard": "postgres", "variable": "where_it_is"}])
    seen = observed(volumes={"v": str(tmp_path)}, images={"img:1": image(env={"PG_MAJOR": "17"})})
    work = plan_present(house, {"one": one}, seen, free)
    assert conflicts(work) == [("postgres_major", "one")]
    assert work.plan.conflicts[0].message.endswith("restore it into an empty volume (where_it_is)")


def test_everything_that_is_wrong_is_told_at_once(house: House) -> None:
    seen = observed(foreign("one"), problems=[StackError("no secret", "secret_missing", "pw")])
    called = {"one": service("one", house), "two": service("two", house, {"image": "gone"})}
    assert [kind for kind, _ in conflicts(plan_present(house, called, seen, free))] == ["secret_missing", "name_taken", "image_missing"]


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "names", "volumes", "expected"),
    [
        ("stopped", [], [], ["stop two: asked for", "stop one: asked for"]),
        ("stopped", ["one"], [], ["stop one: asked for"]),
        (
            "absent",
            ["two"],
            [],
            ["stop two: asked for", "remove container two: asked for", "remove definition two: asked for"],
        ),
        ("absent", ["three"], [], ["remove definition three: asked for"]),
    ],
)
def test_leaving(house: House, state: str, names: list[str], volumes: list[str], expected: list[str]) -> None:
    services = [service("one", house), service("two", house, needs=["one"]), service("three", house)]
    declared = {s.name: Declared(s, {}) for s in services}
    copy = container("one-copy", labels={LABEL_SERVICE: "one"})
    seen = snapshot(container("one"), container("two"), foreign("three"), copy, v="/v")
    found = plan_leave(house, declared, seen, Leave(state, names, volumes, []))
    assert (found.actions(), found.conflicts) == (expected, [])


@pytest.mark.parametrize(
    ("users", "kinds"),
    [((), []), ((foreign("x", volumes=("v",)),), ["volume_in_use"]), ((container("one", volumes=("v",)),), [])],
)
def test_a_volume_is_removed_by_name_when_nobody_else_uses_it(house: House, users: tuple[Container, ...], kinds: list[str]) -> None:
    declared = {"one": Declared(service("one", house), {})}
    found = plan_leave(house, declared, snapshot(*users, v="/v"), Leave("absent", [], ["v", "gone"], []))
    assert [c.kind for c in found.conflicts] == kinds
    assert found.targets("remove volume") == ["v"]
