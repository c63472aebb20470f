# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How topics of a running Kafka are: asked over the network, as its clients do."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_wire as wire

PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Topic:
    """config: setting → value; declared ones are only those that are said."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def read(host: str, port: int, names: Sequence[str]) -> list[Topic]:
    """Those of the topics that are there, with all their settings. Raises OSError or ValueError when the broker does not answer so."""
    with socket.create_connection((host, port), PATIENCE) as connection:
        connection.settimeout(PATIENCE)
        served = wire.versions(wire.exchange(connection, wire.request(wire.API_VERSIONS, 0)))
        version = min(served[wire.METADATA][1], wire.NEWEST_METADATA)
        found = wire.metadata(wire.exchange(connection, wire.metadata_request(version, names)), version).topics
        present = [name for name in names if name in found]
        settings = wire.configs(wire.exchange(connection, wire.configs_request(present))) if present else {}
    return [Topic(name, len(found[name]), settings.get(name, {})) for name in present]


def declared(text: str) -> list[Topic]:
    """The topics of the role's topics.txt: a line each, name, partitions, ``key=value`` …"""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return [Topic(row[0], int(row[1]), dict(word.split("=", 1) for word in row[2:])) for row in rows]


def as_they_are(wanted: Sequence[Topic], present: Sequence[Topic]) -> list[Topic]:
    """The declared topics, where one is there with its partitions and with what its declared settings are now."""
    known = {topic.name: topic for topic in present}
    found = []
    for topic in wanted:
        now = known.get(topic.name, topic)
        found.append(Topic(topic.name, now.partitions, {key: now.config.get(key, value) for key, value in topic.config.items()}))
    return found
