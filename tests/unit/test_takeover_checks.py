"""What forbids a takeover and can be said without an Engine."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils import host_ports
from ansible_collections.auren.stack.plugins.module_utils.host_ports import Listener
from ansible_collections.auren.stack.plugins.module_utils.model import Binding
from ansible_collections.auren.stack.plugins.module_utils.takeover_host import taken_by_others

from tests.unit.builders import foreign

PORT = Binding("127.0.0.1", 5432, "5432/tcp")


@pytest.mark.parametrize(("state", "who"), [("running", ""), ("exited", "postgres (pid 7)"), ("created", "postgres (pid 7)")])
def test_only_a_container_that_runs_holds_its_port(monkeypatch: pytest.MonkeyPatch, state: str, who: str) -> None:
    monkeypatch.setattr(host_ports, "owner", lambda _inode: "postgres (pid 7)")
    taken = taken_by_others([Listener(PORT, "1")], [foreign("db", state=state, bindings=(PORT,))])
    assert taken(PORT) == who
