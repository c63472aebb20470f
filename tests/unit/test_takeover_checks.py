"""What forbids a takeover and can be said without an Engine: ports that others hold, clients that would lose what is taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.auren.stack.plugins.module_utils import host_ports
from ansible_collections.auren.stack.plugins.module_utils.host_ports import Listener
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Container, Endpoint, Snapshot, container_from_inspect
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Choices, Swap
from ansible_collections.auren.stack.plugins.module_utils.takeover_checks import conflicts
from ansible_collections.auren.stack.plugins.module_utils.takeover_host import taken_by_others
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old

from tests.unit.builders import foreign, service

PORT = Binding("127.0.0.1", 5432, "5432/tcp")
NET, LEGACY, BRIDGE = (Endpoint(name, name, "10.0.0.2", ()) for name in ("net", "legacy", "bridge"))


@pytest.mark.parametrize(("state", "who"), [("running", ""), ("exited", "postgres (pid 7)"), ("created", "postgres (pid 7)")])
def test_only_a_container_that_runs_holds_its_port(monkeypatch: pytest.MonkeyPatch, state: str, who: str) -> None:
    monkeypatch.setattr(host_ports, "owner", lambda _inode: "postgres (pid 7)")
    taken = taken_by_others([Listener(PORT, "1")], [foreign("db", state=state, bindings=(PORT,))])
    assert taken(PORT) == who


def test_one_that_runs_again_beside_its_successor_is_not_gone_on_with() -> None:
    """The next run would start the new one on the volume that the old one writes to."""
    db = foreign("db-replaced-T")
    raw = {"Mounts": [], "HostConfig": {}}
    old = Old("db", db, raw, {"RepoTags": ["img:1"]}, RunConfig({}, {}, ()), "img:1", kept=True, successor=True)

    def told(one: Old) -> list[str]:
        swap = Swap(one, service("db"), Before("no", True))
        found = conflicts(HostState((db,), ()), Snapshot((1, 44), (), {}), {}, (), [swap], Choices())
        return [problem.message for problem in found if problem.kind == "runs_again"]

    assert told(old) == [
        "db-replaced-T runs again although a new db was made, and two must never write to one volume. "
        "Stop it (docker stop db-replaced-T) and run again, or take that run back (rollback). Nothing was changed"
    ]
    assert told(replace(old, container=replace(db, state="exited"))) == []
    assert told(replace(old, successor=False)) == []


def neighbours(other: Container, *names: str, **more: object) -> list[str]:
    """What is said of one beside a db that is taken over under these names, by what would be lost of it."""
    db = foreign("db", endpoints=(NET, LEGACY, BRIDGE))
    old = Old("db", db, {"Mounts": [], "HostConfig": {}}, {"RepoTags": ["img:1"]}, RunConfig({}, {}, ()), "img:1")
    swap = Swap(old, service("db", aliases=list(names)), Before("no", True))
    found = conflicts(HostState((db, other), ()), Snapshot((1, 44), (), {}), {}, (), [swap], Choices(**more))  # type: ignore[arg-type]
    return [problem.message for problem in found if problem.kind == "neighbour"]


APP = foreign("app", endpoints=(BRIDGE,), links=("db:cache",))


def test_a_client_by_a_link_would_lose_it() -> None:
    told = (
        "app is linked to db (--link, as cache): it would lose db and could not start again; make it anew on net without the link, or say "
        """-e '{"auren_takeover_leave": ["app"]}'. Nothing was changed"""
    )
    assert neighbours(APP) == [told]
    assert neighbours(replace(APP, endpoints=(BRIDGE, NET)), "cache") == [told]
    assert neighbours(replace(APP, endpoints=(BRIDGE, LEGACY))) == [told]  # once, also where it is a neighbour as well
    assert neighbours(APP, leave=("app",)) == []
    assert neighbours(replace(APP, state="exited")) == []
    assert neighbours(replace(APP, links=("other:db",))) == []


def test_a_link_on_a_network_is_a_name_that_the_new_one_may_have() -> None:
    app = foreign("app", endpoints=(replace(LEGACY, links=("db:cache", "db:db", "other:x")),))
    assert [line.partition(" and not")[0] for line in neighbours(app)] == ["app is on legacy with db"]
    both = replace(app, endpoints=(*app.endpoints, NET))
    [said] = neighbours(both, "main")
    assert said.startswith("app calls db cache by a link, and the new one has no such name on net: it would lose db; "), said
    assert """say -e '{"auren_overrides": {"db": {"aliases": ["main", "cache"]}}}', or say -e""" in said
    assert neighbours(both, "cache") == []


def test_links_are_read_as_the_engine_has_them() -> None:
    raw = {
        "Id": "a",
        "Name": "/app",
        "Image": "sha",
        "Config": {"Image": "i"},
        "State": {"Status": "running"},
        "HostConfig": {"Links": ["/db:/app/cache", "/db:/app/db"]},
        "NetworkSettings": {"Networks": {}},
    }
    assert container_from_inspect(raw).links == ("db:cache", "db:db")
    assert container_from_inspect({**raw, "HostConfig": {"Links": None}}).links == ()
