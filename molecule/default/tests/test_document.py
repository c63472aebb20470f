"""The architecture document of the running stack, the record of a change, and drift from the declaration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from target import PROJECT_DIR, Target, documented, play, written

from tests.leaks import leaks

DOCUMENTS = ("architecture.md", "architecture.html")
CHANGES = f"{PROJECT_DIR}/.auren/changes.jsonl"
STRAY = (f"{PROJECT_DIR}/services/odd.yml", f"{PROJECT_DIR}/config/auren-prometheus/rules/by-hand.yml")


@pytest.fixture(scope="module")
def document(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("document")
    seen = documented(directory)
    assert seen.status == 0, seen.output
    return directory


def test_the_document_tells_what_runs(target: Target, document: Path) -> None:
    text = written(document)["architecture.md"].decode()
    for heading in ("Overview", "Current services", "Network configuration and topology", "Architecture diagram", "Verification commands"):
        assert f"## {heading}\n" in text
    assert text.index("## Troubleshooting") < text.index("## Change history")
    for name, one in target.containers().items():
        assert f"### {name}\n" in text
        assert f"| container | {one['Id'][:12]}, made by auren.stack | docker inspect | 20" in text
        address = one["NetworkSettings"]["Networks"]["auren-network"]["IPAddress"]
        assert f"| auren-network | {name} | {address} |" in text
    places = dict(re.findall(r'(n\d+)\["(.+)"\]', text))
    arrows = {(places[a], line, places[b]) for a, line, b in re.findall(r"^ +(n\d+) (-->|-\.->) (n\d+)$", text, re.MULTILINE)}
    assert {("neuros-advanced", "-->", "auren-postgres"), ("auren-prometheus", "-.->", "auren-redis-exporter")} <= arrows
    assert ("user, on the host", "-->", "auren-pwa") in arrows
    assert "linkStyle" not in text  # nothing failed


def test_no_secret_is_in_what_was_written(target: Target, document: Path) -> None:
    values = [target.secret(name) for name in ("postgres_password", "redis_password", "grafana_admin_password")]
    for name, content in written(document).items():
        assert not [value for value in values if value.encode() in content], name
    kept = target.run("cat", CHANGES, f"{PROJECT_DIR}/.auren/known.json")
    assert not [value for value in values if value in kept]
    modes = target.run("stat", "-c", "%a", CHANGES, f"{PROJECT_DIR}/.auren/known.json").split()
    assert modes == ["600", "600"]


def test_an_unchanged_host_has_the_same_document_to_the_byte(target: Target, document: Path) -> None:
    before, known = written(document), target.run("stat", "-c", "%y", f"{PROJECT_DIR}/.auren/known.json")
    seen = documented(document)
    assert (seen.status, seen.changed) == (0, 0), seen.output
    assert re.search(r"looked at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC: 0 statements are new or changed", seen.output)
    assert written(document) == before
    assert target.run("stat", "-c", "%y", f"{PROJECT_DIR}/.auren/known.json") == known


def test_every_command_of_the_document_works_on_the_host(target: Target, document: Path) -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", written(document)["architecture.md"].decode(), re.DOTALL)
    assert len(commands) > 15
    for command in commands:
        target.run("sh", "-c", command)


def test_a_change_is_recorded_and_a_run_without_one_is_not(target: Target, document: Path) -> None:
    before, known = written(document), target.changes()
    seen = documented(document, "--tags", "redis", "-e", "redis_memory=190m", "-e", "auren_who=ann", playbook="site")
    assert seen.status == 0, seen.output
    [record] = target.changes()[len(known) :]
    assert (record["who"], record["outcome"], record["host"]) == ("ann", "done", "target")
    [change] = [one for one in record["operations"] if one["kind"] == "recreate"]
    assert (change["target"], change["before"], change["after"]) != ("auren-redis", "", "")
    assert "mem_limit 190m" in change["after"]
    assert re.fullmatch(r"auren-redis \d+\.\d s", record["downtime"])
    assert re.match(r"verified: \d+ checks in", record["verification"])
    assert f"{PROJECT_DIR}/.auren/journal/{record['run']}" in record["way_back"]
    after = written(document)
    assert [json.loads(line) for line in after["changes.jsonl"].splitlines()] == target.changes()
    assert b"recreate auren-redis" in after["CHANGELOG.md"]
    old, new = (text["architecture.md"].decode().splitlines() for text in (before, after))
    its = ("auren-redis", target.containers()["auren-redis"]["Id"][:12])  # a row of its own table says the container alone
    assert [line for line in set(new) - set(old) if not any(word in line for word in its)] == []  # dated as before, though one role was run

    again = documented(document, "-e", "redis_memory=190m", playbook="site")
    assert (again.status, again.changed) == (0, 0), again.output
    assert (target.changes()[len(known) :], written(document)) == ([record], after)
    assert documented(document, playbook="site").status == 0


def test_an_older_document_is_named_from_where_the_play_was_started(target: Target, tmp_path: Path) -> None:
    image = target.containers()["auren-redis"]["Config"]["Image"]
    (tmp_path / "old.md").write_text(f"| Container | Image |\n|---|---|\n| auren-redis | {image} |\n| auren-kafka | mysql:8.0 |\n")
    reports = tmp_path / "reports"
    seen = play("-e", f"auren_report_dir={reports}", "-e", "auren_audit=old.md", playbook="playbooks/document.yml", cwd=tmp_path)
    assert seen.status == 0, seen.output
    text = written(reports)["audit.md"].decode()
    assert text.startswith("# Audit of old.md\n")
    assert "| 4 | **false** | image | auren-kafka · Image: mysql:8.0 |" in text
    assert f"| 3 | true | image | auren-redis · Image: {image} |" in text


def drifted(directory: Path, *arguments: str) -> tuple[int, str]:
    """The exit status, and the line for a message."""
    seen = documented(directory, "-e", "auren_drift=true", "-e", "auren_verify_level=basic", *arguments, playbook="verify")
    assert seen.changed == 0, seen.output
    lines = re.findall(r"^ +(target (?:drifted: |is as declared).*)$", seen.output, re.MULTILINE)
    assert lines, seen.output
    return seen.status, lines[0]


def test_a_converged_host_has_not_drifted(target: Target, tmp_path: Path) -> None:
    assert drifted(tmp_path) == (0, f"target is as declared: {len(target.containers())} services")


@pytest.fixture
def disorder(target: Target) -> Iterator[None]:
    """A file, fields and a network of a service are others, and there are files, a container and a network that nobody declared."""
    image = target.containers()["auren-redis"]["Image"]
    target.run("sh", "-c", f"echo '# by hand' >> {PROJECT_DIR}/config/auren-prometheus/prometheus.yml")
    target.run("sh", "-c", f"echo 'groups: []' | tee {' '.join(STRAY)}")
    target.docker("update", "--memory", "100m", "--memory-swap", "200m", "auren-kafka-exporter")
    target.docker("network", "create", "old-network")
    target.docker("network", "connect", "old-network", "auren-kafka-exporter")
    target.docker("update", "--restart", "no", "auren-node-exporter")
    target.docker("run", "-d", "--name", "odd", "--network", "none", "--entrypoint", "sleep", image, "600")
    yield
    target.docker("rm", "-f", "-v", "odd")
    target.run("rm", *STRAY)
    target.docker("update", "--memory", "64m", "--memory-swap", "128m", "auren-kafka-exporter")
    target.docker("update", "--restart", "unless-stopped", "auren-node-exporter")
    target.docker("network", "disconnect", "old-network", "auren-kafka-exporter")
    target.docker("network", "rm", "old-network")
    assert play("--tags", "prometheus").status == 0  # puts the file back


def test_what_was_done_by_hand_is_drift(target: Target, disorder: None, tmp_path: Path) -> None:
    status, line = drifted(tmp_path, "-e", "neuros_log_level=DEBUG")
    assert status != 0
    first = "auren-kafka-exporter: auren-kafka-exporter was changed by hand (mem_limit 100m, declared 64m): declare it so, or run site"
    assert line.startswith(f"target drifted: 4 of {len(target.containers())} services differ ({first} and then docker compose -f ")
    assert " --force-recreate auren-kafka-exporter, it is also on old-network; " in line
    assert "; auren-node-exporter: auren-node-exporter has no restart policy" in line
    assert "auren-prometheus: write config/auren-prometheus/prometheus.yml: content" in line
    assert "config/auren-prometheus/rules/by-hand.yml is a file that nobody declared" in line
    assert line.endswith("1 unknown file, 1 unknown container, 1 unknown network")


def test_nothing_that_was_written_for_people_holds_a_secret_or_a_foreign_address(target: Target, document: Path) -> None:
    files = [path for path in document.rglob("*") if path.is_file()]
    assert {*DOCUMENTS, "CHANGELOG.md", "changes.jsonl"} <= {path.name for path in files}
    assert [line for path in files for line in leaks(path.relative_to(document), path.read_bytes())] == []
