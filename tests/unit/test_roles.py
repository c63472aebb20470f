"""What a role says twice has to be the same twice: defaults and argument specs, entries and the keys that the house knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.auren.stack.plugins.module_utils.expectations import OWN
from ansible_collections.auren.stack.plugins.module_utils.layers import LAYERS
from ansible_collections.auren.stack.plugins.module_utils.probes.registry import OPTIONS, PROBES
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import is_secret

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/tasks/main.yml"))
ENTRY_KEYS = {"name", "role", "layer", "purpose", "build", "compose", "data", "aliases", "runs_as", "needs"}
ENTRY_KEYS |= {"files", "reload", "secrets", "facts", "gate", "look", "checks", "candidate"}
OF_THE_HOUSE = {"container_name", "networks", "logging", "labels", "depends_on", "env_file"}  # added to every service
PLACEHOLDER = re.compile(r"<<secret:([a-z0-9_]+)(?::(?:url|json|pgpass))?>>")
UNSPECIFIED = {"auren_secrets", "auren_secret_offers"}  # an argument spec prints the value of a wrong type

TASKS = """\
---
- name: Declare {role}
  ansible.builtin.set_fact:
    auren_declared: "{{{{ auren_declared | default([]) + {role}_services | auren.stack.overridden(auren_overrides) }}}}"

- name: Converge {role} when the role is used alone
  ansible.builtin.include_role:
    name: auren.stack.service
  when: auren_converge | default(true)
"""


class Loader(yaml.SafeLoader):
    """YAML with Ansible's tag for text that is no template."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def load(role: str, path: str) -> Any:
    file = ROOT / "roles" / role / path
    return yaml.load(file.read_text(), Loader) or {} if file.exists() else {}


SERVICE_ROLES = [role for role in ROLES if f"{role}_services" in load(role, "vars/main.yml")]


def options(role: str) -> dict[str, Any]:
    specs = load(role, "meta/argument_specs.yml").get("argument_specs", {})
    return dict(specs.get("main", {}).get("options", {}))


