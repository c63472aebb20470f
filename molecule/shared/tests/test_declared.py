"""What holds on every host: the containers are what was declared, and the project can be used by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target import PROJECT_DIR, Target


@pytest.fixture(scope="module")
def containers(target: Target) -> dict[str, dict[str, Any]]:
    return target.containers()


def test_every_declared_service_runs_and_is_healthy(target: Target, containers: dict[str, Any]) -> None:
    declared = {service["name"] for service in target.declared()}
    assert declared, "nothing was declared"
    assert set(containers) == declared
    state = {name: one["State"].get("Health", one["State"])["Status"] for name, one in containers.items()}
    wished = {name: "healthy" if "Healthcheck" in one["Config"] else "running" for name, one in containers.items()}
    assert state == wished


def test_nothing_was_restarted(containers: dict[str, Any]) -> None:
    assert {name: one["RestartCount"] for name, one in containers.items() if one["RestartCount"]} == {}


def test_the_house_adds_restart_policy_log_rotation_and_memory_limit(containers: dict[str, Any]) -> None:
    for name, one in containers.items():
        host = one["HostConfig"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert host["LogConfig"]["Config"].get("max-size") == "10m", name
        assert host["Memory"] > 0, name


def test_ports_are_published_on_loopback_only_but_for_the_page(containers: dict[str, Any]) -> None:
    bindings = [
        (name, binding)
        for name, one in containers.items()
        for published in (one["NetworkSettings"]["Ports"] or {}).values()
        for binding in published or []
    ]
    assert {name for name, binding in bindings if binding["HostIp"] != "127.0.0.1"} <= {"auren-pwa"}


def test_every_container_is_on_the_one_network_with_its_aliases(target: Target, containers: dict[str, Any]) -> None:
    aliases = {service["name"]: set(service.get("aliases") or []) for service in target.declared()}
    for name, one in containers.items():
        networks = one["NetworkSettings"]["Networks"]
        assert set(networks) == {"auren-network"}, name
        assert aliases[name] <= set(networks["auren-network"]["Aliases"] or []), name


def test_secrets_are_for_root_and_for_the_one_who_reads_them(target: Target) -> None:
    listed = target.run("find", f"{PROJECT_DIR}/secrets", "-type", "f", "-printf", "%m %U %p\\n").splitlines()
    for mode, owner, path in (line.split(" ", 2) for line in listed):
        if "/secrets/mounts/" in path:
            assert mode == "400", path
        else:
            assert (mode, owner) == ("600", "0"), path


def test_the_project_can_be_used_by_hand(target: Target, containers: dict[str, Any]) -> None:
    by_hand = ["compose", "--project-directory", PROJECT_DIR]
    target.docker(*by_hand, "config", "--quiet")
    text = target.docker(*by_hand, "ps", "--format", "json")
    assert {json.loads(line)["Name"] for line in text.splitlines()} == set(containers)


def test_by_hand_up_changes_nothing(target: Target) -> None:
    before = target.started()
    target.docker("compose", "--project-directory", PROJECT_DIR, "up", "--detach")
    assert target.started() == before
