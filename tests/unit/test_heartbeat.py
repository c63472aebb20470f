"""The hops of a heartbeat: what is refused before anything is sent, which are left out, and what stops them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import heartbeat, heartbeat_hops, netns
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.heartbeat import Heartbeat, steps_of
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

from tests.unit.builders import container, service

SERVICES = {name: service(name) for name in ("bridge", "kafka", "neuros", "postgres")}
ENTRIES: list[dict[str, Any]] = [
    {"hop": "webhook", "service": "bridge", "port": 8888, "from": "neuros", "path": "/w", "body": {"a": 1}},
    {"hop": "record", "service": "kafka", "by": "bridge", "port": 9092, "from": "bridge", "topic": "t"},
    {"hop": "consumed", "service": "kafka", "by": "neuros", "port": 9092, "from": "neuros", "topic": "t", "group": "g"},
    {"hop": "row", "service": "postgres", "by": "neuros", "port": 5432, "from": "neuros", "user": "u", "table": "e"},
    {"hop": "rows_away", "service": "postgres", "port": 5432, "from": "neuros", "user": "u", "tables": ["e"]},
]
FACTS = {"webhook": {"events": 1}, "record": {"partition": 0, "offset": 4}}


class Verifier:
    """Stands for the one that finds places."""

    write = "auren-verify-1-aa"
    containers: Mapping[str, Container] = {"neuros": container("neuros", env={"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": ""})}

    def place(self, check: Any) -> str:
        return str(check.client)

    def left(self) -> float:
        return 5.0

    def prepared(self, check: Any, place: str, work: Any) -> Any:
        return netns.Job(place, 0, lambda: work(check, Target("", 0), []))


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a heartbeat whose hops fail as told; returns (hop, status, evidence) of each."""

    def run(entries: list[dict[str, Any]], **endings: str) -> list[tuple[str, str, str]]:
        def hop(name: str, _target: Any, _options: Any, _timeout: float, _pulse: Any) -> Any:
            if name in endings:
                raise ProbeError(endings[name], f"{name} failed")
            return f"{name} done", FACTS.get(name, {})

        monkeypatch.setattr(heartbeat_hops, "run", hop)
        monkeypatch.setattr(netns, "run", lambda jobs, _limit, raises: [dict(job.work()) for job in jobs])
        found = Heartbeat(Verifier(), steps_of(entries, SERVICES)).beat()  # type: ignore[arg-type]
        assert all(one.hop and one.client == "host" for one in found)
        return [(one.check.removeprefix("heartbeat "), one.status, one.evidence) for one in found]

    return run


def test_every_hop_in_its_order(beat: Any) -> None:
    assert [(name, status) for name, status, _said in beat(ENTRIES)] == [(entry["hop"], "pass") for entry in ENTRIES]


def test_a_hop_that_an_image_does_not_do_stops_nothing(beat: Any) -> None:
    entries = [{**entry, "unless": "not done by this image"} if entry["hop"] == "consumed" else entry for entry in ENTRIES]
    assert [status for _name, status, _said in beat(entries)] == ["pass", "pass", "skipped", "pass", "pass"]
    assert beat(entries)[2][2] == "not done by this image"


def test_what_follows_a_hop_that_failed_is_not_asked_but_what_was_written_is_removed(beat: Any) -> None:
    assert [status for _name, status, _said in beat(ENTRIES, record="missing")] == ["pass", "fail", "skipped", "skipped", "pass"]
    assert [status for _name, status, _said in beat(ENTRIES, consumed="missing")] == ["pass", "pass", "fail", "skipped", "pass"]
    assert [status for _name, status, _said in beat(ENTRIES, webhook="timeout")] == ["fail", "skipped", "skipped", "skipped", "pass"]


def test_a_hop_of_an_image_that_does_not_do_it_needs_nothing() -> None:
    entry = {**ENTRIES[0], "path": "", "body": None, "unless": "not done by this image"}
    assert [step.unless for step in steps_of([entry], SERVICES)] == ["not done by this image"]


@pytest.mark.parametrize(("keys", "status"), [(["OPENAI_API_KEY"], "skipped"), (["OPENAI_BASE_URL"], "pass"), ([], "pass")])
def test_a_hop_that_may_cost_money_is_not_done(beat: Any, keys: list[str], status: str) -> None:
    answer = {"hop": "answer", "service": "neuros", "port": 8000, "from": "bridge", "path": "/a", "message": "?", "free_without": keys}
    [_webhook, (_name, found, said)] = beat([ENTRIES[0], answer])
    assert (found, "it may cost money, for neuros has OPENAI_API_KEY" in said) == (status, status == "skipped")


def test_hops_of_services_that_are_not_here_are_left_out() -> None:
    assert [step.hop for step in steps_of(ENTRIES, {name: SERVICES[name] for name in ("bridge", "kafka")})] == ["webhook", "record"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hop": "jump"}, "heartbeat[0].hop is 'jump'; known are webhook, record, consumed,"),
        ({"path": ""}, "heartbeat[0].path is missing; the hop webhook needs it. Nothing was asked"),
        ({"port": None}, "heartbeat[0].port is missing; the hop webhook needs it. Nothing was asked"),
        ({"timeout": -1}, "heartbeat[0].timeout is -1; give a number above 0. Nothing was asked"),
        ({"port": "high"}, "heartbeat[0].port is 'high'; give a number above 0. Nothing was asked"),
    ],
)
def test_a_hop_that_makes_no_sense(change: dict[str, Any], said: str) -> None:
    with pytest.raises(StackError) as refused:
        steps_of([{**ENTRIES[0], **change}], SERVICES)
    assert refused.value.message.startswith(said)


def test_a_hop_that_waits_is_asked_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([ProbeError("missing", "no"), OSError("away"), ("there", {})])

    def hop(*_words: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    pulse = heartbeat_hops.Pulse("u", 0)
    monkeypatch.setitem(heartbeat_hops.HOPS, "row", hop)
    monkeypatch.setattr(heartbeat_hops, "EVERY", 0.01)
    assert heartbeat_hops.run("row", Target("", 0), {}, 5, pulse) == ("there", {})


@pytest.mark.parametrize("error", [ProbeError("auth", "no"), ProbeError("status", "no")])
def test_a_hop_that_was_refused_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, error: ProbeError) -> None:
    def hop(*_words: Any) -> Any:
        raise error

    monkeypatch.setitem(heartbeat_hops.HOPS, "row", hop)
    begin = time.monotonic()
    with pytest.raises(ProbeError):
        heartbeat_hops.run("row", Target("", 0), {}, 5, heartbeat_hops.Pulse("u", 0))
    assert time.monotonic() - begin < 1


def test_every_hop_says_what_it_needs() -> None:
    assert heartbeat_hops.HOPS.keys() == heartbeat_hops.REQUIRED.keys()
    assert {*heartbeat_hops.WAITS, *heartbeat_hops.NEEDS, *heartbeat.AWAY} <= heartbeat_hops.HOPS.keys()
