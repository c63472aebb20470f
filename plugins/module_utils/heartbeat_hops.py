# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hops of a reading from the webhook to the answer, each asked of the one who keeps what the hop before has done.

A hop is ``hop(target, options, timeout, pulse) -> (evidence, facts)``, or a ProbeError; the facts are for the hops after it. Those that
wait for something are called again until it is there (`WAITS`). Sources: those of the probes, and the HTTP contracts of the two
applications.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.probes import grafana, http, kafka, postgres, prometheus, redis
from ansible_collections.auren.stack.plugins.module_utils.probes import kafka_records as records
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

USER = "auren-verify-"  # how the users of heartbeats begin; nobody else is called so
OLD = 600  # seconds after which what a heartbeat left behind is removed by the next


@dataclass(frozen=True)
class Pulse:
    """One heartbeat. user: who the reading is of, in every hop. begun: seconds since 1970. facts: of the hops before."""

    user: str
    begun: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> int:
        return int(self.begun * 1000)


Found = tuple[str, dict[str, Any]]
Hop = Callable[[Target, Mapping[str, Any], float, Pulse], Found]


def webhook(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Send one reading, signed with the webhook's secret where there is one. options: path, body (``user_id`` is added), password."""
    body = json.dumps({**options["body"], "user_id": pulse.user}).encode()
    secret = str(options.get("password") or "")
    headers = {"X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()} if secret else {}
    answer = http.ask(target, str(options["path"]), timeout, {"Content-Type": "application/json", **headers}, body, tls=_tls(options))
    if answer.status == 401:
        held = "the webhook's secret in auren_secrets is not the one it has" if secret else "it has a secret that auren_secrets does not"
        raise ProbeError("auth", f"{target} does not take the webhook: {held}")
    found = _json(target, str(options["path"]), answer)
    count = found.get("events_processed")
    if not isinstance(count, int) or count < 1:
        raise ProbeError("status", f"{target} answers 200 and has processed no event: {str(found)[:120]}")
    return f"{target} took a reading of {pulse.user}", {"events": count}


def record(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Find the event in its topic. options: topic."""
    topic = str(options["topic"])
    for partition, leader in enumerate(kafka.leaders(target, topic, timeout)):
        for batch in _newest(leader, topic, partition, pulse, timeout):
            if batch.content is None or pulse.user.encode() in batch.content:
                how = "offset" if batch.content is not None else "compressed records, of which it may be one, to offset"
                return f"{topic} has it, partition {partition}, {how} {batch.last}", {"partition": partition, "offset": batch.last}
    raise ProbeError("missing", f"{topic} of {target} has no record of {pulse.user}")


def _newest(leader: Target, topic: str, partition: int, pulse: Pulse, timeout: float) -> list[records.Batch]:
    """What was written since the heartbeat began, or a second before."""

    def ask(exchange: Callable[[bytes], bytes]) -> list[records.Batch]:
        start = records.offset(exchange(records.offsets_request(topic, partition, pulse.milliseconds - 1000)))
        return records.batches(exchange(records.fetch_request(topic, partition, start))) if start >= 0 else []

    return kafka.talk(leader, timeout, ask)


def consumed(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Wait until a group has read it. options: topic, group."""
    group, topic, partition, offset = str(options["group"]), str(options["topic"]), pulse.facts["partition"], pulse.facts["offset"]
    asked = records.committed_request(group, topic, partition)
    found = kafka.talk(kafka.coordinator(target, group, timeout), timeout, lambda exchange: records.committed(exchange(asked)))
    if found <= offset:
        where = f"stands at offset {found}" if found >= 0 else "has never read"
        raise ProbeError("missing", f"the group {group} has not read it: it {where} of partition {partition}")
    return f"the group {group} has read it: it goes on at offset {found}", {}


def row(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Wait until there are as many rows as events, or more where an image makes several of one. options: user, database, password, table,
    exactly."""
    table, wanted = str(options["table"]), int(pulse.facts["events"])
    with postgres.opened(target, options, timeout) as session:
        [[told]] = session.rows(f"SELECT count(*) FROM {table} WHERE user_id = {postgres.quoted(pulse.user)}")
    if int(told) < wanted or (str(options.get("exactly")) == "True" and int(told) != wanted):
        raise ProbeError("missing", f"{table} has {told} rows of {pulse.user} instead of {wanted}")
    return f"{table} has {told} row{'s' if int(told) > 1 else ''} of it", {}


def sample(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Wait until the number of events has grown since the heartbeat began. options: query."""
    query = str(options["query"])
    before, now = (_value(prometheus.query(target, query, timeout, at)) for at in (pulse.begun, None))
    if now is None or now <= (before or 0):
        raise ProbeError("missing", f"{query} of {target} has not grown since: {'no value' if now is None else f'{now:g}'}")
    return f"{query} went from {before or 0:g} to {now:g}", {"sample": now}


def _value(found: list[float]) -> float | None:
    return found[0] if found else None


def panel(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """The same number as Grafana gets it from its data source. options: user, password, source (uid), query."""
    query, source = str(options["query"]), str(options["source"])
    shown = grafana.Grafana(target, str(options.get("user") or "admin"), str(options.get("password") or ""), timeout)
    found = _value(shown.values(source, {"A": query})["A"])
    if found is None or found < pulse.facts["sample"]:
        raise ProbeError("missing", f"{target} gets {'no value' if found is None else f'{found:g}'} for {query}")
    return f"{target} gets {found:g} for {query}", {}


def answer(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Ask about the reading. options: path, message."""
    body = {"user_id": pulse.user, "session_id": pulse.user, "message": str(options["message"])}
    found = _json(target, str(options["path"]), http.ask(target, str(options["path"]), timeout, body=body, tls=_tls(options)))
    if not str(found.get("response") or "").strip():
        raise ProbeError("status", f"{target} answers 200 without a response")
    quality = f", data quality {found['data_quality']}" if found.get("data_quality") else ""
    return f"{target} answers with {len(str(found['response']))} characters{quality}", {}


def rows_away(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Remove the user's rows, and those of heartbeats long ago that ended before. options: user, database, password, tables."""
    user, begun = postgres.quoted(pulse.user), int(pulse.begun - OLD)
    removed = 0
    with postgres.opened(target, options, timeout) as session:
        for table in options["tables"]:
            if not session.rows(f"SELECT 1 WHERE to_regclass({postgres.quoted(table)}) IS NOT NULL"):
                continue
            old = f"user_id LIKE {postgres.quoted(USER + '%')} AND split_part(user_id, '-', 3) < {postgres.quoted(str(begun))}"
            removed += len(session.rows(f"DELETE FROM {table} WHERE user_id = {user} OR ({old}) RETURNING 1"))
    return f"{removed} rows of {USER}* were removed; its record stays in Kafka and its samples in Prometheus until their retention", {}


def keys_away(target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """Remove what a cache keeps of the user, and of those of heartbeats long ago. options: user, password."""

    def left(key: str) -> bool:
        begun = key.partition(USER)[2].partition("-")[0]
        return pulse.user in key or (begun.isdigit() and int(begun) < pulse.begun - OLD)

    removed = redis.remove(target, options, f"*{USER}*", left, timeout)
    return f"{removed} keys of {USER}* were removed", {}


def _tls(options: Mapping[str, Any]) -> bool:
    return str(options.get("tls")).lower() == "true"


def _json(target: Target, path: str, found: http.Answer) -> dict[str, Any]:
    if found.status != 200:
        raise ProbeError("status", f"POST {path} of {target} answers {found.status}: {found.body[:160].decode(errors='replace')}")
    try:
        told = json.loads(found.body)
    except ValueError as error:
        raise ProbeError("protocol", f"POST {path} of {target} answers no JSON") from error
    return told if isinstance(told, dict) else {}


HOPS: dict[str, Hop] = {
    "webhook": webhook,
    "record": record,
    "consumed": consumed,
    "row": row,
    "sample": sample,
    "panel": panel,
    "answer": answer,
    "rows_away": rows_away,
    "keys_away": keys_away,
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "webhook": ("path", "body"),
    "record": ("topic",),
    "consumed": ("topic", "group"),
    "row": ("user", "table"),
    "sample": ("query",),
    "panel": ("source", "query"),
    "answer": ("path", "message"),
    "rows_away": ("user", "tables"),
    "keys_away": (),
}
WAITS = ("record", "consumed", "row", "sample", "panel")
NEEDS: dict[str, tuple[str, ...]] = {  # facts of other hops, without which a hop cannot begin
    "record": ("events",),
    "consumed": ("offset",),
    "row": ("events",),
    "sample": ("events",),
    "panel": ("sample",),
    "answer": ("events",),
}
EVERY = 0.2  # seconds between two questions of a hop that waits


def run(name: str, target: Target, options: Mapping[str, Any], timeout: float, pulse: Pulse) -> Found:
    """One hop, to its end or that of its time. Raises ProbeError, and OSError when a connection breaks."""
    until = time.monotonic() + timeout
    while True:
        try:
            return HOPS[name](target, options, max(until - time.monotonic(), EVERY), pulse)
        except (ProbeError, OSError) as error:
            if name not in WAITS or not _later(error) or time.monotonic() + EVERY > until:
                raise
        time.sleep(EVERY)


def _later(error: Exception) -> bool:
    """Whether it may be there in a moment."""
    return not isinstance(error, ProbeError) or error.kind == "missing"
