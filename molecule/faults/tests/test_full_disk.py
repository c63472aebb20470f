"""The disk is full while `site` changes every file of the project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from target import PROJECT_DIR, Target

SMALL = 2048  # KiB; of memory, and mounted on the project's directory alone: nothing else on the host can run full
FILL = f'cat /dev/zero > {PROJECT_DIR}/filler 2>/dev/null; truncate --size="-$1" {PROJECT_DIR}/filler'


@pytest.fixture(scope="class")
def small_disk(night: Any) -> Iterator[None]:
    """The project's directory with all that is in it, on a small file system; the real one comes back afterwards.

    A container keeps the directories that it was made with, so each change of the file system takes a run that makes anew what mounts one.
    """
    target = night.target
    night.settings["auren_verify_disk_free"] = 0  # it is full on purpose
    aside = target.run("mktemp", "--directory")
    target.run("cp", "-a", f"{PROJECT_DIR}/.", aside)
    target.run("mount", "-t", "tmpfs", "-o", f"size={SMALL}k,mode=0755", "tmpfs", PROJECT_DIR)
    try:
        target.run("cp", "-a", f"{aside}/.", PROJECT_DIR)
        moved(night)
        yield
    finally:
        target.run("umount", PROJECT_DIR)
        target.run("rm", "-r", aside)
        del night.settings["auren_verify_disk_free"]
        moved(night)


def moved(night: Any) -> None:
    """Everything runs on the directories that are there now."""
    done = night.site()
    assert done.status == 0, done.output
    night.settle("another file system below the project", within=60)


def digests(target: Target) -> list[str]:
    """Every file of the project with mode, owner and content, but for what fills the disk, and what a failed run says of itself."""
    own = "-name filler -o -name changes.jsonl -o -path './.auren/journal/*' -size +0"
    find = f"cd {PROJECT_DIR} && find . -type f ! '(' {own} ')' -printf '%m %U:%G ' -exec sha256sum {{}} ';' | sort -k 4"
    return target.run("sh", "-c", find).splitlines()


@pytest.mark.usefixtures("small_disk")
class TestFullDisk:
    @pytest.mark.parametrize("free", [0, 24], ids=["at the first file", "after some files"])
    def test_a_full_disk_ends_the_run_and_changes_nothing(self, night: Any, free: int) -> None:
        """Status not 0 and the file by name; files, containers and webhooks are as if there had been no run."""
        target, before = night.target, night.target.started()
        was = digests(target)
        with night.stream(f"disk full with {free} KiB left"):
            target.run("sh", "-c", FILL, "fill", f"{free}K")
            night.settings["auren_log_max_files"] = 4
            failed = night.site()
            del night.settings["auren_log_max_files"]
            assert failed.status != 0
            assert "No space left on device" in failed.output, failed.output
            assert target.started() == before
            assert digests(target) == was


def test_with_space_again_the_same_run_goes_through(night: Any) -> None:
    """Every container is made anew with the setting that did not fit before, and back: the next run again has nothing to do."""
    night.settings["auren_log_max_files"] = 4
    with night.stream("the run after a full disk"):
        done = night.site()
        assert done.status == 0, done.output
        night.settle("the run after a full disk", within=60)
