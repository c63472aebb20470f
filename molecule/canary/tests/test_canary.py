"""No trace of any secret where somebody could look who may not read it: through every kind of run, then everywhere on the host."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from canary import Given, Marked, hits
from target import PROJECT_DIR, Recap, Target, play, wait_until

HERE = Path(__file__).resolve().parent
CONVERGE = "molecule/canary/converge.yml"
LOUD = ["-vvv", "--diff", "-e", "neuros_openai_base_url=http://127.0.0.1:1/v1", "-e", "auren_gate_deadline=90"]
SAMPLES = "/root/command-lines"
ROOTS = [PROJECT_DIR, "/etc", "/home", "/opt", "/run", "/tmp", "/var/log", "/var/tmp"]
LEAKY_IMAGE = """FROM python:3.13-slim
CMD ["python3", "-c", "import os; print(dict(os.environ), *os.environ.values(), sep=chr(10), flush=True); raise SystemExit(3)"]
"""
WEBHOOKS = {f"{device}_webhook_secret" for device in ("oura", "whoop", "apple_health", "garmin", "fitbit")}
# The list in the README, section "Secrets".
IN_ENVIRONMENT = {
    "neuros-advanced": {"postgres_password", "redis_password", "openai_api_key"},
    "biometric-production": {"postgres_password", "redis_password"} | WEBHOOKS,
}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module", autouse=True)
def sampled(target: Target) -> Iterator[None]:
    """Every command line on the host is noted from here on."""
    sampler = (HERE / "sampler.py").read_text()
    pid = target.run("sh", "-c", f"rm -f {SAMPLES}; setsid python3 -c '{sampler}' {SAMPLES} 3600 >/dev/null 2>&1 & echo $!")
    yield
    target.run("kill", pid)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def loud(target: Target, given: Given, reports: Path) -> Callable[..., Recap]:
    """Run the stack's playbook with everything shown; nothing of it may hold a trace."""

    def run(*arguments: str, fails: bool = False, secrets: Any = None) -> Recap:
        shown = given.arguments() if secrets is None else given.arguments_of(secrets)
        done = play(*LOUD, "-e", f"auren_report_dir={reports}", *shown, *arguments, playbook=CONVERGE)
        assert hits(done.output, given.ever) == []
        assert (done.status != 0) is fails, done.output[-3000:]
        assert "DUMP" in done.output or fails
        return done

    return run


# --- the search finds what there is to find -----------------------------------------------------------------------------


def test_a_trace_is_found_in_every_form() -> None:
    secret = Marked.new("one")
    encoded = [base64.b64encode(("x" * shift + secret.value).encode()).decode() for shift in range(3)]
    for text in (secret.value, json.dumps(secret.value), secret.value.split()[0], secret.value.split()[-1], *encoded):
        assert hits(f"before {text} after", [secret])
    assert hits("before after", [secret]) == []


def test_a_planted_leak_is_found(target: Target) -> None:
    secret = Marked.new("planted")
    target.run("sh", "-c", f"umask 022; echo {secret.head} > /tmp/planted; sleep 1; : {secret.tail}")
    assert hits(readable_by_all(target)["/tmp/planted"], [secret])
    assert wait_until(lambda: hits(command_lines(target), [secret]), 10)
    target.run("rm", "/tmp/planted")


def test_a_variable_that_holds_one_would_be_seen(given: Given) -> None:
    marked = Marked.new("told")
    done = play(*LOUD, *given.arguments(), "-e", f"leak={marked.head}", "--check", playbook=CONVERGE)
    assert hits(done.output, [marked])
    assert hits(done.output, given.ever) == []


# --- every kind of run --------------------------------------------------------------------------------------------------


def test_a_plan_for_an_empty_host(loud: Callable[..., Recap]) -> None:
    assert loud("--check").changed > 0


def test_the_first_run_and_one_without_a_change(loud: Callable[..., Recap]) -> None:
    assert loud().changed > 0
    assert loud().changed == 0


@pytest.mark.parametrize("mode", [["--check"], []], ids=["planned", "done"])
def test_a_rotation_and_other_changed_secrets(loud: Callable[..., Recap], given: Given, mode: list[str]) -> None:
    given.renew("postgres_password", "redis_password", "openai_api_key", "oura_webhook_secret")
    done = loud(*mode)
    assert "rotate postgres_password" in " ".join(done.output.split())


def test_an_application_that_does_not_start(loud: Callable[..., Recap]) -> None:
    loud(
        "-e",
        '{"neuros_extra_environment": {"KAFKA_BOOTSTRAP_SERVERS": "", "KAFKA_BROKERS": ""}}',
        "-e",
        "auren_gate_deadline=20",
        fails=True,
    )


