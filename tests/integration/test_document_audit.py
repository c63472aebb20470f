"""document_audit on a real Engine: what a document says of containers that run, one that does not, Prometheus' targets, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Project, Result, docker, free_port, image, run_module
from tests.leaks import leaks

SECRET = "Hk4-wq7.Zr9-of-nobody"
HELD = "kept-by-the-service-81"


@pytest.fixture(scope="module")
def host(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, int, str]]:
    """A cache that is told of nobody, a page that is told of it, a stopped one, and Prometheus that scrapes itself and the cache."""
    with new_project(tmp_path_factory.mktemp("audit")) as project:
        cache, prometheus, port = project.called("cache"), project.called("prometheus"), free_port()
        jobs = [{"job_name": one, "static_configs": [{"targets": [one]}]} for one in (f"{prometheus}:9090", f"{cache}:6379")]
        written = {"prometheus.yml": {"content": json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs})}}
        ping = {"test": ["CMD-SHELL", "redis-cli ping"], "interval": "500ms"}
        redis = {"entrypoint": ["redis-server"], "ports": [f"127.0.0.1:{port}:6379"], "healthcheck": ping}
        page = {"environment": {"REDIS_URL": f"redis://:{HELD}@{cache}:6379/0", "LOG_LEVEL": "INFO"}}
        watch = {
            "image": image("prometheus"),
            "entrypoint": ["prometheus", "--config.file=/etc/p/prometheus.yml", "--storage.tsdb.path=/tmp/p"],
            "volumes": [f"{project.directory}/config/{prometheus}:/etc/p:ro"],
            "healthcheck": {"test": ["NONE"]},
        }
        project.do(
            project.service("cache", compose=redis, data=[{"volume": project.volume("kept"), "target": "/data"}]),
            project.service("page", compose=page, needs=[cache]),
            project.service("stopped"),
            project.service("prometheus", compose=watch, files=written),
        )
        docker("stop", project.called("stopped"))
        address = docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{project.network}").IPAddress}}}}', cache)
        yield project, port, address


def audit(project: Project, text: str, check: bool = False, **more: Any) -> Result:
    arguments = {"text": text, "path": "doc.md", "project_dir": str(project.directory), "network": project.network, **more}
    result = run_module("document_audit", arguments, check)
    assert (result.status, result.changed, result.actions) == (0, False, []), result.text
    return result


def verdicts(result: Result, project: Project) -> set[tuple[int, str, str]]:
    """Without what the document leaves out of others' containers."""
    ours = [one for one in result.output["claims"] if one["kind"] != "missing" or one["text"].startswith(project.name)]
    return {(one["line"], one["kind"], one["verdict"]) for one in ours}


def old_document(host: tuple[Project, int, str]) -> str:
    """True and false claims, each on a line of its own."""
    project, port, address = host
    name = project.called
    return f"""| Container | Image | Port | Status | Depends on |
|---|---|---|---|---|
| {name("cache")} | {image("redis")} | 127.0.0.1:{port} | healthy | - |
| {name("page")} | {image("python")} | 6379 | running | {name("cache")} |
| {name("stopped")} | {image("redis")} | - | running | - |
| {name("nobody")} | {image("redis")} | - | - | - |

Users open http://{name("cache")}:6379 in the browser. On the host it is http://127.0.0.1:{port + 1 if port < 65535 else 1}.

The address of {name("cache")} is {address}. The volume of {name("cache")} is `{name("kept")}`, mounted at `/data`.

Prometheus scrapes `{name("prometheus")}:9090`.

Prometheus scrapes `{name("cache")}:6379`.

The password of the cache: {SECRET}

Say {HELD} to enter, and {SECRET} again.

```env
LOG_LEVEL=DEBUG
```

```mermaid
graph LR
  {name("page")} --> {name("cache")}
```
"""


def test_what_is_true_and_what_is_not(host: tuple[Project, int, str]) -> None:
    project, _port, _address = host
    wait_for_targets(project)
    result = audit(project, old_document(host))
    assert {one for one in verdicts(result, project) if one[2] == "false"} == {
        (4, "image", "false"),
        (4, "port", "false"),
        (5, "health", "false"),
        (6, "container", "false"),
        (8, "url", "false"),
        (10, "lasting_address", "false"),
        (14, "scrape", "false"),
        (16, "secret", "false"),
        (18, "secret", "false"),
        (21, "env", "false"),
    }, result.text
    assert {
        (3, "image", "true"),
        (3, "port", "true"),
        (3, "health", "true"),
        (4, "dependency", "true"),
        (10, "volume", "true"),
    } <= verdicts(result, project)
    assert {(10, "address", "true"), (12, "scrape", "true"), (26, "arrow", "true")} <= verdicts(result, project)
    assert result.output["false_claims"] == sum(one["verdict"] == "false" for one in result.output["claims"])
    assert result.output["markdown"].startswith("# Audit of doc.md")
    assert [secret for secret in (SECRET, HELD) if secret in result.text] == []  # with all that -vvv would show
    assert leaks(Path("audit.md"), result.output["markdown"].encode()) == []
    assert "Users open" not in json.dumps(result.output.get("invocation", {}))


def wait_for_targets(project: Project) -> None:
    """Until Prometheus has scraped both once."""
    command = ["exec", project.called("prometheus"), "promtool", "query", "instant", "http://127.0.0.1:9090", "count(up)"]
    for _attempt in range(100):
        if "=> 2" in docker(*command, check=False):
            return
    raise AssertionError(docker("logs", project.called("prometheus"), check=False))


def test_check_mode_and_a_second_time_say_the_same(host: tuple[Project, int, str]) -> None:
    project, _port, _address = host
    text = f"{project.called('cache')} is healthy.\n\n{project.called('stopped')} is running.\n"
    before = project.state()
    first = audit(project, text)
    assert {one for one in verdicts(first, project) if one[1] == "health"} == {(1, "health", "true"), (3, "health", "false")}
    assert {one["text"] for one in first.output["claims"] if one["kind"] == "missing"} >= {project.called("page")}
    assert audit(project, text, check=True).output["claims"] == first.output["claims"]
    assert project.state() == before


def test_verification_decides_about_arrows(host: tuple[Project, int, str]) -> None:
    project, _port, _address = host
    page, cache = project.called("page"), project.called("cache")
    text = f"```mermaid\ngraph LR\n  {page} --> {cache}\n```\n"
    check = {"check": f"redis {cache}:6379", "client": page, "service": cache, "status": "fail", "evidence": "it refuses", "because": ""}
    assert (3, "arrow", "false") in verdicts(audit(project, text, verification=[check]), project)
    assert (3, "arrow", "true") in verdicts(audit(project, text, verification=[{**check, "status": "pass"}]), project)


def test_a_host_without_a_stack_and_odd_texts(tmp_path: Path) -> None:
    for text in ("", "x", "\x00\ud800 | |\n|-", "`container`"):
        result = run_module("document_audit", {"text": text, "project_dir": str(tmp_path), "network": "no-such-network"})
        assert result.status == 0, result.text
        assert [one for one in result.output["claims"] if one["verdict"] == "false"] == []


def test_an_option_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    result = run_module("document_audit", {"text": "x", "project_dir": str(tmp_path), "audit": "x"})
    assert result.status != 0
    assert "Unsupported parameters" in result.msg
