"""A container made by hand, what is read of it, and the one that `docker compose` makes of that."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import _escaped
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.run_config import RunConfig, compose_of
from ansible_collections.auren.stack.plugins.module_utils.yaml_text import dump

from tests.integration.harness import docker
from tests.integration.run_facts import differing
from tests.integration.run_options import Case, World


@dataclass(frozen=True)
class Pair:
    """by_hand, again: inspects of the two."""

    case: Case
    by_hand: dict[str, Any]
    config: RunConfig
    again: dict[str, Any]

    def differing(self) -> list[str]:
        return differing(self.by_hand, self.again)

    def explained(self, path: str) -> bool:
        """Whether a sentence says that this is lost."""
        return any(path == said or path.startswith(f"{said}.") for said in self.config.unexpressed)

    def complaints(self) -> Iterator[str]:
        """What is lost in silence, and what is said to be lost and is not."""
        paths = self.differing()
        for path in (path for path in paths if not self.explained(path)):
            yield f"{path} is not the same: {self.case.describe()}"
        for said in self.config.unexpressed:
            if not any(path == said or path.startswith(f"{said}.") for path in paths):
                yield f"{said} is said to be lost and is not: {self.case.describe()}"


def inspected(names: list[str]) -> list[dict[str, Any]]:
    return list(json.loads(docker("container", "inspect", *names)))


def read(engine: Engine, raw: dict[str, Any], forget_image: bool = False) -> RunConfig:
    return compose_of(raw, None if forget_image else engine.inspect_image(raw["Image"]), engine.api.info())


def service(world: World, name: str, raw: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    """What whoever takes the container over adds to it."""
    network = {} if "network_mode" in config.compose else {"networks": {world.network: {}}}
    return {**config.compose, "image": raw["Image"], "container_name": name, **network}


def compose_create(world: World, folder: Path, services: dict[str, dict[str, Any]], volumes: list[str]) -> None:
    """One `docker compose create` for all of them."""
    content = {
        "name": f"{world.prefix}-made",
        "services": {name: _escaped(one) for name, one in services.items()},
        "volumes": {name: {"external": True, "name": name} for name in volumes},
        "networks": {world.network: {"external": True, "name": world.network}},
    }
    path = folder / "compose.yml"
    path.write_text(dump(content))
    done = subprocess.run(["docker", "compose", "-f", str(path), "create", "--pull", "never"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def made_again(world: World, chosen: list[Case], folder: Path, forget_image: bool = False) -> list[Pair]:
    """Make each case, read it, have Compose make it again. The containers stay: see ``removed``."""
    engine = Engine()
    for one in chosen:
        one.create()
    raws = inspected([one.name for one in chosen])
    configs = [read(engine, raw, forget_image) for raw in raws]
    names = [one.name.replace(f"{world.prefix}-a", f"{world.prefix}-b") for one in chosen]
    services = {name: service(world, name, raw, config) for name, raw, config in zip(names, raws, configs)}
    compose_create(world, folder, services, sorted({volume for config in configs for volume in config.volumes}))
    return [Pair(*one) for one in zip(chosen, raws, configs, inspected(names))]


def removed(world: World, seed: int) -> None:
    """What was made of the cases of this seed is gone again, with the volumes that nobody named.

    Those made last go first: such a volume goes with the container that it was made with, but only when no other one has it any more.
    """
    volumes: set[str] = set()
    for letter in "cba":
        made = docker("ps", "-aq", "--filter", f"name={world.prefix}-{letter}{seed}-").split()
        if made:
            volumes.update(point["Name"] for raw in inspected(made) for point in raw["Mounts"] if point["Type"] == "volume")
            docker("rm", "-f", "-v", *made)
    left = (volumes - set(world.volumes)) & set(docker("volume", "ls", "-q", "--filter", "dangling=true").split())
    assert left == set(), f"left behind: {', '.join(sorted(left))}"
