"""What runs, as the inventory would say it: no secret of a container stands in it, wherever the container has it once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.filter.unsaid import unsaid
from ansible_collections.auren.stack.plugins.module_utils.data_places import Program
from ansible_collections.auren.stack.plugins.module_utils.takeover_declare import RUNNING, Told, kafka_limits, limits, made_as, tell, united
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old

from tests.unit import inspected
from tests.unit.builders import foreign, service

TOKEN = "Tr0ub4dor3x"
AGAIN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "command": ({"Cmd": ["worker", TOKEN]}, {}),
    "entrypoint": ({"Entrypoint": ["sh", "-c", f"exec worker --id={TOKEN}"]}, {}),
    "healthcheck": ({"Healthcheck": {"Test": ["CMD-SHELL", f"worker ping {TOKEN} || exit 1"]}}, {}),
    "labels": ({"Labels": {"note": f"since May: {TOKEN}"}}, {}),
    "logging": ({}, {"LogConfig": {"Type": "gelf", "Config": {"tag": TOKEN}}}),
}


def old(env: list[str], config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, image: str = "img:1") -> Old:
    raw = inspected.container({"Env": [*inspected.IMAGE["Env"], *env], **(config or {})}, host)
    read = inspected.compose_of(raw, {"Config": inspected.IMAGE}, inspected.INFO)
    return Old("app", foreign("app"), raw, {"Config": inspected.IMAGE}, read, image)


def told(one: Old, *others: Old, known: dict[str, str] | None = None) -> Told:
    olds = {"app": one, **{f"other{number}": other for number, other in enumerate(others)}}
    services = {name: service(name) for name in olds}
    return tell(olds, services, {"app": RUNNING}, dict.fromkeys(olds, "img:1"), (), {}, known or {})


@pytest.mark.parametrize("what", AGAIN)
def test_a_secret_of_the_environment_that_stands_once_more_is_refused_and_hidden(what: str) -> None:
    config, host = AGAIN[what]
    found = told(old([f"APP_TOKEN={TOKEN}"], config, host))
    assert [problem.message for problem in found.problems] == [
        f"the {what} of app holds a password, which would stand in a file that everybody can read: choose declared for it, or move it to a "
        "file or its environment first. Nothing was changed"
    ]
    assert "****" in str(found.fragments["app"][what])
    assert TOKEN not in str(found.fragments)
    assert told(old([], config, host)).problems == []


@pytest.mark.parametrize("what", AGAIN)
def test_so_is_one_that_is_known_from_elsewhere(what: str) -> None:
    config, host = AGAIN[what]
    for found in (told(old([], config, host), old([f"APP_TOKEN={TOKEN}"])), told(old([], config, host), known={TOKEN: "app_token"})):
        assert [problem.kind for problem in found.problems] == ["secret_in_command"]
        assert TOKEN not in str(found.fragments)


@pytest.mark.parametrize("what", AGAIN)
def test_the_journal_holds_none(what: str) -> None:
    config, host = AGAIN[what]
    assert TOKEN not in str(made_as(old([f"APP_TOKEN={TOKEN}"], config, host), {}))
    assert TOKEN not in str(made_as(old([], config, host), {"app_token": TOKEN, "empty": ""}))


def test_under_another_key_it_has_the_same_placeholder() -> None:
    found = told(old([f"APP_TOKEN={TOKEN}", f"NOTE={TOKEN}", "A_TOKEN=7", "LEVEL=7"]))
    environment = {"APP_TOKEN": "<<secret:app_app_token>>", "NOTE": "<<secret:app_app_token>>", "A_TOKEN": "<<secret:app_a_token>>"}
    assert found.variables["app"]["auren_overrides"]["app"]["compose"]["environment"] == {**environment, "LEVEL": "7"}
    assert TOKEN not in str(found.variables)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (["A_TOKEN=7", "B_TOKEN=run"], ["run", "-n", "7"]),
        (["TOKEN_TTL=3600"], ["worker", "--every", "3600"]),
        (["A_TOKEN=work"], ["worker", "--network", "my-work_1"]),
        (["POSTGRES_PASSWORD=postgres"], ["postgres", "-c", "hba_file=/etc/postgres.conf"]),
        (["DB_PASSWORD=production", "DB_USER=production"], ["psql", "-U", "production"]),
        (["APP_PASSWORD=serve"], ["serve", "--all"]),
    ],
    ids=["short", "a number", "a part of a word", "its image", "a user", "the image's command"],
)
def test_a_password_that_is_a_word_as_well_raises_no_alarm(env: list[str], words: list[str]) -> None:
    one = old(env, {"Cmd": words}, image="registry/postgres:16")
    found = told(one)
    assert found.problems == []
    assert found.fragments["app"]["command"] == made_as(one, {})["settings"]["command"] == words


def test_a_name_that_is_a_secret_itself_is_no_name() -> None:
    found = told(old([f"TOKEN_NAME={TOKEN}", f"REDIS_DB=redis://:{TOKEN}@cache"], {"Cmd": ["worker", TOKEN]}))
    assert [problem.kind for problem in found.problems] == ["secret_in_command"]


def test_what_is_found_of_several_services_is_one() -> None:
    variables = {
        "grafana": {"grafana_environment": {"GF_SECURITY_SECRET_KEY": "k"}, "auren_overrides": {"grafana": {"aliases": ["g"]}}},
        "db": {"postgres_image": "pg:16", "auren_overrides": {"db": {"aliases": ["d"]}}},
    }
    assert united(variables) == {
        "grafana_environment": {"GF_SECURITY_SECRET_KEY": "k"},
        "auren_overrides": {"grafana": {"aliases": ["g"]}, "db": {"aliases": ["d"]}},
        "postgres_image": "pg:16",
    }


def test_what_the_inventory_has_beside_is_kept_and_not_shown() -> None:
    found = {"grafana_environment": {"GF_SECURITY_SECRET_KEY": "k"}, "postgres_image": "pg:16"}
    told = unsaid(found, {"grafana_environment": {"GF_SMTP_PASSWORD": "from a vault"}, "postgres_image": ""})
    both = {"GF_SMTP_PASSWORD": "from a vault", "GF_SECURITY_SECRET_KEY": "k"}
    assert told["variables"] == {"grafana_environment": both, "postgres_image": "pg:16"}
    beside = "# grafana_environment: beside what is in it already\n"
    assert told["lines"] == beside + 'grafana_environment:\n  GF_SECURITY_SECRET_KEY: k\npostgres_image: "pg:16"\n'
    assert unsaid(found, {"grafana_environment": "", "postgres_image": ""})["variables"] == found


def test_what_is_pasted_is_told_no_more() -> None:
    found, said = {"kafka_properties": {"log.retention.ms": "720"}}, {"kafka_properties": {"log.retention.ms": 720, "more": 1}}
    assert unsaid(found, said) == {"lines": "", "variables": {}}


def test_what_is_as_it_was_found_because_of_another_variable_is_told() -> None:
    """As whether NEUROS stores events, which its role says of its own image alone."""
    found = {"neuros_image": "neuros:takeover-20260101", "neuros_stores_events": True}
    assert unsaid(found, {"neuros_image": "", "neuros_stores_events": True})["variables"] == found


def test_how_long_a_broker_keeps_records_and_offsets() -> None:
    """From its file and its environment, which wins; of the time of records the smallest unit holds."""
    own = {
        "log.retention.ms": "604800000",
        "log.retention.bytes": "-1",
        "log.cleanup.policy": "delete",
        "offsets.retention.minutes": "10080",
    }
    assert kafka_limits(Program({}, ["run"], "/", lambda path: None)) == own
    text = "log.retention.hours=168\nlog.retention.bytes = 5000\n#log.retention.ms=1\nlog.dirs=/data\n"
    env = {"KAFKA_OFFSETS_RETENTION_MINUTES": "999999", "KAFKA_CFG_LOG_RETENTION_MINUTES": "10", "KAFKA_NODE_ID": "3"}
    program = Program(env, ["run"], "/", lambda path: text if path == "/opt/kafka/config/server.properties" else None)
    kept = {"log.retention.ms": "600000", "log.retention.bytes": "5000", "offsets.retention.minutes": "999999"}
    assert kafka_limits(program) == {**own, **kept}
    forever = Program({"KAFKA_LOG_RETENTION_HOURS": "-1"}, ["run"], "/", lambda path: None)
    assert kafka_limits(forever)["log.retention.ms"] == "-1"


@pytest.mark.parametrize(("hours", "declared"), [("168", "24"), ("720", "1")])
def test_a_broker_that_is_declared_to_keep_them_for_another_time_is_told(hours: str, declared: str) -> None:
    one = old([f"KAFKA_LOG_RETENTION_HOURS={hours}"])
    one = replace(one, program=Program({"KAFKA_LOG_RETENTION_HOURS": hours}, ["run"], "/", lambda path: None))
    wanted = service("app", role="kafka", compose={"environment": {"KAFKA_LOG_RETENTION_HOURS": declared}})
    assert limits(one, wanted) == {"kafka_properties": {"log.retention.ms": str(int(hours) * 3_600_000)}}
    same = service("app", role="kafka", compose={"environment": {"KAFKA_LOG_RETENTION_MINUTES": str(int(hours) * 60)}})
    assert limits(one, same) == {}
