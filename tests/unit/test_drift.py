"""Each kind of drift in the line that is fit for a message, and none on a host that is as declared."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.filter.drift import drift


def live(*findings: tuple[str, str], networks: tuple[str, ...] = (), on: tuple[str, ...] = ("net",)) -> dict[str, Any]:
    return {
        "containers": [
            {"name": "auren-redis", "role": "redis", "networks": {name: {} for name in on}},
            {"name": "auren-kafka", "role": "kafka", "networks": {"net": {}}},
            {"name": "odd", "role": "", "networks": {"bridge": {}}},
        ],
        "networks": [{"name": name} for name in ("net", "bridge", "host", "none", *networks)],
        "findings": [{"kind": kind, "target": target, "line": f"{kind} of {target}"} for kind, target in findings],
    }


def planned(*operations: tuple[str, str, str]) -> dict[str, Any]:
    return {"changed": bool(operations), "changes": [{"kind": kind, "target": name, "cause": cause} for kind, name, cause in operations]}


SET_POLICY = "set restart policy of"
AS_DECLARED = "web is as declared: 2 services"
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], str]] = {
    "nothing": (planned(), live(), [], AS_DECLARED),
    "no matter of the declaration": (
        planned(),
        live(("unhealthy", "auren-redis"), ("disk", "/")),
        [],
        AS_DECLARED,
    ),
    "a field": (
        planned(("recreate", "auren-redis", "environment key X changed")),
        live(),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: environment key X changed)",
    ),
    "stopped": (
        planned(("start", "auren-kafka", "it is exited (exit code 1)")),
        live(),
        [],
        "web drifted: 1 of 2 services differs (auren-kafka: it is exited (exit code 1))",
    ),
    "gone": (
        planned(("create", "auren-pwa", "it is not there")),
        live(),
        [],
        "web drifted: 1 of 3 services differs (auren-pwa: it is not there)",
    ),
    "a restart policy, told by the plan and by a finding": (
        planned((SET_POLICY, "auren-redis", "it is no, and always is declared"), (SET_POLICY, "auren-kafka", "it is x, and y is declared")),
        live(("policy", "auren-redis"), ("field", "auren-kafka")),
        [],
        "web drifted: 2 of 2 services differ (auren-kafka: field of auren-kafka; auren-redis: policy of auren-redis)",
    ),
    "a restart policy that only the plan tells of": (
        planned((SET_POLICY, "auren-redis", "it is no, and always is declared")),
        live(),
        [],
        f"web drifted: 1 of 2 services differs (auren-redis: {SET_POLICY} auren-redis: it is no, and always is declared)",
    ),
    "a file": (
        planned(("write", "config/auren-redis/redis.conf", "content")),
        live(),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: write config/auren-redis/redis.conf: content)",
    ),
    "a file of nobody": (planned(("write", "docker-compose.yml", "content")), live(), [], "web drifted: 1 other difference"),
    "an edited container": (
        planned(),
        live(("edited", "auren-redis")),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: edited of auren-redis)",
    ),
    "a container changed by hand": (
        planned(),
        live(("field", "auren-redis")),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: field of auren-redis)",
    ),
    "a file that lies with a service": (
        planned(),
        live(("file", "auren-redis")),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: file of auren-redis)",
    ),
    "unknown files": (planned(), live(("file", "/p/.env"), ("file", "/p/services/x.yml")), [], "web drifted: 2 unknown files"),
    "another network": (
        planned(),
        live(on=("net", "old")),
        [],
        "web drifted: 1 of 2 services differs (auren-redis: it is also on old)",
    ),
    "an unknown container": (planned(), live(("unknown", "odd")), [], "web drifted: 1 unknown container"),
    "unknown networks": (planned(), live(networks=("a", "b")), [], "web drifted: 2 unknown networks"),
    "what a takeover kept, with its network": (planned(), live(("kept", "odd"), ("kept", "old"), networks=("old",)), [], AS_DECLARED),
    "an image": (planned(), live(), ["pull redis:7: it is not there"], "web drifted: 1 image"),
    "a refusal": (
        {"failure": {"kind": "port_taken"}, "msg": "port 80 is taken\nand more"},
        live(),
        [],
        "web drifted: site would refuse: port 80 is taken",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_for_each_kind(name: str) -> None:
    result, seen, images, line = CASES[name]
    found = drift(result, seen, images, "net", "web")
    assert found["line"] == line
    assert found["drifted"] == (line != AS_DECLARED)
    assert bool(found["lines"]) == found["drifted"]


@pytest.mark.parametrize("refused", [{}, {"failure": {"kind": "port_taken"}, "msg": "port 80 is taken"}])
def test_what_the_inventory_dropped_is_told_where_all_of_it_was_declared(refused: dict[str, Any]) -> None:
    """Also one whose container is gone already; the plan of the others knows of it from the host."""
    result = {**planned(), "services": [{"service": name} for name in ("auren-redis", "auren-kafka", "auren-gone") if not refused]}
    found = drift({**result, **refused}, live(("file", "auren-kafka")), [], "net", "web", ["auren-redis"])
    dropped = ["auren-kafka"] if refused else ["auren-gone", "auren-kafka"]
    assert found["line"].startswith(f"web drifted: {len(dropped)} no longer declared ({', '.join(dropped)})")
    assert found["lines"][: len(dropped)] == [
        f"{name} is no longer declared: declare it again, or remove it with auren.stack.compose_project (state: absent, names: [{name}])"
        for name in dropped
    ]
    assert drift(result, live(), [], "net", "web", ["auren-redis", "auren-kafka", "auren-gone"])["line"] == AS_DECLARED
    assert drift(result, live(), [], "net", "web")["line"] == AS_DECLARED


def test_many_services_are_counted_and_the_first_are_named() -> None:
    result = planned(*(("create", f"s{number}", "it is not there") for number in range(5)))
    found = drift(result, live(), [], "net", "web")
    assert found["line"].startswith(
        "web drifted: 5 of 7 services differ (s0: it is not there; s1: it is not there; s2: it is not there; …)"
    )
    assert len(found["lines"]) == 5
