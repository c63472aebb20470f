"""What every fault has in common: webhooks before, during and after it, and what has to hold when it is over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from target import Recap, Target, play, wait_until

from tests.stream import Stream

BRIDGE = 8888  # the port on the host's loopback where devices' webhooks arrive
NEUROS = 8000
MEASURED: list[str] = []


def not_green(target: Target) -> str:
    """What does not serve; empty when every declared service runs and is healthy, where it has a health check, and both applications say
    that they find what they need."""
    try:
        states = {name: one["State"] for name, one in target.containers().items()}
        sick = {
            n: s["Status"]
            for n, s in states.items()
            if s["Status"] != "running" or s.get("Health", {}).get("Status", "healthy") != "healthy"
        }
        missing = {entry["name"] for entry in target.declared()} - set(states)
        if sick or missing:
            return f"not healthy: {sick}, not there: {missing}"
        verdicts = [target.http(f"http://127.0.0.1:{port}/health") for port in (BRIDGE, NEUROS)]
    except (AssertionError, RuntimeError) as error:  # not there, or the host not reached, at this moment
        return str(error)
    return "" if all(one.status == 200 and one.json["healthy"] for one in verdicts) else str(verdicts)


class Tunnel:
    """The host's 127.0.0.1:8888 through SSH: it outlives the stream's host by being opened again."""

    def __init__(self) -> None:
        [self.instance] = yaml.safe_load(Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).read_text())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._ssh = self._open()

    def _open(self) -> subprocess.Popen[bytes]:
        one, known = self.instance, Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "known_hosts"
        wanted = {"UserKnownHostsFile": known, "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes", "ControlPath": "none"}
        alive = {"ExitOnForwardFailure": "yes", "ConnectTimeout": 3, "ServerAliveInterval": 2, "ServerAliveCountMax": 2}
        options = [word for key, value in {**wanted, **alive}.items() for word in ("-o", f"{key}={value}")]
        forward = ["-L", f"127.0.0.1:{self.port}:127.0.0.1:{BRIDGE}", "-i", one["identity_file"], "-p", str(one["port"])]
        command = ["ssh", "-N", *options, *forward, f"{one['user']}@{one['address']}"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def post(self, body: dict[str, Any]) -> int:
        """Post a webhook, return the status; OSError when nobody answers."""
        if self._ssh.poll() is not None:
            self._ssh = self._open()
        url, headers = f"http://127.0.0.1:{self.port}/webhooks/whoop", {"Content-Type": "application/json"}
        try:
            request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def close(self) -> None:
        self._ssh.kill()
        self._ssh.wait()


class Night:
    """A target host on which faults happen. settings: what is in the inventory, as it were, for every run of `site` from now on."""

    def __init__(self, target: Target, tunnel: Tunnel, settings: dict[str, Any]) -> None:
        self.target, self.tunnel, self.settings = target, tunnel, settings
        self.container = str(tunnel.instance["container"])

    def extra_vars(self) -> list[str]:
        return ["--extra-vars", json.dumps(self.settings)]

    def site(self) -> Recap:
        return play(*self.extra_vars())

    def settle(self, what: str, within: float) -> float:
        """Wait until everything is green without a hand; returns and notes the seconds that it took."""
        begin = time.monotonic()
        while seen := not_green(self.target):
            assert time.monotonic() < begin + within, f"{what}: after {within} s still {seen}"
            time.sleep(0.25)
        took = time.monotonic() - begin
        MEASURED.append(f"{what}: green after {took:.1f} s")
        return took

    @contextmanager
    def stream(self, what: str) -> Iterator[Stream]:
        """Devices that post all the time, before, during and after; then rows are counted, and a second run changes nothing.

        Every webhook that was answered with 2xx is one row of a user of its own, so: as many rows as were accepted (none lost), as
        many users as rows (none doubled), and each counted once in its user's baseline (none taken twice by the consumer).
        """
        with Stream(self.tunnel.post, f"{uuid.uuid4().hex[:8]}") as devices:
            wait_until(lambda: devices.accepted > 20, 20)
            yield devices
            served = devices.accepted
            wait_until(lambda: devices.accepted > served + 20, 20)  # it serves again, and not only says so
        wait_until(lambda: self._rows(devices)[0] >= devices.accepted, 60)
        time.sleep(1)  # one too many would come now
        rows, users = self._rows(devices)
        MEASURED.append(f"{what}: {devices.accepted} accepted, {devices.refused} refused and repeated, {rows} rows of {users} users")
        assert (rows, users) == (devices.accepted, devices.accepted)
        counted = f"SELECT coalesce(sum(sample_count), 0) FROM user_baselines WHERE user_id LIKE '{devices.name}-%'"
        wait_until(lambda: int(self.target.rows(counted)[0]) >= devices.accepted, 30)
        assert int(self.target.rows(counted)[0]) == devices.accepted
        second = self.site()
        assert (second.status, second.changed) == (0, 0), second.output

    def _rows(self, devices: Stream) -> tuple[int, int]:
        query = f"SELECT count(*), count(DISTINCT user_id) FROM biometric_events WHERE user_id LIKE '{devices.name}-%'"
        rows, users = self.target.rows(query)[0].split("|")
        return int(rows), int(users)


@pytest.fixture(scope="session")
def tunnel() -> Iterator[Tunnel]:
    opened = Tunnel()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    """What one test sets stays for the next: what is not given any more would be a change."""
    return {}


@pytest.fixture(scope="module")
def night(target: Target, tunnel: Tunnel, settings: dict[str, Any]) -> Night:
    made = Night(target, tunnel, settings)
    first = made.site()  # `verify` may be repeated on a host that had other settings
    assert first.status == 0, first.output
    return made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures, whether or not something failed."""
    terminalreporter.section("measured")
    for line in MEASURED:
        terminalreporter.write_line(line)