def all_options(tree: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and specification of each option, sub-options included."""
    return [pair for name, spec in tree.items() for pair in [(name, spec), *all_options(spec.get("options", {}))]]


def entries(role: str) -> list[dict[str, Any]]:
    return list(load(role, "vars/main.yml")[f"{role}_services"])


def text_of(role: str) -> str:
    parts = [p for folder in ("vars", "templates", "defaults") for p in (ROOT / "roles" / role / folder).rglob("*") if p.is_file()]
    return "\n".join(path.read_text() for path in parts)


def test_there_are_roles() -> None:
    assert {"wiring", "postgres", "redis", "kafka"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_specs_name_the_defaults(role: str) -> None:
    defaults, specified = load(role, "defaults/main.yml"), options(role)
    required = {name for name, spec in specified.items() if spec.get("required")}
    assert set(specified) - required == set(defaults) - UNSPECIFIED
    assert {name: spec["default"] for name, spec in specified.items() if "default" in spec} == {
        name: defaults[name] for name, spec in specified.items() if "default" in spec
    }


@pytest.mark.parametrize("role", ROLES)
def test_specs_describe_every_option(role: str) -> None:
    nameless = [name for name, spec in all_options(options(role)) if not spec.get("description") or not spec.get("type")]
    assert not nameless
    for spec in load(role, "meta/argument_specs.yml").get("argument_specs", {}).values():
        assert spec.get("short_description")
        assert spec.get("description")
        assert spec.get("author")


@pytest.mark.parametrize("role", ROLES)
def test_specs_hold_no_secret(role: str) -> None:
    known = set(load("wiring", "defaults/main.yml")["auren_secret_specs"])
    found = {name: spec for name, spec in all_options(options(role)) if name in known or re.search(r"password|api_key|token", name)}
    assert not {name for name, spec in found.items() if spec["type"] != "str" or spec.get("default")}
    assert not PLACEHOLDER.search((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text() if options(role) else "")


@pytest.mark.parametrize("role", [role for role in ROLES if role != "wiring"])
def test_variables_carry_the_role_s_name(role: str) -> None:
    names = [*load(role, "defaults/main.yml"), *(name.lstrip("_") for name in load(role, "vars/main.yml"))]
    assert not [name for name in names if not name.startswith(f"{role}_")]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_service_roles_only_declare(role: str) -> None:
    assert (ROOT / f"roles/{role}/tasks/main.yml").read_text() == TASKS.format(role=role)
    assert {"role": "auren.stack.wiring"} in load(role, "meta/main.yml")["dependencies"]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_entries_have_known_keys(role: str) -> None:
    for entry in entries(role):
        assert not set(entry) - ENTRY_KEYS, entry["name"]
        assert not set(entry["compose"]) & OF_THE_HOUSE, entry["name"]
        assert entry["layer"] in LAYERS, entry["name"]
        assert entry["purpose"], entry["name"]
        assert {data.get("guard", "postgres") for data in entry.get("data", [])} <= {"postgres", "kafka"}, entry["name"]
        assert all(re.fullmatch(r"\d+:\d+|\{\{.*\}\}", entry[key]) for key in ("runs_as",) if key in entry), entry["name"]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_checks_can_be_run(role: str) -> None:
    known = set(load("wiring", "defaults/main.yml")["auren_secret_specs"])
    for entry in entries(role):
        assert entry.get("checks"), f"{entry['name']}: nobody says what its clients may expect of it"
        for check in entry["checks"]:
            assert check["probe"] in PROBES, entry["name"]
            assert set(check) <= {*OWN, *OPTIONS[check["probe"]]}, entry["name"]
            assert check["from"], entry["name"]
            assert check.get("secret") in {None, *known}, entry["name"]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_entries_name_variables_that_exist(role: str) -> None:
    """Messages about a bad value name ``<entry's role>_image``, ``_memory`` and ``_port``."""
    defaults = load(role, "defaults/main.yml")
    for entry in entries(role):
        suffixes = ["image"] + ["memory"] * ("mem_limit" in entry["compose"]) + ["port"] * ("ports" in entry["compose"])
        assert not [name for name in (f"{entry['role']}_{suffix}" for suffix in suffixes) if name not in defaults], entry["name"]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_files_reload_or_recreate(role: str) -> None:
    for entry in entries(role):
        files = entry.get("files", {})
        if not isinstance(files, str):  # a template: nothing to read here
            ways = {file["on_change"] for file in files.values()}
            assert ways <= {"recreate", "reload"}, entry["name"]
            assert ("reload" in ways) == ("reload" in entry), entry["name"]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_secrets_are_known(role: str) -> None:
    known = set(load("wiring", "defaults/main.yml")["auren_secret_specs"])
    lists = (entry.get("secrets", []) for entry in entries(role))
    mounted = {name for found in lists for name in (re.findall(r"'(\w+)'", found) if isinstance(found, str) else found)}
    text = text_of(role)
    assert mounted | set(PLACEHOLDER.findall(text)) <= known
    assert len(PLACEHOLDER.findall(text)) == text.count("<<secret:"), "a placeholder is <<secret:NAME>>, with :url or :json"


def environments(tree: Any) -> Iterator[tuple[str, str]]:
    """Keys and values of what looks like an environment, wherever it stands."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if isinstance(key, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", key):
            yield key, str(value)
        yield from environments(value)


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_only_what_holds_a_secret_is_taken_for_one(role: str) -> None:
    values = load("wiring", "defaults/main.yml") | load(role, "defaults/main.yml") | load(role, "vars/main.yml")
    found = [(key, re.sub(r"{{ (\w+) }}", lambda match: str(values[match[1]]), text)) for key, text in environments(values)]
    if role == "kafka":
        found += [(f"KAFKA_{name.upper().replace('.', '_')}", str(value)) for name, value in values["__kafka_properties"].items()]
    assert [key for key, text in found if is_secret(key, text) != ("<<secret:" in text)] == []


def test_every_wiring_variable_is_used() -> None:
    folders = [
        ROOT / "playbooks",
        ROOT / "plugins",
        ROOT / "roles/wiring/vars",
        *(ROOT / "roles" / role for role in ROLES if role != "wiring"),
    ]
    paths = [p for folder in folders for p in folder.rglob("*") if p.suffix in {".yml", ".j2", ".py"} and p.name != "argument_specs.yml"]
    wiring = load("wiring", "defaults/main.yml")
    used = set(re.findall(r"\w+", "\n".join(path.read_text() for path in paths) + str(list(wiring.values()))))
    assert sorted(set(wiring) - used) == []
