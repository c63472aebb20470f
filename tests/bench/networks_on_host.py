"""Runs on a target host as root: times consolidating COUNT containers in three ways, prints the samples as JSON.

    networks_on_host.py COUNT SAMPLES

The ways take turns, and each starts from the same five networks: the collection's own code with plan, journal, and the proof that every
name resolves from every container; a bare serial loop over the SDK; and `docker network connect` commands in a shell.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.consolidation import plan_consolidation
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Wish
from ansible_collections.auren.stack.plugins.module_utils.journal import Journal
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.network_apply import NetworkApply
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.topology import NetworkSpec

IMAGE = "redis:7-alpine"
NETWORKS = [f"bench-old-{number}" for number in range(5)]
TARGET = "bench-target"
MANY = 1000  # containers of the plan that is made without an Engine


def name_of(number: int) -> str:
    return f"bench-{number:03}"


def wish_for(count: int) -> Wish:
    return Wish(TARGET, containers=tuple(Listed(name_of(number)) for number in range(count)))


def populate(engine: Engine, count: int) -> None:
    """COUNT running containers, each with one alias, spread over the five networks."""
    for network in NETWORKS:
        engine.create_network(network, NetworkSpec())
    for number in range(count):
        network = NETWORKS[number % len(NETWORKS)]
        words = ["--name", name_of(number), "--network", network, "--network-alias", f"alias-{number:03}", "--restart", "unless-stopped"]
        subprocess.run(["docker", "run", "-d", *words, IMAGE, "sleep", "infinity"], check=True, capture_output=True)


def reset(engine: Engine, count: int) -> None:
    """The target as it is before each way: there, and empty."""
    known = [network.name for network in engine.networks()]
    if TARGET in known:
        for name in engine.members(TARGET):
            engine.disconnect(name, TARGET)
    else:
        engine.create_network(TARGET, NetworkSpec())


def collection(engine: Engine, count: int) -> dict[str, float]:
    """Reading and planning, and then doing it: seconds of each, and the calls to the Engine that the first took."""
    calls: Counter[str] = Counter()
    send = engine.api.send

    def counted(request: Any, **options: Any) -> Any:
        calls[request.method] += 1
        return send(request, **options)

    engine.api.send = counted
    begin = time.monotonic()
    state = observe(engine, flows_over=())
    read = time.monotonic()
    found = plan_consolidation(state, wish_for(count))
    planned = time.monotonic()
    engine.api.send = send
    assert len(found.moves) == count, [*found.plan.actions(), *map(str, found.plan.conflicts)]
    with tempfile.TemporaryDirectory() as project:
        journal = Journal(Path(project), "bench", {})
        journal.open()
        apply = NetworkApply(engine, state, found.plan, found.moves, journal)
        apply.run()
        journal.end("done")
    done = time.monotonic()
    assert not plan_consolidation(observe(engine, flows_over=()), wish_for(count)).moves
    timed = {"read": read - begin, "plan": planned - read, "collection": done - planned, "proved": float(apply.proved)}
    return {**timed, "reads": float(sum(calls.values()))}


def sdk_loop(engine: Engine, count: int) -> dict[str, float]:
    """What a script would do that knows already what has to be done."""
    begin = time.monotonic()
    for number in range(count):
        engine.api.connect_container_to_network(name_of(number), TARGET, aliases=[f"alias-{number:03}"])
    return {"sdk": time.monotonic() - begin}


def shell(engine: Engine, count: int) -> dict[str, float]:
    lines = [f"docker network connect --alias alias-{number:03} {TARGET} {name_of(number)}" for number in range(count)]
    begin = time.monotonic()
    subprocess.run(["sh", "-e"], input="\n".join(lines).encode(), check=True)
    return {"shell": time.monotonic() - begin}


def many(state: HostState, count: int) -> float:
    """Seconds that planning alone takes for `MANY` containers, made by repeating what was read from this host."""
    models = [c for c in state.containers if c.name.startswith("bench-")][:count]

    def copy(number: int, one: Container) -> Container:
        places = tuple(replace(e, aliases=(f"alias-many-{number}",)) for e in one.endpoints if e.network != TARGET)
        return replace(one, id=f"{number:064x}", name=f"many-{number}", endpoints=places)

    containers = tuple(copy(number, models[number % len(models)]) for number in range(MANY))
    large = HostState(containers, state.networks, state.api_version)
    wish = Wish(TARGET, containers=tuple(Listed(container.name) for container in containers))
    begin = time.monotonic()
    found = plan_consolidation(large, wish)
    assert (len(found.moves), found.plan.conflicts) == (MANY, [])
    return time.monotonic() - begin


def main() -> None:
    count, samples = int(sys.argv[1]), int(sys.argv[2])
    engine = Engine()
    populate(engine, count)
    ways: list[Callable[[Engine, int], dict[str, float]]] = [collection, sdk_loop, shell]
    found: dict[str, list[float]] = {}
    for sample in range(-1, samples):
        for way in ways[sample % 3 :] + ways[: sample % 3]:
            reset(engine, count)
            for key, value in way(engine, count).items():
                if sample >= 0:
                    found.setdefault(key, []).append(value)
    state = observe(engine, flows_over=())
    found["many"] = [many(state, count) for _sample in range(samples)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
