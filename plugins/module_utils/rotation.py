# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotation: a server that remembers a password learns another one, before its clients do.

The new value is on disk (``secrets/<name>.next``) before the server hears of it, so a run that was killed anywhere leaves nothing that
nobody knows: the next run asks the server which of the known values it accepts, and goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import files
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation
from ansible_collections.auren.stack.plugins.module_utils.probes import postgres

PATIENCE = 60.0  # seconds a server has to come back before its password is put back
POLL = 0.5


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of the project and the role whose password rotates."""

    container: str
    port: int
    user: str
    database: str

    @classmethod
    def of(cls, login: Mapping[str, Any]) -> Server:
        return cls(login["container"], int(login["port"]), login["user"], login["database"])

    def address(self, container: Container | None, network: str) -> str:
        """Its address on the network, from where it is asked as its clients ask it; empty when it is not running."""
        endpoint = container.endpoint(network) if container and container.running else None
        return endpoint.ipv4 if endpoint else ""

    def refuses(self, address: str, password: str) -> str:
        """Why the server does not accept a password; empty when it does."""
        if not address:
            return f"{self.container} is not running, so it cannot be asked"
        try:
            postgres.login(address, self.port, self.user, password, self.database)
        except postgres.LoginError as error:
            return str(error)
        return ""


@dataclass(frozen=True)
class Rotation:
    """A password to change. present: what the server accepts now. Neither value is ever shown."""

    name: str
    server: Server
    present: str
    wanted: str

    def __repr__(self) -> str:
        return f"Rotation({self.name})"

    def operation(self) -> Operation:
        if self.present == self.wanted:
            return Operation("rotate", self.name, "the last run did not get to its end")
        return Operation("rotate", self.name, f"{self.server.container} has another one than it is to have", "as it was", "another one")


def next_path(directory: Path, name: str) -> Path:
    """Where a value waits that a server is about to learn."""
    return directory / "secrets" / f"{name}.next"


def present_value(name: str, server: Server, address: str, known: Sequence[str]) -> str:
    """The one of the known values that the server accepts. Raises StackError when it accepts none, or cannot be asked."""
    reason = ""
    for value in known:
        reason = server.refuses(address, value)
        if not reason:
            return value
    raise StackError(
        f"{name} is to change, and {server.container} accepts none of the values that are known ({reason}). Nothing was changed. "
        f"Start {server.container} if it is not running, or give the password that its data was made with in auren_secrets: {name}",
        "secret_unproved",
        name,
        reason,
    )


class Rotator:
    """Does the rotations of one run, and undoes them."""

    def __init__(self, engine: Engine, directory: Path, network: str, rotations: Sequence[Rotation]) -> None:
        self.engine, self.directory, self.network, self.rotations = engine, directory, network, rotations
        self.done: list[Rotation] = []

    def forward(self, name: str) -> None:
        rotation = next(r for r in self.rotations if r.name == name)
        files.write(files.WantedFile(next_path(self.directory, rotation.name), rotation.wanted.encode(), 0o600))
        self.done.append(rotation)
        if rotation.present != rotation.wanted:
            self._change(rotation, rotation.present, rotation.wanted)

    def back(self) -> None:
        """Every server has its previous password again; it may be on its way back up. Raises StackError when one cannot."""
        while self.done:
            rotation, deadline = self.done[-1], time.monotonic() + PATIENCE
            while not self._restored(rotation):
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{rotation.server.container} may still have the new {rotation.name}, which is kept in "
                        f"{next_path(self.directory, rotation.name)}; run again",
                        "rotation",
                        rotation.name,
                    )
                time.sleep(POLL)
            self.done.pop()
            self._forget(rotation.name)

    def _restored(self, rotation: Rotation) -> bool:
        address = self._address(rotation)
        if not rotation.server.refuses(address, rotation.present):
            return True
        try:
            self._change(rotation, rotation.wanted, rotation.present)
        except StackError:
            return False
        return True

    def finish(self) -> None:
        """The new values are everywhere: nothing waits any more."""
        for name in {rotation.name for rotation in self.rotations}:
            self._forget(name)

    def _forget(self, name: str) -> None:
        path = next_path(self.directory, name)
        if path.exists():
            path.unlink()

    def _address(self, rotation: Rotation) -> str:
        return rotation.server.address(self.engine.container(rotation.server.container), self.network)

    def _change(self, rotation: Rotation, old: str, new: str) -> None:
        server = rotation.server
        role = server.user.replace('"', '""')
        try:
            with postgres.session(self._address(rotation), server.port, server.user, old, server.database) as logged_in:
                logged_in.execute(f"ALTER ROLE \"{role}\" PASSWORD '{postgres.verifier(new)}'")
        except postgres.LoginError as error:
            raise StackError(
                f"cannot change {rotation.name} in {server.container}: {error}", "rotation", rotation.name, str(error)
            ) from error
