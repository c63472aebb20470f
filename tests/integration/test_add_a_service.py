"""The page `docs/add-a-service.md`, followed to the letter in a copy of the repository, on the real Engine.

Only the inventory is the test's own: it gives names and ports that collide with nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.harness import ROOT, Project, docker, free_port, image
from tests.leaks import leaks

PAGE = ROOT / "docs" / "add-a-service.md"
BLOCK = re.compile(r"(?:^[^\n]*`(?P<path>[\w./-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Done:
    """One block of commands, and how it ended."""

    text: str
    status: int
    output: str


def copy_of_the_repository(place: Path) -> Path:
    """What git knows or would add, as it is now."""
    copy = place / "stack"
    copy.mkdir()
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    present = "\0".join(name for name in names.stdout.split("\0") if name and (ROOT / name).exists())
    packed = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=present.encode(), capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=copy, input=packed.stdout, check=True)
    return copy


def inventory(project: Project) -> dict[str, Any]:
    """This machine, with names of the test's own for whatever has one."""
    names = {f"auren_{name}_host": project.called(name) for name in ("postgres", "redis", "kafka", "neuros", "biometric", "prometheus")}
    return {
        "auren": {
            "hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "vars": {
                **names,
                "auren_project": project.name,
                "auren_project_dir": str(project.directory),
                "auren_network": project.network,
                "auren_gate_hold": 1,
                "cache_host": project.called("cache"),
                "cache_image": image("redis"),
                "cache_port": free_port(),
            },
        }
    }


def follow(copy: Path, environment: dict[str, str]) -> list[Done]:
    """Do what the page says, block by block, up to the first that fails."""
    done: list[Done] = []
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["kind"] == "sh":
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block["text"]],
                cwd=copy,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            done.append(Done(block["text"], ran.returncode, ran.stdout + ran.stderr))
            if ran.returncode:
                break
        else:
            assert block["path"], f"nobody says where this belongs:\n{block['text']}"
            (copy / block["path"]).write_text(block["text"])
    return done


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_of_the_repository(tmp_path)


@pytest.fixture
def followed(project: Project, copy: Path, tmp_path: Path) -> list[Done]:
    own = tmp_path / "inventory.yml"
    own.write_text(yaml.safe_dump(inventory(project)))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PWD": str(copy),
        "ANSIBLE_CONFIG": str(copy / "ansible.cfg"),
        "ANSIBLE_INVENTORY": str(own),
        "ANSIBLE_NOCOLOR": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist",  # not the options of the run that this is part of
    }
    return follow(copy, environment)


def test_the_service_comes_up_is_verified_and_stays(followed: list[Done], project: Project, copy: Path) -> None:
    name = project.called("cache")
    assert followed[-1].status == 0, followed[-1].output[-3000:]
    first, second = [one.output for one in followed if "site.yml" in one.text]
    [verified] = [one.output for one in followed if "verify.yml" in one.text]
    assert f"create {name}: it is not there" in first
    assert re.search(r"localhost +: ok=\d+ +changed=[1-9]", first)
    assert re.search(r"localhost +: ok=\d+ +changed=0 ", second), second
    state = project.inspect("cache")
    assert state["State"]["Health"]["Status"] == "healthy"
    assert state["RestartCount"] == 0
    assert "cache" in state["NetworkSettings"]["Networks"][project.network]["Aliases"]
    assert docker("exec", name, "redis-cli", "ping") == "PONG"
    assert re.search(rf"pass +redis {name}:6379 +host ", verified), verified
    assert "Role auren.stack.cache" in (copy / "roles/cache/README.md").read_text()
    reports = [path for path in (copy / "auren-reports").rglob("*") if path.is_file()]
    assert len([path for path in reports if path.stem == "verification"]) == 4
    assert [line for path in reports for line in leaks(path.relative_to(copy), path.read_bytes())] == []
