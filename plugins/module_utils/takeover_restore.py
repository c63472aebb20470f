# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The old container is what it was: its data, its name, its policy and its life. Of a swap that failed, and of a rollback.

Whatever is so already stays so, so all of it can be done again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.auren.stack.plugins.module_utils import container_data, proc_net, tree
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.redis_keys import save_redis
from ansible_collections.auren.stack.plugins.module_utils.takeover import Before, Copy

STOPPING = 1.0  # seconds after which one that runs is not about to end any more
KILLING = 5.0  # seconds that the Engine may take to kill one whose grace period is over
SERVING = 120.0  # seconds that an old container has to serve again
POLL = 0.25


@dataclass(frozen=True)
class Place:
    """service: whose place it is. project: whose containers may be taken out of it. kept: the name of the old container meanwhile.

    leaves: networks that the old one leaves before it starts.
    """

    service: str
    project: str
    kept: str
    leaves: tuple[str, ...] = ()


def put_back(
    engine: Engine, place: Place, old: Container, before: Before, copies: Sequence[Copy], redis_password: str | None = None
) -> str:
    """The old container has its name, its data, its policy and its life again; the new one goes. Whatever is so already stays so.
    The sentence that it returns is for people to know afterwards; mostly empty.

    copies: what the new one may have written to. redis_password: of a server that saves its keys first, None for any other program. Raises
    StackError when the old one is not what it was.
    """
    now = engine.container(old.id) or engine.container(place.kept)
    if now is None:
        said = f"{place.kept} is gone, so {place.service} cannot be what it was; its volumes are still there"
        raise StackError(said, "kept_gone", place.kept)
    _clear_place(engine, place, now, copies, redis_password)
    if now.name != place.service:
        engine.rename(now.id, place.service)
    if not now.auto_remove and (now.restart_policy or "no") != before.policy:
        engine.set_restart_policy(now.id, before.policy)
    for network in place.leaves:
        engine.disconnect(now.id, network)
    if before.ran and not _run_again(engine, now, place.service, before):
        return put_back(engine, place, old, before, copies, redis_password)  # with what was made to be its way back
    return _release(engine, place, before) if now.id == old.id and now.auto_remove else ""


def _clear_place(engine: Engine, place: Place, old: Container, copies: Sequence[Copy], redis_password: str | None) -> None:
    """The new one goes, and what it wrote is in the old one again before that."""
    successor = engine.container(place.service)
    if successor is not None and (successor.id == old.id or not successor.belongs(place.project)):
        successor = None
    if successor is not None and successor.alive:
        if successor.running and redis_password is not None:
            save_redis(engine, successor.id, redis_password)
        engine.stop(successor.id)
    for copy in copies if old.name != place.service else ():
        copy_back(engine, old, copy)
    if successor is not None:
        engine.remove_container(successor.id)


def _release(engine: Engine, place: Place, before: Before) -> str:
    """What was to hold the volumes of one that vanishes at its stop holds nothing when nobody told that one to stop."""
    holder = engine.container(place.kept)
    if holder is None or holder.state != "created":
        return ""
    if before.stopping:
        said = f"{holder.name} stays: it holds the volumes of {place.service}, which was told to stop and vanishes when it does"
        return f"{said}. Remove it when {place.service} has stayed (docker rm {holder.name})"
    engine.remove_container(holder.id)
    return ""


def copied_to(engine: Engine, copy: Copy) -> str:
    """The directory that a copy went to and a new container wrote to; empty when nothing is there (any more)."""
    root = copy.volume if copy.volume.startswith("/") else engine.volume_place(copy.volume)
    place = os.path.join(root, copy.below) if root else ""
    return place if os.path.isdir(place) and os.listdir(place) else ""


def copy_back(engine: Engine, old: Container, copy: Copy) -> None:
    """What the new container has written since. Where nothing is left of it, the old one keeps the data that it has.

    Raises StackError when the old one runs: what it writes is nowhere else.
    """
    place = copied_to(engine, copy)
    if place and copy.source:
        container_data.stopped(engine, old, f"put {copy.path} back into")
        tree.clear(copy.source)
        tree.copy(place, copy.source)
        if tree.checksum(place) != tree.checksum(copy.source):
            raise StackError(f"the data of {old.name} was copied back to {copy.source} and is not what was copied", "copy", copy.volume)
    elif place:
        container_data.put_back(engine, old, copy.path, place)


def _run_again(engine: Engine, old: Container, name: str, before: Before) -> bool:
    """It runs, is healthy if it was, and listens where it did. A stop that the Engine is still about (it takes its time) ends first.

    False when it has vanished at the end of that. Many a program has no health check, and what its networks lose while it starts it may
    remember: Kafka the address of its controller.
    """
    since, started, patience = time.monotonic(), False, old.grace + KILLING if before.stopping else STOPPING
    while True:
        now = engine.container(old.id)
        if now is None:
            return False
        if not now.alive and not started and not now.auto_remove:  # such a one is about to vanish
            engine.start(old.id)
            started = True
        elif _as_before(now, before) and (started or time.monotonic() - since > patience):
            return True
        elif started and not now.alive and now.restart_policy in ("", "no"):
            said = f"{name} was started again and ended with exit code {now.exit_code}; look at docker logs {name}"
            raise StackError(said, "not_serving", name)
        if time.monotonic() - since > SERVING + patience:
            missing = sorted(set(before.listened) - proc_net.listening(now.pid))
            silent = f" and does not listen on {', '.join(map(str, missing))}" if now.running and missing else ""
            said = f"{name} was started again and is {now.health or now.state}{silent} after {SERVING + patience:.0f} s"
            raise StackError(said, "not_serving", name)
        time.sleep(POLL)


def _as_before(now: Container, before: Before) -> bool:
    return (now.serving if before.served else now.running) and proc_net.listening(now.pid) >= set(before.listened)
