"""The first phase: everything listed comes to the one network while it runs, and nobody notices; then reboot, and all the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mess import LISTED, MEASURED, NETWORK, ROLLBACK, STREAMLINE, Mess, differences, endpoint
from plans import approved, record, shown
from target import play

SETTINGS = ["-e", json.dumps({"auren_streamline_containers": ["biometric-unified"]})]
DUPLICATES = ["biometric-system-100", "neuros-langgraph"]  # one that runs, one that does not and would be back at a reboot
STOP = ["-e", json.dumps({"auren_streamline_containers": ["biometric-unified"], "auren_streamline_stop": DUPLICATES})]
PUBLISHED = {8000: "neuros-advanced", 80: "auren-pwa"}
NO = {"Name": "no", "MaximumRetryCount": 0}


@pytest.fixture(scope="module")
def before(mess: Mess) -> dict[str, Any]:
    """The topology of the mess, which the last test wants back."""
    mess.build()
    return mess.topology()


def test_connecting_is_not_noticed(mess: Mess, before: dict[str, Any]) -> None:
    """No poll by name fails, no pooled connection breaks, nothing is restarted; published ports have an announced gap."""
    started, data, written = mess.started(), mess.data(), mess.written()
    with mess.watched() as seen:
        done = approved(STREAMLINE, *SETTINGS)
    MEASURED.append(record(done.output))
    seen.note("connect", "p")
    plan = shown(done.output)
    assert seen.errors("poll redis") + seen.errors("poll kafka") + seen.errors("pool") == []
    for port, name in PUBLISHED.items():
        assert f"connect **{name} to {NETWORK}**" in plan
        assert f"its published ports {port} refuse for about 0.1 s, because {NETWORK} becomes its gateway" in plan
        assert seen.gap(f"poll 127.0.0.1:{port}") <= 0.3 + mess.stall(seen)
    assert mess.started() == started
    assert mess.data() == data
    assert all(now > then for now, then in zip(mess.written(), written))


def test_everything_listed_is_on_the_network_with_all_its_names(mess: Mess, before: dict[str, Any]) -> None:
    now, found = mess.topology()["containers"], mess.containers()
    assert sorted(name for name, one in found.items() if endpoint(one)) == sorted([*LISTED, "biometric-unified"])
    for name in LISTED:
        names = {alias for aliases, *_rest in before["containers"][name]["networks"].values() for alias in aliases}
        assert names <= set(now[name]["networks"][NETWORK][0]), name
    assert {"kafka", "redis", "postgres", "biometric-bridge"} <= {n for one in found.values() for n in endpoint(one).get("Aliases", [])}
    assert mess.names_that_do_not_resolve() == []


def test_what_is_outside_the_list_and_what_there_was_is_as_before(mess: Mess, before: dict[str, Any]) -> None:
    now = mess.topology()
    for name, was in before["containers"].items():
        if name not in (*LISTED, "biometric-unified"):
            assert now["containers"][name] == was, name
        assert {net: own for net, own in now["containers"][name]["networks"].items() if net != NETWORK} == was["networks"]
        assert now["containers"][name]["policy"]["Name"] != "no" or not was["running"], name
    assert {name: one for name, one in now["networks"].items() if name != NETWORK} == before["networks"]


@pytest.mark.usefixtures("before")
def test_a_second_run_has_nothing_to_do(mess: Mess) -> None:
    started = mess.started()
    done = play(*SETTINGS, "-e", "auren_approve=auto", playbook=STREAMLINE)
    assert (done.status, done.changed) == (0, 0), done.output
    assert "Nothing to do." in shown(done.output)
    assert "auren_approve=" not in done.output
    assert mess.started() == started


@pytest.mark.usefixtures("before")
def test_duplicates_stop_and_stay_stopped(mess: Mess) -> None:
    """By an approved plan of two lines, one for each: the policies are journalled, nobody else is touched."""
    started = mess.started()
    done = approved(STREAMLINE, *STOP)
    plan = shown(done.output)
    assert "stop **biometric-system-100** | named in auren_streamline_stop; its restart policy always becomes no | it ends" in plan
    assert "**neuros-langgraph** | named in auren_streamline_stop" in plan
    assert plan.count(" | nothing |") + plan.count(" | it ends |") == 2, plan
    now = mess.topology()["containers"]
    assert {name: (now[name]["running"], now[name]["policy"]) for name in DUPLICATES} == dict.fromkeys(DUPLICATES, (False, NO))
    assert mess.started() == started


@pytest.mark.usefixtures("before")
def test_after_a_restart_of_everything_and_a_reboot_all_is_green(mess: Mess) -> None:
    """Nothing depends on what only a running container still had."""
    data, written = mess.data(), mess.written()
    for what, restart in {"every container restarted": mess.restart_all, "the host rebooted": mess.reboot}.items():
        started, running = mess.started(), mess.running()
        restart()
        MEASURED.append(f"{what}: all clients have their answers after {mess.settle(60):.1f} s")
        assert mess.running() == running
        assert not {started[name] for name in running} & {mess.started()[name] for name in running}, "it was no restart"
        assert mess.names_that_do_not_resolve() == []
    assert mess.data() == data
    assert all(now > then for now, then in zip(mess.written(), written))


def test_a_rollback_brings_the_old_topology_back(mess: Mess, before: dict[str, Any]) -> None:
    """Both runs, newest first: places, names, policies, the duplicate that ran; and the network that was made is gone."""
    started, data = mess.started(), mess.data()
    with mess.watched() as seen:
        done = approved(ROLLBACK)
    seen.note("rollback of connect", "p")
    MEASURED.append(record(done.output))
    assert differences(before, mess.topology()) == []
    after = mess.started()
    assert {name for name in started if after[name] != started[name]} == {"biometric-system-100"}
    assert mess.data() == data
    mess.settle(5)
    again = play(playbook=ROLLBACK)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "Nothing to do." in shown(again.output)
