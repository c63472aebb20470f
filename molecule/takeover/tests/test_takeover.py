"""From a stack that was started by hand to the project's own, with every row, key, record and sample; through restarts, to the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hand_run import HOTFIX, MEASURED, SERVICES, HandRun, lost
from plans import plan_id, record, shown
from runs import CLEANUP, PATCHED, STREAMLINE, TAKEOVER, VERIFY, connect, lines_for_the_inventory, reports, said, site, take_over
from target import Recap, play

KEPT = re.compile(r"(.+)-replaced-\d{8}T\d{6}Z")


class Story:
    """What was before, and what the runs said; each test goes on where the last one ended."""

    before: dict[str, Any]
    images: dict[str, str]
    trees: dict[str, dict[str, str]]
    plan: Recap
    done: Recap
    variables: dict[str, object]


@pytest.fixture(scope="module")
def story(hand: HandRun) -> Story:
    """The host as it has grown, on one network, with its data read."""
    hand.build()
    connect()
    made = Story()
    made.before = hand.facts()
    made.images = {name: one["Image"] for name, one in hand.containers().items()}
    made.plan = play(*TAKEOVER, playbook=STREAMLINE)
    return made


def kept(hand: HandRun) -> dict[str, str]:
    """Service → the name of what it was before."""
    return {match[1]: name for name in hand.containers() if (match := KEPT.fullmatch(name))}


def verified(output: str) -> str:
    return next(line.strip() for line in output.splitlines() if line.strip().startswith("verified: "))


def test_the_plan_changes_nothing_and_names_everything(hand: HandRun, story: Story) -> None:
    assert (story.plan.status, story.plan.changed) == (0, 0), story.plan.output
    plan = shown(story.plan.output)
    for name in SERVICES:
        assert f"take over **{name}**" in plan
        assert f"## What {name} has otherwise" in plan
    for line in (
        "back up **auren-postgres** | pg_dump of every database",
        "back up **auren-redis**",
        "back up **auren-grafana**",
        "disable **/etc/systemd/system/multi-user.target.wants/auren.service** | the unit auren.service",
        "disable **/etc/cron.d/auren-restart:",
        "snapshot **neuros-advanced** | edited in it: /app/neuros/app.py; kept as the image neuros-advanced:takeover-",
        "copy data of **auren-grafana**",
        "from its own layer at /var/lib/grafana to auren_grafana_data",
        "it was started with --rm and vanishes at its stop",
        "narrow **port of auren-postgres** | 0.0.0.0:5432 → 5432/tcp becomes 127.0.0.1:5432 → 5432/tcp",
        "docker system prune, which may remove a container that is kept",
    ):
        assert line in plan, line
    assert story.images == {name: one["Image"] for name, one in hand.containers().items()}
    assert kept(hand) == {}
    again = play(*TAKEOVER, playbook=STREAMLINE)
    assert plan_id(again.output) == plan_id(story.plan.output)


def test_edited_files_are_refused_without_a_word_about_them(hand: HandRun, story: Story) -> None:
    refused = play("-e", "auren_streamline_phase=takeover", playbook=STREAMLINE)
    assert refused.status != 0
    assert "neuros-advanced was edited while it ran: /app/neuros/app.py; a new container from its image would not have that" in " ".join(
        refused.output.split()
    )
    assert kept(hand) == {}


def test_all_is_taken_over_and_nothing_is_lost(hand: HandRun, story: Story) -> None:
    story.done = take_over()
    story.variables = lines_for_the_inventory(story.done.output)
    MEASURED.append(record(story.done.output))
    assert lost(story.before, hand.facts()) == []
    now = hand.containers()
    assert sorted(kept(hand)) == sorted(SERVICES)
    assert [name for name in SERVICES if not now[name]["State"]["Running"]] == []
    assert [name for name in kept(hand).values() if now[name]["State"]["Running"]] == []
    assert {one["HostConfig"]["RestartPolicy"]["Name"] for name, one in now.items() if name in kept(hand).values()} == {"no"}
    assert hand.doubles() == {}


def test_the_images_are_those_that_ran(hand: HandRun, story: Story) -> None:
    now = hand.containers()
    same = [name for name in SERVICES if now[name]["Image"] == story.images[name]]
    assert sorted(set(SERVICES) - set(same)) == ["neuros-advanced"]
    assert hand.hotfix() == HOTFIX


def test_they_are_on_the_one_network_alone(hand: HandRun, story: Story) -> None:
    places = {name: list(one["NetworkSettings"]["Networks"]) for name, one in hand.containers().items() if name in SERVICES}
    assert places == {name: ["auren-network"] for name in SERVICES}


def test_they_are_one_compose_project(hand: HandRun, story: Story) -> None:
    listed = hand.target.run("sh", "-c", "cd /opt/auren/docker && docker compose ps --format '{{.Name}}'").split()
    assert sorted(listed) == sorted(SERVICES)


def test_what_was_copied_is_what_it_was(hand: HandRun, story: Story) -> None:
    """Grafana's data, out of the layer of the container that is kept."""
    volume = hand.target.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "auren_grafana_data")
    layer = hand.target.docker("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", kept(hand)["auren-grafana"])
    digests = 'cd {} && find . -type f -print0 | sort -z | xargs -0 sh -c \'stat --format "%n %a %u %g" "$@" && sha256sum "$@"\' sh'
    copied = hand.target.run("sh", "-c", digests.format(volume))
    assert len(copied.splitlines()) > 3
    assert copied == hand.target.run("sh", "-c", digests.format(f"{layer}/var/lib/grafana"))


