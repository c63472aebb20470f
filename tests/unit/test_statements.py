"""What the architecture document says: statements that stay as they are while nothing is changed, and since when they have held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import document, live_map, statements
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.live_map import Remark
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Endpoint, Mount, Network

from tests.unit.builders import container, foreign, image, service

NET = Network("id-net", "net", "bridge", ("10.0.0.0/24",))
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
SERVICES = {
    "one": service("one", role="cache", layer="data", purpose="Keeps things", needs=["two"]),
    "two": service("two", layer="backend", purpose="Asks one"),
    "watch": service("watch", layer="monitoring", purpose="Watches"),
}


def one(**more: Any) -> Any:
    known = {"endpoints": (Endpoint("net", "id-net", "10.0.0.2", ("cache",)),), "bindings": (Binding("127.0.0.1", 80, "80/tcp"),)}
    return container("one", **{"restart_policy": "always", "network_mode": "net", "health": "healthy", **known, **more})


def check(client: str, target: str, status: str = "pass", **more: Any) -> dict[str, Any]:
    return {"check": f"tcp {target}:80", "client": client, "service": target, "status": status, "kind": "", "evidence": "0.1 s", **more}


def reading(*containers: Any, checks: Any = (), remarks: Any = ()) -> document.Reading:
    return document.Reading(HostState(containers, (NET,)), SERVICES, {"sha256:1": image()}, remarks, checks, "net", "26.1")


def told(read: document.Reading, known: Any = None, now: str = EARLY) -> Any:
    return document.dated(document.parts(read), known or {}, now)


def facts(found: dict[str, Any], name: str) -> dict[str, tuple[str, str]]:
    [row] = [row for row in found["services"] if row["name"] == name]
    return {fact["what"]: (fact["value"], fact["since"]) for fact in row["facts"]}


def test_a_service_is_told_with_all_that_was_seen() -> None:
    found, _known = told(
        reading(one(volumes=("v",), mounts=(Mount("/one", "bind", source="/etc/one", writable=False), Mount("/data", "bind", source="/d"))))
    )
    assert {what: value for what, (value, _since) in facts(found, "one").items()} == {
        "image": "img:1",
        "image id": "sha256:1",
        "container": f"{one().id[:12]}, made by auren.stack",
        "status": "running, healthy",
        "ports": "127.0.0.1:80 → 80/tcp",
        "restart policy": "always",
        "volumes": "v",
        "directories and files of the host": "/d → /data, /etc/one → /one (read-only)",
        "on net": "10.0.0.2, as cache, one",
        "purpose": "Keeps things",
        "needs": "two",
    }
    assert facts(found, "two")["status"] == ("not there", EARLY)
    assert [(row["name"], row["address"]) for row in found["places"]] == [("one", "10.0.0.2")]


def test_what_changes_by_itself_is_not_told() -> None:
    restless = (Remark("restarted", "one", "warn", "one was restarted 3 s ago"), Remark("disk", "/", "warn", "91.2 % are full"))
    first, known = told(reading(one(restart_count=1, started_at="2026-01-01T00:00:00Z", pid=5), checks=[check("two", "one")]))
    slow = check("two", "one", "warn", kind="slow", evidence="it took 3.2 s")
    second, again = told(
        reading(one(restart_count=2, started_at="2026-01-02T00:00:00Z", pid=6), checks=[slow], remarks=restless), known, LATE
    )
    assert (second, again) == (first, known)


def test_only_what_is_another_is_dated_anew() -> None:
    before, known = told(reading(one(), checks=[check("two", "one")]))
    after, now = told(reading(replace(one(), id="f" * 64), checks=[check("two", "one")]), known, LATE)
    assert {what for what, (_value, since) in facts(after, "one").items() if since == LATE} == {"container"}
    assert statements.changed(known, now) == ["service/one/container"]
    [row] = [row for row in after["services"] if row["name"] == "one"]
    assert row["since"] == LATE  # of a row: the newest of it
    assert after["connections"] == before["connections"]


def test_what_comes_back_holds_since_it_came_back() -> None:
    _found, known = told(reading(one()))
    _found, gone = told(reading(), known, LATE)
    assert "service/one/ports" in statements.changed(known, gone)
    found, _again = told(reading(one()), gone, "2026-03-03T00:00:00Z")
    assert facts(found, "one")["ports"][1] == "2026-03-03T00:00:00Z"


def test_connections_are_proved_failed_or_not_there() -> None:
    checks = [
        check("two", "one"),
        check("watch", "one"),
        check("host", "two", "fail", kind="timeout"),
        check("watch", "two", "blocked", because="one"),
        check("gone", "one", "skipped"),
        check("one", "one"),
        {**check("host", "one"), "hop": True},
        check("host", "watch"),
    ]
    found, _known = told(reading(one(), checks=checks))
    arrows = {(row["client"], row["service"]): (row["status"], row["monitoring"], row["told"]) for row in found["connections"]}
    assert arrows == {
        ("two", "one"): ("proved", False, ""),
        ("watch", "one"): ("proved", True, ""),
        ("watch", "two"): ("failed", True, "because of one"),
        ("host", "two"): ("failed", False, "timeout"),
        ("host", "watch"): ("proved", False, ""),
    }
    assert {node["name"]: (node["layer"], node["status"]) for node in found["nodes"]} == {
        "host": ("user", "well"),
        "one": ("data", "well"),
        "two": ("backend", "down"),
        "watch": ("monitoring", "down"),
    }


def test_what_the_host_asked_in_the_place_of_a_client_is_not_proved_from_inside_it() -> None:
    """It fails all the same where the server does, and what is now asked from inside is another statement."""
    checks = [check("two", "one"), check("watch", "one", "fail", kind="refused"), check("host", "one")]
    found, known = told(reading(one(), checks=[{**entry, "outside": entry["client"] != "host"} for entry in checks]))
    rows = {row["client"]: (row["status"], row["facts"][0]["value"], row["facts"][0]["seen"]) for row in found["connections"]}
    assert rows == {
        "two": ("unproved", "unproved: tcp one:80", "verification from the host in the place of two"),
        "watch": ("failed", "failed: tcp one:80 (refused)", "verification from the host in the place of watch"),
        "host": ("proved", "proved: tcp one:80", "verification from the host, through the published port"),
    }
    _found, now = told(reading(one(), checks=checks), known, LATE)
    assert statements.changed(known, now) == ["connection/two → one/status", "connection/watch → one/status"]


def test_strangers_stand_apart_and_are_in_the_overview() -> None:
    found, _known = told(reading(one(), foreign("odd")))
    assert [row["name"] for row in found["strangers"]] == ["odd"]
    assert {row["what"]: row["value"] for row in found["overview"]}["containers that nobody declared"] == "odd"
    assert "odd" not in {node["name"] for node in found["nodes"]}


def test_what_a_takeover_kept_is_told_as_that() -> None:
    remarks = [Remark("kept", name, "warn", f"{name} is kept") for name in ("old", "a-network")]
    found, _known = told(reading(one(), foreign("odd"), foreign("old"), remarks=remarks))
    assert [row["name"] for row in found["strangers"]] == ["odd", "old"]
    overview = {row["what"]: row["value"] for row in found["overview"]}
    assert (overview["containers that nobody declared"], overview["containers that a takeover kept"]) == ("odd", "old")
    assert [row["target"] for row in found["remarks"]] == ["a-network", "old"]


def test_remarks_of_one_kind_are_one_statement() -> None:
    remarks = [Remark("ports", "one", "fail", "b"), Remark("ports", "one", "warn", "a")]
    found, _known = told(reading(one(), remarks=remarks))
    assert [(row["target"], row["facts"][0]["value"]) for row in found["remarks"]] == [("one", "a; b")]


def test_known_is_read_as_it_was_written_and_damage_is_told(tmp_path: Path) -> None:
    assert document.read_known(tmp_path) == {}
    _found, known = told(reading(one()))
    document.write_known(tmp_path, known)
    assert document.read_known(tmp_path) == known
    path = document.known_path(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"statements": 3}')
    with pytest.raises(StackError, match="move it away"):
        document.read_known(tmp_path)


def test_every_statement_is_of_something_that_live_map_tells() -> None:
    """A key of live_map that says nothing of the document is left out on purpose."""
    [row] = live_map.containers(HostState((one(),), (NET,)), SERVICES, {})
    assert set(row) - {"restarts", "role"} == {
        *("name", "id", "image_id", "made", "image", "digests", "stands_in", "state", "health"),
        *("restart_policy", "networks", "ports", "volumes", "mounts", "needs"),
    }
