"""From where the verification asks, and what its results say of that."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.expectations import checks_of
from ansible_collections.auren.stack.plugins.module_utils.model import Container, Endpoint
from ansible_collections.auren.stack.plugins.module_utils.verification import Verifier

from tests.unit.builders import container, service


class Here:
    """An Engine on this machine with these containers."""

    local = True

    def __init__(self, *containers: Container) -> None:
        self.found = containers

    def containers(self) -> list[Container]:
        return list(self.found)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("inside", [True, False])
def test_a_check_that_the_host_asked_in_the_place_of_its_client_says_so(monkeypatch: pytest.MonkeyPatch, port: int, inside: bool) -> None:
    """Where no namespace may be entered, the host asks for it; what the host asks for itself is no such thing."""
    if inside and os.geteuid() != 0:
        pytest.skip("only root enters the network of another process")
    monkeypatch.setattr("ansible_collections.auren.stack.plugins.module_utils.verification.netns.allowed", lambda: inside)
    given: dict[str, Any] = {"compose": {"ports": [f"127.0.0.1:{port}:{port}"]}, "checks": [{"probe": "tcp", "port": port}]}
    given["checks"][0]["from"] = ["client", "gone", "host"]
    server = service("localhost", **given)
    there = container("localhost", endpoints=(Endpoint("net", "id", "127.0.0.1", ()),))
    client = replace(container("client"), pid=os.getpid())
    verifier = Verifier(Here(there, client), {"localhost": server, "client": service("client")})  # type: ignore[arg-type]
    found = verifier.ask(checks_of([server]))
    assert [(one.client, one.status, one.outside) for one in found] == [
        ("client", "pass", not inside),
        ("gone", "skipped", False),
        ("host", "pass", False),
    ]
