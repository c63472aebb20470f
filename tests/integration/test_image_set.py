"""image_set with real images: from an archive, from a registry of the test's own, built from a context; and what it removes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.lookup import build_context
from ansible_collections.auren.stack.plugins.lookup.build_context import Context

from tests.integration.harness import RUN, Project, Result, docker, free_port, image, run_module

RECIPE = """FROM auren-stack/offline-base:trixie
RUN apt-get update -qq && apt-get install -qqy docker-registry >/dev/null
COPY registry.yml /
"""
CONFIG = """version: 0.1
storage:
  filesystem:
    rootdirectory: /srv
  delete:
    enabled: false
http:
  addr: 0.0.0.0:5000
"""


def wanted(project: Project, ref: str, **build: Any) -> dict[str, Any]:
    return {**project.service("one", compose={"image": ref}), **build}


def plan(project: Project, ref: str, source: str, **more: Any) -> Result:
    return run_module("image_set", {"services": [wanted(project, ref)], "source": source, "disk_mb": 1, **more})


def obtain(step: dict[str, Any]) -> Result:
    done = run_module("image_set", {"obtain": step})
    assert done.status == 0, done.text
    assert done.changed
    return done


def image_id(ref: str) -> str:
    return docker("images", "--quiet", "--no-trunc", ref)


@pytest.fixture
def tag(images: None) -> Iterator[str]:
    """A name for an image; whatever has it at the end loses it."""
    name = f"{RUN}/subject:1"
    yield name
    docker("rmi", name, check=False)


def test_an_archive_is_loaded_once(project: Project, tag: str, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    docker("tag", image("redis"), tag)
    known = image_id(tag)
    docker("save", "-o", str(archive), tag)
    docker("rmi", tag)
    missing = plan(project, tag, "archive", archive=str(archive))
    assert missing.actions == [f"load {archive}: {tag} is not on this host"]
    obtain(missing.output["steps"][0])
    assert image_id(tag) == known
    assert plan(project, tag, "archive", archive=str(archive)).actions == []
    assert plan(project, tag, "local").actions == []


@pytest.fixture(scope="module")
def registry(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's container registry on a port of loopback."""
    context, name, port = tmp_path_factory.mktemp("registry"), f"{RUN}-registry", free_port()
    (context / "Dockerfile").write_text(RECIPE)
    (context / "registry.yml").write_text(CONFIG)
    docker("build", "--quiet", "--tag", f"{RUN}/registry:1", str(context))
    docker("run", "-d", "--name", name, "-p", f"127.0.0.1:{port}:5000", f"{RUN}/registry:1", "docker-registry", "serve", "/registry.yml")
    yield f"127.0.0.1:{port}"
    docker("rm", "--force", "--volumes", name, check=False)
    docker("rmi", f"{RUN}/registry:1", check=False)


def push(source: str, ref: str) -> None:
    docker("tag", source, ref)
    for attempt in range(40):  # the registry needs a moment to listen
        try:
            docker("push", "--quiet", ref)
            break
        except AssertionError:
            assert attempt < 39
            time.sleep(0.25)
    docker("rmi", ref)


def test_a_registry_is_pulled_from_and_a_newer_image_only_when_asked_for(project: Project, registry: str) -> None:
    ref = f"{registry}/redis:7"
    push(image("redis"), ref)
    missing = plan(project, ref, "registry")
    assert missing.actions == [f"pull {ref}: it is not on this host"]
    obtain(missing.output["steps"][0])
    first = image_id(ref)
    assert plan(project, ref, "registry").actions == []
    docker("rmi", ref)
    push(image("python"), ref)
    docker("tag", first, ref)
    assert plan(project, ref, "auto").actions == []
    newer = plan(project, ref, "auto", update=True)
    assert newer.actions[0].startswith(f"pull {ref}: the registry has another one behind this tag (sha256:")
    obtain(newer.output["steps"][0])
    assert image_id(ref) == image_id(image("python")) != first
    assert plan(project, ref, "auto", update=True).actions == []
    docker("rmi", ref)


def test_a_registry_that_does_not_have_it(project: Project, registry: str) -> None:
    refused = plan(project, f"{registry}/nobody:1", "registry")
    assert refused.status != 0
    assert refused.msg.startswith(f"the image {registry}/nobody:1 of {project.called('one')} is not on this host and it cannot be pulled: ")


def test_a_context_is_built_and_built_again_when_its_files_change(project: Project, tag: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {image('redis')}\nCOPY said /said\n")

    def step(said: str) -> list[dict[str, Any]]:
        (context / "said").write_text(said)
        known = {"digest": build_context.digest(Context(context)), "bases": build_context.bases(Context(context))}
        service = wanted(project, tag, build={"context": str(context)})
        asked = {"services": [service], "contexts": {str(context): known}, "source": "auto", "disk_mb": 1}
        steps = run_module("image_set", asked).output["steps"]
        return [{**found, **known, "archive": build_context.archive(Context(context))} for found in steps]

    built = obtain(step("one")[0])
    assert built.output["operations"][0].startswith(f"build {tag}: it is not on this host (")
    first = image_id(tag)
    assert step("one") == []
    again = obtain(step("two")[0])
    assert again.output["operations"][0].startswith(f"build {tag}: its files changed (")
    assert image_id(tag) != first
    assert docker("run", "--rm", "--entrypoint", "cat", tag, "/said") == "two"
    assert image_id(first) == "", "the image that nobody uses any more is gone"
    shutil.rmtree(context)
