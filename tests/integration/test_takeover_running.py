"""What runs is told as the inventory would say it, without its secrets, and goes on as it ran."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible_collections.auren.stack.plugins.filter.unsaid import unsaid

from tests.integration.hand_run import SERVER, HandRun
from tests.integration.harness import docker, run_module
from tests.integration.run_facts import differing
from tests.leaks import shown_secrets

RICH = (
    *("--env", "TOKEN=s3cret $word", "--env", "EMPTY=", "--label", "team=nights $1", "--hostname", "box", "--user", "0:0", "--init"),
    *(
        "--memory",
        "96m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "77",
        "--ulimit",
        "nofile=512:1024",
        "--cap-drop",
        "NET_RAW",
        "--cap-add",
        "SYS_NICE",
    ),
    *(
        "--security-opt",
        "no-new-privileges:true",
        "--sysctl",
        "net.core.somaxconn=300",
        "--add-host",
        "far:10.9.8.7",
        "--dns-opt",
        "ndots:2",
    ),
    *("--tmpfs", "/scratch:size=1m", "--log-opt", "max-size=3m", "--log-opt", "max-file=2", "--stop-timeout", "3", "--stop-signal", "INT"),
    *(
        "--health-cmd",
        "redis-cli ping",
        "--health-interval",
        "1s",
        "--health-retries",
        "30",
        "--health-timeout",
        "4s",
        "--restart",
        "on-failure:4",
        "--shm-size",
        "80m",
    ),
    *("--workdir", "/data", "--device", "/dev/null:/dev/nothing:r", "--oom-score-adj", "50"),
)


def test_what_runs_becomes_the_declaration(hand: HandRun) -> None:
    """With `running`, the new container differs from the old one in who owns it, and in its networks."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data", *RICH)
    keys, before = hand.keys("db"), hand.containers()["db"]
    declared = hand.service("db", "elsewhere", compose={"mem_limit": "1g", "environment": {"OTHER": "1"}}, secrets=[])
    told = run_module("takeover_info", {**hand.project.arguments(declared), "choices": {hand.called("db"): "running"}}, False)
    assert told.status == 0, told.text
    assert "s3cret" not in told.text
    changed = told.output["variables"]["auren_overrides"][hand.called("db")]
    assert told.output["variables"]["db_volume"] == volume
    done = hand.do({**declared, **changed})
    assert "s3cret" not in done.text
    assert [hand.short(line).partition(" (")[0] for line in done.actions] == [
        "take over db: it was made by hand; no setting becomes another"
    ]
    now = hand.containers()["db"]
    assert differing(before, now) == ["Config.MacAddress"]  # of a place on a network, and that is another one
    assert hand.keys("db") == keys
    assert "TOKEN=s3cret $word" in now["Config"]["Env"]
    fragment = (hand.project.directory / "services" / f"{hand.called('db')}.yml").read_text()
    assert "s3cret" not in fragment
    assert hand.run({**declared, **changed}).actions == []


def test_a_password_on_the_command_line_cannot_stay_there(hand: HandRun) -> None:
    name = hand.start("db", command=[*SERVER, "--requirepass", "s3cret"])
    told = run_module("takeover_info", {**hand.project.arguments(hand.service("db", "x")), "choices": {name: "running"}}, False)
    assert told.status != 0
    assert "s3cret" not in told.text
    assert hand.short(str(told.output["msg"])) == (
        "the command of db holds a password, which would stand in a file that everybody can read: choose declared for it, or move it to a "
        "file or its environment first. Nothing was changed"
    )


def test_what_looks_like_a_template_is_pasted_as_it_is(hand: HandRun) -> None:
    words = ("--log-opt", "tag={{.Name}}", "--label", "note={{ lookup('pipe', 'id') }}", "--env", "FORMAT={% raw %}", "--env", "PLAIN=1")
    made = "Zk3-x_9Q" + "pLmN0-aB7"
    name = hand.start("db", *words, "--env", f"API_TOKEN={made}")
    told = run_module("takeover_info", {**hand.project.arguments(hand.service("db", "x")), "choices": {name: "running"}}, False)
    assert told.status == 0, told.text
    text = unsaid(told.output["variables"], {})["lines"]  # the playbook writes it down as taken-over.yml
    assert "API_TOKEN: <<secret:" in text.replace('"', "").replace("'", "")
    assert made not in text
    assert shown_secrets("taken-over.yml", text) == []
    assert 'tag: !unsafe "{{.Name}}"' in text
    assert text.count("!unsafe") == 3
    assert DataLoader().load(text) == told.output["variables"]


