#!/usr/bin/env python
"""Kafka's offsets and consumer lag as Prometheus metrics.

A stand-in for https://github.com/danielqsj/kafka_exporter (v1.9.0): the same flags, port, metric names, labels and
meaning, as its README lists them, as far as the stack uses them. Every scrape asks Kafka anew. A Kafka that does not
answer is no error of a scrape: `kafka_brokers` is then 0 and what could not be asked is left out.
"""

import argparse
import logging
import re
import signal
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

VERSION = "1.9.0-stand-in"
NO_OFFSET = -1  # what the original reports for a partition that the group has not committed
log = logging.getLogger("kafka_exporter")

# name -> (help, labels); the texts are the original's.
METRICS = {
    "kafka_exporter_build_info": ("A metric with a constant '1' value labeled by version.", ["version"]),
    "kafka_brokers": ("Number of Brokers in the Kafka Cluster.", []),
    "kafka_broker_info": ("Information about the Kafka Broker.", ["id", "address"]),
    "kafka_topic_partitions": ("Number of partitions for this Topic", ["topic"]),
    "kafka_topic_partition_current_offset": ("Current Offset of a Broker at Topic/Partition", ["topic", "partition"]),
    "kafka_topic_partition_oldest_offset": ("Oldest Offset of a Broker at Topic/Partition", ["topic", "partition"]),
    "kafka_topic_partition_leader": ("Leader Broker ID of this Topic/Partition", ["topic", "partition"]),
    "kafka_topic_partition_replicas": ("Number of Replicas for this Topic/Partition", ["topic", "partition"]),
    "kafka_topic_partition_in_sync_replica": ("Number of In-Sync Replicas for this Topic/Partition", ["topic", "partition"]),
    "kafka_topic_partition_under_replicated_partition": ("1 if Topic/Partition is under Replicated", ["topic", "partition"]),
    "kafka_consumergroup_members": ("Amount of members in a consumer group", ["consumergroup"]),
    "kafka_consumergroup_current_offset": ("Current Offset of a ConsumerGroup at Topic/Partition", ["consumergroup", "topic", "partition"]),
    "kafka_consumergroup_current_offset_sum": ("Current Offset of a ConsumerGroup at Topic for all partitions", ["consumergroup", "topic"]),
    "kafka_consumergroup_lag": ("Current Approximate Lag of a ConsumerGroup at Topic/Partition", ["consumergroup", "topic", "partition"]),
    "kafka_consumergroup_lag_sum": ("Current Approximate Lag of a ConsumerGroup at Topic for all partitions", ["consumergroup", "topic"]),
}


class Filter:
    """Names that match `include` and not `exclude`, both regular expressions searched for anywhere in the name."""

    def __init__(self, include: str, exclude: str) -> None:
        self._include, self._exclude = re.compile(include), re.compile(exclude)

    def __call__(self, name: str) -> bool:
        return bool(self._include.search(name)) and not self._exclude.search(name)


class Sample:
    """The metric families of one scrape, filled value by value."""

    def __init__(self) -> None:
        self.families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in METRICS.items()}

    def add(self, name: str, value: float, *labels: object) -> None:
        """Add one value to the family `name`; labels in the order of METRICS."""
        self.families[name].add_metric([str(label) for label in labels], value)


