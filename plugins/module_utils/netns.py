# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run work inside containers' network namespaces: each piece in a forked child, nothing of the container's own is used.

A child enters the namespace with setns(2), so it sees the container's interfaces, routes and Docker's resolver, and keeps the
host's files and Python. It gives its result back through a pipe as JSON. It cannot outlive its deadline: the parent kills it,
and should the parent be gone, its own timer does. Needs root (CAP_SYS_ADMIN and CAP_SYS_PTRACE).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, NoReturn

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

CLONE_NEWNET = 0x40000000
SPARE = 1.0  # seconds that a child's own timer waits longer than its parent does


@dataclass(frozen=True)
class Job:
    """Work for one child. pid: a process in the namespace, 0 for the one that this process is in. work: returns what JSON can hold.

    where: the container's name, for messages. limit: seconds that this one may take, 0 for as long as all may.
    """

    where: str
    pid: int
    work: Callable[[], Mapping[str, Any]]
    limit: float = 0.0


@dataclass
class _Child:
    pid: int
    pipe: int
    received: bytearray = field(default_factory=bytearray)


def run(jobs: Sequence[Job], deadline: float, raises: bool = True) -> list[dict[str, Any] | None]:
    """Do all jobs at the same time. The results in their order; None for one that had not ended after its limit or ``deadline`` seconds.

    Raises StackError when a namespace cannot be entered, or when work raised what it should not have; with ``raises`` false the result is
    then ``error`` and its ``kind``: gone (the container has ended), permission, probe.
    """
    if os.geteuid() != 0 and any(job.pid for job in jobs):
        raise StackError("entering the network of a container needs root: run with become", "permission", jobs[0].where)
    until = time.monotonic() + deadline
    children: list[_Child] = []
    try:
        for job in jobs:
            children.append(_fork(job, deadline))
        _read(children, until)
    finally:
        for child in children:
            _end(child)
    return [_result(job, bytes(child.received), raises) for job, child in zip(jobs, children)]


def allowed() -> bool:
    """Whether this process may enter other namespaces at all. It stays where it is."""
    if os.geteuid() != 0:
        return False
    try:
        enter(os.getpid())
    except OSError:
        return False
    return True


def enter(pid: int) -> None:
    """Move this thread into the network namespace of another process. Raises OSError."""
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_handle(handle)
    finally:
        os.close(handle)


def enter_handle(handle: int) -> None:
    """The same, by an open file descriptor of the namespace."""
    library = ctypes.CDLL(None, use_errno=True)  # os.setns is new in Python 3.12
    if library.setns(handle, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _fork(job: Job, deadline: float) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(job, writing, deadline)
    os.close(writing)
    return _Child(pid, reading)


def _child(job: Job, pipe: int, deadline: float) -> NoReturn:
    """The child's whole life. Nothing of the parent's may run in it afterwards, so it always leaves by ``os._exit``."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, job.limit or deadline + SPARE)
        answer = _work(job)
        with os.fdopen(pipe, "wb") as out:
            out.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _work(job: Job) -> dict[str, Any]:
    """``result`` or ``error`` with its kind."""
    try:
        if job.pid:
            enter(job.pid)
    except FileNotFoundError:
        return {"error": f"{job.where} has just ended", "kind": "gone"}
    except OSError as error:
        said = f"the network of {job.where} cannot be entered ({error.strerror}): that needs root with CAP_SYS_ADMIN and CAP_SYS_PTRACE"
        return {"error": said, "kind": "permission"}
    try:
        return {"result": dict(job.work())}
    except Exception as error:  # a child has nobody above it who could say what happened
        return {"error": f"a probe from {job.where} broke: {type(error).__name__}: {error}", "kind": "probe"}


def _read(children: Sequence[_Child], until: float) -> None:
    """Collect what the children write until all have closed their pipes or the time is over."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.pipe, selectors.EVENT_READ, child)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                return
            for key, _events in selector.select(left):
                chunk = os.read(key.fd, 65536)
                key.data.received += chunk
                if not chunk:
                    selector.unregister(key.fd)


def _end(child: _Child) -> None:
    """Leave no process and no zombie."""
    os.close(child.pipe)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)


def _result(job: Job, received: bytes, raises: bool) -> dict[str, Any] | None:
    try:
        answer = json.loads(received)
    except ValueError:  # killed before it had written all of it
        return None
    if "error" in answer and not raises:
        return dict(answer)
    if "error" in answer:
        raise StackError(answer["error"], answer["kind"], job.where)
    return dict(answer["result"])
