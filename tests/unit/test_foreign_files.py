"""What lies where the project would write: refused where somebody else made it, never where a run of ours was cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible_collections.auren.stack.plugins.module_utils.definition import House
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.project_plan import plan_present
from ansible_collections.auren.stack.plugins.module_utils.project_remove import Leave, Leaving, plan_leave

from tests.unit.builders import observed, service
from tests.unit.project_runs import actions, converged, free

FILES = {"a": {"content": "x"}}
OLD = "services:\n  one:\n    image: other\n"


def put(house: House, path: str, text: str = OLD) -> Path:
    found = house.directory / path
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(text, encoding="utf-8")
    return found


def refused(house: House, seen: object = None) -> list[str]:
    work = plan_present(house, {"one": service("one", house, files=FILES)}, seen or observed(), free)  # type: ignore[arg-type]
    assert {problem.kind for problem in work.plan.conflicts} <= {"foreign_file"}
    return [str(Path(problem.target).relative_to(house.directory)) for problem in work.plan.conflicts]


def journalled(house: House, kind: str, operation: str) -> None:
    journal = Journal(house.directory, kind, {"operations": [{"kind": operation, "target": "one"}]})
    journal.open()


@pytest.mark.parametrize("path", ["docker-compose.yml", "services/one.yml", "config/one/a", "config/one/their/own", "config/one"])
def test_what_somebody_else_made_is_refused(house: House, path: str) -> None:
    """Over it would be written, and the way back would remove it: what its boot unit starts would be gone."""
    put(house, path)
    wanted = "config/one" if path.startswith("config") else path
    assert refused(house) == [wanted]
    [problem] = plan_present(house, {"one": service("one", house)}, observed(), free).plan.conflicts
    assert problem.message == (
        f"{house.directory / wanted} was not made by auren.stack, which would write over it, and remove it on the way back. Move it away, "
        "or set auren_project_dir to a directory of its own. Nothing was changed"
    )


def test_what_nobody_writes_over_is_no_matter(house: House) -> None:
    for path in ("services/two.yml", "config/two/a", "compose.yaml", "secrets/password", "notes.txt"):
        put(house, path)
    (house.directory / "config/one").mkdir()
    (house.directory / "services/one.yml").symlink_to("nowhere")
    assert refused(house) == []


def test_a_definition_of_ours_is_put_back_whoever_edited_it(house: House) -> None:
    called, seen = converged(house, service("one", house, files=FILES))
    for path in ("docker-compose.yml", "services/one.yml"):
        put(house, path)
        assert actions(house, called, seen) == [f"write {path}: content"]
        converged(house, service("one", house, files=FILES))


@pytest.mark.parametrize("left", [["config"], ["config", "services"], ["config", "services", "docker-compose.yml"]])
@pytest.mark.parametrize(("kind", "operation"), [("site", "create"), ("takeover", "take over")])
def test_what_a_run_that_was_cut_off_has_written_is_ours(house: House, left: list[str], kind: str, operation: str) -> None:
    """In the order in which it writes; the record of what is declared is the last."""
    _called, seen = converged(house, service("one", house, files=FILES))
    for path in house.directory.iterdir():
        if path.name not in left:
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    none = observed()
    assert refused(house, none) == (["config/one"] if left == ["config"] else [])
    assert refused(house, observed(seen.snapshot.containers[0])) == [], "a container of ours has read it"
    journalled(house, kind, operation)
    assert refused(house, none) == []


def test_what_somebody_else_made_stays_when_the_project_goes(house: House) -> None:
    """And what runs that were cut off wrote for services that were never declared goes."""
    theirs = [put(house, path) for path in ("services/two.yml", "config/two/a", "config/two/b/c")]
    _called, seen = converged(house, service("three", house, files=FILES))
    journalled(house, "site", "create")
    for path in ("config/one/a", "services/.new-x"):
        put(house, path)
    leaving = Leaving(Mock(), house, {})
    leaving.run(plan_leave(house, {}, seen.snapshot, Leave("absent", [], [], [])))
    found = [path for path in house.directory.rglob("*") if path.is_file() and path.parent.name in ("services", "one", "two", "three", "b")]
    assert sorted(found) == sorted(theirs)


def test_another_services_definition_of_ours_says_nothing_of_this_one(house: House) -> None:
    """Declared are others: the master file is ours, what lies where the new one belongs is not."""
    _called, seen = converged(house, service("two", house))
    put(house, "services/one.yml", json.dumps({"services": {}}))
    work = plan_present(house, {"one": service("one", house)}, seen, free)
    assert [problem.kind for problem in work.plan.conflicts] == ["foreign_file"]
