"""A container made by hand with random options, and the one that Compose makes of what is read of it: the Engine says the same of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.run_config import COVERED
from ansible_collections.auren.stack.plugins.module_utils.run_config_fields import CONFIG_KEYS, FROM_IMAGE_KEYS, HOST_KEYS

from tests.integration.harness import docker, image
from tests.integration.run_again import Pair, inspected, made_again, read, removed
from tests.integration.run_options import FAMILIES, World, cases, refused

FAST, SLOW = 40, 400
SEED = 1381  # one of those in whose forty cases every option of every family is there
FURTHER = {
    *("blkio_config", "cgroup", "command", "cpus", "deploy", "devices", "entrypoint", "environment", "expose", "healthcheck", "hostname"),
    *("init", "labels", "logging", "mem_swappiness", "memswap_limit", "network_mode", "pids_limit", "ports", "restart", "runtime"),
    *("security_opt", "stop_grace_period", "tmpfs", "ulimits", "volumes"),
}
NOT_MADE = {"cpu_count", "storage_opt"}  # for Windows; only on a file system of its own


@pytest.fixture(scope="module")
def without(world: World) -> set[str]:
    return refused(world)


@pytest.fixture(scope="module")
def pairs(world: World, without: set[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pair]]:
    try:
        yield made_again(world, list(cases(world, SEED, FAST, without)), tmp_path_factory.mktemp("pairs"))
    finally:
        removed(world, SEED)


def test_compose_makes_the_same_container_again(pairs: list[Pair]) -> None:
    assert [complaint for pair in pairs for complaint in pair.complaints()] == []


def test_the_cases_have_every_option_and_make_every_key(pairs: list[Pair], without: set[str]) -> None:
    """Else nobody would notice that one is lost."""
    assert {family for pair in pairs for family in pair.case.families} == set(FAMILIES) - without
    wanted = {key for key, _words, _usual in (*HOST_KEYS.values(), *CONFIG_KEYS.values())} | set(FROM_IMAGE_KEYS.values()) | FURTHER
    made = {key for pair in pairs for key in pair.config.compose}
    assert wanted - made - NOT_MADE == set()


def test_what_came_from_an_image_that_is_gone_is_said(world: World, without: set[str], tmp_path: Path) -> None:
    try:
        again = made_again(world, list(cases(world, SEED + 1, 8, without)), tmp_path, forget_image=True)
        assert [complaint for pair in again for complaint in pair.complaints()] == []
    finally:
        removed(world, SEED + 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, SLOW // FAST + 1))
def test_compose_makes_the_same_containers_again(world: World, without: set[str], tmp_path: Path, seed: int) -> None:
    try:
        again = made_again(world, list(cases(world, seed, FAST, without)), tmp_path, forget_image=seed % 3 == 0)
        assert [complaint for pair in again for complaint in pair.complaints()] == []
    finally:
        removed(world, seed)


def test_every_field_that_this_engine_has_is_covered(world: World) -> None:
    raw = inspected([world.other])[0]
    fields = {f"{group}.{name}" for group in ("Config", "HostConfig") for name in raw[group]}
    assert fields - set(COVERED) == set()


def test_a_container_that_runs_is_read_as_before_it_was_started(world: World) -> None:
    """Starting fills in addresses, ports and host names; none of it is the container's own."""
    names = [f"{world.prefix}-run-{what}" for what in ("usual", "host", "inside", "many")]
    words = (
        ["-p", "127.0.0.1::6379", "-P"],
        ["--network", "host"],
        ["--network", f"container:{names[0]}"],
        ["--network", world.network, "--tmpfs", "/t", "-v", "/anon", "--mount", "type=tmpfs,dst=/m", "--uts", "host"],
    )
    engine = Engine()
    try:
        for name, options in zip(names, words):
            docker("create", "--name", name, *options, image("redis"), "sleep", "infinity")
        before = [read(engine, raw) for raw in inspected(names)]
        docker("start", *names)
        assert [read(engine, raw) for raw in inspected(names)] == before
        assert ["hostname" in one.compose for one in before] == [False] * 4
    finally:
        docker("rm", "-f", "-v", *names, check=False)
