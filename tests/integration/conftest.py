"""Images, network and project that every test of the modules gets; all of it is removed again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.integration.harness import IMAGES, RUN, Project, docker, image


@pytest.fixture(scope="session")
def images() -> Iterator[None]:
    missing = [ref for ref in IMAGES.values() if not docker("images", "-q", ref)]
    assert not missing, f"not on this machine: {', '.join(missing)}; run ansible-playbook tests/prepare.yml"
    for name, ref in IMAGES.items():
        docker("tag", ref, image(name))
    yield
    docker("rmi", *(image(name) for name in IMAGES), check=False)


@pytest.fixture(scope="session")
def network(images: None) -> Iterator[str]:
    docker("network", "create", f"{RUN}-net")
    yield f"{RUN}-net"
    docker("network", "rm", f"{RUN}-net", check=False)


@pytest.fixture(scope="session")
def new_project(network: str) -> Callable[[Path], AbstractContextManager[Project]]:
    """Makes a project below a directory, and removes it."""

    @contextmanager
    def make(directory: Path) -> Iterator[Project]:
        made = Project(f"{RUN}-{uuid.uuid4().hex[:4]}", directory / "project", network)
        try:
            yield made
        finally:
            made.remove()

    return make


@pytest.fixture
def project(new_project: Callable[[Path], AbstractContextManager[Project]], tmp_path: Path) -> Iterator[Project]:
    with new_project(tmp_path) as made:
        yield made
