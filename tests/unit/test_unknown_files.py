"""Files of nobody in a project's directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.unknown_files import unknown_files

from tests.unit.builders import service


def put(directory: Path, *paths: str) -> None:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("x")


@pytest.fixture
def one(tmp_path: Path) -> Service:
    """A service with all files that it may have, which are there, and one that its operator mounts from beside them."""
    put(tmp_path, "docker-compose.yml", "images.json", "services/one.yml", "secrets/password", ".auren/declared.json", "notes/mine.txt")
    put(tmp_path, "config/one/rules/a.yml", "secrets/mounts/one/password", "secrets/env/one.env", "config/one/own/b.yml")
    compose = {
        "environment": {"PASSWORD": "<<secret:password>>"},
        "volumes": [f"{tmp_path}/config/one/rules:/rules:ro", {"type": "bind", "source": f"{tmp_path}/config/one/own/", "target": "/own"}],
    }
    files = {"rules/a.yml": {"content": "x"}}
    return service(house=House("stack", str(tmp_path), "net"), compose=compose, files=files, secrets=["password"])


def test_what_was_declared_and_what_an_operator_keeps_there_is_known(one: Service, tmp_path: Path) -> None:
    put(tmp_path, "config/one/rules/.new-x1", "secrets/password.next")
    assert unknown_files(tmp_path, [one]) == []
    assert unknown_files(tmp_path / "none", [one]) == []


def test_what_compose_or_a_container_would_read(one: Service, tmp_path: Path) -> None:
    found = ["config/one/rules/deep/b.yml", "secrets/mounts/one/other"]
    nobodys = [
        ".env",
        "compose.yaml",
        "config/two/x",
        "docker-compose.override.yml",
        "secrets/env/two.env",
        "services/.env",
        "services/x.yml",
    ]
    put(tmp_path, *found, *nobodys)
    (tmp_path / "config/one/link").symlink_to("/etc")
    assert unknown_files(tmp_path, [one]) == [*(("", path) for path in nobodys), *(("one", path) for path in ["config/one/link", *found])]
