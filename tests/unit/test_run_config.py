"""A container's inspect → a Compose service, and sentences for what that cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import run_config
from ansible_collections.auren.stack.plugins.module_utils.run_config import COVERED, NO_EFFECT, compose_of
from ansible_collections.auren.stack.plugins.module_utils.run_config_fields import cpu_quota, cpus, duration, engine_defaults, size
from ansible_collections.auren.stack.plugins.module_utils.validate import parse_port
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.inspected import IMAGE, INFO, MASKED, OTHER, READONLY, container, read, volume


def test_what_comes_from_image_and_engine_is_not_said() -> None:
    found = read()
    assert (found.compose, found.unexpressed, found.volumes) == ({}, {}, ())


def test_what_came_from_an_image_that_is_gone_is_said() -> None:
    assert compose_of(container(), None, INFO).compose == {
        "entrypoint": ["/entry"],
        "command": ["serve"],
        "environment": {"PATH": "/bin", "LANG": "C"},
        "user": "999",
        "working_dir": "/srv",
        "expose": ["80/tcp"],
        "labels": {"a": "1", "b": "2"},
        "healthcheck": {"test": ["CMD", "true"], "interval": "7s"},
        "stop_signal": "SIGQUIT",
    }


def test_no_entrypoint_is_said_where_nobody_knows_what_the_image_has() -> None:
    gone = compose_of(container({"Entrypoint": None, "Cmd": ["x"]}), None)
    assert (gone.compose["entrypoint"], gone.compose["command"]) == ([""], ["x"])


def test_without_the_engines_word_its_default_cgroup_namespace_is_said() -> None:
    assert compose_of(container(), {"Config": IMAGE}).compose == {"cgroup": "private"}
    assert compose_of(container(host={"CgroupnsMode": "host"}), {"Config": IMAGE}, {"CgroupVersion": "1"}).compose == {}


@pytest.mark.parametrize(
    ("info", "host", "compose"),
    [
        ({**INFO, "DefaultRuntime": "crun"}, {}, {"runtime": "runc"}),
        ({**INFO, "DefaultRuntime": "crun"}, {"Runtime": "crun"}, {}),
        ({**INFO, "LoggingDriver": "journald"}, {}, {"logging": {"driver": "json-file"}}),
        ({**INFO, "LoggingDriver": "journald"}, {"LogConfig": {"Type": "journald", "Config": {}}}, {}),
    ],
)
def test_defaults_are_the_engines_own(info: dict[str, str], host: dict[str, Any], compose: dict[str, Any]) -> None:
    assert compose_of(container(host=host), {"Config": IMAGE}, info).compose == compose


CONFIGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"Cmd": ["other"]}, {"command": ["other"]}),
    ({"Cmd": None}, {"entrypoint": ["/entry"]}),
    ({"Entrypoint": ["/x", ""], "Cmd": None}, {"entrypoint": ["/x", ""]}),
    ({"Entrypoint": ["/x"]}, {"entrypoint": ["/x"], "command": ["serve"]}),
    ({"Entrypoint": None, "Cmd": ["sh"]}, {"entrypoint": [""], "command": ["sh"]}),
    ({"Entrypoint": [], "Cmd": ["$x"]}, {"entrypoint": [""], "command": ["$x"]}),
    ({"Env": ["PATH=/bin", "LANG=C", "A=", "B=x=y$z"]}, {"environment": {"A": "", "B": "x=y$z"}}),
    ({"Env": ["PATH=/else", "LANG=C"]}, {"environment": {"PATH": "/else"}}),
    ({"Env": ["PATH=/bin", "LANG=C", "A=1", "A=2"]}, {"environment": {"A": "2"}}),
    ({"Env": ["PATH=/x", "PATH=/bin", "LANG=C"]}, {}),
    ({"User": "0:0"}, {"user": "0:0"}),
    ({"WorkingDir": "/"}, {"working_dir": "/"}),
    ({"Hostname": "db"}, {"hostname": "db"}),
    ({"Hostname": "deadbeef1234", "Domainname": "x.y"}, {"hostname": "deadbeef1234", "domainname": "x.y"}),
    ({"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}, {"expose": ["53/udp"]}),
    ({"Labels": {"a": "1", "b": "3", "c": "", "com.docker.compose.x": "y", "auren.stack.y": "z"}}, {"labels": {"b": "3", "c": ""}}),
    ({"Healthcheck": {"Test": ["NONE"]}}, {"healthcheck": {"test": ["NONE"]}}),
    (
        {"Healthcheck": {"Test": ["CMD-SHELL", "a b"], "StartInterval": 1_500_000_000, "Retries": 3, "Timeout": 60_000_000_000}},
        {"healthcheck": {"test": ["CMD-SHELL", "a b"], "timeout": "1m", "start_interval": "1s500ms", "retries": 3}},
    ),
    ({"Healthcheck": {**IMAGE["Healthcheck"], "Retries": 0}}, {}),
    ({"StopSignal": "SIGKILL", "StopTimeout": 90}, {"stop_signal": "SIGKILL", "stop_grace_period": "1m30s"}),
    ({"StopTimeout": 0}, {"stop_grace_period": "0s"}),
    ({"StopTimeout": -1}, {"stop_grace_period": "-1s"}),
    ({"Tty": True, "OpenStdin": True}, {"tty": True, "stdin_open": True}),
    ({"MacAddress": "02:42:ac:11:00:99"}, {"mac_address": "02:42:ac:11:00:99"}),
]


@pytest.mark.parametrize(("config", "compose"), CONFIGS)
def test_config(config: dict[str, Any], compose: dict[str, Any]) -> None:
    found = read(config)
    assert (found.compose, found.unexpressed) == (compose, {})


HOSTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"RestartPolicy": {"Name": "", "MaximumRetryCount": 0}}, {}),
    ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}, {"restart": "always"}),
    ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}}, {"restart": "on-failure:5"}),
    ({"Memory": 64 << 20, "MemorySwap": 128 << 20}, {"mem_limit": "64m"}),
    ({"Memory": 100_000_001, "MemorySwap": -1}, {"mem_limit": 100_000_001, "memswap_limit": -1}),
    ({"Memory": 1 << 30, "MemorySwap": 1 << 30, "MemoryReservation": 1024},
     {"mem_limit": "1g", "memswap_limit": "1g", "mem_reservation": "1k"}),
    ({"MemorySwappiness": 10}, {"mem_swappiness": 10}),
    ({"MemorySwappiness": -1, "PidsLimit": -1, "OomKillDisable": None}, {}),
    ({"PidsLimit": 0}, {}),
    ({"PidsLimit": 100, "OomKillDisable": True, "OomScoreAdj": -500}, {"pids_limit": 100, "oom_kill_disable": True, "oom_score_adj": -500}),
    ({"NanoCpus": 1_500_000_000}, {"cpus": 1.5}),
    ({"NanoCpus": 2_000_000_000, "CpuShares": 512, "CpusetCpus": "0-1"}, {"cpus": 2, "cpu_shares": 512, "cpuset": "0-1"}),
    ({"CpuPeriod": 50000, "CpuQuota": -1, "CpuRealtimePeriod": 5, "CpuRealtimeRuntime": 4},
     {"cpu_period": 50000, "cpu_quota": -1, "cpu_rt_period": 5, "cpu_rt_runtime": 4}),
    ({"BlkioWeight": 300, "BlkioWeightDevice": [{"Path": "/dev/a", "Weight": 10}]},
     {"blkio_config": {"weight": 300, "weight_device": [{"path": "/dev/a", "weight": 10}]}}),
    ({"BlkioDeviceReadBps": [{"Path": "/dev/a", "Rate": 4096}]}, {"blkio_config": {"device_read_bps": [{"path": "/dev/a", "rate": 4096}]}}),
    ({"BlkioDeviceWriteIOps": [{"Path": "/dev/a", "Rate": 7}]}, {"blkio_config": {"device_write_iops": [{"path": "/dev/a", "rate": 7}]}}),
    ({"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}, {"Name": "core", "Soft": -1, "Hard": -1}]},
     {"ulimits": {"nofile": {"soft": 1, "hard": 2}, "core": -1}}),
    ({"CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"]}, {"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}),
    ({"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]}, {"security_opt": ["no-new-privileges", "seccomp=unconfined"]}),
    ({"SecurityOpt": ["seccomp:unconfined"], "MaskedPaths": [], "ReadonlyPaths": []},
     {"security_opt": ["seccomp:unconfined", "systempaths=unconfined"]}),
    ({"Privileged": True, "MaskedPaths": None, "ReadonlyPaths": None, "SecurityOpt": ["label=disable"]},
     {"privileged": True, "security_opt": ["label=disable"]}),
    ({"ReadonlyPaths": [*READONLY, "/proc/asound"], "MaskedPaths": MASKED}, {}),
    ({"Sysctls": {"net.core.somaxconn": "1024"}}, {"sysctls": {"net.core.somaxconn": "1024"}}),
    ({"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"}]}, {"devices": ["/dev/a"]}),
    ({"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}]}, {"devices": ["/dev/a:/dev/b"]}),
    ({"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "r"}]}, {"devices": ["/dev/a:/dev/a:r"]}),
    ({"DeviceCgroupRules": ["c 1:* rwm"]}, {"device_cgroup_rules": ["c 1:* rwm"]}),
    ({"DeviceRequests": [{"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}]},
     {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": "all"}]}}}}),
    ({"DeviceRequests": [{"Driver": "nvidia", "Count": 0, "DeviceIDs": ["0"], "Capabilities": [["gpu"]]}], "MemoryReservation": 1 << 20},
     {"mem_reservation": "1m", "deploy": {"resources": {"reservations": {
         "memory": "1m", "devices": [{"capabilities": ["gpu"], "driver": "nvidia", "device_ids": ["0"]}]}}}}),
    ({"ExtraHosts": ["a:1.2.3.4"], "Dns": ["1.1.1.1"], "DnsSearch": ["."], "DnsOptions": ["rotate"]},
     {"extra_hosts": ["a:1.2.3.4"], "dns": ["1.1.1.1"], "dns_search": ["."], "dns_opt": ["rotate"]}),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}},
     {"logging": {"driver": "json-file", "options": {"max-size": "1m"}}}),
    ({"LogConfig": {"Type": "none", "Config": {}}}, {"logging": {"driver": "none"}}),
    ({"Init": False}, {"init": False}),
    ({"Init": True, "ReadonlyRootfs": True}, {"init": True, "read_only": True}),
    ({"IpcMode": "shareable", "PidMode": "host", "UTSMode": "host", "UsernsMode": "host", "CgroupnsMode": "host", "CgroupParent": "/x"},
     {"ipc": "shareable", "pid": "host", "uts": "host", "userns_mode": "host", "cgroup": "host", "cgroup_parent": "/x"}),
    ({"GroupAdd": ["5"], "ShmSize": 1 << 20, "Runtime": "runsc"}, {"group_add": ["5"], "shm_size": "1m", "runtime": "runsc"}),
    ({"StorageOpt": {"size": "1G"}, "Annotations": {"a": ""}, "Isolation": "default"},
     {"storage_opt": {"size": "1G"}, "annotations": {"a": ""}, "isolation": "default"}),
    ({"NetworkMode": "none"}, {"network_mode": "none"}),
    ({"NetworkMode": OTHER}, {}),
    ({"VolumeDriver": "local", "ContainerIDFile": "/x", "VolumesFrom": ["other"]}, {}),
    ({"CpuCount": 2}, {"cpu_count": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("host", "compose"), HOSTS)
def test_host_config(host: dict[str, Any], compose: dict[str, Any]) -> None:
    found = read(host=host)
    assert (found.compose, found.unexpressed) == (compose, {})


@pytest.mark.parametrize(
    ("config", "host", "compose"),
    [
        ({"Hostname": "host1"}, {"NetworkMode": "host"}, {"network_mode": "host"}),
        ({"Hostname": "chosen"}, {"NetworkMode": "host"}, {"network_mode": "host", "hostname": "chosen"}),
        (
            {"Hostname": "theirs", "ExposedPorts": {"1/tcp": {}}},
            {"NetworkMode": f"container:{OTHER}"},
            {"network_mode": f"container:{OTHER}"},
        ),
        ({"Hostname": "host1"}, {"UTSMode": "host"}, {"uts": "host"}),
    ],
)
def test_a_host_name_that_nobody_chose_is_not_said(config: dict[str, Any], host: dict[str, Any], compose: dict[str, Any]) -> None:
    assert read(config, host).compose == compose


PORTS: list[tuple[str, list[dict[str, str]], list[str]]] = [
    ("6379/tcp", [{"HostIp": "", "HostPort": "6379"}], ["6379:6379"]),
    ("6379/tcp", [{"HostIp": "0.0.0.0", "HostPort": "1"}, {"HostIp": "::", "HostPort": "1"}], ["0.0.0.0:1:6379", "[::]:1:6379"]),
    ("53/udp", [{"HostIp": "127.0.0.1", "HostPort": "53"}], ["127.0.0.1:53:53/udp"]),
    ("9/sctp", [{"HostIp": "", "HostPort": "9"}], ["9:9/sctp"]),
    ("80/tcp", [{"HostIp": "", "HostPort": ""}], ["80"]),
    ("80/tcp", [{"HostIp": "", "HostPort": "0"}], ["80"]),
    ("81/udp", [{"HostIp": "::1", "HostPort": ""}], ["[::1]::81/udp"]),
    ("90/tcp", [{"HostIp": "", "HostPort": "8000-8002"}], ["8000-8002:90"]),
]


@pytest.mark.parametrize(("inner", "places", "texts"), PORTS)
def test_ports(inner: str, places: list[dict[str, str]], texts: list[str]) -> None:
    found = read({"ExposedPorts": {"80/tcp": {}, inner: {}}}, {"PortBindings": {inner: places}})
    assert found.compose == {"ports": texts}


def test_a_plain_port_is_read_by_the_house() -> None:
    found = read(
        host={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "81"}], "80/udp": [{"HostIp": "", "HostPort": "82"}]}}
    )
    assert [parse_port(text).container_port for text in found.compose["ports"]] == ["80/tcp", "80/udp"]  # type: ignore[union-attr]


def test_publishing_all_ports_is_each_of_them_on_a_port_that_the_engine_chooses() -> None:
    host = {"PublishAllPorts": True, "PortBindings": {"81/tcp": [{"HostIp": "", "HostPort": "81"}]}}
    found = read({"ExposedPorts": {"80/tcp": {}, "81/tcp": {}, "53/udp": {}}}, host)
    assert found.compose == {"ports": ["81:81", "80", "53/udp"], "expose": ["53/udp"]}


LOST: list[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], str, str]] = [
    ({"Env": ["PATH=/bin", "LANG"]}, {}, [], "Config.Env.LANG", "LANG"),
    ({"StdinOnce": True}, {}, [], "Config.StdinOnce", "stdin"),
    ({"NetworkDisabled": True}, {}, [], "Config.NetworkDisabled", "network"),
    ({"Shell": ["/bin/zsh"]}, {}, [], "Config.Shell", "shell"),
    ({"Healthcheck": {"Test": ["CMD"], "Novelty": 1}}, {}, [], "Config.Healthcheck.Novelty", "Novelty"),
    ({"Novelty": {"x": [1]}}, {}, [], "Config.Novelty", "Config.Novelty"),
    ({}, {"Novelty": "secret"}, [], "HostConfig.Novelty", "HostConfig.Novelty"),
    ({}, {"AutoRemove": True}, [], "HostConfig.AutoRemove", "--rm"),
    ({}, {"Links": ["/db:/one/db"]}, [], "HostConfig.Links", "/db:/one/db"),
    ({}, {"CpusetMems": "0"}, [], "HostConfig.CpusetMems", "--cpuset-mems"),
    ({}, {"KernelMemory": 1}, [], "HostConfig.KernelMemory", "kernel"),
    ({}, {"CpuPercent": 5}, [], "HostConfig.CpuPercent", "Windows"),
    ({}, {"MemorySwappiness": 0}, [], "HostConfig.MemorySwappiness", "swappiness"),
    ({}, {"SecurityOpt": ['seccomp={"a": "secret"}']}, [], "HostConfig.SecurityOpt.seccomp", "profile"),
    ({}, {"MaskedPaths": [*MASKED, "/proc/mine"]}, [], "HostConfig.MaskedPaths", "masked"),
    ({}, {"MaskedPaths": MASKED[1:]}, [], "HostConfig.MaskedPaths", "masked"),
    ({}, {"ReadonlyPaths": READONLY[1:]}, [], "HostConfig.ReadonlyPaths", "read-only"),
    ({}, {"Devices": [{"PathOnHost": "/dev/a:b", "PathInContainer": "/dev/a:b", "CgroupPermissions": "rwm"}]}, [],
     "HostConfig.Devices./dev/a:b", "colon"),
    ({}, {"DeviceRequests": [{"Count": 1, "Capabilities": [["a"], ["b"]]}]}, [], "HostConfig.DeviceRequests.0", "capabilities"),
    ({}, {"DeviceRequests": [{"Count": 0, "Capabilities": [["a"]]}]}, [], "HostConfig.DeviceRequests.0", "count"),
    ({}, {"Binds": ["/src:/gone"]}, [], "Mounts./gone", "/gone"),
    ({}, {}, [{"Type": "npipe", "Destination": "/pipe"}], "Mounts./pipe", "npipe"),
    ({}, {}, [{"Type": "image", "Destination": "/i", "Name": "x"}], "Mounts./i", "image"),
    ({}, {}, [volume("/v", name="no/name")], "Mounts./v", "/v"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "host", "mounts", "field", "word"), LOST)
def test_what_compose_cannot_say_is_named(config: dict[str, Any], host: dict[str, Any], mounts: list[Any], field: str, word: str) -> None:
    found = read(config, host, mounts)
    assert list(found.unexpressed) == [field]
    assert word in found.sentences[0]
    assert "secret" not in found.sentences[0]


def test_options_of_a_device_request_are_written_and_named() -> None:
    found = read(host={"DeviceRequests": [{"Count": 1, "Capabilities": [["gpu"]], "Options": {"a": "b"}}]})
    devices = found.compose["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"capabilities": ["gpu"], "count": 1, "options": {"a": "b"}}]
    assert list(found.unexpressed) == ["HostConfig.DeviceRequests.0.Options"]


def test_a_value_of_the_environment_is_not_in_the_text_of_the_object() -> None:
    assert "hunter2" not in repr(read({"Env": ["P=hunter2"]}))


@given(
    st.sampled_from(["Config", "HostConfig"]),
    st.text(min_size=1),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
)
def test_no_field_is_dropped_in_silence(group: str, name: str, value: Any) -> None:
    path = f"{group}.{name}"
    if path in COVERED:
        return
    raw = container()
    raw[group] = {**raw[group], name: value}
    found = compose_of(raw, {"Config": IMAGE}, INFO)
    assert (path in found.unexpressed) is not run_config._empty(value)


def test_covered_fields_are_told_once() -> None:
    groups = [run_config.EXPRESSED, run_config.NAMED, tuple(NO_EFFECT)]
    assert len(COVERED) == sum(map(len, groups)) == len(set(COVERED))


@given(st.integers(min_value=10**7, max_value=128 * 10**9))
def test_a_number_of_processors_does_the_same_after_compose_has_rounded_it(nano: int) -> None:
    """Compose reads a 32-bit float and multiplies it as one (tried: 1.501 → 1501000064)."""
    value, exact = cpus(nano)
    assert exact or nano > 2**36  # where a 32-bit float has no number in some steps of the quota
    assert abs(value * 1e9 - nano) < 10_000 + nano / 2**20


def test_what_a_number_of_processors_does() -> None:
    assert cpu_quota(1_501_000_000) == 150_100
    assert cpus(1_501_000_000) == (1.501, True)
    assert cpus(500_000_000) == (0.5, True)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (90 * 10**9, "1m30s"),
        (3600 * 10**9, "1h"),
        (1_500_000_000, "1s500ms"),
        (1_000_001, "1ms1ns"),
        (-(10**9), "-1s"),
        (1500, "1us500ns"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(("count", "text"), [(1 << 30, "1g"), (268435456, "256m"), (1024, "1k"), (1000, 1000), (-1, -1), (0, 0)])
def test_sizes(count: int, text: str | int) -> None:
    assert size(count) == text


def test_an_engine_of_which_nothing_is_known() -> None:
    assert engine_defaults(None) == {"runtime": "runc", "logging": "json-file", "cgroup": "", "hostname": ""}
