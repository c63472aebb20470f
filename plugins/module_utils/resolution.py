# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proof that every name of a network leads to its container, asked from inside every running container that is on it.

Docker's resolver answers a plain name from any network of the asking container; ``name.network`` is answered from that network
alone (libnetwork, Sandbox.ResolveName), so an old network cannot hide what the new one lacks.

Everybody asks for everybody, which takes about as long as connecting them does, so it goes on while others are still being
connected: the Engine's work there is mostly waiting. A socket belongs to the namespace that it was made in; one thread makes one in
each container's and asks through all of them. Needs root, as netns does.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils import names, netns
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

WINDOW = 64  # questions of one container on their way at once
PATIENCE = 1.0  # seconds until a question is asked again: UDP, and one packet can be lost while an interface joins
ROUNDS = 4
BATCH = 0.02  # seconds: woken for every answer, the thread would hold up the one that connects


@dataclass(frozen=True)
class Member:
    """A running container on the network. names: its name and aliases there. pid: of its first process."""

    name: str
    names: tuple[str, ...]
    pid: int


@dataclass
class _Client:
    """A container that asks. asked: question number → name; answers: name → addresses; lost: how often nothing came in time."""

    connection: socket.socket
    todo: deque[str] = field(default_factory=deque)
    asked: dict[int, str] = field(default_factory=dict)
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    number: int = 0
    heard: float = 0.0
    lost: int = 0

    @property
    def busy(self) -> bool:
        return bool(self.todo or self.asked) and self.lost < ROUNDS


