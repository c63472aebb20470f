"""network_consolidation on a real Engine: everybody comes together under all names, nothing restarts, nothing that is needed goes."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import docker, free_port, image
from tests.integration.network_mess import KEPT, Mess, address, free_subnet, settled, shared, twice

POLICY = "it has none, so it would not come back after a crash or a reboot; it is not restarted for this"
ANEW = "a temporary network holds it meanwhile (it is off the network for about 0.3 s, and its connections there are closed)"

SERVER = """
import socket, threading
def hold(one, number):
    try:
        said = repr(one.recv(1))
    except OSError as error:
        said = error.strerror
    print("closed", number, said, flush=True)
with socket.create_server(("0.0.0.0", 7000)) as server:
    for number in range(99):
        threading.Thread(target=hold, args=(server.accept()[0], number)).start()
"""
CLIENT = """
import socket, sys, threading, time
def hold(number):
    with socket.create_connection((sys.argv[1], 7000)) as one:
        print("open", number, flush=True)
        try:
            said = repr(one.recv(1))
        except OSError as error:
            said = error.strerror
    print("closed", number, said, flush=True)
threads = [threading.Thread(target=hold, args=(number,)) for number in range(int(sys.argv[2]))]
[thread.start() for thread in threads], [thread.join() for thread in threads]
time.sleep(float(sys.argv[3]))
"""


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


def said(mess: Mess, short: str, word: str) -> int:
    """How many lines of a container's log begin so."""
    return len(re.findall(rf"^{word}", docker("logs", mess.called(short)), re.M))


# --- who comes, under which names -------------------------------------------------------------------------------------


def sides(mess: Mess) -> None:
    """A database with a name on each of two networks, and a client of each."""
    for side in ("north", "south"):
        mess.network(side)
    mess.container("db", *KEPT, "--network", mess.called("north"), "--network-alias", "postgres")
    mess.join("db", "south", "--alias", "timescale", "--alias", "store")
    mess.container("app", *KEPT, "--network", mess.called("north"))
    mess.container("job", *KEPT, "--network", mess.called("south"))


@pytest.fixture(scope="module")
def pairs(images: None) -> Iterator[Callable[[Path], Mess]]:
    with shared(sides) as give:
        yield give


@pytest.fixture
def two_sides(pairs: Callable[[Path], Mess], tmp_path: Path) -> Mess:
    return pairs(tmp_path)


def test_everybody_comes_with_the_names_of_all_networks_and_leaves_none(two_sides: Mess) -> None:
    mess, subnet = two_sides, free_subnet()
    assert twice(mess, {"name": "db", "aliases": ["database"]}, "app", "job", subnet=subnet) == [
        "create network target: it is not there",
        "connect app to target: it is not on it; names app",
        "connect db to target: it is not on it; names db, database, postgres, store, timescale",
        "connect job to target: it is not on it; names job",
    ]
    for name in ("db", "database", "postgres", "store", "timescale"):
        for client in ("app", "job"):
            word = mess.called("db") if name == "db" else name
            assert mess.answer(client, f"{word}.{mess.target}") == mess.address_of("db") != ""
    assert sorted(mess.places("db")) == ["north", "south", "target"]
    target = mess.meant()["networks"]["target"]
    assert target["Labels"] == {"auren.stack.service": mess.target}
    assert [pool["Subnet"] for pool in target["pools"]] == [subnet]


def test_a_target_that_is_there_is_taken_as_it_is(two_sides: Mess) -> None:
    two_sides.network("target", "--label", "team=a")
    before = [one for one in two_sides.networks() if one["Name"] == two_sides.target]
    assert settled(two_sides, "app") == ["connect app to target: it is not on it; names app"]
    after = [one for one in two_sides.networks() if one["Name"] == two_sides.target]
    assert [{**one, "Containers": {}} for one in after] == before


def test_declared_services_come_with_their_names_and_missing_ones_are_passed_over(two_sides: Mess) -> None:
    declared = [{"name": two_sides.called("db"), "aliases": ["redis"]}, {"name": two_sides.called("absent")}]
    result = two_sides.run({"name": "db", "aliases": ["pg"]}, declared=declared, check=True)
    assert two_sides.actions(result)[1:] == ["connect db to target: it is not on it; names db, pg, postgres, redis, store, timescale"]


def test_a_stopped_container_is_there_when_somebody_starts_it(two_sides: Mess) -> None:
    docker("stop", two_sides.called("db"))
    docker("create", "--name", two_sides.called("new"), "--network", two_sides.called("north"), image("redis"), "sleep", "9")
    two_sides.do("app", "db", "new")
    docker("start", two_sides.called("db"))
    assert two_sides.answer("app", f"timescale.{two_sides.target}") == two_sides.address_of("db") != ""
    assert sorted(two_sides.places("new")) == ["north", "target"]