def test_the_backups_are_there_for_root_alone(hand: HandRun, story: Story) -> None:
    found = hand.target.run("sh", "-c", "find /var/backups/auren -type f -size +0 -printf '%m %U %P\\n'").splitlines()
    assert {line.split()[0] for line in found} == {"600"}
    assert {line.split()[1] for line in found} == {"0"}
    assert {line.split("/")[1] for line in found} == {"auren-postgres", "auren-redis", "auren-grafana"}


def test_no_secret_is_told(hand: HandRun, story: Story) -> None:
    passwords = [line.partition("=")[2].strip("'\"") for line in hand.target.run("cat", "/srv/mess/passwords").splitlines() if "=" in line]
    assert len(passwords) > 2
    said = story.plan.output + story.done.output
    said += hand.target.run(
        "sh", "-c", "cat /opt/auren/docker/.auren/journal/*.jsonl /opt/auren/docker/.auren/plans/* /opt/auren/docker/services/*"
    )
    assert [word for word in passwords if word in said] == []


def test_site_makes_what_is_missing_and_then_all_is_green(hand: HandRun, story: Story, tmp_path: Path) -> None:
    """With the lines that the takeover printed, and without touching what was taken over."""
    started = {name: at for name, at in hand.started().items() if name in SERVICES}
    done = site(story.variables, tmp_path)
    assert done.status == 0, done.output
    assert {name: at for name, at in hand.started().items() if name in SERVICES} == started
    assert "0 failed" not in verified(done.output)
    assert " failed" not in verified(done.output), done.output
    again = site(story.variables, tmp_path)
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_forgotten_line_is_refused_and_not_an_empty_volume(hand: HandRun, story: Story, tmp_path: Path) -> None:
    done = site({key: value for key, value in story.variables.items() if key != "auren_postgres_volume"}, tmp_path)
    assert done.status != 0
    said = " ".join(done.output.split())
    assert "the data of auren-postgres is in postgres_data, and the declaration says auren_postgres_data, which is empty" in said
    assert "Set auren_postgres_volume: postgres_data" in said
    assert lost(story.before, hand.facts()) == []


def test_a_second_takeover_plans_nothing(story: Story) -> None:
    again = play(*TAKEOVER, playbook=STREAMLINE)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "Nothing to do." in shown(again.output)


@pytest.mark.parametrize("what", ["engine", "host"])
def test_a_restart_within_the_window_is_green(hand: HandRun, story: Story, what: str) -> None:
    """The kept ones stay down, also where systemd and cron would have started them."""
    if what == "engine":
        hand.restart_engine()
    else:
        assert hand.boot() == []
    MEASURED.append(f"after a restart of the {what} all answers in {hand.settle(120, published=False):.0f} s")
    assert hand.doubles() == {}
    assert [name for name in kept(hand).values() if hand.containers()[name]["State"]["Running"]] == []
    assert lost(story.before, hand.facts()) == []


def test_cron_starts_nothing_old(hand: HandRun, story: Story) -> None:
    assert hand.cron("restart.sh") == []


def test_cleanup_removes_what_was_kept(hand: HandRun, story: Story) -> None:
    old = set(kept(hand).values())
    volumes = hand.target.docker("volume", "ls", "--quiet").splitlines()
    plan = play(*CLEANUP, playbook=STREAMLINE)
    assert (plan.status, plan.changed) == (0, 0), plan.output
    assert "a removed container does not come back" in shown(plan.output)
    for name in (*old, "auren_default"):
        assert f"**{name}**" in shown(plan.output)
    done = play(*CLEANUP, "-e", f"auren_approve={plan_id(plan.output)}", playbook=STREAMLINE)
    assert done.status == 0, done.output
    assert kept(hand) == {}
    assert "auren_default" not in hand.target.docker("network", "ls", "--format", "{{.Name}}").split()
    assert hand.target.docker("volume", "ls", "--quiet").splitlines() == volumes
    assert lost(story.before, hand.facts()) == []


def test_each_phase_is_written_down(hand: HandRun, story: Story) -> None:
    """On the target and on the controller; and the document is about the host as it is now."""
    told = {one["kind"]: one for one in hand.target.changes()}
    assert {"connect", "takeover", "site", "cleanup"} <= set(told)
    assert all(re.search(rf"{name} \d+\.\d s", told["takeover"]["downtime"]) for name in SERVICES)
    assert "rollback" in told["takeover"]["way_back"]
    files = reports()
    assert json.loads(files["changes.jsonl"].splitlines()[-1]) == told["cleanup"]
    assert b"take over auren-postgres" in files["CHANGELOG.md"]
    text = files["architecture.md"].decode()
    assert all(f"| {name} |" in text for name in SERVICES)
    assert "-replaced-" not in text.partition("## Change history")[0]


@pytest.mark.parametrize("phase", [(), TAKEOVER, CLEANUP], ids=["connect", "takeover", "cleanup"])
def test_then_nothing_is_left_to_streamline(story: Story, phase: tuple[str, ...]) -> None:
    again = play(*phase, "-e", PATCHED, playbook=STREAMLINE)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "Nothing to do." in shown(again.output)


def test_the_host_reboots_green(hand: HandRun, story: Story, tmp_path: Path) -> None:
    assert hand.boot() == []
    hand.settle(120, published=False)
    done = play(*said(story.variables, tmp_path), playbook=VERIFY)
    assert done.status == 0, done.output
    assert " failed" not in verified(done.output), done.output
    assert lost(story.before, hand.facts()) == []
