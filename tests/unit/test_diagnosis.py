"""One red line for a cascade: which failed check is the reason, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.diagnosis import Cause, Checked, diagnose
from ansible_collections.auren.stack.plugins.module_utils.expectations import HOST

NEEDS = {
    "neuros": ["postgres", "redis", "kafka"],
    "bridge": ["postgres", "redis", "kafka"],
    "grafana": ["prometheus"],
    "pwa": ["neuros", "bridge"],
}
ARROWS = [(client, service) for client, services in NEEDS.items() for service in services]
SERVICES = ("postgres", "redis", "kafka", "prometheus", "grafana", "neuros", "bridge", "pwa")


def arrow(client: str, service: str, kind: str = "", evidence: str = "") -> Checked:
    return Checked(f"probe {service}", service, client, "fail" if kind else "pass", kind, evidence or kind)


def box(name: str, kind: str = "") -> Checked:
    return Checked(f"container {name}", name, name, "fail" if kind else "pass", kind, f"{name}: {kind}")


def health(name: str, kind: str = "", client: str = HOST) -> Checked:
    return Checked(f"http {name}", name, client, "fail" if kind else "pass", kind, kind, speaks=True)


def stack(*failed: Checked) -> list[Checked]:
    """The whole stack, all well but for these."""
    well = [*map(box, SERVICES), *(arrow(*pair) for pair in ARROWS), *(health(name) for name in ("neuros", "bridge", "grafana"))]
    worse = {(one.check, one.client): one for one in failed}
    return [worse.pop((one.check, one.client), one) for one in well] + list(worse.values())


def causes(*failed: Checked) -> list[Cause]:
    checks, found = diagnose(stack(*failed), NEEDS)
    assert {one.status for one in checks} <= {"pass", "fail", "blocked", "warn", "skipped"}
    assert len(checks) == len(stack(*failed))
    return found


def lines(*failed: Checked) -> list[str]:
    return [one.line for one in causes(*failed)]


def test_a_healthy_stack_has_no_causes() -> None:
    checks, found = diagnose(stack(), NEEDS)
    assert found == []
    assert {one.status for one in checks} == {"pass"}


def test_a_wrong_password_in_one_client_is_one_line_and_its_own_health_follows() -> None:
    [found] = causes(arrow("bridge", "postgres", "auth", "password rejected"), health("bridge", "status"), box("bridge", "unhealthy"))
    assert found.line == "bridge → postgres: password rejected"
    assert found.blocked == ("container bridge from bridge", "http bridge from host")


def test_a_wrong_password_in_two_clients_is_two_lines() -> None:
    assert lines(arrow("bridge", "postgres", "auth"), arrow("neuros", "postgres", "auth")) == [
        "bridge → postgres: auth",
        "neuros → postgres: auth",
    ]


def test_a_dead_service_is_one_line_whoever_misses_it() -> None:
    kafka = [arrow(client, "kafka", "dns") for client in ("neuros", "bridge")]
    tired = [health("neuros", "status"), health("bridge", "timeout"), box("neuros", "unhealthy"), box("bridge", "loop")]
    [found] = causes(box("kafka", "down"), *kafka, *tired)
    assert found.line == "kafka: down"
    assert len(found.blocked) == len(kafka) + len(tired)


def test_what_a_dead_container_was_asked_to_ask_follows_from_it() -> None:
    [found] = causes(
        box("bridge", "down"), *(arrow("bridge", service, "client") for service in NEEDS["bridge"]), health("bridge", "refused")
    )
    assert (found.line, len(found.blocked)) == ("bridge: down", 4)


def test_what_every_client_sees_is_one_line_with_all_of_them() -> None:
    [found] = causes(arrow("bridge", "redis", "status", "it is read-only"), arrow("neuros", "redis", "status", "it is read-only"))
    assert found.line == "bridge → redis: it is read-only (seen from bridge, neuros)"
    assert found.clients == ("bridge", "neuros")


def test_who_is_on_the_wrong_network_is_one_line_for_all_it_cannot_reach() -> None:
    away = [arrow("bridge", service, "dns") for service in NEEDS["bridge"]] + [health("bridge", "dns", client="prometheus")]
    [found] = causes(box("bridge", "network"), *away)
    assert (found.line, len(found.blocked)) == ("bridge: network", 4)
    assert lines(box("bridge", "network"), arrow("neuros", "redis", "dns")) == ["bridge: network", "neuros → redis: dns"]


def test_a_lost_name_explains_who_asked_for_it_and_nothing_else() -> None:
    [found] = causes(box("kafka", "alias"), arrow("bridge", "kafka", "dns"), arrow("neuros", "kafka", "dns"))
    assert (found.line, len(found.blocked)) == ("kafka: alias", 2)
    assert lines(box("kafka", "alias"), arrow("kafka", "redis", "dns"), arrow("bridge", "kafka", "refused")) == [
        "kafka: alias",
        "bridge → kafka: refused",
        "kafka → redis: dns",
    ]


def test_two_faults_at_once_are_two_lines_and_each_has_its_own() -> None:
    found = causes(box("kafka", "down"), arrow("bridge", "kafka", "dns"), arrow("neuros", "postgres", "auth"), health("neuros", "status"))
    assert [one.line for one in found] == ["kafka: down", "neuros → postgres: auth"]
    assert "probe kafka from bridge" in found[0].blocked


def test_a_client_that_rejects_a_healthy_dead_neighbour_is_no_excuse() -> None:
    """A password is wrong whether or not another service is down."""
    assert lines(box("kafka", "down"), arrow("bridge", "postgres", "auth")) == ["kafka: down", "bridge → postgres: auth"]


def test_what_is_reached_through_others_follows_too() -> None:
    [found] = causes(box("postgres", "down"), arrow("neuros", "postgres", "refused"), health("pwa", "status"))
    assert "http pwa from host" in found.blocked


def test_who_waits_for_a_dead_one_answers_late() -> None:
    [found] = causes(box("postgres", "down"), arrow("pwa", "neuros", "timeout"), arrow("neuros", "postgres", "refused"))
    assert (found.line, len(found.blocked)) == ("postgres: down", 2)


def test_a_health_address_that_is_not_there_is_no_consequence_of_an_arrow() -> None:
    """It was not reached, so it has said nothing of what it needs."""
    assert lines(arrow("neuros", "redis", "auth"), health("neuros", "refused")) == ["neuros → redis: auth", "host → neuros: refused"]


@pytest.mark.parametrize("status", ["warn", "skipped"])
def test_what_is_no_failure_is_left_as_it_is(status: str) -> None:
    odd = Checked("container redis", "redis", "redis", status, "policy", "none")
    checks, found = diagnose([odd, arrow("bridge", "redis", "auth")], NEEDS)
    assert checks[0] == odd
    assert [one.service for one in found] == ["redis"]


def test_services_that_need_each_other_come_to_an_end() -> None:
    checks = [health("a", "status"), health("b", "status"), box("a", "unhealthy"), box("b", "unhealthy")]
    marked, found = diagnose(checks, {"a": ["b"], "b": ["a"]})
    assert found
    assert all(one.because for one in marked if one.status == "blocked")


def every_single_fault() -> list[Any]:
    return [*(box(name, "down") for name in SERVICES), *(arrow(*pair, "auth") for pair in ARROWS)]


@pytest.mark.parametrize("fault", every_single_fault(), ids=lambda one: f"{one.client} {one.service} {one.kind}")
def test_one_fault_is_one_line(fault: Checked) -> None:
    """With everything that follows from it."""
    worse = [fault]
    broken = {fault.client if fault.kind == "auth" else fault.service}
    broken |= {name for name in NEEDS if broken & {*NEEDS[name], *(deep for one in NEEDS[name] for deep in NEEDS.get(one, ()))}}
    if fault.kind == "down":
        worse += [arrow(*pair, "client" if pair[0] == fault.service else "refused") for pair in ARROWS if fault.service in pair]
    talking = sorted(broken - {"postgres", "redis", "kafka"})
    worse += [health(name, "refused" if fault.of_container and name == fault.service else "status") for name in talking]
    [found] = causes(*worse)
    assert found.service == fault.service
    assert len(found.blocked) == len(worse) - 1


def hop(name: str, kind: str = "missing") -> Checked:
    return Checked("heartbeat row", name, HOST, "fail", kind, "no row", hop=True)


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (box("kafka", "down"), "kafka: down"),
        (box("neuros", "unhealthy"), "neuros: unhealthy"),
        (arrow("neuros", "postgres", "auth", "password rejected"), "neuros → postgres: password rejected"),
        (health("neuros", "status"), "host → neuros: status"),
    ],
)
def test_a_hop_that_is_not_done_follows_from_what_is_wrong_with_its_service(reason: Checked, line: str) -> None:
    assert lines(reason, hop("neuros")) == [line]


def test_a_hop_that_nothing_explains_is_a_reason_and_explains_nothing_else() -> None:
    assert lines(hop("neuros")) == ["host → neuros: no row"]
    assert len(lines(hop("neuros"), arrow("pwa", "bridge", "refused"))) == 2


def test_another_container_of_the_same_name_explains_what_its_clients_see() -> None:
    assert lines(box("redis", "twice"), arrow("neuros", "redis", "auth"), arrow("bridge", "redis", "protocol")) == ["redis: twice"]


def targets(*about: str) -> Checked:
    return Checked("prometheus", "prometheus", HOST, "fail", "down", f"cannot scrape {', '.join(about)}", speaks=True, about=about)


def test_an_account_of_others_follows_from_what_is_wrong_with_each_of_them() -> None:
    assert lines(box("redis", "down"), targets("redis")) == ["redis: down"]
    assert lines(arrow("pwa", "bridge", "refused"), targets("bridge")) == ["pwa → bridge: refused"]


def test_an_account_of_one_more_is_a_reason_of_its_own() -> None:
    assert lines(box("redis", "down"), targets("elsewhere", "redis")) == [
        "redis: down",
        "host → prometheus: cannot scrape elsewhere, redis",
    ]
    assert lines(box("redis", "down"), targets("kafka")) == ["redis: down", "host → prometheus: cannot scrape kafka"]