def test_a_fixed_address_is_given_on_the_target_and_others_are_said_to_change(mess: Mess) -> None:
    mess.network("old")
    mess.network("target")
    old, new = address(mess.subnets["old"], 50), address(mess.subnets["target"], 77)
    for name in ("asked", "plain"):
        mess.container(name, *KEPT, "--network", mess.called("old"), "--ip", address(mess.subnets["old"], 50 + (name == "plain")))
    asked = {"name": "asked", "ipv4_address": new}
    stays = mess.run(asked, "plain", check=True)
    assert mess.actions(stays)[0] == f"connect asked to target: it is not on it; names asked; its address {old} stays on old"
    actions = settled(mess, asked, "plain", detach=True)
    assert f"connect asked to target: it is not on it; names asked; its address {old} will change" in actions
    assert mess.places("asked") == {"target": {"aliases": [], "ipv4": new, "options": {}, "links": []}}
    assert mess.address_of("asked") == new
    assert mess.places("plain")["target"]["ipv4"] == ""


def test_an_address_that_is_asked_for_later_is_given_by_making_the_place_anew(mess: Mess) -> None:
    mess.network("target")
    mess.container("one", *KEPT, "--network", mess.target)
    new = address(mess.subnets["target"], 99)
    cause = f"it has the address that the Engine chose and {new} is asked for"
    assert settled(mess, {"name": "one", "ipv4_address": new}) == [f"reconnect one on target: {cause}; {ANEW}"]
    assert mess.address_of("one") == new


def test_a_missing_name_is_repaired_while_a_temporary_network_holds_the_container(mess: Mess) -> None:
    mess.network("target")
    mess.container("db", *KEPT, "--network", mess.target, "--network-alias", "pg", "--ip", address(mess.subnets["target"], 20))
    mess.container("app", *KEPT, "--network", mess.target)
    line = f"reconnect db on target: it lacks the alias postgres; {ANEW}"
    assert twice(mess, "app", {"name": "db", "aliases": ["pg", "postgres"]}) == [line]
    assert mess.places("db") == {
        "target": {"aliases": ["pg", "postgres"], "ipv4": address(mess.subnets["target"], 20), "options": {}, "links": []}
    }
    assert mess.answer("app", "postgres") == address(mess.subnets["target"], 20)
    assert mess.network_names() == ["target"]
    verbs = [line["do"]["verb"] for line in mess.journals()[0] if "do" in line]
    assert verbs == ["create network", "connect", "disconnect", "connect", "disconnect", "remove network"]


def test_a_container_without_a_policy_gets_one_in_place(mess: Mess) -> None:
    mess.network("old")
    mess.container("none", "--network", mess.called("old"))
    mess.container("always", "--restart", "always", "--network", mess.called("old"))
    mess.container("rm", "--rm", "--network", mess.called("old"))
    mess.container("beside", "--network", mess.called("old"))
    started, done = mess.started(), mess.do("none", "always", "rm")
    assert [line for line in mess.actions(done) if "policy" in line] == [f"set restart policy of none: {POLICY}"]
    assert "rm was started with --rm: it cannot have a restart policy, and vanishes when it ends" in mess.notes(done)
    policies = {name: one["policy"] for name, one in mess.meant()["containers"].items()}
    assert policies == {"none": "unless-stopped", "always": "always", "rm": "no", "beside": "no"}
    assert mess.started() == started


# --- leaving ----------------------------------------------------------------------------------------------------------


def talking(mess: Mess, afterwards: float) -> Mess:
    """A client with 5 connections to a server; it lives on for some seconds after they are closed."""
    mess.network("old")
    mess.container("db", *KEPT, "--network", mess.called("old"), of="python", command=("python", "-c", SERVER))
    client = ("python", "-c", CLIENT, mess.called("db"), "5", str(afterwards))
    mess.container("app", *KEPT, "--network", mess.called("old"), of="python", command=client)
    assert eventually(lambda: said(mess, "app", "open") == 5)
    return mess


def test_connections_are_told_before_a_container_leaves_and_closed_on_both_sides(mess: Mess) -> None:
    talking(mess, afterwards=600)
    assert [line for line in mess.actions(mess.run("db", "app", check=True)) if "holds" in line] == []
    result = mess.do("db", "app", detach=True)
    held = "its names on it leave with it, and stay on target; app holds 5 to db: these are closed (names may fail for moments)"
    assert mess.actions(result)[-2:] == [f"disconnect app from old: {held}", f"disconnect db from old: {held}"]
    assert eventually(lambda: said(mess, "app", "closed") == 5)
    assert eventually(lambda: said(mess, "db", "closed") == 5)
    assert mess.notes(result) == []


def test_a_client_that_ends_when_it_loses_its_connections_needs_no_restart(mess: Mess) -> None:
    result = talking(mess, afterwards=0).do("db", "app", detach=True)
    assert eventually(lambda: said(mess, "app", "open") == 10)  # it is back, and has found its server under the same name
    assert mess.notes(result) == []


