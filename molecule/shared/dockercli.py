"""The outer Engine, spoken to through the `docker` command: this runs on the machine that runs Molecule."""

from __future__ import annotations

import json
import subprocess
from typing import Any

LABEL = "auren.stack.test"


class DockerError(RuntimeError):
    """A docker command failed; the text says which one and what the Engine answered."""


def docker(*args: str, stdin: str | None = None) -> str:
    """Run `docker ARGS`, return its standard output without the last newline.

    Raises:
        DockerError: the command's status is not 0.
    """
    done = subprocess.run(["docker", *args], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DockerError(f"docker {' '.join(args[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.rstrip("\n")


def inspect(kind: str, names: list[str]) -> list[dict[str, Any]]:
    """Inspect objects of one kind (`container`, `image`, …) in one call; no names, no call."""
    return json.loads(docker(kind, "inspect", *names)) if names else []


def ids(kind: str, *filters: str, every: bool = True) -> list[str]:
    """Ids of the objects that match every filter (`label=…`, `name=…`), without duplicates."""
    wide = ["--all"] if every and kind in ("container", "image") else []
    options = [word for text in filters for word in ("--filter", text)]
    return list(dict.fromkeys(docker(kind, "ls", "--quiet", *wide, *options).split()))


def pipe(source: list[str], sink: list[str]) -> None:
    """Run `docker SOURCE | docker SINK`.

    Raises:
        DockerError: either side fails.
    """
    with subprocess.Popen(["docker", *source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as giver:
        taken = subprocess.run(["docker", *sink], stdin=giver.stdout, capture_output=True, text=True, check=False)
        giver.stdout.close()  # type: ignore[union-attr]  # so that a source whose sink has ended is told
        complaint = giver.stderr.read().strip()  # type: ignore[union-attr]
    if giver.returncode != 0 or taken.returncode != 0:
        raise DockerError(f"docker {source[0]} | docker {sink[0]}: {complaint} {taken.stderr.strip()}")
