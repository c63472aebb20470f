"""What forbids a takeover: a sentence each, before anything is changed."""

from __future__ import annotations

import re
import socket

import pytest

from tests.integration.hand_run import TAKEOVER, HandRun, mountpoint
from tests.integration.harness import docker, image, run_module


def test_a_container_that_is_not_there(hand: HandRun) -> None:
    """Who is named has to be there; who is only declared is left to `site`."""
    said = hand.refused(hand.service("db", "data"), sure=[hand.called("db")])
    assert said == (
        "auren_takeover_sure names db, and there is no such container on this host; take it out, `site` makes what is missing. "
        "Nothing was changed"
    )
    said = hand.refused(hand.service("db", "data"), copy=["nobody"])
    assert said == "auren_takeover_copy names nobody, which is no service; known are db. Nothing was changed"
    assert hand.run(hand.service("db", "data")).actions == []


def test_a_compose_file_of_somebody_else_in_our_place(hand: HandRun) -> None:
    """It would be written over, and rollback would remove it: the boot unit that it enables again would start nothing."""
    hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    old = hand.project.directory / "docker-compose.yml"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_text("services: {}\n", encoding="utf-8")
    said = hand.refused(hand.service("db"))
    assert said.startswith(f"{hand.short(str(old))} was not made by auren.stack, which would write over it")
    assert "/docker-compose.yml was not made by auren.stack" in hand.project.fails(hand.service("db")).text
    old.unlink()
    assert hand.killed(TAKEOVER, hand.arguments(hand.service("db")), "begun", 3)
    hand.do(hand.service("db"))
    hand.rollback()
    assert hand.files() == []


def test_a_container_that_crashes_again_and_again(hand: HandRun) -> None:
    name = hand.start("db", "--restart", "always", command=["false"])
    said = ""
    for _again in range(20):  # at some moments it runs
        if docker("inspect", "-f", "{{.State.Status}}", name) == "restarting":
            said = hand.short(str(hand.run(hand.service("db"), check=True).output.get("msg", "")))
        if said.startswith("db is restarting"):
            break
    assert said == (
        "db is restarting, so it cannot be taken over: it crashes again and again: look at docker logs db, repair or stop it first. "
        "Nothing was changed"
    )


def test_a_container_that_is_paused(hand: HandRun) -> None:
    docker("pause", hand.start("db", command=["sleep", "infinity"]))
    said = hand.refused(hand.service("db"))
    assert said == "db is paused, so it cannot be taken over: let it go on (docker unpause db) or stop it first. Nothing was changed"


def test_a_container_in_the_network_of_another(hand: HandRun) -> None:
    """Neither the guest nor the host of it can be taken over."""
    db = hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    guest = ("--network", f"container:{db}", "--stop-signal", "SIGKILL", image("redis"), "sleep", "infinity")
    docker("run", "-d", "--name", hand.called("guest"), *guest)
    said = hand.refused(hand.service("db"), hand.service("guest"))
    assert said.splitlines() == [
        "guest uses the network of db and would lose it; stop it, or leave db (auren_takeover_leave). Nothing was changed",
        f"guest uses the network of another container (container:{docker('inspect', '-f', '{{.Id}}', db)[:12]}), so it has no place of its "
        "own. Leave it (auren_takeover_leave), or make it anew without that. Nothing was changed",
    ]


def test_a_container_that_is_not_on_the_network_yet(hand: HandRun) -> None:
    hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"], both=False)
    said = hand.refused(hand.service("db"))
    assert said == "db is not on NET yet: run streamline with auren_streamline_phase=connect first. Nothing was changed"


def test_a_neighbour_that_would_lose_it(hand: HandRun) -> None:
    hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    hand.start("tool", "--stop-signal", "SIGKILL", command=["sleep", "infinity"], both=False)
    said = hand.refused(hand.service("db"))
    assert said == (
        "tool is on home with db and not on NET: it would lose db; list it (auren_streamline_containers) and connect first, or say "
        '-e \'{"auren_takeover_leave": ["tool"]}\'. Nothing was changed'
    )
    assert hand.run(hand.service("db"), check=True, leave=[hand.called("tool")]).status == 0


def test_a_client_by_a_link(hand: HandRun) -> None:
    """A link on Docker's own bridge leads to the old container, whichever networks both are on."""
    hand.linked("tool")
    said = hand.refused(hand.service("db"))
    assert said == (
        "tool is linked to db (--link, as cache): it would lose db and could not start again; make it anew on NET without the link, or say "
        """-e '{"auren_takeover_leave": ["tool"]}'. Nothing was changed"""
    )
    assert hand.run(hand.service("db"), check=True, leave=[hand.called("tool")]).status == 0


