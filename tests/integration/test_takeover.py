"""Containers that were started by hand come under the project, on the same image and data; and back."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.integration.hand_run import TAKEOVER, HandRun, mountpoint
from tests.integration.harness import ROOT, docker, image, module_command, module_environment, module_input, run_module


def twice(hand: HandRun, *services: dict, **more: object) -> list[str]:  # type: ignore[type-arg]
    """Check, do, check, do: the check is the plan that is done, and the second round finds nothing. The actions."""
    checked = hand.run(*services, check=True, **more)
    done = hand.do(*services, **more)
    assert (checked.actions, checked.output["plan"]) == (done.actions, done.output["plan"]), (checked.text, done.text)
    for check in (True, False):
        again = hand.run(*services, check=check, **more)
        assert (again.status, again.changed, again.actions, again.output["run"]) == (0, False, [], ""), again.text
    return [hand.short(line) for line in done.actions]


def test_a_named_volume_stays_where_it_is(hand: HandRun) -> None:
    volume = hand.project.volume("my-data")
    hand.redis("db", "--volume", f"{volume}:/data", "--restart", "always")
    before, keys = hand.containers()["db"], hand.keys("db")
    [line] = twice(hand, hand.service("db", volume))
    assert re.match(r"take over db: it was made by hand; \d+ settings become others \(it is away ", line)
    assert line.endswith("(it is away from its stop (at most 10 s) until it is healthy again, usually some seconds)")
    now = hand.containers()
    assert hand.keys("db") == keys
    assert now["db"]["Image"] == before["Image"]
    assert now["db"]["Id"] != before["Id"]
    assert list(now["db"]["NetworkSettings"]["Networks"]) == [hand.project.network]
    assert [m["Name"] for m in now["db"]["Mounts"]] == [volume]
    kept = now["db-replaced"]
    assert (kept["Id"], kept["State"]["Running"], kept["HostConfig"]["RestartPolicy"]["Name"]) == (before["Id"], False, "no")
    assert hand.project.compose("ps", "--format", "{{.Name}}").split() == [hand.called("db")]


def test_how_long_it_was_away_is_told_and_recorded(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    done = hand.do(hand.service("db", volume))
    [line] = done.output["operations"]
    told = re.search(r"away for (\d+\.\d) s\)$", line)
    assert told
    assert 0 < float(told[1]) < 30
    assert f"downtime: {hand.called('db')} {told[1]} s" in done.output["record"]
    assert "way back: ansible-playbook auren.stack.rollback" in done.output["record"]


def test_an_anonymous_volume_is_adopted_by_its_name(hand: HandRun) -> None:
    hand.redis("db", "--volume", "/data")
    [mount] = hand.containers()["db"]["Mounts"]
    keys = hand.keys("db")
    hand.project.volumes.append(mount["Name"])
    twice(hand, hand.service("db", mount["Name"]))
    assert hand.keys("db") == keys
    assert [m["Name"] for m in hand.containers()["db"]["Mounts"]] == [mount["Name"]]
    seen = run_module("stack_info", {"project_dir": str(hand.project.directory)})
    assert [one["line"] for one in seen.output["findings"] if one["kind"] == "field"] == []


def test_an_anonymous_volume_is_copied_where_that_is_wished(hand: HandRun) -> None:
    hand.redis("db", "--volume", "/data")
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    volume, keys = hand.project.volume("named"), hand.keys("db")
    lines = twice(hand, hand.service("db", volume), copy=[hand.called("db")])
    assert re.fullmatch(r"copy data of db: \d+\.\d MB from the anonymous volume at /data to named, while it is stopped", lines[0])
    assert hand.keys("db") == keys
    assert [m["Name"] for m in hand.containers()["db"]["Mounts"]] == [volume]


def test_data_in_the_layer_is_copied_and_comes_back(hand: HandRun) -> None:
    """What was written since goes back with it."""
    volume = hand.project.volume("data")
    hand.in_layer("db")
    keys, before = hand.keys("db"), hand.meant()
    lines = twice(hand, hand.service("db", volume))
    assert lines[0].startswith("copy data of db: ")
    assert "from its own layer at /tmp/db to data, while it is stopped" in lines[0]
    assert hand.keys("db") == keys
    assert (mountpoint(volume) / "appendonlydir").is_dir()
    hand.ask("db", "SET", "since", "taken over")
    hand.ask("db", "DEL", "key:1")
    since = hand.keys("db")
    hand.rollback()
    assert hand.meant() == before
    assert hand.keys("db") == since != keys


def test_what_does_not_become_healthy_is_put_back(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--restart", "always")
    before, keys = hand.meant(), hand.keys("db")
    health = {"test": ["CMD-SHELL", "echo token-of-$(echo nobody); false"], "interval": "200ms", "retries": 1}
    sick = hand.service("db", volume, compose={"healthcheck": health}, gate={"deadline": 3})
    result = hand.run(sick)
    assert result.status != 0
    said = hand.short(str(result.output["msg"]))
    assert said.startswith("db did not pass the gate: it is starting after 3 s. The old db runs again, as it was, after "), said
    assert "last log lines of db" in said
    assert "token-of-nobody" in said
    records = [path.read_text() for path in (hand.project.directory / ".auren").rglob("*.jsonl")]
    assert records
    assert not [text for text in records if "token-of-nobody" in text]
    assert hand.meant() == before
    assert (hand.keys("db"), hand.files()) == (keys, [])
    hand.do(hand.service("db", volume))
    assert hand.keys("db") == keys


def test_what_was_started_to_vanish_is_held(hand: HandRun) -> None:
    """With --rm it goes at its stop, and would take its anonymous volume with it."""
    hand.redis("db", "--rm", "--volume", "/data", "--env", "API_TOKEN=t0psecretvalue", "--env", "LEVEL=3", "--memory", "64m")
    docker("exec", hand.called("db"), "sh", "-c", "echo kept > /srv/note")
    [mount] = hand.containers()["db"]["Mounts"]
    hand.project.volumes.append(mount["Name"])
    keys, before = hand.keys("db"), hand.containers()["db"]
    lines = twice(hand, hand.service("db", mount["Name"]), patched={hand.called("db"): "keep"})
    assert lines[0].startswith("snapshot db: edited in it: /srv/note; kept as the image db:takeover-")
    assert "it was started with --rm and vanishes at its stop, a copy of it that never ran is kept" in lines[-1]
    assert hand.keys("db") == keys
    assert docker("exec", hand.called("db"), "cat", "/srv/note") == "kept"
    assert hand.containers()["db-replaced"]["State"]["Status"] == "created"
    [swap], written = hand.journalled()
    made = swap["made_as"]
    assert made["settings"]["environment"] == {"API_TOKEN": f"<<secret:{hand.called('db').replace('-', '_')}_api_token>>", "LEVEL": "3"}
    assert made["settings"]["command"] == before["Config"]["Cmd"]
    assert (made["settings"]["mem_limit"], made["image"]["id"]) == ("64m", before["Image"])
    assert sorted(made["networks"]) == sorted([hand.home, hand.project.network])
    assert "t0psecretvalue" not in written
    hand.rollback()
    now = hand.containers()
    assert list(now) == ["db"]
    assert now["db"]["State"]["Running"]
    assert now["db"]["Config"]["Cmd"] == before["Config"]["Cmd"]
    assert sorted(now["db"]["NetworkSettings"]["Networks"]) == sorted(before["NetworkSettings"]["Networks"])
    assert (hand.keys("db"), docker("exec", hand.called("db"), "cat", "/srv/note")) == (keys, "kept")


@pytest.mark.parametrize(("choice", "there"), [("keep", True), ("drop", False)])
def test_what_was_edited_is_never_lost(hand: HandRun, choice: str, there: bool) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--env", "API_TOKEN=geheim-7")
    docker("exec", hand.called("db"), "sh", "-c", "mkdir -p /app; echo 'fix = 1' > /app/patch.py")
    said = hand.refused(hand.service("db", volume))
    assert said.startswith("db was edited while it ran: /app/patch.py; a new container from its image would not have that. "), said
    hand.do(hand.service("db", volume), patched={hand.called("db"): choice})
    snapshot = json.loads(docker("image", "inspect", *docker("images", "-q", "--filter", f"reference={hand.called('db')}").split()))[0]
    assert "geheim-7" not in json.dumps(snapshot) + docker("history", "--no-trunc", snapshot["Id"])
    found = docker("exec", hand.called("db"), "sh", "-c", "cat /app/patch.py 2>/dev/null || true")
    assert found == ("fix = 1" if there else "")
    assert docker("run", "--rm", "--entrypoint", "cat", snapshot["Id"], "/app/patch.py") == "fix = 1"


def test_cleanup_removes_what_was_kept_and_its_network(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    hand.do(hand.service("db", volume))
    keys = hand.keys("db")
    waiting = hand.cleanup(window=7)
    assert (waiting.actions, len(waiting.output["notes"])) == ([], 2), waiting.text
    checked, done = hand.cleanup(check=True), hand.cleanup()
    assert checked.actions == done.actions
    assert [re.sub(r"\d{8}T\d{6}Z", "TIME", hand.short(line)) for line in done.actions] == [
        "remove container db-replaced-TIME: db has been taken over 0.0 days ago; its volumes stay (data)",
        "remove network home: nothing is on it or was created on it",
    ]
    assert "a removed container does not come back" in done.output["markdown"]
    assert list(hand.containers()) == ["db"]
    assert hand.keys("db") == keys
    assert hand.cleanup().actions == []
    back = hand.rollback()
    assert [hand.short(line) for line in back.actions] == ["create network home: it was there"]
    assert "left as it is: db: what it replaced is gone" in hand.short(" ".join(back.output["notes"]))
    assert hand.keys("db") == keys


def test_names_that_others_use_are_declared_too(hand: HandRun) -> None:
    """By the lines for the inventory, which make the declaration fit what runs."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--env", "DB_PASSWORD=s3cret word")
    told = run_module("takeover_info", hand.project.arguments(hand.service("db", "elsewhere")), False)
    assert told.status == 0, told.text
    assert told.output["variables"] == {"db_volume": volume, "auren_overrides": {hand.called("db"): {"aliases": ["old-db"]}}}
    assert "s3cret" not in told.text
    assert told.output["fragments"][hand.called("db")]["environment"]["DB_PASSWORD"].startswith("<<secret:")
    assert image("redis") == told.output["fragments"][hand.called("db")]["image"]


