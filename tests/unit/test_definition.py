"""A declared service becomes a fragment, files and a spec."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.auren.stack.plugins.module_utils import definition

from tests.unit.builders import HOUSE, service

VALUES = {"password": "p$a'b\"c\\d", "other": "x"}
FULL = {
    "compose": {
        "command": ["run", "$HOME ${X}"],
        "environment": {"PLAIN": "a$b", "FLAG": True, "NUMBER": 1, "NOTHING": None, "URL": "redis://:<<secret:password:url>>@r"},
        "healthcheck": {"test": ["CMD", "true"]},
        "volumes": ["/opt/stack/config/one:/etc/one:ro"],
        "labels": {"mine": "yes"},
    },
    "aliases": ["uno"],
    "runs_as": "999:1000",
    "data": [{"volume": "one_data", "target": "/data"}],
    "secrets": ["password"],
    "files": {"a.conf": {"content": "pw <<secret:password>>\n"}, "sub/b.conf": {"content": "plain\n", "on_change": "reload"}},
}


def fragment(entry: dict[str, Any], api: tuple[int, ...] = (1, 45)) -> dict[str, Any]:
    made = service(**entry)
    return definition.fragment(made, definition.spec(made, VALUES), api)


def test_the_fragment_holds_what_was_declared_and_what_the_house_adds() -> None:
    made = fragment(FULL)
    one = made["services"]["one"]
    labels = one.pop("labels")
    assert made == {
        "services": {
            "one": {
                "image": "img:1",
                "container_name": "one",
                "command": ["run", "$$HOME $${X}"],
                "healthcheck": {
                    "interval": "10s",
                    "timeout": "5s",
                    "retries": 5,
                    "start_period": "60s",
                    "start_interval": "1s",
                    "test": ["CMD", "true"],
                },
                "environment": {"PLAIN": "a$$b", "FLAG": "true", "NUMBER": "1"},
                "volumes": ["/opt/stack/config/one:/etc/one:ro", "one_data:/data", "/opt/stack/secrets/mounts/one:/run/secrets:ro"],
                "networks": {"net": {"aliases": ["uno"]}},
                "restart": "unless-stopped",
                "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
                "env_file": ["/opt/stack/secrets/env/one.env"],
            }
        },
        "volumes": {"one_data": {"external": True, "name": "one_data"}},
        "networks": {"net": {"external": True, "name": "net"}},
    }
    assert labels.pop("mine") == "yes"
    assert set(labels) == {"auren.stack.service", "auren.stack.spec"}
    assert not [value for value in (json.dumps(made), *labels.values()) if "p$a" in value]


def test_the_smallest_fragment() -> None:
    one = fragment({})["services"]["one"]
    assert set(one) == {"image", "container_name", "networks", "restart", "logging", "labels"}
    assert one["networks"] == {"net": {}}


@pytest.mark.parametrize(("api", "there"), [((1, 41), False), ((1, 43), False), ((1, 44), True), ((1, 52), True)])
def test_start_interval_only_where_the_engine_knows_it(api: tuple[int, ...], there: bool) -> None:
    assert ("start_interval" in fragment(FULL, api)["services"]["one"]["healthcheck"]) is there


@pytest.mark.parametrize("key", ["restart", "logging"])
def test_a_services_own_words_win(key: str) -> None:
    assert fragment({"compose": {key: "mine"}})["services"]["one"][key] == "mine"


def test_a_fragment_does_not_depend_on_other_services() -> None:
    assert fragment({"needs": ["two"]}) == fragment({})


# --- the spec and its causes ------------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> dict[str, Any]:
    """FULL with one value changed; path: keys joined by "/"."""
    copy = json.loads(json.dumps(FULL))
    *parents, last = path.split("|")
    inner = copy
    for key in parents:
        inner = inner[key]
    inner[last] = value
    if value is None:
        del inner[last]
    return copy


@pytest.mark.parametrize(
    ("after", "causes"),
    [
        (FULL, []),
        (changed("compose|environment|PLAIN", "b"), ["environment key PLAIN changed"]),
        (changed("compose|environment|NEW", "b"), ["environment key NEW added"]),
        (changed("compose|environment|PLAIN", None), ["environment key PLAIN removed"]),
        (changed("compose|environment|NOTHING", None), []),
        (changed("compose|environment|URL", "redis://<<secret:other>>"), ["environment key URL changed"]),
        (changed("compose|image", "img:2"), ["image changed"]),
        (changed("compose|command", ["run"]), ["command changed"]),
        (changed("compose|mem_limit", "256m"), ["mem_limit added"]),
        (changed("compose|labels|mine", "no"), ["label mine changed"]),
        (changed("compose|healthcheck|interval", "1s"), ["healthcheck.interval changed"]),
        (changed("files|a.conf|content", "x"), ["file a.conf changed"]),
        (changed("files|a.conf", None), ["file a.conf removed"]),
        (changed("files|sub/b.conf|content", "x"), []),  # it is reloaded
        (changed("aliases", ["due"]), ["networks.net.aliases changed"]),
        (changed("runs_as", "1:1"), ["runs_as changed"]),
        (changed("secrets", ["other"]), ["secret other added", "secret password removed"]),
        (changed("data", []), ["volumes changed"]),
        (changed("gate", {"deadline": 1}), []),
        (changed("needs", ["two"]), []),
        (changed("look", "here"), []),
    ],
)
def test_a_change_is_a_cause_in_words(after: dict[str, Any], causes: list[str]) -> None:
    before, wanted = (definition.spec(service(**entry), VALUES) for entry in (FULL, after))
    assert definition.spec_causes(before, wanted) == causes


def test_another_value_of_a_secret_is_a_cause_wherever_it_is_used() -> None:
    before, after = (definition.spec(service(**FULL), {**VALUES, "password": value}) for value in ("one", "two"))
    assert definition.spec_causes(before, after) == ["environment key URL changed", "file a.conf changed", "secret password changed"]
    assert definition.spec_causes({}, {"image": "1"}) == ["image added"]


def test_another_house_is_a_cause() -> None:
    before, after = (definition.spec(service(house=dataclasses.replace(HOUSE, restart=r)), {}) for r in ("no", "always"))
    assert definition.spec_causes(before, after) == ["restart changed"]


def test_reload_files_have_a_digest_of_their_own() -> None:
    digests = [definition.reload_digest(service(**entry), VALUES) for entry in (FULL, changed("files|sub/b.conf|content", "x"), {})]
    assert len(set(digests)) == 3
    assert digests[2] == ""


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_belong_to_who_reads_them() -> None:
    wanted = definition.service_files(service(**FULL), VALUES)
    found = {str(w.path): (oct(w.mode), w.uid, w.gid, w.content.decode()) for w in wanted}
    assert found == {
        "/opt/stack/config/one/a.conf": ("0o400", 999, 1000, "pw p$a'b\"c\\d\n"),
        "/opt/stack/config/one/sub/b.conf": ("0o644", 0, 0, "plain\n"),
        "/opt/stack/secrets/mounts/one/password": ("0o400", 999, 1000, "p$a'b\"c\\d"),
        "/opt/stack/secrets/env/one.env": ("0o600", 0, 0, 'URL="redis://:p%24a%27b%22c%5Cd@r"\n'),
    }
    assert sorted(map(str, definition.service_paths(service(**FULL)))) == sorted(found)
    assert "p$a" not in repr(wanted)


@pytest.mark.parametrize(("runs_as", "owner"), [(None, (0, 0)), ("70", (70, 70)), ("999:1000", (999, 1000)), (472, (472, 472))])
def test_the_owner(runs_as: Any, owner: tuple[int, int]) -> None:
    assert service(runs_as=runs_as).owner == owner


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ("$x ${y}", '"\\$x \\${y}"'),
        ("'single'", "\"'single'\""),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        ("\\n", '"\\\\n"'),
        ("a\nb", '"a\\nb"'),
        ("#", '"#"'),
    ],
)
def test_a_value_for_an_env_file(value: str, quoted: str) -> None:
    assert definition.env_quote(value) == quoted


def test_the_master_file_includes_each_fragment() -> None:
    written = definition.master_file(HOUSE, ["one", "two"])
    assert written.path == Path("/opt/stack/docker-compose.yml")
    assert written.content.startswith(b"# Written by auren.stack")
    assert yaml.safe_load(written.content) == {"name": "stack", "include": ["services/one.yml", "services/two.yml"]}


def test_a_fragment_on_another_image() -> None:
    made = definition.with_image(fragment(FULL), "one", "sha256:old")
    assert made["services"]["one"]["image"] == "sha256:old"
    assert {**made["services"]["one"], "image": "img:1"} == fragment(FULL)["services"]["one"]


@pytest.mark.parametrize(("images", "image"), [({}, "img:1"), ({"other:1": "x"}, "img:1"), ({"img:1": "img:2"}, "img:2")])
def test_an_image_that_stands_in_for_another(images: dict[str, str], image: str) -> None:
    assert definition.substituted(service(), images).image == image


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "waves"),
    [
        ({}, []),
        ({"a": [], "b": []}, [["a", "b"]]),
        ({"b": ["a"], "a": []}, [["a"], ["b"]]),
        ({"c": ["a", "b"], "b": ["a"], "a": []}, [["a"], ["b"], ["c"]]),
        ({"a": ["not here"], "b": ["a"]}, [["a"], ["b"]]),
        ({"a": ["b"], "b": ["a"], "c": []}, [["c"], ["a", "b"]]),  # a cycle comes last
        ({"a": ["a"]}, [["a"]]),
    ],
)
def test_the_start_order(needs: dict[str, list[str]], waves: list[list[str]]) -> None:
    assert definition.start_order({name: service(name, needs=wanted) for name, wanted in needs.items()}) == waves
