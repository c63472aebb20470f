"""Target hosts for Molecule: containers with sshd and, unless `bare`, a Docker Engine of their own.

    hosts.py create  RUN < platforms.json   start the hosts, print Molecule's instance configuration as JSON
    hosts.py destroy RUN                    remove the hosts of this run, their data and their keys
    hosts.py clean                          remove all hosts, the store and the images, of every run

RUN is the directory of the run (Molecule's ephemeral directory): keys and known_hosts live there, and its path tells
runs apart. A platform is `{name, flavour: engine|bare, images: true|false, user: root|admin}`; only the name is needed.

AUREN_TEST_BASE        the image the hosts are built from (default: the offline base if it exists, else Debian's own)
AUREN_TEST_PRIVILEGED  1: run hosts with --privileged instead of the list of rights they need
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dockercli import LABEL, DockerError, docker, ids, inspect
from store import VOLUME, Store, images_for_hosts

HERE = Path(__file__).resolve().parent
IMAGE = "auren-stack-test/host"
OFFLINE_BASE = "auren-stack/offline-base:trixie"
ONLINE_BASE = "debian:trixie-slim"
# SYS_PTRACE: without it root may not enter the namespaces of a process of another user, as `docker exec` does.
RIGHTS = [
    "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE",
    "--device-cgroup-rule", "a *:* rwm", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
]  # fmt: skip
READY_WITHIN = 60  # seconds from `docker run` to an sshd that answers


def run_id(run: Path) -> str:
    """What tells this run's objects from those of another run on the same machine."""
    return hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:8]


