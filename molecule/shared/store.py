"""The store: one named volume that gives every target host a filled /var/lib/docker in about two seconds.

    golden/<key>/docker       what an Engine looks like after `docker load` of the images; <key> hashes their ids
    golden/<key>/images.json  reference → id on the outer Engine
    hosts/<container>/        /var/lib/docker of one host: layers are hard links into a golden, the rest are copies

Layers can be linked because overlay2 never writes below the top layer; the databases beside them are written in
place, so they are copied. Links need one file system, hence one volume for all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import yaml
from dockercli import LABEL, docker, ids, inspect, pipe

VOLUME = "auren-stack-test-store"
ROOT = Path(__file__).resolve().parents[2]
CLONE = """
clone() {
    mkdir -p "$2/overlay2"
    (cd "$1" && find . -mindepth 1 -maxdepth 1 ! -name overlay2 ! -name engine-id -exec cp -a {} "$2/" \\;)
    cp -al "$1/overlay2/." "$2/overlay2/"
}
"""


def images_for_hosts() -> dict[str, str]:
    """Reference → id of every image that `site` may need inside a target host.

    The rule: what the outer Engine has of the images pinned in the wiring and of the offline set that may take their
    place, by name. So it holds where images were pulled and where they were built.
    """
    wiring = yaml.safe_load((ROOT / "roles/wiring/defaults/main.yml").read_text())
    offline = yaml.safe_load((ROOT / "roles/images/vars/main.yml").read_text())
    wanted = {*wiring["auren_images"].values(), *(entry["image"] for entry in offline["images_offline"])}
    listed = docker("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    found = dict(line.split(" ", 1) for line in sorted(listed))
    return {reference: image for reference, image in found.items() if reference in wanted}


def key_of(images: dict[str, str]) -> str:
    """The name of the golden that holds exactly these images."""
    return hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest()[:16]


class Store:
    """Goldens and hosts in the volume; `image` is a target host's image with an Engine in it."""

    def __init__(self, image: str) -> None:
        self.image = image

    def open(self) -> None:
        """Create the volume, or leave the one that is there."""
        docker("volume", "create", "--label", f"{LABEL}=store", VOLUME)
        self.shell("mkdir -p /store/golden /store/hosts")

    def shell(self, script: str) -> str:
        """Run a shell script with the volume at /store; returns its output."""
        mount = f"type=volume,src={VOLUME},dst=/store"
        return docker(
            "run", "--rm", "-i", "--label", f"{LABEL}=store", "--network=none", "--mount", mount,
            "--entrypoint", "sh", self.image, "-eu", "-s", stdin=CLONE + script,
        )  # fmt: skip

    def mount(self, place: str) -> str:
        """The `--mount` that makes a folder of the store a host's /var/lib/docker."""
        return f"type=volume,src={VOLUME},dst=/var/lib/docker,volume-subpath={place}"

    def goldens(self) -> dict[str, dict[str, str]]:
        """Key → images of every golden that was finished."""
        text = self.shell('cd /store/golden; for f in */images.json; do [ ! -f "$f" ] || cat "$f"; echo; done')
        listed = [json.loads(line) for line in text.splitlines() if line.strip()]
        return {key_of(images): images for images in listed}

    def fill(self, images: dict[str, str], boot: Callable[[str], str]) -> str:
        """Make the golden for these images if it is not there; the others are removed. Returns its key.

        Args:
            images: reference → id on the outer Engine.
            boot: starts a host on a folder of the store, returns the container's name once its Engine answers.
        """
        key, have = key_of(images), self.goldens()
        if key in have:
            return key
        old, seed = max(have.items(), key=lambda item: len(item[1].items() & images.items()), default=("", {}))
        copy = f"clone /store/golden/{old}/docker /store/golden/.new/docker" if old else ""
        self.shell(f"rm -rf /store/golden/.new; mkdir -p /store/golden/.new/docker; {copy}")
        self._load(boot("golden/.new/docker"), images, seed)
        self.shell(
            f"cd /store/golden; echo '{json.dumps(images)}' > .new/images.json; mv -T .new {key}\n"
            f'for d in *; do [ "$d" = {key} ] || rm -rf "$d"; done'
        )
        return key

    @staticmethod
    def _load(filler: str, images: dict[str, str], seed: dict[str, str]) -> None:
        """Bring the filler's Engine from the images of `seed` to exactly `images`, and shut it down cleanly."""
        try:
            missing = [reference for reference, image in images.items() if seed.get(reference) != image]
            if missing:
                pipe(["save", *missing], ["exec", "-i", filler, "docker", "load", "--quiet"])
            gone = sorted(set(seed) - set(images))
            gone += docker("exec", filler, "docker", "images", "-q", "--filter", "dangling=true").split()
            if gone:
                docker("exec", filler, "docker", "rmi", "--force", *gone)
            docker("stop", "--time", "60", filler)
        finally:
            docker("rm", "--force", "--volumes", filler)

    def clone(self, key: str, host: str) -> str:
        """Give a host its own copy of a golden; returns the folder for `mount`."""
        self.shell(f"rm -rf /store/hosts/{host}; clone /store/golden/{key}/docker /store/hosts/{host}")
        return f"hosts/{host}"

    def empty(self, host: str) -> str:
        """Give a host an empty folder; returns it for `mount`."""
        self.shell(f"rm -rf /store/hosts/{host}; mkdir /store/hosts/{host}")
        return f"hosts/{host}"

    def sweep(self) -> None:
        """Remove the folders of hosts that are gone."""
        hosts = inspect("container", ids("container", f"label={LABEL}=host"))
        alive = " ".join(host["Name"].lstrip("/") for host in hosts)
        self.shell(f'cd /store/hosts\nfor d in *; do case " {alive} " in *" $d "*) ;; *) rm -rf "$d" ;; esac; done')
