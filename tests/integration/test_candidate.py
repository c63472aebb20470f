"""compose_project tries a service's new version beside the present one, and lets it take the port only when it is good."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Project, Result, docker, free_port, image, module_command, module_environment, module_input

CONF = """
server {
    listen 8080;
    root /site;
    location / { try_files $uri /index.html; }
    location = /healthz { return HEALTH ok; }
}
"""
PAGE = "<!doctype html><link rel=manifest href=/manifest.webmanifest><title>one</title><script src=/app.js></script>"


@dataclass
class Site:
    """A page in an image, and the service that serves it."""

    project: Project
    folder: Path
    port: int
    ref: str

    def build(self, text: str, script: str = "", health: int = 200, page: str = PAGE) -> str:
        """Build a version of it under the one name; its id."""
        files = {"index.html": page.replace("one", text), "app.js": script, "manifest.webmanifest": "{}", "sw.js": "//"}
        self.folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (self.folder / name).write_text(content)
        (self.folder / "site.conf").write_text(CONF.replace("HEALTH", str(health)))
        (self.folder / "Dockerfile").write_text(
            f"FROM {image('nginx')}\nCOPY . /site\nRUN cp /site/site.conf /etc/nginx/conf.d/default.conf && rm /site/site.conf\n"
        )
        docker("build", "--quiet", "--tag", self.ref, "--label", f"auren.stack.image={self.ref}", str(self.folder))
        return docker("image", "inspect", "--format", "{{.Id}}", self.ref)

    def service(self, **candidate: Any) -> dict[str, Any]:
        wanted = {"port": 8080, "http_port": 8080, "ready": "/healthz", "bundle": "/site", "previous": f"{self.ref.split(':')[0]}:previous"}
        compose = {
            "image": self.ref,
            "entrypoint": ["nginx", "-g", "daemon off;"],
            "ports": [f"127.0.0.1:{self.port}:8080"],
            "healthcheck": {
                "test": ["CMD", "curl", "-fsS", "http://127.0.0.1:8080/healthz"],
                "start_interval": "200ms",
                "start_period": "3s",
            },
        }
        gate = {"deadline": 8, "hold": 0.3}
        return self.project.service("web", compose=compose, candidate={**wanted, **candidate}, gate=gate, aliases=["inner"])

    def do(self, **candidate: Any) -> Result:
        return self.project.run(self.service(**candidate))

    def says(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            return str(answer.read().decode())

    def left(self) -> list[str]:
        """Containers of the project beside the service itself."""
        found = docker("ps", "-a", "--filter", f"name={self.project.name}", "--format", "{{.Names}}").split()
        return [name for name in found if name != self.project.called("web")]


@pytest.fixture
def site(project: Project, tmp_path: Path) -> Iterator[Site]:
    made = Site(project, tmp_path / "site", free_port(), f"{project.name}/web:current")
    yield made
    project.remove()  # an image of a running container stays
    for kept in docker("images", "--all", "--quiet", "--filter", f"label=auren.stack.image={made.ref}").split():
        docker("rmi", "--force", kept, check=False)


def test_a_good_version_takes_the_port_and_the_old_one_is_kept(site: Site) -> None:
    old = site.build("one")
    assert site.do().output["operations"][-2].startswith(f"try {site.project.called('web')}: ")
    assert "one" in site.says()
    new = site.build("two")
    plan = site.project.run(site.service(), check=True)
    assert [line.split(":")[0] for line in plan.actions] == [f"{verb} {site.project.called('web')}" for verb in ("try", "recreate")]
    done = site.do()
    assert re.search(r"; new connections were refused for \d\.\d\d s\)$", done.output["operations"][-1])
    assert "two" in site.says()
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{site.project.name}/web:previous") == old != new
    assert site.left() == []
    assert not site.do().changed


@pytest.mark.parametrize(
    ("script", "health", "options", "said"),
    [
        ("fetch('http://inner:8000/x')", 200, {}, "app.js holds 'http://inner:8000/x': inner is a name inside the Docker network"),
        ("fetch('http://api.example/x')", 200, {"encrypted": True}, "app.js holds 'http://api.example/x': it is not encrypted"),
        ("", 500, {}, "it is unhealthy|it is starting after 8 s"),
        (
            "",
            200,
            {"paths": [{"path": "/health", "json": {"status": "healthy"}}]},
            "GET /health of it answers 200, but its body is no JSON",
        ),
    ],
    ids=["internal name", "plain http on an encrypted page", "not healthy", "path"],
)
def test_a_bad_version_never_takes_the_port(site: Site, script: str, health: int, options: dict[str, Any], said: str) -> None:
    old = site.build("one")
    site.do()
    before = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", site.project.called("web"))
    bad = site.build("two", script, health)
    refused = site.do(**options)
    assert refused.status == 1
    assert any(one in refused.msg for one in said.split("|")), refused.msg
    assert "It never took the port" in refused.msg
    assert "one" in site.says()
    assert docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", site.project.called("web")) == before
    assert docker("image", "inspect", "--format", "{{.Id}}", site.ref) == old
    assert site.left() == []
    [record] = [path.read_text() for path in sorted((site.project.directory / ".auren" / "journal").glob("*.jsonl"))[-1:]]
    told = json.loads(record.splitlines()[-1])
    assert told["outcome"] == "failed"
    assert all(one in " ".join(told["refused"]) for one in (old, bad))
    assert docker("images", "--all", "--quiet", "--filter", f"label=auren.stack.image={site.ref}").count("\n") == 0, "the bad one is gone"
    assert not site.do().changed


def test_a_first_version_that_is_refused_is_refused_again(site: Site) -> None:
    site.build("one", "fetch('http://inner:8000/x')")
    for _time in range(2):
        refused = site.do()
        assert "It never took the port" in refused.msg
        assert docker("ps", "--all", "--quiet", "--filter", f"name={site.project.name}") == ""
    site.build("two")
    assert site.do().output["operations"][-1].startswith(f"create {site.project.called('web')}: ")


def test_plain_http_is_a_warning_where_the_page_is_plain_too_and_what_is_allowed_is_none(site: Site) -> None:
    site.build("one", "fetch('http://api.example/x'); fetch('http://inner/y')")
    done = site.do(allow=["http://inner/y"])
    warned = json.dumps(done.output["warnings"])
    assert "http://api.example/x" in warned
    assert "inner" not in warned


@pytest.mark.parametrize("page", ["", "<title>Welcome to nginx!</title>"], ids=["none", "nginx's own"])
def test_what_is_no_page_is_refused_with_the_variable(site: Site, page: str) -> None:
    site.build("one", page=page or PAGE)
    refused = site.do(bundle="/site" if page else "/etc/nginx/conf.d")
    assert refused.status == 1
    assert "web_root says where the bundle is" in refused.msg
    assert docker("ps", "--quiet", "--filter", f"name={site.project.called('web')}") == ""


def test_a_candidate_that_a_killed_run_left_is_removed_by_the_next(site: Site) -> None:
    site.build("one")
    site.do()
    site.build("two", health=500)
    arguments = module_input(site.project.arguments(site.service()))
    run = subprocess.Popen(module_command("compose_project"), stdin=subprocess.PIPE, env=module_environment(), start_new_session=True)
    assert run.stdin
    run.stdin.write(arguments.encode())
    run.stdin.close()
    until = time.monotonic() + 20
    while not docker("ps", "--quiet", "--filter", f"name={site.project.called('web-candidate')}") and time.monotonic() < until:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert site.left() == [site.project.called("web-candidate")]
    shown = site.project.run(state="absent", check=True)
    assert shown.actions[0].startswith(f"remove candidate {site.project.called('web-candidate')}: ")
    site.build("three")
    done = site.do()
    assert done.output["operations"][0].startswith(f"remove candidate {site.project.called('web-candidate')}: ")
    assert site.left() == []
    assert "three" in site.says()


def test_a_service_with_data_cannot_have_a_candidate(site: Site) -> None:
    site.build("one")
    service = {**site.service(), "data": [{"volume": site.project.volume("kept"), "target": "/data"}]}
    refused = site.project.run(service)
    assert "two containers never write to one volume" in refused.msg
    assert site.left() == []
