"""What the modules for networks refuse: all at once, in sentences that name object, variable and remedy, before anything has changed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import as_nobody, docker, run_module
from tests.integration.network_mess import KEPT, Mess, address, made

UNTOUCHED = "Nothing was changed"
MODULES = ("network_consolidation", "network_rollback")


@pytest.fixture(scope="module")
def host(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mess]:
    """Something of everything that is refused; no test changes it."""
    with made(tmp_path_factory.mktemp("refusals")) as mess:
        old = mess.network("old")
        mess.network("target")
        for name in ("one", "two"):
            mess.container(name, *KEPT, "--network", old, "--network-alias", "db")
        mess.container("here", *KEPT, "--network", mess.target, "--ip", address(mess.subnets["target"], 9))
        mess.container("mute", *KEPT, "--network", "none")
        mess.container("guest", *KEPT, "--network", f"container:{mess.called('one')}")
        mess.container("brief", "--rm", "--network", old)
        mess.container("user", *KEPT, "--network", old, "-e", f"DB=tcp://{mess.called('one')}:5432")
        mess.container("idle", *KEPT, "--network", old)
        docker("stop", mess.called("idle"))
        yield mess


@pytest.fixture
def unchanged(host: Mess) -> Iterator[Mess]:
    """For a test that calls a module in its own way."""
    before = host.facts(), host.files()
    yield host
    assert (host.facts(), host.files()) == before


# --- the host does not allow it ---------------------------------------------------------------------------------------


def test_all_refusals_come_together(host: Mess) -> None:
    taken, outside = address(host.subnets["target"], 9), address(host.subnets["old"], 20)
    wanted = [{"name": "one", "ipv4_address": taken}, {"name": "two", "ipv4_address": outside}]
    listed, stop = ("absent", "mute", "guest", *wanted), [host.called("brief"), host.called("nobody")]
    said = host.refused(*listed, stop=stop)
    guest, known = docker("inspect", "-f", "{{.Id}}", host.called("one"))[:12], "brief, guest, here, idle, mute, one, two, user"
    joined = "so it cannot join one; make it anew without that, or take it off the list"
    refusals = [
        "brief was started with --rm: it would vanish at its stop, with its anonymous volumes. Leave it out of auren_streamline_stop",
        f"there is no container nobody; on this host are: {known}",
        f"there is no container absent; on this host are: {known}",
        f"mute has no network (--network none), {joined}",
        f"guest uses the network of another container (container:{guest}), {joined}",
        f"one is to have the address {taken}, which belongs to here; choose a free one",
        f"two is to have the address {outside}, which is outside target ({host.subnets['target']}); choose one inside, or leave it out",
        "the name db would lead to one (alias on old) and two (alias on old) on target; take one off the list, stop one "
        "(auren_streamline_stop), or make one anew without the alias",
    ]
    assert said.splitlines() == [f"{refusal}. {UNTOUCHED}" for refusal in refusals]
    assert host.refused(*listed, stop=stop, check=True) == said


def test_a_name_of_somebody_who_is_on_the_target_already(host: Mess) -> None:
    alias = host.called("here")
    assert host.refused({"name": "one", "aliases": [alias]}) == (
        "the name here would lead to here (its own name) and one (declared alias) on target; take one off the list, stop one "
        f"(auren_streamline_stop), or make one anew without the alias. {UNTOUCHED}"
    )


def test_one_that_stops_or_is_off_the_list_collides_with_nobody(unchanged: Mess) -> None:
    joins = "connect one to target: it is not on it; names one, db"
    alone = unchanged.run("one", check=True)
    assert (alone.status, unchanged.actions(alone)) == (0, [joins])
    stopping = unchanged.run("one", "two", check=True, stop=[unchanged.called("two")])
    stops = "stop two: named in auren_streamline_stop; its restart policy unless-stopped becomes no (it ends)"
    assert (stopping.status, unchanged.actions(stopping)) == (0, [stops, joins])


def test_one_that_is_still_in_use_is_not_stopped(host: Mess) -> None:
    assert host.refused("user", stop=[host.called("one")]) == (
        "one is named in auren_streamline_stop and still in use: environment key DB of user; guest uses its network. "
        "Change these first, or leave it out. "
        f"{UNTOUCHED}"
    )


@pytest.mark.parametrize("last", [0, 1, 255], ids=["of the network", "of the gateway", "of everybody"])
def test_an_address_that_the_engine_gives_to_nobody(host: Mess, last: int) -> None:
    wanted = address(host.subnets["target"], last)
    said = host.refused({"name": "one", "ipv4_address": wanted}, check=True)
    assert said.startswith(f"one is to have the address {wanted}, which ")
    assert said.endswith(UNTOUCHED)


def test_an_address_for_a_container_that_does_not_run(host: Mess) -> None:
    """It could not start with it."""
    taken, outside = address(host.subnets["target"], 9), address(host.subnets["old"], 20)
    assert "which belongs to here; choose a free one" in host.refused({"name": "idle", "ipv4_address": taken}, check=True)
    assert "which is outside target" in host.refused({"name": "idle", "ipv4_address": outside}, check=True)


def test_a_subnet_that_the_host_reaches_already(mess: Mess) -> None:
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    words = next(line.split() for line in routes if "/" in line.split()[0] and "docker" not in line and "br-" not in line)
    mess.container("one", *KEPT)
    assert mess.refused("one", subnet=words[0]) == (
        f"auren_subnet {words[0]} overlaps the host's route to {words[0]} by {words[words.index('dev') + 1]}; "
        f"set it to a free one, or leave it empty and the Engine chooses. {UNTOUCHED}"
    )


def test_a_source_that_is_not_there(host: Mess) -> None:
    said = host.refused("one", detach=True, sources=[host.called("misspelt")])
    assert said.startswith("there is no network misspelt to move from; on this host are: bridge, host, ")
    assert said.endswith(f". {UNTOUCHED}")


# --- what was typed is not what is meant ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"aliases": ["x"]}, {"name": "one", "alias": "x"}, 5], ids=repr)
def test_an_entry_that_is_no_container(unchanged: Mess, given: Any) -> None:
    result = unchanged.module("network_consolidation", {**unchanged.arguments([]), "containers": [given]})
    assert result.msg == (
        f"auren_streamline_containers holds {given!r}: give a name, or a dictionary with name, aliases and ipv4_address. {UNTOUCHED}"
    )


@pytest.mark.parametrize("aliases", ["postgres", {"postgres": 1}, [5]], ids=repr)
def test_aliases_that_are_no_list_of_names(unchanged: Mess, aliases: Any) -> None:
    """Text would otherwise be taken letter by letter."""
    result = unchanged.run({"name": "one", "aliases": aliases}, check=True)
    assert result.status != 0, unchanged.actions(result)
    assert result.msg.startswith("auren_streamline_containers holds ")


def test_what_is_to_stop_is_not_forgotten_where_nobody_is_listed(unchanged: Mess) -> None:
    result = unchanged.run(check=True, stop=[unchanged.called("two")])
    assert result.status != 0 or result.actions != []


def test_a_window_that_is_none(unchanged: Mess) -> None:
    assert unchanged.try_rollback(window=0).msg == "auren_rollback_window is 0; give the number of days to go back, such as 7"


# --- approvals --------------------------------------------------------------------------------------------------------


def plan_of(mess: Mess, *containers: Any) -> str:
    """Its id."""
    return str(mess.run(*containers, check=True).output["plan"]["id"])


def test_an_approval_that_is_no_id(host: Mess) -> None:
    assert host.refused("one", approve="yes") == (
        f"auren_approve is 'yes', which is no id of a plan: give one as it was printed (such as 3f9a-0123456789), or auto. {UNTOUCHED}"
    )


def test_a_plan_that_nobody_has_seen_here(host: Mess) -> None:
    now = plan_of(host, "one")
    unknown = f"{now[:4]}-0000000000"
    assert host.refused("one", approve=unknown) == (
        f"the plan {unknown} is not known on {os.uname().nodename}; the plan of now is {now}: look at it, then approve that one. "
        f"{UNTOUCHED}"
    )


def test_a_plan_of_another_host(host: Mess) -> None:
    now = plan_of(host, "one")
    others = [f"{int(now[:4], 16) ^ number:04x}-0123456789" for number in (1, 2)]
    assert host.refused("one", approve=",".join(others)) == (
        f"the plan {', '.join(others)} is of another host; the plan of {os.uname().nodename} is {now}. Nothing was changed here"
    )


@pytest.fixture
def shown(mess: Mess) -> str:
    """The id of a plan that was shown on a small host; the test changes that."""
    mess.network("old")
    mess.container("one", *KEPT, "--network", mess.called("old"))
    return str(mess.do("one", approve="").output["plan"]["id"])


def test_a_plan_that_does_not_fit_any_more_says_what_has_changed(mess: Mess, shown: str) -> None:
    other = mess.refused({"name": "one", "aliases": ["x"]}, approve=shown)
    assert f"the host has changed since the plan {shown} was made: other steps were asked for. Look at" in other
    mess.network("extra")
    mess.join("one", "extra")
    assert mess.refused("one", approve=shown) == (
        f"the host has changed since the plan {shown} was made: the container one has changed (networks); the network extra is new. "
        f"Look at the plan of now, {plan_of(mess, 'one')}, and approve that one. {UNTOUCHED}"
    )
    docker("rm", "-f", mess.called("one"))
    mess.container("one", *KEPT, "--network", mess.called("old"))
    assert "was made: the container one was made anew. Look at the plan of now" in mess.refused("one", approve=shown)


def test_a_plan_file_that_is_damaged(mess: Mess, shown: str) -> None:
    path = mess.directory / ".auren" / "plans" / f"{shown}.json"
    assert [one.stat().st_mode & 0o777 for one in (path, path.parent)] == [0o600, 0o700]
    edited = json.dumps({**json.loads(path.read_text()), "steps": []})
    docker("update", "--restart", "no", mess.called("one"))
    for damage in ("", "null", edited):
        path.write_text(damage)
        said = mess.refused("one", approve=shown)
        assert said.startswith(f"the plan file {path} is damaged (")
        assert said.endswith(f"; remove it, make the plan anew and approve that one. {UNTOUCHED}")


# --- no way in --------------------------------------------------------------------------------------------------------


def asked(mess: Mess, module: str) -> dict[str, Any]:
    return mess.arguments(["one"]) if module == "network_consolidation" else {"project_dir": str(mess.directory)}


@pytest.mark.parametrize("module", MODULES)
def test_an_engine_that_does_not_answer(unchanged: Mess, tmp_path: Path, module: str) -> None:
    dead = tmp_path / "dead.sock"
    command = ["env", f"DOCKER_HOST=unix://{dead}", *unchanged.command(module)[2:]]
    result = run_module(module, asked(unchanged, module), command=command)
    assert result.status != 0
    assert result.msg == f"no Docker Engine answers at {dead}: start it (systemctl start docker), or install it with the role docker_host"


@pytest.mark.parametrize("module", MODULES)
def test_nobody_may_ask_the_engine(unchanged: Mess, module: str) -> None:
    result = run_module(module, asked(unchanged, module), command=as_nobody(module))
    assert result.status != 0
    assert result.msg == "Docker at /var/run/docker.sock refuses user nobody: run with become, or add the user to the group docker"


@pytest.mark.parametrize("module", MODULES)
def test_a_user_of_the_group_docker_may_not_write_the_journal(unchanged: Mess, module: str) -> None:
    """The Engine would let it; the project is root's."""
    record = unchanged.directory / ".auren"
    record.mkdir(0o700, exist_ok=True)
    group = os.stat("/var/run/docker.sock").st_gid
    result = run_module(module, asked(unchanged, module), command=as_nobody(module, group))
    assert result.status != 0
    assert result.msg == f"{record} refuses user 65534 (Permission denied): run with become"


def test_a_project_below_a_file(unchanged: Mess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = {**unchanged.arguments(["two"]), "project_dir": str(tmp_path / "file" / "project")}
    assert unchanged.module("network_consolidation", arguments).msg == f"cannot make the directory {tmp_path}/file: File exists"