def test_a_redis_that_keeps_a_dump_alone_loses_no_key(hand: HandRun) -> None:
    """With an append-only file declared it would start empty beside its dump; and on the way back the dump has to have what came since."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", command=["redis-server", "--save", "3600 1"])
    keys = hand.keys("db")
    hand.do(hand.service("db", volume))
    assert hand.keys("db") == keys
    hand.ask("db", "SET", "since", "taken over")
    since = hand.keys("db")
    hand.rollback()
    assert hand.keys("db") == since != keys


def test_what_was_taken_over_is_never_copied_again(hand: HandRun) -> None:
    """Somebody removes the new container: its volume has what came since, the old one's layer has not."""
    volume = hand.project.volume("data")
    hand.in_layer("db")
    declared = hand.service("db", volume)
    hand.do(declared)
    hand.ask("db", "SET", "since", "taken over")
    since = hand.keys("db")
    docker("stop", hand.called("db"))
    assert hand.run(declared).actions == []
    docker("rm", hand.called("db"))
    assert hand.run(declared).actions == []
    hand.project.do(declared)
    assert hand.keys("db") == since


def test_what_came_since_comes_back_also_when_its_container_is_gone(hand: HandRun) -> None:
    volume = hand.project.volume("data")
    hand.in_layer("db")
    before = hand.meant()
    hand.do(hand.service("db", volume))
    hand.ask("db", "SET", "since", "taken over")
    since = hand.keys("db")
    docker("stop", hand.called("db"))
    docker("rm", hand.called("db"))
    hand.rollback()
    assert (hand.keys("db"), hand.meant(), hand.files()) == (since, before, [])