def test_a_published_port_answers_on_after_its_network_was_left(mess: Mess) -> None:
    port = free_port()
    mess.network("zone")
    mess.container(
        "web", *KEPT, "--network", mess.called("zone"), "-p", f"127.0.0.1:{port}:7000", of="python", command=("python", "-c", SERVER)
    )
    actions = settled(mess, "web", detach=True)
    assert actions[1] == (
        f"connect web to target: it is not on it; names web (its published ports {port} refuse for about 0.1 s, "
        "because target becomes its gateway)"
    )
    assert actions[2] == (
        "disconnect web from zone: its names on it leave with it, and stay on target "
        f"(names may fail for moments, and its published ports {port} refuse for about 0.1 s)"
    )
    assert eventually(lambda: reachable(port))


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_only_what_is_named_is_left_and_what_is_to_be_kept_is_not(mess: Mess) -> None:
    """Docker's own bridge is left only when it is named."""
    for name in ("one", "two", "three"):
        mess.network(name)
    mess.container("app", *KEPT)
    for name in ("one", "two", "three"):
        mess.join("app", name)
    mess.do("app", detach=True, keep=[mess.called("two")])
    assert sorted(mess.places("app")) == ["bridge", "target", "two"]
    mess.do("app", detach=True, sources=["bridge", mess.called("two")], keep=[mess.called("two")])
    assert sorted(mess.places("app")) == ["target", "two"]


# --- what is asked of the Engine --------------------------------------------------------------------------------------


def test_check_mode_shows_the_same_plan_through_a_socket_that_only_reads(two_sides: Mess) -> None:
    wish: dict[str, Any] = {"detach": True, "remove_sources": True}
    two_sides.view.read_only = True
    checked, before = two_sides.run("db", "app", check=True, **wish), two_sides.facts()
    assert (checked.status, two_sides.view.changes) == (0, [])
    assert (two_sides.files(), (two_sides.directory / ".auren").exists()) == ([], False)
    shown = two_sides.do("db", "app", approve="", **wish)
    assert (two_sides.view.changes, two_sides.facts()) == ([], before)
    two_sides.view.read_only = False
    done = two_sides.do("db", "app", approve=checked.output["plan"]["id"], **wish)
    for key in ("plan", "markdown", "actions", "diff", "findings"):
        assert checked.output[key] == shown.output[key] == done.output[key]
    assert (shown.changed, shown.output["operations"], shown.output["approved"]) == (False, [], False)
    assert (done.changed, done.output["approved"]) == (True, True)


def test_a_socket_that_only_reads_stops_a_run_at_its_first_step(two_sides: Mess) -> None:
    two_sides.view.read_only = True
    before, result = two_sides.facts(), two_sides.run("db")
    assert two_sides.short(result.msg) == (
        "cannot create network target: the Engine said: this socket is for reading. "
        f"Done before that: 0 of 2 operations, in the journal as {two_sides.journals()[0][0]['run']}"
    )
    assert two_sides.facts() == before
    assert two_sides.journals()[0][-1]["outcome"] == "failed"
    assert result.output["run"] == two_sides.journals()[0][0]["run"]  # what its play writes down


def test_a_plan_costs_one_list_one_look_at_each_container_and_the_networks(two_sides: Mess) -> None:
    two_sides.run("db", "app", check=True)
    ids = [one["Id"] for one in two_sides.containers()]
    calls = Counter(f"{method} {path.partition('?')[0]}" for method, path in two_sides.view.calls)
    assert calls == Counter(["GET /version", "GET /containers/json", "GET /networks", *(f"GET /containers/{one}/json" for one in ids)])


def test_what_is_outside_the_list_is_told_and_left(two_sides: Mess, tmp_path: Path) -> None:
    two_sides.container("host", "--network", "host")
    file = tmp_path / "compose.yml"
    file.write_text("services:\n  job:\n    image: job\n    command: run\n  web:\n    image: web\n")
    labels = {"project": "shop", "service": "job", "project.config_files": str(file)}
    words = [word for key, value in labels.items() for word in ("--label", f"com.docker.compose.{key}={value}")]
    two_sides.container("made", *KEPT, *words, "--network", two_sides.called("north"), "--network-alias", "timescale")
    docker("stop", two_sides.called("made"))
    notes = two_sides.notes(two_sides.run("db", "made", "host", check=True, detach=True))
    assert notes == [
        "host uses the host's network: it takes part in no Docker network and is not reached by name there",
        "left alone, because not on the list: app (on north), job (on south)",
        "made is stopped; started again it would share the name timescale with db on target",
        f"the next `up` of the Compose project shop ({file}:2-4) makes made anew, on north and not on target",
    ]
