"""What each service promises its clients in its `checks`, asked from inside their networks.

Where a client is not on the host, as in a scenario of one role, a container that does nothing stands in for it: on the same
network, and of a service's own image, because the probes need nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from target import PROJECT_DIR, Target

STAND_IN = "auren-test-client"


@pytest.fixture(scope="module")
def stand_in(target: Target) -> Iterator[str]:
    """A running container on the stack's network."""
    image = next(iter(target.containers().values()))["Image"]
    label = ["--label", "auren.stack.test=client"]
    target.docker(
        "run", "--detach", "--init", "--name", STAND_IN, *label, "--network", "auren-network", "--entrypoint", "sleep", image, "600"
    )
    yield STAND_IN
    target.docker("rm", "--force", STAND_IN)


@pytest.fixture(scope="module")
def results(target: Target, stand_in: str) -> list[dict[str, Any]]:
    return target.checks(stand_in)


def test_every_service_keeps_its_promises(results: list[dict[str, Any]]) -> None:
    """A warning is right where one role is alone: its dashboard shows what other roles measure."""
    assert [one for one in results if one["status"] not in ("pass", "warn")] == []


def test_every_service_promises_something(target: Target, results: list[dict[str, Any]]) -> None:
    assert {one["service"] for one in results} == {service["name"] for service in target.declared()} | {"host"}


def test_no_result_holds_a_secret(target: Target, results: list[dict[str, Any]]) -> None:
    names = target.run("find", f"{PROJECT_DIR}/secrets", "-maxdepth", "1", "-type", "f", "-size", "+0", "-printf", "%f\\n").split()
    assert [name for name in names if target.secret(name) in str(results)] == []
