# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One reading of a host for a takeover: containers of others, what holds their secrets, what would start them, what was begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import host_ports, starters
from ansible_collections.auren.stack.plugins.module_utils.data_places import redis_setting
from ansible_collections.auren.stack.plugins.module_utils.declaration import observe
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service, spec
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError, extra_vars
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.journal import STAMP, Run
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, Binding, Container, Image, Snapshot, split_env
from ansible_collections.auren.stack.plugins.module_utils.project import Legacy, Observed
from ansible_collections.auren.stack.plugins.module_utils.project_plan import plan_present
from ansible_collections.auren.stack.plugins.module_utils.redis_client import reach, way
from ansible_collections.auren.stack.plugins.module_utils.takeover import (
    KEEP,
    Choices,
    Swap,
    declared_program,
    snapshot_name,
    swaps_of,
    with_snapshots,
)
from ansible_collections.auren.stack.plugins.module_utils.takeover_history import begun, unfinished
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old, olds, starter_subject

# What decides which files a Redis reads at its start, with what it is where nothing is said (Redis documentation, "Redis configuration").
READ = {"appendonly": "no", "appendfilename": "appendonly.aof", "appenddirname": "appendonlydir", "dbfilename": "dump.rdb"}


@dataclass(frozen=True)
class Reading:
    """stamp: of this moment, as names carry it. services: the declared ones that are taken over, on the images that they will run."""

    state: HostState
    olds: Mapping[str, Old]
    observed: Observed
    services: Mapping[str, Service]
    swaps: Sequence[Swap]
    starters: Sequence[starters.Starter]
    stamp: str
    specs: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[StackError] = ()

    @property
    def values(self) -> dict[str, str]:
        """Of all secrets; empty text for one that could not be found, which is a problem."""
        names = {name for service in self.services.values() for name in service.secret_names()}
        return {**dict.fromkeys(names, ""), **self.observed.values}


def read_host(
    engine: Engine,
    home: House,
    services: Mapping[str, Service],
    params: Mapping[str, Any],
    choices: Choices,
    state: HostState,
    runs: Sequence[Run],
) -> Reading:
    """runs: of the journal, newest first, that are not taken back."""
    found = olds(engine, state, services, home.project, choices.leave, unfinished(runs, state))
    now = datetime.fromtimestamp(time.time(), timezone.utc)
    wanted = {name: services[name] for name in found}
    snapshot = engine.snapshot(list(found))
    swaps = swaps_of(found, wanted, snapshot, choices, begun(runs, state), f"{now:%Y%m%d}")
    wanted = with_snapshots(wanted, swaps, choices)
    swaps = [replace(swap, service=wanted[swap.name]) for swap in swaps]
    observed = observe(engine, home, wanted, {**params, "secret_specs": _specs(params["secret_specs"], swaps)}, legacy(found))
    return Reading(
        state,
        found,
        observed,
        wanted,
        swaps,
        starters.find([starter_subject(swap.old) for swap in swaps]),
        now.strftime(STAMP),
        {name: spec(service, observed.sources) for name, service in wanted.items() if not observed.problems},
        [*observed.problems, *_rotations(observed), *_no_network(home, observed, swaps), *_project_problems(home, wanted, swaps, observed)],
    )


def kept_image(old: Old, patched: Mapping[str, str]) -> str:
    """The image that a service with edited files is going to run, where these are kept; empty for any other."""
    kept = old.edited and patched.get(old.service) == KEEP
    return snapshot_name(old.service, f"{datetime.now(timezone.utc):%Y%m%d}") if kept else ""


def legacy(found: Mapping[str, Old]) -> Legacy:
    """Where values of secrets are now: environments, and the password that a Redis was told."""
    pairs = [
        ("<<secret:redis_password>>", password)
        for old in found.values()
        if old.program and _is_redis(old) and (password := redis_setting(old.program, "requirepass"))
    ]
    return Legacy({name: old.container for name, old in found.items()}, pairs)


def _is_redis(old: Old) -> bool:
    return bool(old.program) and any(word.rpartition("/")[2] == "redis-server" for word in old.program.words())  # type: ignore[union-attr]


def _specs(given: Mapping[str, Mapping[str, Any]], swaps: Sequence[Swap]) -> dict[str, dict[str, Any]]:
    """A secret that data remembers is remembered by the data where it is now."""
    moved = {copy.volume: copy.source or swap.old.container.upper + copy.path for swap in swaps for copy in swap.copies}
    return {
        name: {**options, "volume": moved.get(options.get("volume", ""), options["volume"])} if options.get("volume") else dict(options)
        for name, options in given.items()
    }


def _rotations(observed: Observed) -> list[StackError]:
    """A takeover takes passwords in as they are."""
    return [
        StackError(
            f"{r.name} in auren_secrets is not the one that {r.server.container} accepts: a takeover changes no password. Take it out of "
            f"auren_secrets, or give the present one; `site` can change it afterwards. {UNTOUCHED}",
            "secret_differs",
            r.name,
        )
        for r in observed.rotations
    ]