def test_a_run_that_was_cut_off_at_the_gate_is_brought_to_its_end(hand: HandRun) -> None:
    """The new one runs and will never be healthy: the next run says so, and puts the old one back."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--restart", "always")
    before, keys = hand.meant(), hand.keys("db")
    sick = hand.service(
        "db", volume, compose={"healthcheck": {"test": ["CMD", "false"], "interval": "200ms", "retries": 90}}, gate={"deadline": 4}
    )
    command = module_command(TAKEOVER)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=module_environment(), cwd=ROOT, text=True) as run:
        assert run.stdin
        run.stdin.write(module_input(hand.arguments(sick)))
        run.stdin.close()
        while docker("inspect", "-f", "{{.State.Health.Status}}", hand.called("db"), check=False) != "starting":
            assert run.poll() is None
        run.kill()
    again = hand.run(sick)
    assert again.status != 0, again.text
    assert "db did not pass the gate: it is starting after 4 s. The old db runs again, as it was" in hand.short(str(again.output["msg"]))
    assert (hand.meant(), hand.keys("db")) == (before, keys)


def test_what_shells_and_programs_leave_behind_is_no_edit(hand: HandRun) -> None:
    """Long after its start, too. Code in a folder of that name is code; where a file is mounted the layer has an empty one."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", "--volume", f"{__file__}:/app/mounted.py:ro")
    paths = "/root/.psql_history /root/.ash_history /app/error.log /opt/x/logs/access.log.1"
    made = f"mkdir -p /app/logs /opt/x/logs; touch -d 2001-01-01 {paths}"
    docker("exec", "-u", "root", hand.called("db"), "sh", "-c", f"{made} /app/logs/handler.py")
    said = hand.refused(hand.service("db", volume))
    assert said.startswith("db was edited while it ran: /app/logs/handler.py; "), said
    docker("exec", "-u", "root", hand.called("db"), "rm", "/app/logs/handler.py")
    hand.do(hand.service("db", volume))


def test_configuration_that_was_edited_in_the_container(hand: HandRun) -> None:
    """Long after its start: what an image writes at its start is no edit."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    docker(
        "exec",
        hand.called("db"),
        "sh",
        "-c",
        "mkdir -p /opt/app /etc/app; touch /opt/app/made-at-start; touch -d 2001-01-01 /etc/app/patched",
    )
    said = hand.refused(hand.service("db", volume))
    assert said.startswith("db was edited while it ran: /etc/app/patched; "), said
