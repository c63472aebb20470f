"""The repository holds no secret and nothing of its authors' machines; and what is made says the same as what it is made from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.leaks import ADDRESSES, HOSTS, PASSWORDS, ROOT, leaks

UPPER, LOWER = "ABCDEFGHIJKLMNOP", "abcdefghijklmnopqrstuvwxyz"  # put together here, so that this file holds none itself
PLANTED = {
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----": "a private key",
    "-----BEGIN " + "PRIVATE KEY-----": "a private key",
    "key = AKIA" + UPPER: "a token",
    "GITHUB=ghp_" + LOWER + "0123456789": "a token",
    "OPENAI: sk-" + "proj-" + LOWER: "a token",
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTYifQ" + ".c2lnbmF0dXJl": "a token",
    "redis_password: " + "q7Rw2-Zk9+Lm4xTb": "a password that looks real",
    '{"api_key": "' + "Zk9Lm4xTbq7Rw2Va" + '"}': "a password that looks real",
    "url = postgresql://auren:" + "Zk9Lm4xTbq7Rw2" + "@db/auren": "a password that looks real",
    "server 93.184.216." + "34": "a foreign address: 93.184.216." + "34",
    "- 'http://52.1." + "2.3:80/'": "a foreign address: 52.1." + "2.3",
    "cd /home/" + "alice/stack": "a path of somebody's machine",
    "open /Users/" + "alice/x": "a path of somebody's machine",
    "source = /wo" + "rk/main": "a path of somebody's machine",
    "python: /root/.py" + "env/bin": "a path of somebody's machine",
    "index-url = https:/" + "/mirror.corp.net/simple": "a foreign host: mirror.corp.net",
    "FROM registry.corp." + "net:5000/redis:7": "a foreign host: registry.corp.net",
    "image: harbor.corp." + "io/redis:7": "a foreign host: harbor.corp.io",
}
FINE = [
    "redis_password: '{{ vault_redis_password }}'",
    "password = <<secret:postgres_password>>",
    "REDIS_PASSWORD_FILE: /run/secrets/redis_password",
    "postgresql://u:p@h/d",
    "listen 127.0.0.1:80, 10.1.2.3, 172.17.0.1, 192.168.0.1, 100.64.0.1, 192.0.2.1, 198.51.100.7, 203.0.113.9",
    "grafana 11.6.0 and version 1.2.3.4.5",
    "https://auren.example.org/x, http://neuros-advanced:8000, https://my.example",
    "image: prom/prometheus:v2.53.3",
    "~/work/stack, $HOME/work, tests/home/x",
]


def tracked() -> list[Path]:
    """Every file that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


@pytest.fixture(scope="module")
def texts() -> str:
    """All that is text, but for the lists themselves."""
    return "\n".join(path.read_text(errors="replace") for path in tracked() if path != ROOT / "tests" / "leaks.py")


def test_no_file_holds_a_secret_or_a_foreign_address() -> None:
    files = tracked()
    assert len(files) > 300
    assert [line for path in files for line in leaks(path.relative_to(ROOT), path.read_bytes())] == []


@pytest.mark.parametrize(("line", "kind"), PLANTED.items())
def test_what_is_planted_is_found(tmp_path: Path, line: str, kind: str) -> None:
    file = tmp_path / "planted.txt"
    file.write_text(f"one\n{line}\nthree\n")
    assert leaks(Path("planted.txt"), file.read_bytes()) == [f"planted.txt:2: {kind}"]


@pytest.mark.parametrize("line", FINE)
def test_what_is_right_is_not_found(line: str) -> None:
    assert leaks(Path("x"), line.encode()) == []


@pytest.mark.parametrize("secret", [line for line, kind in PLANTED.items() if "address" not in kind and "host" not in kind])
def test_a_finding_does_not_repeat_the_secret(secret: str) -> None:
    assert secret not in str(leaks(Path("x"), secret.encode()))


@pytest.mark.parametrize("allowed", sorted([*ADDRESSES, *HOSTS, *PASSWORDS]))
def test_what_is_allowed_is_still_needed(allowed: str, texts: str) -> None:
    assert re.search(rf"(?<![\w.-]){re.escape(allowed)}(?![\w-]|\.\w)", texts)


def test_the_execution_environment_is_of_this_version() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    text = (ROOT / "execution-environment.yml").read_text()
    assert set(re.findall(r"auren-(?:stack-|ee:)(\d+\.\d+\.\d+)", text)) == {version}


def test_the_workflow_does_what_everybody_does() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert [command.split()[-1] for command in commands] == [".ci/run"]


def test_links_between_documents_lead_somewhere() -> None:
    pages = [path for path in tracked() if path.suffix == ".md" and "files/reference" not in str(path)]
    assert len(pages) > 20
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]*)?\)", page.read_text())]
    assert [f"{page.relative_to(ROOT)}: {link}" for page, link in links if not (page.parent / link).exists()] == []
