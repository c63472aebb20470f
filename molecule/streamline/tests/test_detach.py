"""The second phase in one go: everything listed leaves its old networks, for moments that are announced; and the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mess import LISTED, MEASURED, NETWORK, ROLLBACK, STREAMLINE, Mess, differences, typed
from plans import plan_id, record, shown
from target import play

SETTINGS = ["-e", json.dumps({"auren_streamline_containers": ["biometric-unified"], "auren_streamline_detach": True})]
OLD = ("auren_default", "auren_deploy_auren-network", "apps")


@pytest.fixture(scope="module")
def before(mess: Mess) -> dict[str, Any]:
    """The topology of the mess, which the last test wants back. Here somebody has made the network by hand."""
    mess.build("network")
    return mess.topology()


def test_detaching_is_felt_for_moments(mess: Mess, before: dict[str, Any]) -> None:
    """Approved by a yes on a terminal. Every container is back within half a second, every pool within five."""
    started, data, written = mess.started(), mess.data(), mess.written()
    with mess.watched() as seen:
        done = typed("yes", *SETTINGS, playbook=STREAMLINE)
        assert done.status == 0, done.output
    MEASURED.append(record(done.output))
    seen.note("detach", "p")
    for who in (who for who in seen.who("poll") if "127.0.0.1" not in who):
        assert seen.gap(who) <= 0.5 + mess.stall(seen), who
    for who in seen.who("pool"):
        assert seen.gap(who) <= 5, who
        assert seen.silence(who) <= 5, who
    assert mess.started() == started
    assert mess.data() == data
    assert all(now > then for now, then in zip(mess.written(), written))
    assert "names may fail for moments, and its published ports 8000 refuse for about 0.1 s" in shown(done.output)
    assert "neuros-advanced holds 3 to auren-postgres, neuros-advanced holds 3 to auren-redis: these are closed" in shown(done.output)


def test_everything_listed_is_on_the_network_alone(mess: Mess, before: dict[str, Any]) -> None:
    now = mess.topology()
    for name in (*LISTED, "biometric-unified"):
        names = {alias for aliases, *_rest in before["containers"][name]["networks"].values() for alias in aliases}
        assert names <= set(now["containers"][name]["networks"][NETWORK][0]), name
        own = {"bridge"} if name == "auren-pwa" else set()  # Docker's own is left only when it is named
        assert set(now["containers"][name]["networks"]) == {NETWORK} | own, name
    for name in set(before["containers"]) - {*LISTED, "biometric-unified"}:
        assert now["containers"][name] == before["containers"][name], name
    assert now["networks"] == before["networks"]
    assert mess.names_that_do_not_resolve() == []


@pytest.mark.usefixtures("before")
def test_a_second_run_has_nothing_to_do() -> None:
    done = play(*SETTINGS, "-e", "auren_approve=auto", playbook=STREAMLINE)
    assert (done.status, done.changed) == (0, 0), done.output
    assert "Nothing to do." in shown(done.output)


@pytest.mark.usefixtures("before")
def test_the_old_networks_stay_because_containers_were_made_on_them() -> None:
    done = play(*SETTINGS, "-e", "auren_streamline_remove_sources=true", playbook=STREAMLINE)
    assert (done.status, done.changed) == (0, 0), done.output
    assert "Nothing to do." in (plan := shown(done.output))
    assert [f"kept: the network {name}: " in plan for name in OLD] == [True] * 3


@pytest.mark.usefixtures("before")
def test_everything_can_be_started_again(mess: Mess) -> None:
    """Also what was stopped all the time: the network that a container was made on is still there."""
    mess.target.docker("start", "biometric-unified")
    running = mess.running()
    assert "biometric-unified" in running
    mess.restart_all()
    MEASURED.append(f"every container restarted after a detach: all clients have their answers after {mess.settle(60):.1f} s")
    assert mess.running() == running
    assert mess.names_that_do_not_resolve() == []
    mess.target.docker("stop", "--time", "1", "biometric-unified")


def test_a_rollback_brings_the_old_topology_back(mess: Mess, before: dict[str, Any]) -> None:
    """With the same aliases, and the address that was fixed."""
    started, data = mess.started(), mess.data()
    wanted = plan_id(play("--check", playbook=ROLLBACK).output)
    with mess.watched() as seen:
        done = play("-e", f"auren_approve={wanted}", playbook=ROLLBACK)
        assert done.status == 0, done.output
    MEASURED.append(record(done.output))
    seen.note("rollback of detach", "p")
    assert differences(before, mess.topology()) == []
    assert mess.started() == started
    assert mess.data() == data
    mess.settle(5)
