"""What somebody changed by hand since the last run: what tells of it, and what does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import definition, files, project
from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.project_plan import plan_present

from tests.unit.builders import service
from tests.unit.project_runs import MADE, actions, converged, free, labelled


def test_a_file_that_was_edited_by_hand(house: House) -> None:
    """Its container may have read it since; the label with the spec says only what it was made for."""
    called, seen = converged(
        house, service("one", house, files={"a": {"content": "x"}}, secrets=["pw"]), service("two", house), values={"pw": "v"}
    )
    (house.directory / "config/one/a").write_text("edited")
    assert actions(house, called, seen) == ["recreate one: config/one/a was edited by hand"]
    (house.directory / "config/one/a").unlink()  # what is gone was not read
    assert actions(house, called, seen) == ["write config/one/a: missing"]
    (house.directory / "config/one/a").symlink_to("/etc/hostname")
    assert actions(house, called, seen) == ["recreate one: config/one/a was edited by hand"]
    (house.directory / "config/one/a").unlink()
    (house.directory / "config/one/a").write_text("x")
    (house.directory / "secrets/mounts/one/pw").chmod(0o600)
    (house.directory / "secrets/mounts/one/pw").write_text("other")
    assert actions(house, called, seen) == ["recreate one: secrets/mounts/one/pw was edited by hand"]


@pytest.mark.parametrize(
    ("made", "causes"),
    [
        ("2.26.1 two", ["recreate one: somebody made it of a definition that was edited by hand"]),
        ("2.27.0 two", []),  # another version of Compose has another hash for the same
    ],
)
def test_a_container_that_was_made_of_another_definition(house: House, made: str, causes: list[str]) -> None:
    """Compose's own label tells, whatever became of the files since: a run about other services has written them."""
    one = service("one", house)
    called, seen = converged(house, one, service("two", house), one={"labels": labelled(definition.spec(one, {}), made)})
    assert actions(house, called, seen) == causes
    seen.declared["one"] = dataclasses.replace(seen.declared["one"], made="")  # a record of an earlier version of the collection
    files.write(project.declared_file(house.directory, seen.declared))
    assert actions(house, called, seen) == []


def test_a_definition_that_was_edited_and_not_used(house: House) -> None:
    called, seen = converged(house, service("one", house))
    (house.directory / "services/one.yml").write_bytes(b"# f\xfcr Test\n")
    assert actions(house, called, seen) == ["write services/one.yml: content"]


def test_what_a_run_was_about_to_replace(house: House) -> None:
    """It has written the files, so nothing else tells any more why."""
    called, seen = converged(house, service("one", house))
    seen.declared["one"] = dataclasses.replace(seen.declared["one"], replaces=seen.snapshot.containers[0].id)
    assert actions(house, called, seen) == ["recreate one: a run was cut off before it replaced it"]
    seen.declared["one"] = dataclasses.replace(seen.declared["one"], made="2.26.1 before", replaces="another")  # it had got as far
    files.write(project.declared_file(house.directory, seen.declared))
    assert actions(house, called, seen) == ["write .auren/declared.json: content"]
    assert plan_present(house, called, seen, free).merged["one"] == dataclasses.replace(seen.declared["one"], made=MADE, replaces="")


def test_a_restart_policy_that_was_changed(house: House) -> None:
    one = service("one", house, {"restart": "on-failure:3"})
    called, seen = converged(house, one, one={"restart_policy": "no", "state": "exited"})
    assert actions(house, called, seen) == [
        "set restart policy of one: it is no, and on-failure:3 is declared",
        "start one: it is exited (exit code 0)",
    ]
    called, seen = converged(house, one, one={"restart_policy": "on-failure:3"})
    assert actions(house, called, seen) == []
    called, seen = converged(house, service("one", house, {"restart": "on-failure:0"}), one={"restart_policy": "on-failure"})
    assert actions(house, called, seen) == []


@pytest.mark.parametrize(("deploy", "count"), [({"resources": {}}, 1), ({"restart_policy": {"condition": "none"}}, 0)])
def test_a_policy_beside_the_words_for_a_swarm(house: House, deploy: dict[str, Any], count: int) -> None:
    called, seen = converged(house, service("one", house, {"deploy": deploy}), one={"restart_policy": "no"})
    assert len(actions(house, called, seen)) == count