@contextmanager
def locked() -> Iterator[None]:
    """One process at a time in the store, whichever checkout it belongs to."""
    with open(Path(tempfile.gettempdir()) / f"{VOLUME}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(flavour: str) -> str:
    """Build the image of a flavour (Docker's build cache makes this a no-op), return its name."""
    offline = ids("image", f"reference={OFFLINE_BASE}")
    base = os.environ.get("AUREN_TEST_BASE") or (OFFLINE_BASE if offline else ONLINE_BASE)
    name = f"{IMAGE}:{flavour}"
    docker("build", "--quiet", "--target", flavour, "--build-arg", f"BASE={base}", "--tag", name, str(HERE / "host"))
    for stale in ids("image", f"label={LABEL}=host-image", "dangling=true", every=False):
        try:
            docker("rmi", stale)
        except DockerError:  # a host of another run still uses it: the next build takes it
            continue
    return name


def free_port() -> int:
    """A free port of 127.0.0.1, chosen here because one chosen by the Engine changes when a host restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(image: str, container: str, mount: str, run: str, hostname: str, key: str) -> int:
    """Start one host, return the port of its sshd on 127.0.0.1."""
    rights = ["--privileged"] if os.environ.get("AUREN_TEST_PRIVILEGED") == "1" else RIGHTS
    port = free_port()
    docker(
        "run", "--detach", "--name", container, "--hostname", hostname, "--cgroupns", "private", *rights,
        "--label", f"{LABEL}=host", "--label", f"{LABEL}.run={run}", "--tmpfs", "/run:exec", "--mount", mount,
        "--env", f"AUTHORIZED_KEY={key}", "--publish", f"127.0.0.1:{port}:22", image,
    )  # fmt: skip
    return port


def wait_for_sshd(container: str, port: int) -> None:
    """Wait until the host's sshd greets; the entrypoint starts it last, so the Engine is up then.

    Raises:
        DockerError: the host ended, or did not answer in time; the text holds its last lines.
    """
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if not inspect("container", [container])[0]["State"]["Running"]:
            break
        time.sleep(0.1)
    raise DockerError(f"{container}: no sshd on 127.0.0.1:{port}\n{docker('logs', '--tail', '20', container)}")


def host_key(container: str, port: int) -> str:
    """The known_hosts line of a host, its key read through the Engine and not from the network."""
    return f"[127.0.0.1]:{port} {docker('exec', container, 'cat', '/etc/ssh/ssh_host_ed25519_key.pub')}"


def make_key(run: Path) -> str:
    """Make the key pair of this run, return the public half."""
    run.mkdir(parents=True, exist_ok=True)
    for old in (run / "id_ed25519", run / "id_ed25519.pub"):
        old.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "molecule", "-f", str(run / "id_ed25519")]
    subprocess.run(command, check=True)
    return (run / "id_ed25519.pub").read_text().strip()


def golden(store: Store, run: str, key: str) -> str:
    """The key of the golden with today's images, filled first if need be."""

    def boot(place: str) -> str:
        container = f"auren-test-{run}-filler"
        wait_for_sshd(container, start(store.image, container, store.mount(place), run, "filler", key))
        return container

    images = images_for_hosts()
    if not images:
        raise DockerError("the Engine has no images for the hosts: run `ansible-playbook tests/prepare.yml` first")
    return store.fill(images, boot)


def wants_images(platform: dict[str, Any]) -> bool:
    """Whether a host's Engine starts with the images of the collection."""
    return platform.get("flavour", "engine") == "engine" and bool(platform.get("images", True))


def create(run: Path, platforms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Start the hosts of a run; returns one entry a host for Molecule's instance configuration."""
    destroy(run)
    key, run_name = make_key(run), run_id(run)
    images = {flavour: build(flavour) for flavour in ("engine", *{p["flavour"] for p in platforms if "flavour" in p})}
    instances = []
    with locked():
        store = Store(images["engine"])
        store.open()
        store.sweep()
        filled = golden(store, run_name, key) if any(wants_images(platform) for platform in platforms) else ""
        for platform in platforms:
            container = f"auren-test-{run_name}-{platform['name']}"
            image = images[platform.get("flavour", "engine")]
            place = store.clone(filled, container) if wants_images(platform) else store.empty(container)
            port = start(image, container, store.mount(place), run_name, platform["name"], key)
            instances.append({"instance": platform["name"], "container": container, "port": port,
                              "address": "127.0.0.1", "user": platform.get("user", "root"),
                              "identity_file": str(run / "id_ed25519")})  # fmt: skip
    for instance in instances:
        wait_for_sshd(instance["container"], instance["port"])
    known = [host_key(instance["container"], instance["port"]) for instance in instances]
    (run / "known_hosts").write_text("\n".join(known) + "\n")
    return instances


def remove_hosts(*filters: str) -> list[str]:
    """Remove the hosts that match, with their folders in the store; returns their names."""
    found = [host["Name"].lstrip("/") for host in inspect("container", ids("container", *filters))]
    if found:
        docker("rm", "--force", "--volumes", *found)
    if found and ids("volume", f"name=^{VOLUME}$"):
        with locked():
            Store(f"{IMAGE}:engine").sweep()
    return found


def destroy(run: Path) -> list[str]:
    """Remove what `create` made for this run."""
    for name in ("id_ed25519", "id_ed25519.pub", "known_hosts"):
        (run / name).unlink(missing_ok=True)
    return remove_hosts(f"label={LABEL}=host", f"label={LABEL}.run={run_id(run)}")


def clean() -> list[str]:
    """Remove every host, the store and the images."""
    hosts = remove_hosts(f"label={LABEL}=host")
    volumes, images = ids("volume", f"label={LABEL}=store"), ids("image", f"label={LABEL}=host-image", every=False)
    if volumes:
        docker("volume", "rm", *volumes)
    if images:
        docker("rmi", "--force", *images)
    return [*hosts, *volumes, *images]


def main() -> None:
    """Read the command line and do it; errors end with status 1 and one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["create", "destroy", "clean"])
    parser.add_argument("run", nargs="?", type=Path, default=Path())
    given = parser.parse_args()
    try:
        if given.command == "create":
            print(json.dumps(create(given.run, json.load(sys.stdin))))
        else:
            print(json.dumps(destroy(given.run) if given.command == "destroy" else clean()))
    except (DockerError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