class Prover:
    """Asks in the background; `add` members as they join, then `wrong` waits for the answers and judges them."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.members: dict[str, Member] = {}
        self.clients: dict[str, _Client] = {}
        self.questions: dict[str, bytes] = {}  # name → all of its message but the number
        self.trouble: StackError | None = None
        self._inbox: queue.SimpleQueue[Callable[[int], None]] = queue.SimpleQueue()
        self._bell, self._ring = socket.socketpair()
        self._lock, self._told, self._heeded = threading.Lock(), 0, 0
        self._idle, self._awaited = threading.Event(), threading.Event()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, member: Member) -> None:
        """A container has joined, or has other names now."""
        self._tell(lambda home: self._join(member, home))

    def wrong(self, addresses: Callable[[], Mapping[str, str]]) -> list[str]:
        """A sentence for every name that does not lead to its holder from some member; empty when all is well.

        addresses: asks the Engine for container → IPv4 on the network. Raises StackError when asking itself is not possible.
        """
        bad: dict[tuple[str, str], str] = {}
        for attempt in range(ROUNDS):
            if attempt:  # an answer may be older than the last change
                time.sleep(PATIENCE / 4)
                self._tell(lambda _home, pairs=list(bad): self._again(pairs))  # type: ignore[misc]
            self._wait()
            bad = self._judge(addresses())
            if not bad:
                return []
        return [f"from {client}, {name} {said}" for (client, name), said in bad.items()]

    def close(self) -> None:
        self._ring.send(b"x")
        self._thread.join()
        for connection in (self._ring, self._bell, *(client.connection for client in self.clients.values())):
            connection.close()
        self._selector.close()

    @property
    def pairs(self) -> int:
        """How many answers are needed."""
        return len(self.clients) * len(self.questions)

    # --- what was asked for ---------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self._awaited.set()
        self._idle.wait(ROUNDS * PATIENCE + 5 + 0.001 * self.pairs)
        if self.trouble:
            raise self.trouble

    def _tell(self, what: Callable[[int], None]) -> None:
        """Have the thread do something: what it works with is changed by nobody else."""
        with self._lock:
            self._told += 1
            self._idle.clear()
        self._inbox.put(what)
        self._ring.send(b"+")

    def _judge(self, addresses: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """(client, name) → what is the matter with the answer, for those that are not right. Who has ended neither asks nor answers."""
        alive = {name: member for name, member in self.members.items() if os.path.exists(f"/proc/{member.pid}")}
        holders: dict[str, set[str]] = {}
        for member in alive.values():
            for name in member.names:
                holders.setdefault(name, set()).add(addresses.get(member.name, ""))
        return {
            (asking, name): self._matter(client.answers.get(name), holders[name])
            for asking, client in self.clients.items()
            if asking in alive
            for name in self.questions.keys() & holders.keys()
            if not client.answers.get(name) or not holders[name].issuperset(client.answers[name])
        }

    def _matter(self, answer: tuple[str, ...] | None, holders: set[str]) -> str:
        if answer is None:
            return "is not answered by Docker's resolver"
        if not answer:
            return f"does not resolve on {self.network}"
        return f"leads to {', '.join(answer)} on {self.network} and not to {', '.join(sorted(holders))}"

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                while self._turn(home):
                    pass
            finally:
                os.close(home)
        except OSError as error:
            said = f"the networks of containers cannot be entered ({error.strerror}): that needs root with CAP_SYS_ADMIN and CAP_SYS_PTRACE"
            self.trouble = StackError(said, "permission", self.network)
        except Exception as error:  # a thread has nobody above it who could say what happened
            self.trouble = StackError(f"the proof on {self.network} broke: {type(error).__name__}: {error}", "probe", self.network)
        self._idle.set()

    def _turn(self, home: int) -> bool:
        """Hear what there is to hear, ask what there is to ask. False at the end."""
        if not self._awaited.is_set():
            time.sleep(BATCH)
        for key, _events in self._selector.select(PATIENCE if any(c.asked for c in self.clients.values()) else None):
            if key.data is not None:
                self._hear(key.data)
            elif b"x" in self._bell.recv(4096):
                return False
        while not self._inbox.empty():
            self._inbox.get()(home)
            self._heeded += 1
        busy = [client for client in self.clients.values() if client.busy]
        for client in busy:
            self._ask(client)
        with self._lock:
            if not busy and self._heeded == self._told:
                self._idle.set()
        return True

    def _join(self, member: Member, home: int) -> None:
        fresh = [name for name in member.names if name not in self.questions and askable(name)]
        self.questions.update({name: names.question(0, f"{name}.{self.network}", names.A)[2:] for name in fresh})
        self.members[member.name] = member
        for client in self.clients.values():
            client.todo.extend(fresh)
        if member.name not in self.clients:
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                client = _Client(_socket_inside(member.pid, home), deque(self.questions), heard=time.monotonic())
                self.clients[member.name] = client
                self._selector.register(client.connection, selectors.EVENT_READ, client)

    def _again(self, pairs: list[tuple[str, str]]) -> None:
        """Ask these once more."""
        for client, name in pairs:
            self.clients[client].answers.pop(name, None)
            self.clients[client].asked.clear()
            self.clients[client].lost = 0
            self.clients[client].todo.append(name)

    def _ask(self, client: _Client) -> None:
        now = time.monotonic()
        if client.asked and now - client.heard > PATIENCE:
            client.todo.extendleft(client.asked.values())
            client.asked.clear()
            client.lost += 1
        if not client.asked:
            client.heard = now
        while client.todo and len(client.asked) < WINDOW:
            client.number = client.number % 0xFFFF + 1
            try:
                client.connection.send(client.number.to_bytes(2, "big") + self.questions[client.todo[0]])
            except OSError:  # its queue is full, or its network goes up and down: later
                return
            client.asked[client.number] = client.todo.popleft()

    def _hear(self, client: _Client) -> None:
        while True:
            try:
                reply = client.connection.recv(4096)
            except OSError:  # no more for now
                return
            client.heard = time.monotonic()
            number = int.from_bytes(reply[:2], "big")
            if number in client.asked:  # else it answers a question that was asked again meanwhile
                client.answers[client.asked.pop(number)] = _addresses(number, reply)


def askable(name: str) -> bool:
    """A container may be called what no DNS message can carry; nobody can ask for that."""
    return all(0 < len(label) < 64 for label in name.split("."))


def _addresses(number: int, reply: bytes) -> tuple[str, ...]:
    """Those of a reply; none for a refusal. One answer and nothing behind it ends with the address: most replies are so."""
    if reply[2] & 0x80 and not reply[3] & 0xF and reply[4:12] == b"\0\1\0\1\0\0\0\0" and reply[-6:-4] == b"\0\4":
        return (socket.inet_ntoa(reply[-4:]),)
    try:
        code, addresses = names.answer(number, reply, names.A)
    except ValueError:
        return ()
    return tuple(addresses) if code == names.NO_ERROR else ()


def _socket_inside(pid: int, home: int) -> socket.socket:
    """A socket to Docker's resolver in a container's namespace; this thread is back in its own afterwards."""
    netns.enter(pid)
    try:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.connect((names.DOCKER, 53))
    finally:
        netns.enter_handle(home)
    return made
