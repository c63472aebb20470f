"""Target hosts for the benchmark, and the runs that are timed on them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
CONFIG = f"""\
[defaults]
collections_path = {ROOT}/.collections:{CACHE}/collections
interpreter_python = auto_silent
host_key_checking = true
forks = 5
[connection]
pipelining = true
"""


class BenchError(RuntimeError):
    """A run that was to be timed did not do what it had to; the text holds its last lines."""


@dataclass(frozen=True)
class Host:
    """One target host, reached over SSH as a user with sudo."""

    name: str
    port: int
    run: Path

    @property
    def ssh_options(self) -> list[str]:
        known = f"UserKnownHostsFile={self.run}/known_hosts"
        return [
            "-o",
            known,
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=60s",
        ]

    def line(self) -> str:
        """The host in an inventory."""
        reached = f"ansible_host=127.0.0.1 ansible_port={self.port} ansible_user=admin ansible_ssh_private_key_file={self.run}/id_ed25519"
        return f"{self.name} {reached} ansible_ssh_args='{' '.join(self.ssh_options)}'"

    def shell(self, script: str, stdin: bytes | None = None) -> bytes:
        """Run a script as root, return what it printed."""
        options = [*self.ssh_options, "-o", f"ControlPath={self.run}/%C", "-i", f"{self.run}/id_ed25519", "-p", str(self.port)]
        command = ["ssh", *options, "admin@127.0.0.1", "sudo", "sh", "-euc", f"'{script}'"]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"{script}: {done.stderr.decode()[-2000:]}")
        return done.stdout


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Fresh hosts with an Engine and the images; removed at the end."""
    run = CACHE / "hosts" / names[0]
    program = [sys.executable, str(ROOT / "molecule/shared/hosts.py")]
    platforms = json.dumps([{"name": name, "user": "admin"} for name in names])
    try:
        made = subprocess.run([*program, "create", str(run)], input=platforms, capture_output=True, text=True, check=False)
        if made.returncode:
            raise BenchError(made.stderr)
        yield [Host(host["instance"], host["port"], run) for host in json.loads(made.stdout)]
    finally:
        subprocess.run([*program, "destroy", str(run)], capture_output=True, check=False)


@dataclass(frozen=True)
class Run:
    """What one run of a playbook took and said."""

    seconds: float
    changed: int
    output: str

    @property
    def remote(self) -> int:
        """How often a module ran on a host; needs a run at `-vvv`."""
        return len(re.findall(r"Using module file", self.output))


def play(playbook: Path, targets: list[Host], *arguments: str) -> Run:
    """Run a playbook against hosts.

    Raises:
        BenchError: it failed.
    """
    inventory = CACHE / "inventory.ini"
    inventory.write_text("[auren]\n" + "".join(host.line() + "\n" for host in targets))
    (CACHE / "ansible.cfg").write_text(CONFIG)
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CACHE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    command = ["ansible-playbook", "-i", str(inventory), str(playbook), *arguments]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        raise BenchError(f"{playbook.name} {' '.join(arguments)}: {(done.stdout + done.stderr)[-3000:]}")
    changed = sum(int(count) for count in re.findall(r"\bchanged=(\d+)", done.stdout))
    return Run(seconds, changed, done.stdout)