class KafkaCollector(Collector):
    """Asks Kafka at each scrape. `timeout` (seconds) holds for each of the few questions, not for their sum."""

    def __init__(self, connect: Callable[[], AdminClient], topics: Filter, groups: Filter, timeout: float = 2.0) -> None:
        self._connect, self._topics, self._groups, self._timeout = connect, topics, groups, timeout
        self._admin = connect()
        self._broken = False
        self._one_at_a_time = threading.Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families of one scrape; never raises for a Kafka that does not answer."""
        sample = Sample()
        sample.add("kafka_exporter_build_info", 1, VERSION)
        with self._one_at_a_time:
            if self._broken:
                # librdkafka never finds a group's coordinator again once Kafka was gone: questions about groups time out.
                self._admin, self._broken = self._connect(), False
            try:
                newest = self._ask_topics(sample)
                self._ask_groups(sample, newest)
            except KafkaException as error:
                self._broken = True
                log.warning("Kafka does not answer: %s", error.args[0].str())
        if not sample.families["kafka_brokers"].samples:
            sample.add("kafka_brokers", 0)
        yield from sample.families.values()

    def _ask_topics(self, sample: Sample) -> dict[tuple[str, int], int]:
        """Brokers, partitions and their offsets; returns the newest offset of each (topic, partition)."""
        cluster = self._admin.list_topics(timeout=self._timeout)
        sample.add("kafka_brokers", len(cluster.brokers))
        for broker in cluster.brokers.values():
            sample.add("kafka_broker_info", 1, broker.id, f"{broker.host}:{broker.port}")
        partitions = []
        for topic in cluster.topics.values():
            if topic.error or not self._topics(topic.topic):
                continue
            sample.add("kafka_topic_partitions", len(topic.partitions), topic.topic)
            for partition in topic.partitions.values():
                self._add_partition(sample, topic.topic, partition)
                if partition.leader >= 0:
                    partitions.append((topic.topic, partition.id))
        for key, offset in self._offsets(partitions, OffsetSpec.earliest()).items():
            sample.add("kafka_topic_partition_oldest_offset", offset, *key)
        newest = self._offsets(partitions, OffsetSpec.latest())
        for key, offset in newest.items():
            sample.add("kafka_topic_partition_current_offset", offset, *key)
        return newest

    @staticmethod
    def _add_partition(sample: Sample, topic: str, partition: Any) -> None:
        replicas, in_sync = len(partition.replicas), len(partition.isrs)
        sample.add("kafka_topic_partition_leader", partition.leader, topic, partition.id)
        sample.add("kafka_topic_partition_replicas", replicas, topic, partition.id)
        sample.add("kafka_topic_partition_in_sync_replica", in_sync, topic, partition.id)
        sample.add("kafka_topic_partition_under_replicated_partition", int(in_sync < replicas), topic, partition.id)

    def _offsets(self, partitions: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        """The offset of each (topic, partition) that answers; one that does not is logged and left out."""
        if not partitions:
            return {}
        asked = self._admin.list_offsets({TopicPartition(*key): spec for key in partitions}, request_timeout=self._timeout)
        answers = self._answers("offset of", {(tp.topic, tp.partition): future for tp, future in asked.items()})
        return {key: answer.offset for key, answer in answers.items()}

    def _ask_groups(self, sample: Sample, newest: dict[tuple[str, int], int]) -> None:
        listing = self._admin.list_consumer_groups(request_timeout=self._timeout).result()
        names = sorted(group.group_id for group in listing.valid if self._groups(group.group_id))
        if not names:
            return
        described = self._admin.describe_consumer_groups(names, request_timeout=self._timeout)
        # The client takes one group a call; the calls are under way together.
        committed = {
            name: self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)], request_timeout=self._timeout)[name]
            for name in names
        }
        for name, group in self._answers("members of", described).items():
            sample.add("kafka_consumergroup_members", len(group.members), name)
        for name, group in self._answers("offsets of", committed).items():
            offsets = {(tp.topic, tp.partition): tp.offset for tp in group.topic_partitions if tp.offset >= 0}
            self._add_group(sample, name, offsets, newest)

    @staticmethod
    def _add_group(sample: Sample, group: str, committed: dict[tuple[str, int], int], newest: dict[tuple[str, int], int]) -> None:
        """Every partition of each topic that the group has committed anything of; the sums leave out the others."""
        for topic in sorted({topic for (topic, _partition) in committed}):
            lags = []
            for key in sorted(key for key in newest if key[0] == topic):
                offset = committed.get(key, NO_OFFSET)
                lag = NO_OFFSET if offset == NO_OFFSET else max(0, newest[key] - offset)
                sample.add("kafka_consumergroup_current_offset", offset, group, *key)
                sample.add("kafka_consumergroup_lag", lag, group, *key)
                lags.append(max(0, lag))
            total = sum(offset for key, offset in committed.items() if key[0] == topic)
            sample.add("kafka_consumergroup_current_offset_sum", total, group, topic)
            sample.add("kafka_consumergroup_lag_sum", sum(lags), group, topic)

    def _answers(self, question: str, futures: dict[Any, Any]) -> dict[Any, Any]:
        """Wait for `futures`; those that fail are logged and left out, so that one group cannot hide the others."""
        answers = {}
        for key, future in futures.items():
            try:
                answers[key] = future.result()
            except KafkaException as error:
                self._broken = True
                log.warning("no %s %s: %s", question, key, error.args[0].str())
        return answers


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line for each scrape would bury the warnings."""


def application(registry: CollectorRegistry, metrics_path: str) -> Callable[..., Iterable[bytes]]:
    """A WSGI application with the metrics, `/healthz` and a landing page, as the original has them."""
    metrics = make_wsgi_app(registry)
    page = f'<html><title>Kafka Exporter (stand-in)</title><a href="{metrics_path}">Metrics</a></html>'.encode()
    pages = {"/healthz": ("text/plain", b"ok"), "/": ("text/html", page)}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        if path == metrics_path:
            return metrics(environ, start_response)
        kind, body = pages.get(path, ("text/plain", b"not found"))
        start_response("200 OK" if path in pages else "404 Not Found", [("Content-Type", kind)])
        return [body]

    return answer


def parse(arguments: list[str]) -> argparse.Namespace:
    """The original's flags, as far as they are kept; an unknown flag ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="kafka_exporter", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--kafka.server",
        dest="servers",
        action="append",
        metavar="HOST:PORT",
        help="address of a Kafka server; may be given several times (kafka:9092)",
    )
    parser.add_argument("--web.listen-address", dest="listen", default=":9308", help="[HOST]:PORT")
    parser.add_argument("--web.telemetry-path", dest="path", default="/metrics")
    for kind in ("topic", "group"):
        parser.add_argument(f"--{kind}.filter", dest=f"{kind}_filter", default=".*", metavar="REGEX")
        parser.add_argument(f"--{kind}.exclude", dest=f"{kind}_exclude", default="^$", metavar="REGEX")
    options = parser.parse_args(arguments)
    options.host, colon, port = options.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        parser.error(f"--web.listen-address={options.listen}: expected [HOST]:PORT")
    options.port = int(port)
    return options


def connect(servers: list[str]) -> AdminClient:
    """Return a client of Kafka at `servers` (HOST:PORT); it connects when it is first asked."""
    return AdminClient(
        {
            "bootstrap.servers": ",".join(servers),
            "client.id": "kafka_exporter",
            "reconnect.backoff.max.ms": 2000,
            "socket.connection.setup.timeout.ms": 2000,
            "log_level": 2,
        }
    )


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    options = parse(sys.argv[1:])
    registry = CollectorRegistry()
    registry.register(
        KafkaCollector(
            lambda: connect(options.servers or ["kafka:9092"]),
            Filter(options.topic_filter, options.topic_exclude),
            Filter(options.group_filter, options.group_exclude),
        )
    )
    server = make_server(options.host, options.port, application(registry, options.path), Server, QuietHandler)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    log.info("stand-in for kafka_exporter %s listens on port %s", VERSION, server.server_port)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
