# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can a client use this Kafka? The bootstrap address answers, and so does every listener that it advertises.

A client connects to the bootstrap address only to be told where to go on, so a wrong advertised listener looks like a Kafka
that works until nothing is ever produced or consumed.

Options: topics: name → how many partitions it has at least, each with a leader; groups: those that must have a member, so that somebody
consumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, TypeVar

from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_wire as wire
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target, said

T = TypeVar("T")
OFFSETS = "__consumer_offsets"  # a broker makes it for the first group; a question about one would make it too


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    topics = {str(name): int(count) for name, count in (options.get("topics") or {}).items()}
    groups = [str(name) for name in options.get("groups") or []]
    found = _metadata(target, [*topics, *([OFFSETS] if groups else [])], timeout)
    if not found.brokers:
        raise ProbeError("advertised", f"{target} answers, but names no broker")
    for host, port in found.brokers:
        try:
            _metadata(target.at(host, port), [], timeout)
        except ProbeError as error:
            raise ProbeError("advertised", f"{target} answers, but it advertises {host}:{port}: {error.message}") from error
    _complete(target, topics, found.topics)
    if groups and OFFSETS not in found.topics:
        raise ProbeError("missing", f"nobody consumes from {target} in the group {groups[0]}: it never had a group")
    consumed = [_consumed(target, name, timeout) for name in groups]
    has = [*(f"topic {name}" for name in topics), *consumed]
    sentence = f"{target} answers, and so does what it advertises: {', '.join(f'{host}:{port}' for host, port in found.brokers)}"
    return sentence + (f"; it has {', '.join(has)}" if has else "")


def _metadata(target: Target, topics: Sequence[str], timeout: float) -> wire.Metadata:
    """What the broker at ``target`` tells. Raises ProbeError."""

    def ask(exchange: wire.Exchange) -> wire.Metadata:
        oldest, newest = wire.versions(exchange(wire.request(wire.API_VERSIONS, 0))).get(wire.METADATA, (0, -1))
        version = min(newest, wire.NEWEST_METADATA)
        if version < max(oldest, 1):
            raise ValueError(f"Metadata {oldest} to {newest} only")
        return wire.metadata(exchange(wire.metadata_request(version, topics)), version)

    return _talk(target, timeout, ask)


def _talk(target: Target, timeout: float, work: Callable[[wire.Exchange], T]) -> T:
    """One connection. Raises ProbeError for whatever is wrong with it."""
    try:
        with target.connect(timeout) as connection:
            return work(lambda message: wire.exchange(connection, message))
    except ValueError as error:
        raise ProbeError("protocol", f"{target} does not speak the protocol of Kafka: it gave {error}") from error
    except OSError as error:
        raise said(target, error) from error


def _complete(target: Target, wanted: Mapping[str, int], found: Mapping[str, list[int]]) -> None:
    """Raises ProbeError for the first topic that clients cannot use as they should."""
    for name, count in wanted.items():
        leaders = found.get(name, [])
        if not leaders:
            raise ProbeError("missing", f"{target} has no topic {name}")
        if len(leaders) < count:
            raise ProbeError("missing", f"the topic {name} of {target} has {len(leaders)} partitions instead of {count}")
        if -1 in leaders:
            raise ProbeError("status", f"the topic {name} of {target} has {leaders.count(-1)} partitions that nobody leads")


def _consumed(target: Target, name: str, timeout: float) -> str:
    """A group that somebody consumes in. Raises ProbeError."""
    where = _talk(target, timeout, lambda exchange: wire.coordinator(exchange(wire.request(wire.FIND_COORDINATOR, 0, wire.text(name)))))
    group = _talk(target.at(*where), timeout, lambda exchange: wire.group(exchange(wire.groups_request(name))))
    if not group.members:
        raise ProbeError("missing", f"nobody consumes from {target} in the group {name} (it is {group.state or 'unknown'})")
    return f"group {name} with {group.members} members"
