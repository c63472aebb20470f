"""A takeover and a disk with no room for what it has to copy."""

from __future__ import annotations

import subprocess

from tests.integration.hand_run import HandRun, mountpoint
from tests.integration.harness import docker


def test_no_room_for_a_copy(hand: HandRun) -> None:
    """The volume that the layer's data would be copied to is on a disk of 64 kB."""
    hand.redis("db", command=["sh", "-c", "mkdir -p /tmp/db && exec redis-server --appendonly yes --dir /tmp/db"], keys=4000)
    volume = hand.project.volume("data")
    docker("volume", "create", volume)
    place = str(mountpoint(volume))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", hand.called("disk"), place], check=True)
    try:
        said = hand.refused(hand.service("db", volume))
    finally:
        subprocess.run(["umount", place], check=True)
    assert said.startswith("0.")
    assert said.endswith(" MB of db have to be copied to data, and only 0.1 MB are free. Make room, then run again. Nothing was changed")
