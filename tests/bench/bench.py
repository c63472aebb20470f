"""Measure the collection side by side with the usual ways on fresh target hosts, and write the figures down.

    bench.py [--samples N] [--output FILE] [PART ...]

PART is any of noop, first, hosts; all by default. The sides take turns, in an order that rotates from sample to sample, after
one run of each that is not counted. Every run that should change nothing is checked to have changed nothing.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from hosts import ROOT, BenchError, Host, hosts
from machine import machine
from report import Figures, page
from sides import USUAL_WAYS, Content, by_hand, compose_calls, fetch_collections, run, unchanged

SIDES = ("site", *USUAL_WAYS)
PARTS = ("noop", "first", "hosts")


def rotated(sides: tuple[str, ...], sample: int) -> tuple[str, ...]:
    """The sides in the order of this sample: each is first as often as any other."""
    start = sample % len(sides)
    return sides[start:] + sides[:start]


def measure_noop(samples: int, site: Host, usual: Host) -> Iterator[tuple[str, float]]:
    """Seconds of runs that change nothing; both hosts run the same services all the time."""
    place = {side: site if side == "site" else usual for side in SIDES}
    for sample in range(-1, samples):
        for side in rotated(SIDES, sample):
            seconds = unchanged(side, run(side, [place[side]])).seconds
            if sample >= 0:
                yield side, seconds


def measure_first(samples: int, content: Content) -> Iterator[tuple[str, float]]:
    """Seconds from a fresh host with the images on it to all services healthy."""
    sides = ("site", "usual", "usual-command", "by hand")
    for sample in range(samples):
        for side in rotated(sides, sample):
            with hosts("first") as [host]:
                host.shell("true")
                yield side, (by_hand(content, host) if side == "by hand" else run(side, [host])).seconds


def measure_hosts(samples: int) -> Iterator[tuple[str, float]]:
    """Seconds of a run that changes nothing, on one of four hosts and on all four."""
    with hosts("one", "two", "three", "four") as four:
        yield "first", run("site", four).seconds
        for sample in range(-1, samples):
            for count in rotated(("one", "four"), sample):
                seconds = unchanged("site", run("site", four[:1] if count == "one" else four)).seconds
                if sample >= 0:
                    yield count, seconds


def gather(part: str, measured: Iterator[tuple[str, float]]) -> dict[str, list[float]]:
    """Samples by side, shown as they come."""
    found: dict[str, list[float]] = {}
    for side, seconds in measured:
        found.setdefault(side, []).append(seconds)
        print(f"{part:6} {side:14} {seconds:6.2f} s", flush=True)
    print("".join(f"{part} median {side}: {statistics.median(times):.2f} s\n" for side, times in found.items()), flush=True)
    return found


def measure(samples: int, parts: list[str]) -> Figures:
    """Everything that was asked for."""
    figures = Figures(samples, community_docker=fetch_collections())
    with hosts("site", "usual") as [site, usual]:
        run("site", [site])
        content = Content(site)
        content.write()
        figures.machine = machine(site)
        figures.services = len(content.entries)
        if "noop" in parts:
            run("usual", [usual])
            figures.noop = gather("noop", measure_noop(samples, site, usual))
            for side in SIDES:
                host = site if side == "site" else usual
                figures.remote[side] = unchanged(side, run(side, [host], "-vvv")).remote
                figures.compose[side] = compose_calls(side, host)
    if "first" in parts:
        figures.first = gather("first", measure_first(samples, content))
    if "hosts" in parts:
        figures.hosts = gather("hosts", measure_hosts(samples))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that hosts are removed
    try:
        text = page(measure(given.samples, given.parts or list(PARTS)))
    except BenchError as error:
        sys.exit(str(error))
    given.output.write_text(text)
    print(f"written to {given.output}")


if __name__ == "__main__":
    main()
