"""Settings that a live container does not have as they were declared: what somebody did is told, what the Engine does is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import live_fields
from ansible_collections.auren.stack.plugins.module_utils.definition import Service

from tests.unit.builders import service
from tests.unit.inspected import CONFIG, IMAGE, INFO, OTHER, bind, container, volume

LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
POLICY = {"Name": "unless-stopped", "MaximumRetryCount": 0}
HOUSE = {"LogConfig": LOG, "RestartPolicy": POLICY, "NetworkMode": "net"}  # what the house adds to every service
ENGINE = {**INFO, "MemoryLimit": True, "SwapLimit": True, "PidsLimit": True}
UNNAMED = volume("/data", OTHER)  # as the image asks for it


def differing(
    declared: Service,
    config: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    mounts: Any = (UNNAMED,),
    info: Any = ENGINE,
    **of_image: Any,
) -> str:
    raw = container(config, {**HOUSE, **(host or {})}, list(mounts))
    return live_fields.told(live_fields.differing(declared, raw, {"Config": {**IMAGE, **of_image}}, info))


AS_DECLARED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing said": ({}, {}),
    "what the image says, too": ({"user": "999", "environment": {"LANG": "C"}, "labels": {"a": "1"}, "command": ["serve"]}, {}),
    "its command, with its entrypoint": ({"entrypoint": ["/entry"], "command": ["serve"]}, {}),
    "an entrypoint alone": ({"entrypoint": ["/x"]}, {"config": {"Entrypoint": ["/x"], "Cmd": None}}),
    "no entrypoint": ({"entrypoint": [], "command": "a 'b c'"}, {"config": {"Entrypoint": [""], "Cmd": ["a", "b c"]}}),
    "memory": ({"mem_limit": "256m"}, {"host": {"Memory": 256 << 20, "MemorySwap": 512 << 20}}),
    "an Engine without swap": (
        {"mem_limit": "256m"},
        {"host": {"Memory": 256 << 20, "MemorySwap": -1}, "info": {**ENGINE, "SwapLimit": False}},
    ),
    "a kernel without limits": ({"mem_limit": "256m"}, {"host": {"Memory": 0}, "info": {**ENGINE, "MemoryLimit": False}}),
    "processors as a 32-bit float": ({"cpus": 1.501}, {"host": {"NanoCpus": 1501000064}}),
    "no limit": ({"pids_limit": -1, "mem_limit": 0}, {}),
    "limits in other words": ({"deploy": {"resources": {"limits": {"memory": "1g"}}}}, {"host": {"Memory": 1 << 30}}),
    "a policy in other words": (
        {"deploy": {"restart_policy": {"condition": "on-failure"}}},
        {"host": {"RestartPolicy": {"Name": "on-failure"}}},
    ),
    "truth as text": ({"read_only": "true"}, {"host": {"ReadonlyRootfs": True}}),
    "what an Engine may be told to take": ({}, {"host": {"IpcMode": "shareable", "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}]}}),
    "a proxy of Compose's": ({}, {"config": {"Env": [*IMAGE["Env"], "HTTP_PROXY=http://proxy:3128"]}}),
    "a file of the operator's": ({"env_file": ["/etc/x.env"]}, {"config": {"Env": [*IMAGE["Env"], "FROM_FILE=1"]}}),
    "the house's health check": (
        {"healthcheck": {"test": ["CMD", "x"], "interval": "60s"}},
        {
            "config": {
                "Healthcheck": {
                    "Test": ["CMD", "x"],
                    "Interval": 60 * 10**9,
                    "Timeout": 5 * 10**9,
                    "StartPeriod": 60 * 10**9,
                    "StartInterval": 10**9,
                    "Retries": 5,
                }
            }
        },
    ),
    "propagation that the Engine chose": (
        {"volumes": ["/:/rootfs:ro"]},
        {"host": {"Binds": ["/:/rootfs:ro"]}, "mounts": [UNNAMED, bind("/rootfs", "/", rw=False, propagation="rslave")]},
    ),
    "a mount beside the project": (
        {"volumes": ["./x:/x"]},
        {"host": {"Binds": ["/opt/stack/x:/x"]}, "mounts": [UNNAMED, bind("/x", "/opt/stack/x")]},
    ),
    "a volume without a name": ({"volumes": ["/cache"]}, {"mounts": [UNNAMED, volume("/cache", "e" * 64)]}),
    "the image's volume with a name": ({"volumes": ["kept:/data"]}, {"mounts": [volume("/data", "kept")]}),
    "a volume without a name that was adopted by the one that the Engine gave it": ({"volumes": [f"{OTHER}:/data"]}, {}),
    "the same in other words": ({"volumes": [{"type": "volume", "source": OTHER, "target": "/data"}]}, {}),
    "ports, which are told elsewhere": ({"ports": ["80:80"]}, {}),
}


@pytest.mark.parametrize("name", AS_DECLARED)
def test_a_container_as_it_was_declared(name: str) -> None:
    compose, live = AS_DECLARED[name]
    assert differing(service(compose=compose), **live) == ""


BY_HAND: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "docker update --memory": (
        {"mem_limit": "256m"},
        {"host": {"Memory": 300 << 20, "MemorySwap": 512 << 20}},
        "mem_limit 300m, declared 256m",
    ),
    "docker update --memory-swap": (
        {"mem_limit": "256m"},
        {"host": {"Memory": 256 << 20, "MemorySwap": -1}},
        "memswap_limit -1, not declared",
    ),
    "docker update --cpus": ({}, {"host": {"NanoCpus": 700_000_000}}, "cpus 0.7, not declared"),
    "docker update --restart": (
        {},
        {"host": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}},
        "restart on-failure:3, declared unless-stopped",
    ),
    "docker update --restart, beside a device in the words for a swarm": (
        {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}, "mem_limit": "256m"},
        {"host": {"RestartPolicy": {"Name": "always"}, "Memory": 300 << 20, "MemorySwap": 512 << 20}},
        "mem_limit 300m, declared 256m; restart always, declared unless-stopped",
    ),
    "a policy that is not there is told elsewhere": ({}, {"host": {"RestartPolicy": {"Name": "no"}}}, ""),
    "a command": ({}, {"config": {"Cmd": ["other"]}}, "command"),
    "a command that was declared": ({"command": ["mine"]}, {}, "command"),
    "a command that the image would not add": ({"entrypoint": ["/x"]}, {"config": {"Entrypoint": ["/x"]}}, "command"),
    "environment": (
        {"environment": {"LOG": "info", "GONE": "1"}},
        {"config": {"Env": ["PATH=/bin", "LANG=D", "LOG=debug", "NEW=1"]}},
        "environment GONE; environment LANG; environment LOG; environment NEW",
    ),
    "a user": ({"user": "101:101"}, {"config": {"User": "0"}}, "user 0, declared 101:101"),
    "a mount": (
        {"volumes": ["/opt/x:/x:ro"]},
        {"host": {"Binds": ["/opt/x:/x:rw"]}, "mounts": [UNNAMED, bind("/x", "/opt/x")]},
        "volumes /x /opt/x, declared /opt/x:ro",
    ),
    "another volume": ({"volumes": ["kept:/data"]}, {}, "volumes /data volume, declared kept"),
    "a volume of nobody in the place of an adopted one": (
        {"volumes": [f"{'a' * 64}:/data"]},
        {},
        f"volumes /data volume, declared {'a' * 64}",
    ),
    "privileges": ({"cap_drop": ["ALL"]}, {"host": {"Privileged": True}}, "cap_drop; privileged"),
    "a health check": ({}, {"config": {"Healthcheck": {"Test": ["NONE"]}}}, "healthcheck.test"),
    "labels": ({"labels": {"x": "1"}}, {}, "labels x"),
    "the log": ({}, {"host": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1g"}}}}, "logging.options.max-file not set, "),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_was_done_by_hand(name: str) -> None:
    compose, live, told = BY_HAND[name]
    found = differing(service(compose=compose), **live)
    assert found.startswith(told) if told.endswith(", ") else found == told


def test_no_value_of_a_secret_is_told() -> None:
    environment = {"PASSWORD": "<<secret:password>>", "TOKEN": "a-token-of-mine"}
    live = {"Env": ["PATH=/bin", "LANG=C", "PASSWORD=a-word-of-mine", "TOKEN=another-word"], "Cmd": ["x", "a-word-of-mine"]}
    found = differing(service(compose={"environment": environment}), {**CONFIG, **live})
    assert found == "command; environment TOKEN"  # the plan compares what it knows the value of


def test_what_is_made_of_another_definition_is_not_judged() -> None:
    assert differing(service(compose={"extends": {"file": "x.yml", "service": "x"}}), {"Cmd": ["other"]}) == ""
