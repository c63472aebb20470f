"""What is wrong with a container, from what the Engine says of it: every sentence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.container_checks import Seen, findings
from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Endpoint, Network

from tests.unit.builders import container, foreign, service

NET, OLD = Network("id-net", "net", "bridge", ("10.0.0.0/24",)), Network("id-old", "old", "bridge", ("10.1.0.0/24",))
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
WELL: dict[str, Any] = {"restart_policy": "unless-stopped", "network_mode": "net", "started_at": "2027-01-15T07:00:00.123456789Z"}
PUBLISHED = {"ports": ["127.0.0.1:6380:6379"]}
BOUND = (Binding("127.0.0.1", 6380, "6379/tcp"),)


def seen(**more: Any) -> Seen:
    other = {key: more.pop(key) for key in ("networks", "image_id", "edited", "others") if key in more}
    return Seen(container("one", **{**WELL, **more}), **{"networks": (NET, OLD), "image_id": "sha256:1", "now": NOW, **other})


def found(compose: dict[str, Any] | None = None, aliases: tuple[str, ...] = (), **more: Any) -> list[tuple[str, str, str]]:
    return [(f.kind, f.status, f.evidence) for f in findings(service("one", compose=compose, aliases=list(aliases)), seen(**more))]


def test_a_container_that_is_as_declared_has_no_findings() -> None:
    place = Endpoint("net", "id-net", "10.0.0.2", ("cache", "more"))
    assert found(PUBLISHED, ("cache",), endpoints=(place,), bindings=BOUND, health="healthy") == []


def test_a_container_that_is_not_there_says_nothing_else() -> None:
    [only] = findings(service("one"), Seen(None))
    assert (only.kind, only.status, only.evidence) == ("absent", "fail", "one is not there: run site")


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"state": "exited", "exit_code": 137}, "down", "one is exited (exit code 137): docker start one"),
        (
            {"state": "exited", "exit_code": 137, "oom_killed": True},
            "down",
            "one is exited (exit code 137; it had no memory left): docker start one",
        ),
        ({"state": "paused"}, "down", "one is paused: docker unpause one"),
        ({"state": "created"}, "down", "one is created (exit code 0): docker start one"),
        ({"state": "restarting", "exit_code": 1}, "loop", "one crashes and is restarted again and again (exit code 1): docker logs one"),
    ],
)
def test_what_does_not_run_serves_nobody(more: dict[str, Any], kind: str, said: str) -> None:
    assert found(**more, health="unhealthy", endpoints=()) == [(kind, "fail", said)]


def test_a_stopped_container_that_stays_down_says_so_too() -> None:
    kinds = [kind for kind, _status, _evidence in found(state="exited", restart_policy="no", network_mode="gone")]
    assert kinds == ["down", "cannot_start", "policy"]


@pytest.mark.parametrize(
    ("count", "started", "expected"),
    [
        (0, "2027-01-15T07:59:50Z", []),
        (1, "2027-01-15T07:59:50Z", ["warn: one was restarted once, 10 s ago the last time: docker logs one"]),
        (7, "2027-01-15T07:59:50.5Z", ["fail: one was restarted 7 times, 10 s ago the last time: docker logs one"]),
        (7, "2027-01-15T07:58:50Z", []),  # long ago: it has been well since
        (7, "", []),
    ],
)
def test_a_container_that_was_just_restarted_is_a_loop(count: int, started: str, expected: list[str]) -> None:
    assert [f"{status}: {evidence}" for _kind, status, evidence in found(restart_count=count, started_at=started)] == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"health": "unhealthy"}, ("unhealthy", "fail", "the health check of one fails")),
        ({"health": "starting"}, None),
        ({"oom_killed": True}, ("oom", "warn", "a process of one was killed for want of memory")),
        (
            {"endpoints": (Endpoint("old", "id-old", "10.1.0.2", ()),)},
            ("network", "fail", "one is not on net (it is on old): run site or streamline"),
        ),
        ({"endpoints": ()}, ("network", "fail", "one is not on net (it is on none): run site or streamline")),
        ({"network_mode": "host", "endpoints": ()}, None),
        (
            {"network_mode": "f" * 64},
            (
                "cannot_start",
                "fail",
                f"one will not start again after a stop or a reboot: the network {'f' * 40} that it was created on is gone; run streamline",
            ),
        ),
        ({"network_mode": "id-old"}, None),
        (
            {"restart_policy": "no"},
            ("policy", "warn", "one has no restart policy, and stays down after a crash or a reboot: run site"),
        ),
        ({"image_id": "sha256:2"}, ("image", "warn", "one runs an older image than the one that img:1 is now: run site")),
        ({"image_id": ""}, None),
        ({"bindings": BOUND}, ("ports", "warn", "one publishes 6379/tcp as 127.0.0.1:6380, which was not declared")),
    ],
)
def test_what_is_not_as_declared(more: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    assert found(**more) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("compose", "live", "way"),
    [
        ({}, "no", "site"),
        ({}, "", "site"),
        ({"restart": "on-failure:3"}, "no", "site"),
        ({"restart": "no"}, "no", None),
        ({"restart": "no"}, "", None),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, "no", None),
        ({}, "always", None),  # told as a setting that is not as declared
    ],
)
def test_a_policy_that_is_missing_is_one_that_was_declared(compose: dict[str, Any], live: str, way: str | None) -> None:
    said = "one has no restart policy, and stays down after a crash or a reboot: run "
    assert found(compose, restart_policy=live) == ([("policy", "warn", said + way)] if way else [])


def test_what_somebody_else_made_gets_its_policy_from_streamline() -> None:
    by_hand = foreign("one", image_id="sha256:1", endpoints=(Endpoint("net", "id-net", "10.0.0.2", ()),), network_mode="net")
    [only] = findings(service("one"), Seen(by_hand, (NET,), "sha256:1", now=NOW))
    assert (only.kind, only.evidence) == (
        "policy",
        "one has no restart policy, and stays down after a crash or a reboot: run streamline",
    )


def test_a_name_that_was_lost_and_a_port_that_is_not_published() -> None:
    assert found(aliases=("cache", "kv")) == [("alias", "fail", "one has lost the name cache, kv on net: run site or streamline")]
    assert found(PUBLISHED) == [("ports", "fail", "one does not publish 6379/tcp as 127.0.0.1:6380: run site")]


def test_files_that_somebody_edited() -> None:
    quiet = [
        "/etc/hosts",
        "/etc/app.conf",
        "/opt/kafka/config/server.properties",
        "/host/proc",
        "/app",
        "/tmp/x",
        "/var/log/a",
        "/run/a.pid",
        "/app/__pycache__/a.cpython-313.pyc",
        "/root/.cache/x",
        "/app/error.log",
        "/app/logs/access",
        "/app/.python_history",
    ]
    assert found(edited=quiet) == []
    hot = [*quiet, "/app/main.py", "/app/a.py", "/usr/lib/b.py", "/usr/local/c.py"]
    said = "was changed inside the running container, and is lost when it is made anew: put it into the image"
    mounts = {"volumes": ["/srv/main.py:/app/main.py:ro", {"type": "bind", "source": "/srv/lib", "target": "/usr/lib"}]}
    assert found(mounts, edited=["/app/main.py", "/usr/lib/b.py"]) == []  # of these the layer has empty ones
    assert found(edited=hot) == [("edited", "warn", f"one: /app/main.py, /app/a.py, /usr/lib/b.py and 1 more {said}")]


@pytest.mark.parametrize(
    ("place", "more", "expected"),
    [
        (Endpoint("net", "id-net", "10.0.0.3", ("one",)), {}, ("twice", "fail", "two answers to one on net as well as one: ")),
        (
            Endpoint("net", "id-net", "10.0.0.3", ("cache", "x")),
            {},
            ("twice_alias", "warn", "two answers to cache on net as well as one: "),
        ),
        (Endpoint("old", "id-old", "10.1.0.3", ("one", "cache")), {}, None),
        (Endpoint("net", "id-net", "", ("one",)), {"state": "exited"}, None),
        (Endpoint("net", "id-net", "10.0.0.3", ("x",)), {}, None),
    ],
)
def test_a_name_that_two_answer_to(place: Endpoint, more: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    own = Endpoint("net", "id-net", "10.0.0.2", ("cache",))
    others = [container("one", endpoints=(own,)), container("two", endpoints=(place,), **more)]
    told = found(aliases=("cache",), endpoints=(own,), others=others)
    way = "docker network disconnect net two, or give it another name"
    assert told == ([(*expected[:2], expected[2] + way)] if expected else [])
