"""Where the places and arrows of a verification's picture are."""

from __future__ import annotations

from typing import Any

from ansible_collections.auren.stack.plugins.filter.verification_graph import WIDE, columns, graph


def check(client: str, service: str, status: str = "pass", because: str = "") -> dict[str, Any]:
    return {"client": client, "service": service, "status": status, "evidence": f"seen from {client}", "because": because}


def test_a_client_stands_left_of_those_it_asks() -> None:
    found = columns([("pwa", "neuros"), ("neuros", "redis"), ("pwa", "redis")], ["neuros", "pwa", "redis"])
    assert found == {"pwa": 0, "neuros": 1, "redis": 2}


def test_those_who_ask_each_other_have_a_place_and_no_column_is_empty() -> None:
    found = columns([("a", "b"), ("b", "a"), ("b", "c"), ("a", "c"), ("d", "d2")], ["a", "b", "c", "d", "d2"])
    assert set(found.values()) == set(range(max(found.values()) + 1))
    assert found["c"] > max(found["a"], found["b"])


def test_an_arrow_has_the_worst_of_its_checks_and_says_why() -> None:
    drawn = graph([check("a", "b"), check("a", "b", "blocked", "b → c"), check("a", "b", "warn"), check("b", "b", "fail")])
    [arrow] = drawn["arrows"]
    assert (arrow["client"], arrow["service"], arrow["status"], arrow["told"]) == ("a", "b", "blocked", "because of b → c")
    assert {node["name"]: node["status"] for node in drawn["nodes"]} == {"a": "pass", "b": "fail"}


def test_red_arrows_are_drawn_over_the_others_and_nothing_is_outside() -> None:
    drawn = graph([check("a", "b", "fail"), check("a", "c"), check("c", "a"), check("d", "d")])
    assert [arrow["status"] for arrow in drawn["arrows"]][-1] == "fail"
    assert all(0 < node["x"] <= drawn["width"] - WIDE and 0 < node["y"] < drawn["height"] for node in drawn["nodes"])


def test_nothing_to_draw() -> None:
    assert graph([])["nodes"] == []
