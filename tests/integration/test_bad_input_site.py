"""Bad input to site.yml: one sentence that names the variable and the remedy, and nothing on the host has changed."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import RUN, Project, ansible_playbook, docker, free_port, image


def site(project: Project, **values: Any) -> subprocess.CompletedProcess[str]:
    """site.yml with one service, NEUROS, whose every name is one of the test's."""
    variables = {
        "auren_project": project.name,
        "auren_project_dir": str(project.directory),
        "auren_network": project.network,
        "auren_services": ["neuros"],
        "auren_neuros_host": project.called("neuros"),
        "auren_postgres_volume": project.called("pg"),
        "neuros_image": image("redis"),
        "neuros_port": free_port(),
        **values,
    }
    return ansible_playbook("playbooks/site.yml", "-e", json.dumps(variables), env={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What the failed task said, in one line."""
    assert done.returncode != 0, done.stdout
    found = re.findall(r'fatal: \[localhost\]: FAILED! => .*?"msg": ("(?:[^"\\]|\\.)*")', done.stdout, re.DOTALL)
    assert len(found) == 1, done.stdout + done.stderr
    return str(json.loads(found[0]))


CASES: dict[str, tuple[Callable[[Project], dict[str, Any]], str]] = {
    "unknown service": (
        lambda project: {"auren_services": ["neuros", "redsi"]},
        "auren_services names redsi, which is no service of the stack; known are postgres, redis, kafka, neuros, biometric_bridge, "
        "prometheus, grafana, pwa. Nothing was changed",
    ),
    "size": (
        lambda project: {"auren_services": ["redis"], "auren_redis_host": project.called("redis"), "redis_memory": "12parsecs"},
        "{project.name}-redis: redis_memory is '12parsecs', which is not a size such as 256m; correct redis_memory",
    ),
    "port": (
        lambda project: {"neuros_port": 80000},
        "{project.name}-neuros: neuros_port is '127.0.0.1:80000:8000', which is not a published port such as 127.0.0.1:6379:6379 "
        "(built from its bind and port variables); correct neuros_port",
    ),
    "image reference": (
        lambda project: {"neuros_image": "no image"},
        "{project.name}-neuros: neuros_image is 'no image', which is not an image reference such as redis:7-alpine; correct neuros_image",
    ),
    "image that nobody has": (
        lambda project: {"neuros_image": f"{project.name}/absent:1"},
        "the image {project.name}/absent:1 of {project.name}-neuros is not on this host and no registry offers it, and the offline set has "
        "no recipe for it. Load it by hand, or set neuros_image to one that can be had. Nothing was changed",
    ),
    "subnet": (
        lambda project: {"auren_network": f"{RUN}-other", "auren_subnet": "10.0.0.0/33"},
        "auren_subnet is '10.0.0.0/33', which is no subnet for {RUN}-other ('10.0.0.0/33' does not appear to be an IPv4 or IPv6 "
        "network); set it to one such as 172.28.0.0/16, or leave it empty",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_site(unchanged: Project, case: str) -> None:
    values, said = CASES[case]
    assert sentence(site(unchanged, **values(unchanged))) == said.format(project=unchanged, RUN=RUN)


def test_site_with_an_undefined_variable(unchanged: Project) -> None:
    done = site(unchanged, neuros_memory="{{ neuros_memmory }}")
    assert done.returncode != 0
    assert "'neuros_memmory' is undefined" in done.stdout + done.stderr


def test_site_with_a_build_context_that_is_none(unchanged: Project) -> None:
    done = site(unchanged, neuros_build_context="/nowhere")
    assert done.returncode != 0
    assert "/nowhere is no folder on the controller; correct the build context" in done.stdout + done.stderr


def test_site_with_a_port_that_a_process_has(unchanged: Project) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port, me = taken.getsockname()[1], Path("/proc/self/comm").read_text().strip()
        assert sentence(site(unchanged, neuros_port=port)) == (
            f"port 127.0.0.1:{port} that {unchanged.called('neuros')} publishes is taken by {me} (pid {os.getpid()}); "
            "nothing was changed. Stop it, or set neuros_port to a free port"
        )


def test_site_without_the_secret_of_data(data: Path, unchanged: Project) -> None:
    (data / "PG_VERSION").write_text("17\n")
    assert sentence(site(unchanged, auren_postgres_volume=unchanged.called("data"))) == (
        f"postgres_password is not known, but volume {unchanged.called('data')} holds data that was made with it; a new one would lock "
        "everyone out: give the old one in auren_secrets: postgres_password"
    )


def test_site_without_room_for_the_images(unchanged: Project, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image('redis')}\n")
    new = {"neuros_image": f"{unchanged.name}/new:1", "neuros_build_context": str(tmp_path), "auren_images_disk_mb": 999_999_999}
    root = docker("info", "-f", "{{.DockerRootDir}}")
    assert re.fullmatch(
        rf"\d+ MB are free in {root}, 999999999 MB are asked for before images are obtained; free some, or set auren_images_disk_mb\. "
        "Nothing was changed",
        sentence(site(unchanged, **new)),
    )
    assert docker("images", "-q", f"{unchanged.name}/new") == ""
