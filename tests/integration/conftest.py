"""Images, network and project that every test of the modules gets; all of it is removed again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.integration.hand_run import HandRun
from tests.integration.harness import IMAGES, RUN, Project, docker, image
from tests.integration.network_mess import Mess, made
from tests.integration.run_options import World


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


@pytest.fixture
def hand(project: Project) -> Iterator[HandRun]:
    """Containers that were started by hand where the project's services belong."""
    made = HandRun(project)
    yield made
    made.remove()


@pytest.fixture
def boot(hand: HandRun) -> Iterator[Path]:
    """A line for cron that would start the old container at boot."""
    folder = Path("/etc/cron.d")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    path = folder / hand.called("boot")
    path.write_text(f"@reboot root docker start {hand.called('db')}\n")
    yield path
    path.unlink()
    if made:
        folder.rmdir()


@pytest.fixture(scope="module")
def world(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What random options of `docker create` refer to."""
    prefix = f"{RUN}-{uuid.uuid4().hex[:4]}"
    one = World(prefix, tmp_path_factory.mktemp("world") / "host", (f"{prefix}/rich:1", f"{prefix}/bare:1"))
    try:
        one.make(image("redis"))
        yield one
    finally:
        one.remove()


@pytest.fixture(scope="module")
def home(new_project: Callable[[Path], AbstractContextManager[Project]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with one service."""
    with new_project(tmp_path_factory.mktemp("home")) as made:
        made.do(made.service("one", data=[{"volume": made.volume("kept"), "target": "/data"}]))
        yield made


@pytest.fixture
def unchanged(home: Project) -> Iterator[Project]:
    """The project, for a test that must not change anything on the host."""
    before = home.state()
    yield home
    assert home.state() == before


@pytest.fixture
def data(home: Project) -> Iterator[Path]:
    """The directory of a volume that is there before the test and not after it."""
    yield home.mountpoint("data")
    docker("volume", "rm", home.called("data"))


@pytest.fixture
def mess(images: None, tmp_path: Path) -> Iterator[Mess]:
    """A host of one test's own, as far as the modules for networks can see."""
    with made(tmp_path) as one:
        yield one
