"""Declared checks: one for each client, and every mistake in an entry with the path of its key, before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.expectations import SLOW, checks_of
from ansible_collections.auren.stack.plugins.module_utils.probes.registry import OPTIONS, PROBES

from tests.unit.builders import service

GOOD: dict[str, Any] = {"probe": "redis", "port": 6379, "from": ["app", "host"]}


def test_one_check_for_each_client() -> None:
    entry = {**GOOD, "secret": "password", "writable": True, "timeout": 7, "slow": "0.5"}
    one, two = checks_of([service("kv", checks=[entry])])
    assert (one.client, two.client, one.label, one.port, one.secret) == ("app", "host", "redis kv:6379", 6379, "password")
    assert (one.timeout, one.slow, one.options) == (7.0, 0.5, {"writable": True})


def test_several_paths_on_one_port_are_told_apart() -> None:
    entries = [{"probe": "http", "port": 80, "path": path, "from": ["host"]} for path in ("/", "/api")]
    assert [one.label for one in checks_of([service("web", checks=entries)])] == ["http web:80/", "http web:80/api"]
    assert [one.label for one in checks_of([service("web", checks=entries[1:])])] == ["http web:80"]


def test_what_an_entry_does_not_say() -> None:
    [one] = checks_of([service("kv", checks=[{"probe": "dns", "from": ["app"]}])], timeout=3.0)
    assert (one.port, one.label, one.timeout, one.slow, one.secret) == (0, "dns kv", 3.0, SLOW, "")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("redis", "kv.checks[0] is no dictionary; give it probe, port and from"),
        ({"port": 1}, f"kv.checks[0].probe is None; known are {', '.join(sorted(PROBES))}"),
        ({**GOOD, "probe": "smell"}, f"kv.checks[0].probe is 'smell'; known are {', '.join(sorted(PROBES))}"),
        ({**GOOD, "colour": 1}, "kv.checks[0].colour is no option of the probe redis; known are "),
        ({**GOOD, "writable": "yes"}, "kv.checks[0].writable is 'yes', which is not true or false"),
        ({**GOOD, "port": "kv"}, "kv.checks[0].port is 'kv', which is not a number"),
        ({**GOOD, "port": 0}, "kv.checks[0].port is missing; give the port inside the network"),
        ({**GOOD, "from": "app"}, "kv.checks[0].from is 'app', which is not a list"),
        ({**GOOD, "from": []}, "kv.checks[0].from names nobody; give the containers that use the service, or host"),
        ({**GOOD, "from": ["app", "other"]}, "kv.checks[0].from names other; known are app and host"),
        ({**GOOD, "timeout": 0}, "kv.checks[0].timeout is 0; give seconds above 0, for a check without an end cannot end"),
        ({**GOOD, "timeout": True}, "kv.checks[0].timeout is True, which is not a number"),
        ({**GOOD, "slow": -1}, "kv.checks[0].slow is -1; give seconds above 0"),
        ({"probe": "postgres", "port": 1, "from": ["app"]}, "kv.checks[0].user is missing; the probe postgres needs it"),
        ({"probe": "http", "port": 1, "from": ["app"], "json": ["a"]}, "kv.checks[0].json is ['a'], which is not a dictionary"),
    ],
)
def test_what_makes_no_sense_is_refused(entry: Any, said: str) -> None:
    with pytest.raises(StackError) as caught:
        checks_of([service("kv", checks=[entry])], ["app"])
    assert caught.value.message.startswith(said)
    assert caught.value.message.endswith(". Nothing was asked")
    assert caught.value.kind == "bad_check"


def test_all_mistakes_are_told_together() -> None:
    with pytest.raises(StackError) as caught:
        checks_of([service("a", checks=[{**GOOD, "port": None}]), service("b", checks=[GOOD, {**GOOD, "from": []}])])
    assert [line.split(" ")[0] for line in caught.value.message.splitlines()] == ["a.checks[0].port", "b.checks[1].from"]


def test_a_health_address_speaks_for_its_service() -> None:
    entries = [
        {"probe": "http", "port": 1, "from": ["app"], "json": {"healthy": True}},
        {"probe": "http", "port": 1, "from": ["app"], "path": "/metrics"},
        {"probe": "prometheus", "port": 1, "from": ["app"]},
    ]
    assert [one.speaks for one in checks_of([service("kv", checks=entries)])] == [True, False, True]


def test_every_probe_says_its_options() -> None:
    assert set(OPTIONS) == set(PROBES)