def test_a_client_by_a_link_on_a_network_of_its_own(hand: HandRun) -> None:
    """Such a link is a name on that network alone."""
    hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    hand.start("tool", "--stop-signal", "SIGKILL", "--link", f"{hand.called('db')}:cache", command=["sleep", "infinity"])
    said = hand.refused(hand.service("db"))
    assert said == (
        "tool calls db cache by a link, and the new one has no such name on NET: it would lose db; say "
        """-e '{"auren_overrides": {"db": {"aliases": ["cache"]}}}', or say -e '{"auren_takeover_leave": ["tool"]}'. Nothing was changed"""
    )
    assert hand.run(hand.service("db", aliases=["cache"]), check=True).status == 0
    docker("network", "disconnect", hand.project.network, hand.called("tool"))
    said = hand.refused(hand.service("db"))
    assert said.startswith("tool is on home with db and not on NET: it would lose db; list it "), said
    assert "\n" not in said


def test_a_port_that_another_process_has(hand: HandRun) -> None:
    """Its own container does not run, so somebody else could take it."""
    hand.redis("db")
    docker("stop", hand.called("db"))
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    other = hand.service("db", mount["Name"])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        other["compose"]["ports"] = [f"127.0.0.1:{port}:6379"]
        said = hand.refused(other)
    assert said.startswith(f"port 127.0.0.1:{port} that db publishes is taken by "), said
    assert said.endswith("nothing was changed. Stop it, or set redis_port to a free port")


def test_its_own_port_that_another_process_took_while_it_was_stopped(hand: HandRun) -> None:
    hand.redis("db")
    docker("stop", hand.called("db"))
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", hand.ports["db"]))
        holder.listen()
        said = hand.refused(hand.service("db", mount["Name"]))
    assert said.startswith(f"port 127.0.0.1:{hand.ports['db']} that db publishes is taken by "), said
    assert hand.run(hand.service("db", mount["Name"]), check=True).status == 0


