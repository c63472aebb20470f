"""Bad input: one sentence that names the variable and the remedy, exit status not zero, and nothing on the host has changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import RUN, Project, Result, as_nobody, docker, free_port, image, run_module

ROUTES = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]


def own_network(subnet: str) -> dict[str, Any]:
    return {"name": f"{RUN}-other", "subnet": subnet}


@pytest.fixture
def refused(unchanged: Project) -> Callable[..., str]:
    """Runs compose_project and returns its sentence."""

    def run(*services: dict[str, Any], **more: Any) -> str:
        return unchanged.fails(*services, **more).msg

    return run


# --- the network ------------------------------------------------------------------------------------------------------


def network_refused(arguments: dict[str, Any]) -> str:
    before = docker("network", "ls", "-q", "--no-trunc")
    result = run_module("network_consolidation", arguments)
    assert result.status != 0, result.text
    assert f"{RUN}-other" not in docker("network", "ls", "--format", "{{.Name}}")
    assert before
    return result.msg


@pytest.mark.parametrize(
    ("subnet", "said"),
    [
        (
            "ten",
            "auren_subnet is 'ten', which is no subnet for {name} ('ten' does not appear to be an IPv4 or IPv6 network); "
            "set it to one such as 172.28.0.0/16, or leave it empty",
        ),
        (
            "172.28.0.1/16",
            "auren_subnet is '172.28.0.1/16', which is no subnet for {name} (172.28.0.1/16 has host bits set); "
            "set it to one such as 172.28.0.0/16, or leave it empty",
        ),
        (
            "10.99.0.0/30",
            "auren_subnet is 10.99.0.0/30, which has no room for the stack; set it to an IPv4 subnet of /28 or larger, or leave it empty",
        ),
        (
            "fd00::/64",
            "auren_subnet is fd00::/64, which has no room for the stack; set it to an IPv4 subnet of /28 or larger, or leave it empty",
        ),
    ],
)
def test_a_bad_subnet(images: None, subnet: str, said: str) -> None:
    assert network_refused(own_network(subnet)) == said.format(name=f"{RUN}-other")


def test_a_subnet_of_another_docker_network(network: str) -> None:
    subnet = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network)
    assert network_refused(own_network(subnet)) == (
        f"auren_subnet {subnet} overlaps the Docker network {network} ({subnet}); set it to a free one, or leave it empty and the Engine "
        "chooses. Nothing was changed"
    )


def test_a_subnet_of_a_route_of_the_host() -> None:
    columns = next(c for c in ROUTES if c[1] != "00000000" and not c[0].startswith(("docker", "br-")))
    address = socket.inet_ntoa(int(columns[1], 16).to_bytes(4, "little"))
    route = f"{address}/{int(columns[7], 16).bit_count()}"
    assert network_refused(own_network(route)) == (
        f"auren_subnet {route} overlaps the host's route to {route} by {columns[0]}; set it to a free one, or leave it empty and the "
        "Engine chooses. Nothing was changed"
    )


def test_another_subnet_for_a_network_that_is_there(network: str) -> None:
    subnet = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network)
    assert network_refused({"name": network, "subnet": "10.99.0.0/24"}) == (
        f"the network {network} has {subnet} and auren_subnet asks for 10.99.0.0/24; the subnet of a network cannot be changed while "
        f"containers need it. Set auren_subnet to {subnet}, or leave it empty. Nothing was changed"
    )


def test_a_network_of_docker() -> None:
    assert network_refused({"name": "bridge"}) == "auren_network is bridge, which belongs to Docker; name another one"


# --- names and ports that others have ---------------------------------------------------------------------------------


@pytest.fixture
def foreign(network: str) -> Iterator[Callable[..., str]]:
    """Starts a container as somebody else would."""
    made: list[str] = []

    def start(name: str, *options: str) -> str:
        docker("run", "-d", "--name", name, *options, "--entrypoint", "sleep", image("redis"), "infinity")
        made.append(name)
        return name

    yield start
    docker("rm", "-f", "-v", *made)


def test_a_port_that_a_container_has(home: Project, foreign: Callable[..., str]) -> None:
    port = free_port()
    other = foreign(f"{home.name}-elsewhere", "-p", f"127.0.0.1:{port}:80")
    before = home.state()
    service = home.service("two", compose={"ports": [f"0.0.0.0:{port}:6379"]})
    assert home.fails(service).msg == (
        f"port 0.0.0.0:{port} that {home.called('two')} publishes is taken by the container {other}; "
        "nothing was changed. Stop it, or set two_port to a free port"
    )
    assert home.state() == before


@pytest.mark.parametrize(
    ("labels", "made"),
    [
        ([], "by hand"),
        (["com.docker.compose.project=legacy"], "by the Compose project legacy"),
        (["auren.stack.service=two", "com.docker.compose.project=other-stack"], "by the Compose project other-stack"),
    ],
)
def test_a_container_name_that_is_taken(home: Project, foreign: Callable[..., str], labels: list[str], made: str) -> None:
    name = foreign(home.called("two"), *(word for label in labels for word in ("--label", label)))
    before = home.state()
    assert home.fails(home.service("two")).msg == (
        f"the container name {name} is taken by a running container that was made {made} from {image('redis')}, not by the project "
        f"{home.name}; nothing was changed. Rename it or remove it (its volumes stay), then run again"
    )
    assert home.state() == before


def test_a_foreign_container_with_the_label_of_our_project(home: Project, foreign: Callable[..., str]) -> None:
    name = foreign(f"{home.name}-stranger", "--label", f"com.docker.compose.project={home.name}")
    docker("stop", "-t", "0", name)
    before = home.state()
    assert home.fails(home.service("two")).msg == (
        f"the container {name} carries the Compose project label {home.name} but was not made by this collection; Compose would take it "
        "for its own and could delete it. Nothing was changed. Remove it, or give its project another name"
    )
    assert home.state() == before


def test_a_port_that_two_services_want(refused: Callable[..., str], unchanged: Project) -> None:
    two, three = (unchanged.service(name, compose={"ports": ["127.0.0.1:6400:6379"]}) for name in ("two", "three"))
    assert refused(two, three) == (f"{unchanged.called('three')} and {unchanged.called('two')} both publish port 6400; change three_port")


# --- images -----------------------------------------------------------------------------------------------------------


def image_set(project: Project, ref: str, **more: Any) -> Result:
    return run_module("image_set", {"services": [project.service("two", compose={"image": ref})], **more})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"source": "local"},
            "the image {ref} of {name} is not on this host and auren_image_source is local, which never pulls or builds. Load it by hand, "
            "or set two_image to one that can be had. Nothing was changed",
        ),
        (
            {"source": "build"},
            "the image {ref} of {name} is not on this host and no registry offers it, and the offline set has no recipe for it. Load it by "
            "hand, or set two_image to one that can be had. Nothing was changed",
        ),
        (
            {"source": "archive", "archive": "/nowhere.tar"},
            "auren_image_archive is '/nowhere.tar', which is no file on the target; set it to an archive made by docker save. "
            "Nothing was changed",
        ),
    ],
)
def test_an_image_that_cannot_be_had(unchanged: Project, more: dict[str, Any], said: str) -> None:
    ref = f"{unchanged.name}/absent:1"
    result = image_set(unchanged, ref, **more)
    assert (result.status != 0, result.msg) == (True, said.format(ref=ref, name=unchanged.called("two")))


def test_an_image_that_the_registry_does_not_give(unchanged: Project) -> None:
    result = image_set(unchanged, "localhost:1/absent:1", source="registry")
    assert result.status != 0
    assert result.msg.startswith(
        f"the image localhost:1/absent:1 of {unchanged.called('two')} is not on this host and it cannot be pulled: "
        'Get "http://localhost:1/v2/": dial tcp '
    )
    assert result.msg.endswith("connection refused. Load it by hand, or set two_image to one that can be had. Nothing was changed")


def test_an_image_that_is_gone_when_the_project_is_converged(refused: Callable[..., str], unchanged: Project) -> None:
    ref = f"{unchanged.name}/absent:1"
    assert refused(unchanged.service("two", compose={"image": ref})) == (
        f"the image {ref} of {unchanged.called('two')} is not on this host; pull or load it, or set two_image"
    )


# --- the machine ------------------------------------------------------------------------------------------------------


def test_no_permission_for_docker(unchanged: Project) -> None:
    for name, arguments in (("compose_project", unchanged.arguments()), ("network_consolidation", own_network("")), ("image_set", {})):
        result = run_module(name, arguments, command=as_nobody(name))
        assert result.status != 0
        assert result.msg == "Docker at /var/run/docker.sock refuses user nobody: run with become, or add the user to the group docker"


def test_no_permission_for_the_project(unchanged: Project) -> None:
    arguments = unchanged.arguments(unchanged.service("one"))
    result = run_module("compose_project", arguments, command=as_nobody("compose_project", Path("/var/run/docker.sock").stat().st_gid))
    assert result.status != 0
    assert result.msg == f"{unchanged.directory}/.auren refuses user 65534 (Permission denied): run with become"


def test_compose_that_is_too_old(refused: Callable[..., str], unchanged: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir()
    about = json.dumps({"SchemaVersion": "0.1.0", "Vendor": "Docker Inc.", "Version": "v2.17.2"})
    plugin.write_text(f"#!/bin/sh\n[ $1 = docker-cli-plugin-metadata ] && echo '{about}' || echo 2.17.2\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # where a user's own plugins are
    for check in (True, False):
        assert refused(unchanged.service("two"), check=check) == (
            "Docker Compose 2.17.2 is too old: 2.20.3 or later is needed; upgrade the Compose plugin. Nothing was changed"
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_no_space_for_the_project(network: str, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=True)
    try:
        project = Project(f"{RUN}-full", tmp_path / "project", network)
        service = project.service("one", files={"big": {"content": "x" * 200_000}})
        failed = project.fails(service)
        assert failed.msg == f"cannot write {project.directory}/config/{project.called('one')}/big: No space left on device"
        left = [path.relative_to(project.directory).parts for path in tmp_path.rglob("*") if path.is_file()]
        assert [
            path for path in left if path[:2] not in ((".auren", "journal"), (".auren", "changes.jsonl"))
        ] == []  # it says that it failed
        assert docker("ps", "-aq", "--filter", f"name={project.name}") == ""
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# --- data -------------------------------------------------------------------------------------------------------------


def guarded(project: Project, guard: str, picture: str, **compose: Any) -> dict[str, Any]:
    data = [{"volume": project.called("data"), "target": "/data", "guard": guard, "variable": f"auren_{guard}_volume"}]
    return {**project.service("two", compose={"image": image(picture), **compose}, data=data), "role": guard}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"PG_VERSION": "16\n"},
            "{name}: the data in {data} was made by PostgreSQL 16, {ref} is PostgreSQL 17; nothing was changed. ",
        ),
        (
            {"PG_VERSION": "17\n", "postmaster.opts": '/usr/local/bin/postgres "-c" "x=y"\n'},
            "{name}: the data in {data} was made with musl, {ref} has glibc, which sorts text differently, so indexes would go wrong "
            "silently; nothing was changed. ",
        ),
    ],
    ids=["major", "libc"],
)
def test_postgres_data_that_the_image_cannot_read(data: Path, unchanged: Project, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (data / name).write_text(text)
    failed = unchanged.fails(guarded(unchanged, "postgres", "postgres"))
    assert failed.msg == said.format(name=unchanged.called("two"), data=data, ref=image("postgres")) + (
        "Set postgres_image to an image that can read it, or dump the data with the old image (pg_dumpall) and restore it into an empty "
        "volume (auren_postgres_volume)"
    )
    assert {path.name: path.read_text() for path in data.iterdir()} == files


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"meta.properties": "#\ncluster.id=AAAA\n"},
            "{name}: the data in {data} belongs to the Kafka cluster AAAA, not to BBBB; nothing was changed. Set kafka_cluster_id to AAAA, "
            "or auren_kafka_volume to an empty volume",
        ),
        (
            {"biometric-events-0": "records"},
            "{name}: {data} holds biometric-events-0 but no meta.properties, so Kafka would format it over; nothing was changed. Set "
            "auren_kafka_volume to an empty volume, or restore meta.properties",
        ),
    ],
)
def test_kafka_data_of_another_cluster(data: Path, unchanged: Project, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (data / name).write_text(text)
    failed = unchanged.fails(guarded(unchanged, "kafka", "redis", environment={"CLUSTER_ID": "BBBB"}))
    assert failed.msg == said.format(name=unchanged.called("two"), data=data)
    assert {path.name: path.read_text() for path in data.iterdir()} == files


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_a_service_that_nobody_declared(refused: Callable[..., str], unchanged: Project) -> None:
    known = unchanged.called("one")
    for state in ("stopped", "absent"):
        said = refused(state=state, names=["redsi"])
        assert said == f"there is no service redsi in the project; its services are: {known}"


def test_a_volume_that_a_container_of_somebody_else_uses(unchanged: Project) -> None:
    volume = unchanged.called("kept")
    docker("create", "--name", f"{unchanged.name}-user", "-v", f"{volume}:/x", image("redis"))
    try:
        before = unchanged.state()
        failed = unchanged.fails(state="absent", remove_volumes=[volume])
        assert failed.msg == f"volume {volume} is used by {unchanged.name}-user; it stays. Remove that container first"
        assert unchanged.state() == before
    finally:
        docker("rm", f"{unchanged.name}-user")
