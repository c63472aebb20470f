"""The role docker_host on a fresh host: one story, told in order on one machine that starts without Docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAY = ROOT / "tests" / "integration" / "docker_host" / "play.yml"
HOSTS = ROOT / "molecule" / "shared" / "hosts.py"
PLUGIN = "/usr/libexec/docker/cli-plugins/docker-compose"
DEAD_PROXY = 'Acquire { Retries "0"; http::Proxy "http://127.0.0.1:9"; https::Proxy "http://127.0.0.1:9"; };'
PING = "docker version --format '{{.Server.Version}}'"

pytestmark = pytest.mark.docker_host


@dataclass(frozen=True)
class Run:
    """What one ansible-playbook left on the terminal."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        return int(re.findall(r"changed=(\d+)", self.output)[-1])

    @property
    def ok(self) -> int:
        return int(re.findall(r"\bok=(\d+)", self.output)[-1])

    @property
    def facts(self) -> dict[str, Any]:
        """The facts the role set, as the play shows them last."""
        shown = self.output.split("TASK [Show what the role leaves behind]")[1].split("=> ", 1)[1]
        return dict(json.JSONDecoder().raw_decode(shown)[0]["msg"])


@dataclass(frozen=True)
class Host:
    """A target host: reached by Ansible over SSH, looked at by the test through the Engine it runs on."""

    container: str
    port: int
    run: Path

    def shell(self, command: str) -> str:
        """Run a command as root, return its output; a failure fails the test."""
        done = subprocess.run(["docker", "exec", self.container, "sh", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def engine_pid(self) -> str:
        return self.shell("pgrep -x dockerd")

    def apt_setting(self, text: str) -> None:
        self.shell(f"cat >/etc/apt/apt.conf.d/99test <<'END'\n{text}\nEND")

    def packages(self) -> set[str]:
        """Every installed package with its version."""
        return set(self.shell("dpkg-query -W -f '${Package}=${Version}\\n'").splitlines())

    def play(self, *arguments: str, user: str = "root") -> Run:
        inventory = self.run / "inventory"
        inventory.write_text(
            f"target ansible_host=127.0.0.1 ansible_port={self.port} ansible_user={user} "
            f"ansible_ssh_private_key_file={self.run / 'id_ed25519'} "
            f"ansible_ssh_common_args='-o UserKnownHostsFile={self.run / 'known_hosts'}'\n"
        )
        command = [f"{Path(sys.executable).parent}/ansible-playbook", str(PLAY), "-i", str(inventory), *arguments]
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        return Run(done.returncode, done.stdout + done.stderr)


@contextmanager
def bare_host(run: Path) -> Iterator[Host]:
    """A host without Docker; RUN keeps its keys."""
    platforms = json.dumps([{"name": "bare", "flavour": "bare", "images": False}])
    created = subprocess.run([sys.executable, str(HOSTS), "create", str(run)], input=platforms, capture_output=True, text=True, check=False)
    try:
        assert created.returncode == 0, created.stderr
        made = json.loads(created.stdout)[0]
        yield Host(made["container"], made["port"], run)
    finally:
        subprocess.run([sys.executable, str(HOSTS), "destroy", str(run)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with bare_host(tmp_path_factory.mktemp("docker_host")) as host:
        yield host


def test_check_mode_says_what_would_happen_and_does_nothing(host: Host) -> None:
    before = host.packages()
    run = host.play("--check")
    assert run.status == 0, run.output
    assert "would install Docker; all services would be created" in run.output
    assert run.changed == 0
    assert run.facts["missing"] is True
    assert host.packages() == before


def test_a_user_who_cannot_install_is_told(host: Host) -> None:
    run = host.play(user="admin")
    assert run.status != 0
    assert "Docker on target lacks engine, cli, compose, sdk and user admin cannot install it: run with become" in run.output


def test_a_mirror_out_of_reach_is_told(host: Host) -> None:
    before = host.packages()
    host.apt_setting(DEAD_PROXY)
    run = host.play("-e", "docker_host_mirror_timeout=0")
    host.shell("rm /etc/apt/apt.conf.d/99test")
    assert run.status != 0
    assert re.search(r"apt cannot download docker\.io .*: E: .* W: Failed to fetch .* Mend the apt sources or the network", run.output)
    assert host.packages() == before


def test_a_missing_engine_is_installed_and_started_without_systemd(host: Host) -> None:
    """Also beside a source that never answers, and with a mirror that does not at first."""
    host.shell("echo 'deb [trusted=yes] http://127.0.0.1:9/ ./' >/etc/apt/sources.list.d/broken.list")
    host.apt_setting(DEAD_PROXY + '\nAPT::Update::Pre-Invoke { "rm /etc/apt/apt.conf.d/99test"; };')
    run = host.play()
    assert run.status == 0, run.output
    host.shell("rm /etc/apt/sources.list.d/broken.list; test ! -e /etc/apt/apt.conf.d/99test -a ! -e /usr/sbin/policy-rc.d")
    assert not any(package.startswith("python3-apt=") for package in host.packages())
    engine = run.facts["engine"]
    assert engine["state"] == "ready"
    assert engine["missing"] == []
    assert run.facts["missing"] is False
    assert host.shell(PING) == engine["version"]
    assert host.shell("docker compose version --short")


def test_a_second_run_reads_once_and_changes_nothing(host: Host) -> None:
    before, pid = host.packages(), host.engine_pid()
    run = host.play()
    assert run.status == 0, run.output
    assert run.changed == 0
    assert run.ok == 4  # of them one remote: the specs, the read, the facts, the play's own message
    assert (host.packages(), host.engine_pid()) == (before, pid)


def test_a_user_without_permission_is_told(host: Host) -> None:
    run = host.play(user="admin")
    assert run.status != 0
    assert "Docker at /var/run/docker.sock refuses user admin: run with become, or add the user to the group docker" in run.output


@pytest.mark.parametrize(("packages", "parts"), [("docker-compose", "compose"), ("docker-cli python3-docker", "cli, sdk")])
def test_only_the_missing_parts_are_added(host: Host, packages: str, parts: str) -> None:
    before, pid, version = host.packages(), host.engine_pid(), host.shell(PING)
    host.shell(f"dpkg --remove --force-depends {packages}")
    check = host.play("--check")
    assert f"would add to Docker: {parts}" in check.output
    assert check.facts["missing"] is ("sdk" in parts)  # without it nothing can be planned
    run = host.play()
    assert run.status == 0, run.output
    assert (host.packages(), host.engine_pid(), host.shell(PING)) == (before, pid, version)


def test_an_old_compose_stays_and_only_the_plugin_is_added(host: Host) -> None:
    host.shell(f"rm {PLUGIN}")  # as with docker-compose 1.29, whose package has no plugin: installing would replace it
    before, pid = host.packages(), host.engine_pid()
    host.shell("sed -i '/^Package: docker-compose$/,/^$/s/^Version: .*/Version: 1.29.2-3/' /var/lib/dpkg/status")
    run = host.play()
    assert run.status == 0, run.output
    assert run.facts["engine"]["compose_plugin"] == "/usr/local/lib/docker/cli-plugins/docker-compose"
    assert "docker-compose=1.29.2-3" in host.packages()
    assert {name for name in host.packages() ^ before if not name.startswith("docker-compose=")} == set()
    assert host.engine_pid() == pid
    assert host.shell("docker compose version --short")


def test_an_engine_that_died_is_started_despite_its_stale_pid_file(host: Host) -> None:
    pid = host.engine_pid()
    host.shell(f"kill -KILL {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done; echo 1 > /run/docker.pid")
    run = host.play()
    assert run.status == 0, run.output
    assert run.changed == 1
    assert host.engine_pid() != pid


def test_an_engine_that_hangs_is_not_joined_by_a_second_one(host: Host) -> None:
    pid = host.engine_pid()
    host.shell(f"kill -STOP {pid}")
    try:
        run = host.play("-e", "docker_host_start_timeout=3")
    finally:
        host.shell(f"kill -CONT {pid}")
    assert run.status != 0
    assert "Docker did not answer at /var/run/docker.sock within 3 seconds; its last lines were:" in run.output
    assert host.engine_pid() == pid


@pytest.mark.slow
def test_dockers_own_repository_is_preferred_where_it_answers(tmp_path: Path) -> None:
    with bare_host(tmp_path) as host:
        script = (PLAY.parent / "repository.sh").read_text()
        done = subprocess.run(
            ["docker", "exec", "-i", host.container, "bash", "-s"], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        arguments = ("-e", "docker_host_repository=http://127.0.0.1:8088/linux")
        run = host.play(*arguments)
        assert run.status == 0, run.output
        installed = dict(package.split("=", 1) for package in host.packages())
        for package in ("docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"):
            assert installed[package] == "5:99.0-1"
        assert "docker.io" not in installed
        assert run.facts["engine"]["missing"] == []

        host.shell("dpkg --remove docker-compose-plugin")
        before = host.engine_pid()
        run = host.play(*arguments)
        assert run.status == 0, run.output
        assert "docker-compose-plugin=5:99.0-1" in host.packages()
        assert host.engine_pid() == before