def test_data_in_the_layer_of_what_is_to_stay_as_it_runs(hand: HandRun) -> None:
    hand.in_layer("db")
    keys, volume = hand.keys("db"), hand.project.volume("data")
    declared = hand.service("db", volume)
    told = run_module("takeover_info", {**hand.project.arguments(declared), "choices": {hand.called("db"): "running"}}, False)
    changed = told.output["variables"]["auren_overrides"][hand.called("db")]
    assert changed["data"][0] == {"volume": volume, "target": "/tmp/db"}
    hand.do({**declared, **changed})
    assert hand.keys("db") == keys


def test_directories_of_the_host_with_data_stay_where_they_are(hand: HandRun, tmp_path: Path) -> None:
    """Also where one has a part of the data; what has no data is mounted as it was."""
    places = {"/data": tmp_path / "data", "/data/more": tmp_path / "more", "/backup": tmp_path / "backup"}
    for place in places.values():
        place.mkdir(mode=0o777)
        place.chmod(0o777)
    words = [word for target, place in places.items() for word in ("--volume", f"{place}:{target}")]
    hand.redis("db", *words)
    keys, name = hand.keys("db"), hand.called("db")
    declared = hand.service("db", hand.project.volume("data"))
    told = run_module("takeover_info", {**hand.project.arguments(declared), "choices": {name: "running"}}, False)
    changed = told.output["variables"]["auren_overrides"][name]
    assert {data["target"]: data["volume"] for data in changed["data"]} == {t: str(places[t]) for t in ("/data", "/data/more")}
    assert changed["compose"]["volumes"] == [f"{places['/backup']}:/backup"]
    hand.do({**declared, **changed})
    assert hand.keys("db") == keys
    hand.rollback()
    assert hand.keys("db") == keys


def test_a_label_that_is_a_secret_is_not_told(hand: HandRun) -> None:
    name = hand.start("db", "--label", "api_token=s3cret-9", "--health-cmd", "redis-cli -a s3cret-9 ping")
    arguments = hand.project.arguments(hand.service("db", "x"))
    told = run_module("takeover_info", {**arguments, "choices": {name: "running"}}, False)
    assert told.status != 0
    assert "the healthcheck of db holds a password" in hand.short(str(told.output["msg"]))
    assert "s3cret-9" not in told.text + run_module("takeover_info", arguments, False).text


def test_a_secret_of_the_environment_is_told_nowhere(hand: HandRun) -> None:
    """Not by what reads like none, nor where a password stands that only the environment gives away."""
    values = ("REDIS_ARGS=--requirepass s3cret-9", "LLM_KEY=s3cret-7")
    name = hand.start("db", *(word for one in values for word in ("--env", one)), "--label", "note=s3cret-7 and s3cret-9")
    arguments = hand.project.arguments(hand.service("db", "x"))
    told = run_module("takeover_info", arguments, False)
    assert told.status == 0, told.text
    assert "s3cret" not in told.text
    environment = told.output["fragments"][name]["environment"]
    assert hand.short(environment["LLM_KEY"]).endswith("db_llm_key>>")
    told = run_module("takeover_info", {**arguments, "choices": {name: "running"}}, False)
    assert told.status != 0
    assert hand.short(str(told.output["msg"])).startswith("the labels of db holds a password, which would stand in a file that everybody ")
    assert "s3cret" not in told.text


def test_a_run_that_goes_on_tells_what_the_first_one_found(hand: HandRun) -> None:
    """Of what it has taken over already; of what was never touched, what runs says it."""
    volume = hand.project.volume("data")
    hand.redis("db", "--volume", f"{volume}:/data")
    name, declared = hand.called("db"), hand.service("db", volume)
    told = run_module("takeover_info", hand.project.arguments(declared), False).output["told"]
    assert "old-db" in told[name]["auren_overrides"][name]["aliases"]
    hand.do(declared, told=told)
    hand.redis("cache", "--volume", f"{hand.project.volume('more')}:/data")
    both = hand.project.arguments(declared, hand.service("cache", hand.project.volume("more")))
    again = run_module("takeover_info", both, False).output
    assert again["variables"]["auren_overrides"].items() > told[name]["auren_overrides"].items()
    assert list(again["told"]) == [hand.called("cache")]
    nothing = run_module("takeover_info", hand.project.arguments(declared), False).output
    assert nothing["variables"] == {}


def test_topics_that_cannot_be_asked_for_stay_as_they_are(hand: HandRun) -> None:
    hand.start("db", command=["sleep", "infinity"])
    docker("kill", hand.called("db"))
    files = {"topics.txt": {"content": "events 3 retention.ms=1000\n", "on_change": "recreate"}}
    found = run_module("takeover_info", hand.project.arguments(hand.service("db", role="kafka", files=files)), False).output
    assert (found["variables"]["kafka_topics"], found["variables"]["kafka_extra_topics"]) == ([], [])
    said = "could not be asked for (it is exited), so none is declared (kafka_topics) and they stay as they are: "
    assert said in json.dumps(found["warnings"])
