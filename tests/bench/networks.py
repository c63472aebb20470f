"""Measure bringing containers together on one network, on target hosts of its own, and write the figures down.

    networks.py [--samples N] [--output FILE] [COUNT ...]

COUNT is how many containers a host has, 10 and 50 by default; see `networks_on_host.py` for what is timed.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import signal
import sys
import tarfile
from pathlib import Path
from statistics import median

from hosts import ROOT, BenchError, Host, hosts
from machine import machine
from report import row, times, verdict

PLACE = "/tmp/bench-networks"
PACKAGE = "ansible_collections/auren/stack/plugins/module_utils"
Figures = dict[str, list[float]]


def program() -> bytes:
    """The collection's code and the program that times it, as a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(ROOT / "plugins/module_utils", PACKAGE, filter=lambda one: None if "__pycache__" in one.name else one)
        archive.add(ROOT / "tests/bench/networks_on_host.py", "networks_on_host.py")
    return packed.getvalue()


def measure(count: int, samples: int) -> tuple[str, Figures]:
    """The machine in a line, and the samples by what was timed."""
    with hosts(f"networks-{count}") as [host]:
        return machine(host), measured_on(host, count, samples)


def measured_on(host: Host, count: int, samples: int) -> Figures:
    host.shell(f"mkdir -p {PLACE}; tar -C {PLACE} -x", stdin=program())
    found: Figures = json.loads(host.shell(f"cd {PLACE}; PYTHONPATH={PLACE} python3 networks_on_host.py {count} {samples}"))
    print(count, *(f"{key} {median(values):.3f}" for key, values in found.items()), flush=True)
    return found


def section(count: int, found: Figures) -> list[str]:
    middle = {key: median(values) for key, values in found.items()}
    ours, bare, whole = middle["collection"], middle["sdk"], middle["read"] + middle["plan"]
    lines = [
        f"## {count} containers",
        "",
        row("way", "median (range)", "a move", "the collection takes of it"),
        row(*["---"] * 4),
        row("the collection: journal, connect, every name proved from everywhere", times(found["collection"]), f"{ours / count:.3f} s", ""),
        row("a bare serial loop over the SDK", times(found["sdk"]), f"{bare / count:.3f} s", f"{ours / bare:.2f}"),
        row(
            "`docker network connect` in a shell",
            times(found["shell"]),
            f"{middle['shell'] / count:.3f} s",
            f"{ours / middle['shell']:.2f}",
        ),
    ]
    reads, extra = int(middle["reads"]), int(middle["reads"]) - count
    return [
        *lines,
        "",
        f"- names proved: {int(middle['proved'])}",
        f"- reading and planning before it: {whole:.3f} s ({middle['read']:.3f} s reading, {middle['plan']:.3f} s planning)",
        f"- calls to the Engine for the plan: {reads}, which is {extra} and one for each container on the host (its list has no aliases)",
        f"- at most 1.2 of the bare loop, with all proofs: {ours / bare:.2f}, {verdict(ours <= 1.2 * bare)}",
        *([f"- reading and planning {count} in at most 0.5 s: {whole:.2f} s, {verdict(whole <= 0.5)}"] if count >= 300 else []),
        f"- planning alone for 1000 containers, repeated from what was read here: {middle['many']:.3f} s",
        "",
    ]


def page(samples: int, about: str, load: float, results: dict[int, Figures]) -> str:
    lines = [
        "# Benchmarks: bringing containers together",
        "",
        "Made by `make bench` (10 and 50 containers) or `make bench-full` (these, 100 and 300); do not edit. Only figures of one page are",
        "comparable.",
        "",
        f"{datetime.date.today().isoformat()}: {about}; load {load:.1f} before.",
        "",
        f"Each host is a fresh container with an Engine of its own. Medians of {samples}; the ways take turns, each from the same five",
        "networks.",
        "",
    ]
    return "\n".join(lines + [line for count, found in results.items() for line in section(count, found)]).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks-networks.md")
    parser.add_argument("counts", nargs="*", type=int, metavar="COUNT")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that hosts are removed
    load, about, results = os.getloadavg()[0], "", {}
    try:
        for count in given.counts or [10, 50]:
            about, results[count] = measure(count, given.samples)
    except BenchError as error:
        sys.exit(str(error))
    given.output.write_text(page(given.samples, about, load, results))
    print(f"written to {given.output}")


if __name__ == "__main__":
    main()
