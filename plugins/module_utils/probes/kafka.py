# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can a client use this Kafka? The bootstrap address answers, and so does every listener that it advertises.

A client connects to the bootstrap address only to be told where to go on, so a wrong advertised listener looks like a Kafka
that works until nothing is ever produced or consumed.

Options: topics: name → how many partitions it has at least, each with a leader; groups: those that must have a member, so that somebody
consumes; write: a text that is written as a record of a topic of our own and read again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable, TypeVar

from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_records as records
from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_wire as wire
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target, said

T = TypeVar("T")
OWN_TOPIC, KEPT = "auren-verify", 3_600_000  # milliseconds that it keeps its records
OFFSETS = "__consumer_offsets"  # a broker makes it for the first group; a question about one would make it too


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    topics = {str(name): int(count) for name, count in (options.get("topics") or {}).items()}
    groups = [str(name) for name in options.get("groups") or []]
    found = describe(target, [*topics, *([OFFSETS] if groups else [])], timeout)
    if not found.brokers:
        raise ProbeError("advertised", f"{target} answers, but names no broker")
    for host, port in found.brokers:
        try:
            describe(target.at(host, port), [], timeout)
        except ProbeError as error:
            raise ProbeError("advertised", f"{target} answers, but it advertises {host}:{port}: {error.message}") from error
    _complete(target, topics, found.topics)
    if groups and OFFSETS not in found.topics:
        raise ProbeError("missing", f"nobody consumes from {target} in the group {groups[0]}: it never had a group")
    has = [*(f"topic {name}" for name in topics), *(_consumed(target, name, timeout) for name in groups)]
    if options.get("write"):
        has.append(_written(target, str(options["write"]), timeout))
    sentence = f"{target} answers, and so does what it advertises: {', '.join(f'{host}:{port}' for host, port in found.brokers)}"
    return sentence + (f"; it has {', '.join(has)}" if has else "")


def describe(target: Target, topics: Sequence[str], timeout: float) -> wire.Metadata:
    """What the broker at ``target`` tells. Raises ProbeError."""

    def ask(exchange: wire.Exchange) -> wire.Metadata:
        oldest, newest = wire.versions(exchange(wire.request(wire.API_VERSIONS, 0))).get(wire.METADATA, (0, -1))
        version = min(newest, wire.NEWEST_METADATA)
        if version < max(oldest, 1):
            raise ValueError(f"Metadata {oldest} to {newest} only")
        return wire.metadata(exchange(wire.metadata_request(version, topics)), version)

    return talk(target, timeout, ask)


def talk(target: Target, timeout: float, work: Callable[[wire.Exchange], T]) -> T:
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
    group = talk(coordinator(target, name, timeout), timeout, lambda exchange: wire.group(exchange(wire.groups_request(name))))
    if not group.members:
        raise ProbeError("missing", f"nobody consumes from {target} in the group {name} (it is {group.state or 'unknown'})")
    return f"group {name} with {group.members} members"


def coordinator(target: Target, group: str, timeout: float) -> Target:
    """The broker that knows a group. Raises ProbeError."""
    asked = wire.request(wire.FIND_COORDINATOR, 0, wire.text(group))
    return target.at(*talk(target, timeout, lambda exchange: wire.coordinator(exchange(asked))))


def leaders(target: Target, topic: str, timeout: float) -> list[Target]:
    """For each partition of a topic the broker that leads it. Raises ProbeError."""
    found = describe(target, [topic], timeout)
    _complete(target, {topic: 1}, found.topics)
    lost = sorted({leader for leader in found.topics[topic] if leader not in found.addresses})
    if lost:
        raise ProbeError("status", f"the topic {topic} of {target} is led by a broker that is not there: {lost[0]}")
    return [target.at(*found.addresses[leader]) for leader in found.topics[topic]]


def _written(target: Target, value: str, timeout: float) -> str:
    """A record of our own that came back. Raises ProbeError."""
    talk(target, timeout, lambda exchange: records.created(exchange(records.create_request(OWN_TOPIC, KEPT))))
    until = time.monotonic() + timeout
    while True:
        try:
            return _round_trip(leaders(target, OWN_TOPIC, timeout)[0], value, timeout)
        except ProbeError as error:
            if error.kind not in ("missing", "status") or time.monotonic() > until:  # it was made a moment ago, and nobody leads it yet
                raise
        time.sleep(0.1)


def _round_trip(leader: Target, value: str, timeout: float) -> str:
    now = int(time.time() * 1000)

    def ask(exchange: wire.Exchange) -> list[records.Batch]:
        error, offset = records.produced(exchange(records.produce_request(OWN_TOPIC, value.encode(), now)))
        if error in records.NOT_YET:
            raise ProbeError("status", f"{leader} does not lead the topic {OWN_TOPIC} yet")
        if error:
            raise ProbeError("readonly", f"{leader} takes no record: error {error} to Produce")
        return records.batches(exchange(records.fetch_request(OWN_TOPIC, 0, offset)))

    if not any(batch.content and value.encode() in batch.content for batch in talk(leader, timeout, ask)):
        raise ProbeError("status", f"{leader} took a record and does not give it back")
    return f"a record that was written and read in {OWN_TOPIC}"