def unanswered(engine: Engine, swaps: Sequence[Swap], values: Mapping[str, str]) -> Iterator[StackError]:
    """Each Redis that cannot be asked to save and for its keys, now or as it is declared. values: of secrets."""
    for swap in (one for one in swaps if one.service.role == "redis"):
        leave = f"or leave it ({extra_vars('auren_takeover_leave', [swap.name])})"
        if not way(declared_program(swap.service, swap.old)):
            said = f"the Redis {swap.name} is declared to listen with TLS alone, so it could not be asked whether it has its keys"
            yield StackError(f"{said}. Declare a port without TLS beside that, {leave}. {UNTOUCHED}", "redis", swap.name)
        if _reads_nothing(swap):
            said = f"{swap.name} is {swap.old.container.state}, so it cannot write its keys to the files that the declared Redis reads"
            yield StackError(f"{said}, which would start empty. Start it, then run again, {leave}. {UNTOUCHED}", "redis", swap.name)
        try:
            if swap.old.container.running:
                reach(engine, swap.old.container.id, values.get("redis_password", ""))
        except StackError as error:
            missing = "Give the one that it has in auren_secrets: redis_password"
            remedy = missing if error.kind == "redis_password" else "Put that right"
            yield StackError(f"{error.message}. {remedy}, {leave}. {UNTOUCHED}", error.kind, swap.name, error.detail)


def _reads_nothing(swap: Swap) -> bool:
    """Whether a Redis that cannot be asked any more left its keys where only one with its own settings finds them."""
    old = swap.old
    if old.container.running or old.successor or swap.before.handed or not old.program:
        return False
    declared = declared_program(swap.service, old)
    return any((redis_setting(old.program, name) or usual) != (redis_setting(declared, name) or usual) for name, usual in READ.items())


def _no_network(home: House, observed: Observed, swaps: Sequence[Swap]) -> list[StackError]:
    if not swaps or not observed.network.operations:
        return []
    said = f"there is no network {home.network} yet: run streamline with auren_streamline_phase=connect first. {UNTOUCHED}"
    return [StackError(said, "not_connected", home.network)]


def without(snapshot: Snapshot, swaps: Sequence[Swap]) -> Snapshot:
    """As if the old containers were out of the way."""
    gone = {swap.old.container.id for swap in swaps}
    return replace(snapshot, containers=tuple(c for c in snapshot.containers if c.id not in gone))


def taken_by_others(listening: list[host_ports.Listener], olds: Sequence[Container]) -> Callable[[Binding], str]:
    """Who holds a port that is wanted, but for these containers: published, or by a process in one that has the host's network.

    One that does not run holds none, whatever it would publish.
    """
    own = [binding for container in olds if container.alive for binding in container.bindings]

    def taken(port: Binding) -> str:
        if any(port.collides(binding) for binding in own):
            return ""
        who = host_ports.taken_by(port, listening)
        pid = who.rpartition("(pid ")[2].rstrip(")")
        inside = (read_text(Path(f"/proc/{pid}/cgroup")) or "") if pid.isdigit() else ""
        return "" if any(c.network_mode == "host" and c.id in inside for c in olds) else who

    return taken


def _project_problems(home: House, wanted: Mapping[str, Service], swaps: Sequence[Swap], observed: Observed) -> list[StackError]:
    """What `site` would refuse as well: ports that others hold, data that the image cannot read, labels that Compose would act upon."""
    listening = host_ports.listeners()
    taken = taken_by_others(listening, [swap.old.container for swap in swaps])

    labelled = [
        StackError(
            f"{swap.name} carries the label of a Compose project called {home.project}, as ours is: Compose would take the kept one "
            f"for its own and delete it. Give ours another name (auren_project). {UNTOUCHED}",
            "project_label",
            swap.name,
        )
        for swap in swaps
        if swap.old.container.labels.get(LABEL_COMPOSE_PROJECT) == home.project
    ]
    images = {**observed.images, **{swap.service.image: _image_of(swap, observed) for swap in swaps}}
    called = replace(observed, snapshot=without(observed.snapshot, swaps), images=images, problems=[], rotations=[])
    return labelled + ([] if observed.problems else plan_present(home, dict(wanted), called, taken, images_pending=True).plan.conflicts)


def _image_of(swap: Swap, observed: Observed) -> Image | None:
    """The image that the new container will run: that of the old one, or what is going to be made of it."""
    found = observed.images.get(swap.service.image)
    if found is None and swap.old.image:
        config = swap.old.image.get("Config") or {}
        return Image(swap.old.image["Id"], split_env(config.get("Env")), config.get("Labels") or {}, ())
    return found