def test_another_volume_than_the_one_with_the_data(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    said = hand.refused(hand.service("db", "elsewhere"))
    assert said == f"the data of db is in data, the declaration says elsewhere. Set db_volume: {hand.short(volume)}. Nothing was changed"


def test_a_program_that_looks_elsewhere(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", command=["sh", "-c", "mkdir -p /data/db; exec redis-server --dir /data/db --save ''"])
    said = hand.refused(hand.service("db", volume))
    assert said == (
        "the data of db would be at /data/db, and the declared program looks at /data. Choose running for it: "
        '-e \'{"auren_takeover": {"db": "running"}}\'. Nothing was changed'
    )


def test_a_nearly_empty_volume_beside_a_full_one(hand: HandRun) -> None:
    """Somebody started it on a new volume, and the data is in another one."""
    full, empty = hand.project.volume("old-data"), hand.project.volume("data")
    hand.redis("full", "--volume", f"{full}:/data", keys=40000)
    docker("rm", "-f", hand.called("full"))
    hand.redis("db", "--volume", f"{empty}:/data", keys=1)
    declared = hand.service("db", empty)
    said = hand.refused(declared, sure=[])
    assert re.search(r"db runs on data \(0\.0 MB\), and old-data holds .* MB of the same kind of data\. ", said), said
    assert said.endswith('Look which one is right; if it is data, say -e \'{"auren_takeover_sure": ["db"]}\'. Nothing was changed')
    assert hand.run(declared, check=True, sure=[hand.called("db")]).status == 0


def test_a_second_one_on_the_same_data(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    hand.start("twin", "--volume", f"{volume}:/data", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    said = hand.refused(hand.service("db", volume), leave=[hand.called("twin")])
    assert said == (
        "twin runs on data as well, where db keeps its data: two must never write there. Stop twin first (auren_streamline_stop). "
        "Nothing was changed"
    )


def test_one_on_the_same_data_that_the_engine_starts_again(hand: HandRun) -> None:
    """It does not run, and comes back when the Engine does."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    hand.start("twin", "--volume", f"{volume}:/data", "--stop-signal", "SIGKILL", "--restart", "always", command=["sleep", "infinity"])
    docker("stop", hand.called("twin"))
    said = hand.refused(hand.service("db", volume), leave=[hand.called("twin")])
    assert said.startswith("twin is exited, with restart policy always, and would run on data as well, where db keeps its data: "), said


def test_data_in_a_further_volume_that_nobody_named(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--volume", "/more")
    docker("exec", hand.called("db"), "sh", "-c", "head -c 2000000 /dev/zero > /more/file")
    declared = hand.service("db", volume)
    said = hand.refused(declared, sure=[])
    assert said == (
        "db has 2.0 MB at /more in a volume without a name, and nothing is declared there. Choose running for it "
        '(-e \'{"auren_takeover": {"db": "running"}}\'), or go without: -e \'{"auren_takeover_sure": ["db"]}\'. Nothing was changed'
    )
    assert hand.run(declared, check=True, sure=[hand.called("db")]).status == 0
    told = run_module("takeover_info", {**hand.project.arguments(declared), "choices": {hand.called("db"): "running"}}, False)
    changed = told.output["variables"]["auren_overrides"][hand.called("db")]
    assert hand.run({**declared, **changed, "compose": {**declared["compose"], **changed["compose"]}}, check=True, sure=[]).status == 0


def test_data_that_would_vanish(hand: HandRun) -> None:
    inside = "mkdir -p /tmp/db && exec redis-server --save '' --dir /tmp/db"
    hand.redis("db", "--rm", command=["sh", "-c", inside])
    said = hand.refused(hand.service("db", hand.project.volume("data")))
    assert said == (
        "the data of db is in the container's own layer (/tmp/db) and the container was started with --rm: it would vanish. Save it and "
        "leave db (auren_takeover_leave). Nothing was changed"
    )


def test_data_in_memory(hand: HandRun) -> None:
    hand.redis("db", "--tmpfs", "/data:mode=1777")
    said = hand.refused(hand.service("db", hand.project.volume("data")))
    assert said.startswith("the data of db is in memory only (/data is a tmpfs): it would be lost. Save it, "), said


def test_a_copy_that_would_mix_with_something(hand: HandRun) -> None:
    inside = "mkdir -p /tmp/db && exec redis-server --save '' --dir /tmp/db"
    hand.redis("db", command=["sh", "-c", inside])
    (hand.project.mountpoint("data") / "note").write_text("somebody's")
    said = hand.refused(hand.service("db", hand.called("data")))
    assert said == "the data of db has to be copied to data, which is not empty. Set db_volume to a new name. Nothing was changed"
    assert (mountpoint(hand.called("data")) / "note").read_text() == "somebody's"


def test_a_stopped_server_whose_data_cannot_be_seen(hand: HandRun) -> None:
    hand.redis("db", command=["sh", "-c", "cd /tmp; exec redis-server --save ''"])
    docker("stop", hand.called("db"))
    said = hand.refused(hand.service("db", hand.project.volume("data"), compose={"command": ["redis-server", "--save", ""]}))
    assert said == (
        "db does not run, and there is no data of a redis at /data: where it is cannot be seen. Start it, then run again. "
        "Nothing was changed"
    )


def test_another_image(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    said = hand.refused(hand.service("db", volume, compose={"image": image("nginx")}))
    assert said == (
        f"db runs {image('redis')}, and the declaration is made for {image('nginx')}: taking over changes no image. "
        f"Set redis_image: {image('redis')}. Nothing was changed"
    )


def test_a_backup_that_cannot_be_made(hand: HandRun, tmp_path: object) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    docker("stop", hand.called("db"))
    said = hand.refused(hand.service("db", volume), backup_dir=str(tmp_path))
    assert said == (
        "db is exited, so a snapshot of its keys cannot be made. Start it, or say auren_backup=done if there is a backup. "
        "Nothing was changed"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"patched": {"db": "perhaps"}}, "auren_takeover_patched says 'perhaps' for db; say keep or drop. Nothing was changed"),
        ({"backup": "yes"}, "auren_backup is 'yes'; say done, or leave it out. Nothing was changed"),
        ({"approve": "please"}, "auren_approve is 'please', which is no id of a plan: give one as it was printed"),
    ],
)
def test_values_that_mean_nothing(hand: HandRun, given: dict[str, object], sentence: str) -> None:
    hand.start("db", "--stop-signal", "SIGKILL", command=["sleep", "infinity"])
    assert hand.refused(hand.service("db"), **given).startswith(sentence)


def test_an_approval_of_another_state(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    shown = hand.do(hand.service("db", volume), approve="")
    assert (shown.changed, shown.output["approved"]) == (False, False)
    docker("update", "--restart", "always", hand.called("db"))
    result = hand.run(hand.service("db", volume), approve=shown.output["plan"]["id"])
    assert result.status != 0
    assert "the container db has changed (restart policy)" in hand.short(str(result.output["msg"]))
    again = hand.do(hand.service("db", volume), approve="")
    done = hand.do(hand.service("db", volume), approve=again.output["plan"]["id"])
    assert done.output["approved"]
    assert done.changed
