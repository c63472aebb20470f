# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guards on existing data: which image may open it. Pure reads of the data directory on the host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.model import Image

DEBIAN_BIN = "/usr/lib/postgresql/"  # where Debian's PostgreSQL lies: glibc; the Alpine images have /usr/local/bin: musl


def holds_data(directory: str) -> bool:
    """True when the directory exists and has anything in it (a file system's own lost+found does not count); a file holds its bytes."""
    try:
        return any(name != "lost+found" for name in os.listdir(directory))
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def postgres_image(image: Image) -> dict[str, str]:
    """Major version and libc of a PostgreSQL image, from the environment that all the official ones set."""
    libc = "glibc" if DEBIAN_BIN in image.env.get("PATH", "") else "musl"
    return {"major": image.env.get("PG_MAJOR", ""), "libc": libc}


def postgres_data(directory: str) -> dict[str, str] | None:
    """Major version and libc of a PGDATA, None when no cluster is in it.

    PG_VERSION holds the major version; postmaster.opts the command line of the last start, so the path of the binary
    (PostgreSQL documentation, "Database File Layout").
    """
    major = read_text(Path(directory) / "PG_VERSION")
    if major is None:
        return None
    started = read_text(Path(directory) / "postmaster.opts")
    if not started:
        return {"major": major.strip(), "libc": ""}
    return {"major": major.strip(), "libc": "glibc" if DEBIAN_BIN in started else "musl"}


def guard_postgres(
    directory: str, image: Image, service: str, ref: str, environment: Mapping[str, str], variable: str
) -> StackError | None:
    """Refuse another major version or another libc on existing data. variable: that says which volume it is."""
    data, offered = postgres_data(directory), postgres_image(image)
    if data is None or not offered["major"]:
        return None
    remedy = (
        "nothing was changed. Set postgres_image to an image that can read it, or dump the data with the old image "
        f"(pg_dumpall) and restore it into an empty volume ({variable})"
    )
    if data["major"] != offered["major"]:
        return StackError(
            f"{service}: the data in {directory} was made by PostgreSQL {data['major']}, {ref} is PostgreSQL {offered['major']}; {remedy}",
            "postgres_major",
            service,
        )
    if data["libc"] and data["libc"] != offered["libc"]:
        return StackError(
            f"{service}: the data in {directory} was made with {data['libc']}, {ref} has {offered['libc']}, which sorts text differently, "
            f"so indexes would go wrong silently; {remedy}",
            "postgres_libc",
            service,
        )
    return None


def guard_kafka(directory: str, image: Image, service: str, ref: str, environment: Mapping[str, str], variable: str) -> StackError | None:
    """Refuse a log directory that holds data of another cluster, or data without the file that says whose it is."""
    entries: list[str] = sorted(n for n in os.listdir(directory) if n != "lost+found") if holds_data(directory) else []
    if not entries:
        return None
    found = _cluster_id(directory)
    wanted = environment.get("CLUSTER_ID") or environment.get("KAFKA_KRAFT_CLUSTER_ID") or ""
    if found is None:
        return StackError(
            f"{service}: {directory} holds {entries[0]} but no meta.properties, so Kafka would format it over; nothing was changed. "
            f"Set {variable} to an empty volume, or restore meta.properties",
            "kafka_unformatted",
            service,
        )
    if wanted and found != wanted:
        return StackError(
            f"{service}: the data in {directory} belongs to the Kafka cluster {found}, not to {wanted}; nothing was changed. "
            f"Set kafka_cluster_id to {found}, or {variable} to an empty volume",
            "kafka_cluster",
            service,
        )
    return None


def kafka_properties(directory: str) -> dict[str, str]:
    """What meta.properties of a KRaft log directory says; the Bitnami images keep it one level below the mount. Empty without one."""
    for place in (Path(directory), Path(directory) / "data"):
        text = read_text(place / "meta.properties")
        if text is not None:
            return properties(text)
    return {}


def properties(text: str) -> dict[str, str]:
    """The settings of a file of Java properties, as Kafka's are."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _equals, value in pairs}


def _cluster_id(directory: str) -> str | None:
    found = kafka_properties(directory)
    return found.get("cluster.id", "") if found else None


GUARDS: dict[str, Callable[[str, Image, str, str, Mapping[str, str], str], StackError | None]] = {
    "postgres": guard_postgres,
    "kafka": guard_kafka,
}