def test_an_image_that_writes_its_environment_into_its_log(loud: Callable[..., Recap], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(LEAKY_IMAGE)
    image = f"neuros_image=auren-test/leaky:1 neuros_build_context={tmp_path} neuros_stores_events=true"
    done = loud("-e", image, "-e", "auren_gate_deadline=20", fails=True)
    assert "POSTGRES_PASSWORD" in done.output, "its log is in the message"


def test_a_failed_rotation(loud: Callable[..., Recap], given: Given) -> None:
    before = dict(given.now)
    given.renew("postgres_password", "redis_password")
    loud(
        "-e",
        '{"neuros_extra_environment": {"KAFKA_BOOTSTRAP_SERVERS": "", "KAFKA_BROKERS": ""}}',
        "-e",
        "auren_gate_deadline=20",
        fails=True,
    )
    given.now = before
    loud()


@pytest.mark.parametrize("wrong", ["redis_image='no image'", "redis_image=absent/absent:1", "redis_memory=much", "redis_port=ninety"])
def test_a_wrong_variable(loud: Callable[..., Recap], wrong: str) -> None:
    loud("-e", wrong, fails=True)


@pytest.mark.parametrize("shape", ["text", "list", "list inside", "dict inside"])
def test_secrets_of_a_wrong_shape(loud: Callable[..., Recap], given: Given, shape: str) -> None:
    value = given.now["redis_password"].value
    secrets: dict[str, Any] = {
        "text": value,
        "list": [value],
        "list inside": {"redis_password": [value]},
        "dict inside": {"redis_password": {"value": value}},
    }
    loud("--check", fails=True, secrets=secrets[shape])


# --- and then everywhere on the host ------------------------------------------------------------------------------------


def readable_by_all(target: Target) -> dict[str, str]:
    """Path → text of every file that somebody without any right can reach and read, in the folders where a run could leave one."""
    find = f"find {' '.join(ROOTS)} -xdev -type f -readable -size -4M -print0 2>/dev/null"
    pack = f"cd /; {find} | tar --null -T - -cf - 2>/dev/null | gzip -1 | base64"
    nobody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]  # 65534 reads the secrets of an exporter
    packed = gzip.decompress(base64.b64decode(target.run(*nobody, "sh", "-c", pack)))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [(f"/{member.name.lstrip('/')}", archive.extractfile(member)) for member in archive if member.isfile()]
        return {name: content.read().decode(errors="replace") for name, content in files if content}


def command_lines(target: Target) -> str:
    return target.run("cat", SAMPLES)


def test_used_applications_and_their_logs(target: Target, given: Given) -> None:
    """Use what uses a secret, with a wrong one too, and look into every container's log."""
    question = {"user_id": "canary", "session_id": "s", "message": "?"}
    assert target.http("http://127.0.0.1:8000/api/agents/neuros/analyze", question).status == 200
    body = {"event_type": "readiness.updated", "user_id": "canary", "data": {"score": 1}}
    assert target.http("http://127.0.0.1:8888/webhooks/oura", body, {"X-Webhook-Signature": "0" * 64}).status == 401
    time.sleep(2)
    for name in target.docker("ps", "--all", "--format", "{{.Names}}").split():
        log = target.run("sh", "-c", f"docker logs {name} 2>&1")
        assert hits(log, given.ever) == [], name


def test_what_was_written_for_people_holds_none(given: Given, reports: Path) -> None:
    """Documents, change log and records of all these runs, also of those that failed."""
    files = {path.name: path.read_bytes().decode(errors="replace") for path in reports.rglob("*") if path.is_file()}
    assert {"architecture.md", "architecture.html", "CHANGELOG.md", "changes.jsonl"} <= set(files)
    assert {name: found for name, text in files.items() if (found := hits(text, given.ever))} == {}


def test_a_bundle_for_somebody_else_holds_none(target: Target, given: Given, tmp_path: Path) -> None:
    done = play("-vvv", *given.arguments(), "-e", f"auren_report_dir={tmp_path}", playbook="playbooks/troubleshoot.yml")
    assert (done.status, done.changed) == (0, 0), done.output[-3000:]
    assert hits(done.output, given.ever) == []
    [bundle] = tmp_path.glob("*/troubleshoot-*.tar.gz")
    with tarfile.open(bundle) as archive:
        texts = {member.name: archive.extractfile(member) for member in archive}
        found = {name: hits(content.read().decode(), given.ever) for name, content in texts.items() if content}
    assert any(name.endswith("/neuros-advanced/inspect.json") for name in found)
    assert {name: traces for name, traces in found.items() if traces} == {}


def test_inspection_shows_them_only_in_the_environment_that_the_readme_lists(target: Target, given: Given) -> None:
    containers = target.containers()
    environment = {name: "\n".join(one["Config"].pop("Env")) for name, one in containers.items()}
    assert hits(json.dumps(containers), given.ever) == []
    now = given.now.values()
    held = {name: {secret.name for secret in now if hits(text, [secret])} for name, text in environment.items()}
    assert {name: names for name, names in held.items() if names} == IN_ENVIRONMENT
    old = [secret for secret in given.ever if secret not in now]
    assert hits(json.dumps(environment), old) == []


def test_nothing_else_that_docker_keeps_holds_one(target: Target, given: Given) -> None:
    images = target.docker("images", "--all", "--quiet", "--no-trunc").split()
    kept = [target.docker("image", "inspect", *images), *(target.docker("history", "--no-trunc", image) for image in set(images))]
    for kind in ("network", "volume"):
        kept.append(target.docker(kind, "inspect", *target.docker(kind, "ls", "--quiet").split()))
    kept.append(target.docker("events", "--since", "2h", "--until", "0s", "--format", "json"))
    assert "auren-redis" in kept[-1]
    assert [hits(text, given.ever) for text in kept if hits(text, given.ever)] == []


def test_no_file_that_all_may_read_holds_one(target: Target, given: Given) -> None:
    files = readable_by_all(target)
    assert f"{PROJECT_DIR}/docker-compose.yml" in files
    assert {path: found for path, text in files.items() if (found := hits(text, given.ever))} == {}


def test_the_secrets_are_where_they_belong(target: Target, given: Given) -> None:
    """The search looks for the right thing: what root may read holds every value."""
    for name, secret in given.now.items():
        assert hits(target.secret(name), [secret]), name


def test_no_command_line_held_one(target: Target, given: Given) -> None:
    lines = command_lines(target)
    assert "docker compose" in lines or "docker-compose" in lines
    assert hits(lines, given.ever) == []
