"""The Kafka exporter as a process, against librdkafka's own broker in memory, which speaks Kafka's protocol over TCP.

That broker knows no questions about groups; lag against Apache Kafka is looked at in the Molecule scenario.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
parser = pytest.importorskip("prometheus_client.parser")

PROGRAM = Path(__file__).resolve().parents[2] / "roles/images/files/offline/kafka-exporter/kafka_exporter.py"
Series = dict[tuple[str, ...], float]


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, str(PROGRAM), *arguments], stderr=subprocess.PIPE, text=True, env=environment)


@contextmanager
def running(server: str, *arguments: str) -> Iterator[str]:
    """Yield the address of a running exporter; afterwards it must end cleanly on SIGTERM."""
    process = start(f"--kafka.server={server}", "--web.listen-address=127.0.0.1:0", *arguments)
    try:
        line = process.stderr.readline()  # type: ignore[union-attr]
        port = re.search(r"listens on port (\d+)", line)
        assert port, line
        yield f"http://127.0.0.1:{port[1]}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def scrape(address: str) -> Series:
    """Every series: (name, label values in the order of the label names) → value."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:
        text = response.read().decode()
    samples = [sample for family in parser.text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value for sample in samples}


@pytest.fixture
def kafka() -> Iterator[str]:
    """The address of a broker with ten messages in the topic biometric-events."""
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "replaced"})
    for number in range(10):
        producer.produce("biometric-events", str(number), partition=0)
    assert producer.flush(10) == 0
    [broker] = producer.list_topics(timeout=5).brokers.values()
    yield f"{broker.host}:{broker.port}"
    producer.flush(1)  # the broker lives as long as the producer


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_brokers_topics_and_offsets_are_asked_live(kafka: str) -> None:
    with running(kafka) as address:
        series = scrape(address)
    assert series["kafka_brokers",] == 1
    assert series["kafka_topic_partitions", "biometric-events"] >= 1
    assert series["kafka_topic_partition_current_offset", "0", "biometric-events"] == 10
    assert series["kafka_topic_partition_oldest_offset", "0", "biometric-events"] == 0
    assert series["kafka_topic_partition_under_replicated_partition", "0", "biometric-events"] == 0


@pytest.mark.parametrize("flag", ["--topic.filter=^other", "--topic.exclude=^biometric"])
def test_topics_are_left_out_by_a_regular_expression(kafka: str, flag: str) -> None:
    with running(kafka, flag) as address:
        series = scrape(address)
    assert series["kafka_brokers",] == 1
    assert not [key for key in series if "biometric-events" in key]


def test_a_kafka_that_does_not_answer_is_no_error_of_the_scrape() -> None:
    with running(f"127.0.0.1:{free_port()}") as address:
        for _ in range(2):
            assert scrape(address)["kafka_brokers",] == 0


def test_the_paths_of_the_original(kafka: str) -> None:
    with running(kafka, "--web.telemetry-path=/m") as address:
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as response:
            assert response.read() == b"ok"
        with urllib.request.urlopen(f"{address}/m", timeout=10) as response:
            assert b"kafka_brokers 1.0" in response.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/metrics", timeout=10)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--web.listen-address=9308x", "--web.listen-address=9308x: expected [HOST]:PORT"),
        ("--zookeeper.server=x", "unrecognized arguments: --zookeeper.server=x"),
    ],
)
def test_a_bad_flag_is_refused_by_name(flag: str, said: str) -> None:
    _, errors = (process := start(flag)).communicate(timeout=10)
    assert (process.returncode, said in errors) == (2, True)
