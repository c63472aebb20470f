"""The network of all services is made by the run that needs it, and by nobody before everything was found to be possible."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.harness import Project, docker, image
from tests.integration.network_mess import free_subnet


@pytest.fixture
def alone(project: Project) -> Iterator[Project]:
    """A project whose network nobody has made."""
    project.network = project.called("net")
    yield project
    project.remove()
    docker("network", "rm", project.network, check=False)


def networks(project: Project) -> list[str]:
    return docker("network", "ls", "--filter", f"name={project.network}", "--format", "{{.Name}}").split()


def test_a_missing_network_is_made_first_and_once(alone: Project) -> None:
    service, subnet = alone.service("one", aliases=["cache"]), free_subnet()
    line = f"create network {alone.network}: it is not there"
    assert alone.do(service, subnet=subnet, check=True).actions == [line, f"create {alone.called('one')}: it is not there"]
    assert networks(alone) == []
    done = alone.do(service, subnet=subnet)
    assert done.output["operations"][0].startswith(f"{line} (")
    [made] = json.loads(docker("network", "inspect", alone.network))
    assert [pool["Subnet"] for pool in made["IPAM"]["Config"]] == [subnet]
    assert made["Labels"] == {"auren.stack.service": alone.network}
    assert list(alone.inspect("one")["NetworkSettings"]["Networks"]) == [alone.network]
    for again in (alone.do(service, subnet=subnet, check=True), alone.do(service, subnet=subnet), alone.do(service)):
        assert (again.changed, again.actions) == (False, [])


def test_a_subnet_that_cannot_be_is_refused_with_all_the_rest(alone: Project) -> None:
    other, subnet = alone.called("other"), free_subnet()
    docker("network", "create", "--subnet", subnet, other)
    docker("run", "-d", "--name", alone.called("one"), "--stop-signal", "SIGKILL", image("redis"), "sleep", "infinity")
    try:
        before = alone.state()
        failed = alone.fails(alone.service("one"), subnet=subnet.replace("0/24", "0/25"))
        assert failed.msg.splitlines()[0].startswith(
            f"auren_subnet {subnet.replace('0/24', '0/25')} overlaps the Docker network {other} ({subnet})"
        )
        assert f"the container name {alone.called('one')} is taken by a running container" in failed.msg
        assert alone.state() == before
    finally:
        docker("rm", "-f", alone.called("one"))
        docker("network", "rm", other)


def test_the_subnet_of_a_network_that_is_there_is_not_changed(alone: Project) -> None:
    subnet = free_subnet()
    docker("network", "create", "--subnet", subnet, alone.network)
    failed = alone.fails(alone.service("one"), subnet="10.99.0.0/24")
    assert failed.msg.startswith(f"the network {alone.network} has {subnet} and auren_subnet asks for 10.99.0.0/24")
    assert not alone.directory.exists() or list(alone.directory.rglob("*")) == []
