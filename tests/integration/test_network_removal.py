"""network_consolidation and the networks that containers come from: one goes when nothing needs it, and one that is needed comes back."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.harness import docker, image
from tests.integration.network_mess import KEPT, Mess, address, made, twice


def test_a_network_goes_when_nobody_needs_it_and_the_plan_names_it(mess: Mess) -> None:
    """One that somebody was created on stays, by its name or its id, as does one that a stopped container is on."""
    home, other = mess.network("home"), mess.network("other")
    mess.network("free")
    mess.network("used")
    identity = docker("network", "inspect", "-f", "{{.Id}}", other)
    for name, on in (("a", home), ("b", home), ("c", identity)):
        mess.container(name, *KEPT, "--network", on)
        mess.join(name, "free")
    docker("create", "--name", mess.called("old"), "--network", home, image("redis"))
    mess.join("old", "used")
    for name in ("old", "a"):
        docker("network", "disconnect", home, mess.called(name))
    mess.join("a", "used")
    result = mess.do("a", "b", "c", detach=True, remove_sources=True)
    assert [line for line in mess.actions(result) if line.startswith("remove")] == [
        "remove network free: nothing is on it, and nothing needs it to start"
    ]
    assert [line for line in mess.notes(result) if line.startswith("kept")] == [
        "kept: the network home: a and b and old cannot start without it",
        "kept: the network other: c cannot start without it",
        "kept: the network used: old is on it",
    ]
    assert mess.network_names() == ["home", "other", "target", "used"]
    for name in "abc":
        docker("restart", mess.called(name))


PLACES = {
    "environment": "environment key UPSTREAM of app",
    "command": "command of app",
    "label": "label route of app",
    "file": "/app.conf:2 of app",
    "url": "environment key HEALTH of app",
    "hosts": "of app",
}


@pytest.fixture(scope="module")
def written(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a plan says of each of a container's networks, when it has an address of each written down in another place."""
    directory = tmp_path_factory.mktemp("written")
    with made(directory) as mess:
        for where in (*PLACES, "nothing"):
            mess.network(where)
        ip = {where: address(subnet, 9) for where, subnet in mess.subnets.items()}
        (directory / "app.conf").write_text(f"# upstreams\nserver {ip['file']};\n")
        words = [
            "-e",
            f"UPSTREAM=tcp://{ip['environment']}:5432",
            "-e",
            f"HEALTH=http://{ip['url']}/healthy",
            "-e",
            f"LONG=1{ip['nothing']}",
        ]
        words += ["--label", f"route={ip['label']}", "--add-host", f"db:{ip['hosts']}", "-v", f"{directory}/app.conf:/etc/app.conf:ro"]
        mess.container("app", *KEPT, *words, command=("sh", "-c", f": {ip['command']}; exec sleep infinity"))
        for where in mess.subnets:
            mess.join("app", where)
        result = mess.run("app", detach=True, remove_sources=True, check=True)
        lines = [line for line in (*mess.notes(result), *mess.actions(result)) if line.startswith(("kept: the network", "remove network"))]
        yield {re.findall(r"network (\w+)", line)[0]: line for line in lines}


@pytest.mark.parametrize("where", PLACES)
def test_a_network_stays_whose_address_is_written_down(written: dict[str, str], where: str) -> None:
    assert written[where].startswith(f"kept: the network {where}: an address of it stands in ")
    assert written[where].endswith(PLACES[where])


def test_a_longer_number_is_no_address(written: dict[str, str]) -> None:
    assert written["nothing"] == "remove network nothing: nothing is on it, and nothing needs it to start"


def test_named_sources_are_removed_and_the_same_run_again_finds_nothing(mess: Mess) -> None:
    """As `streamline` runs it: its own second plan has to find nothing."""
    mess.network("old")
    mess.container("app", *KEPT)
    mess.join("app", "old")
    assert twice(mess, "app", detach=True, remove_sources=True, sources=[mess.called("old")])[-1].startswith("remove network old")


def test_a_container_whose_network_is_gone_can_start_again(mess: Mess) -> None:
    """Docker keeps what it was created with: a name or an id. A network that is called exactly so is enough, and nobody is on it."""
    mess.network("old")
    modes = [mess.network("gone"), docker("network", "inspect", "-f", "{{.Id}}", mess.network("lost"))]
    mess.view.also.add(modes[1])
    for name, mode, network in (("app", modes[0], "gone"), ("web", modes[1], "lost")):
        mess.container(name, *KEPT, "--network", mode)
        mess.join(name, "old")
        docker("network", "disconnect", mess.called(network), mess.called(name))
        docker("network", "rm", mess.called(network))
        assert f"network {mode} not found" in restarted(mess, name)
        assert not running(mess, name)
    actions = mess.actions(mess.do("app", "web"))
    users = zip(("app", "web"), modes)
    assert sorted(line for line in actions if line.startswith("create") and "target" not in line) == sorted(
        f"create network {mess.short(mode)}: {name} cannot start without it, and it is gone" for name, mode in users
    )
    for name in ("app", "web"):
        assert restarted(mess, name) == ""
        assert running(mess, name)
        assert sorted(mess.places(name)) == ["old", "target"]
    assert mess.actions(mess.do("app", "web")) == []


def restarted(mess: Mess, short: str) -> str:
    """What Docker complains of when the container is started anew."""
    return subprocess.run(["docker", "restart", mess.called(short)], capture_output=True, text=True, check=False).stderr


def running(mess: Mess, short: str) -> bool:
    return docker("inspect", "-f", "{{.State.Running}}", mess.called(short)) == "true"
