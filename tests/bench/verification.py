"""Measure verify side by side with the same checks as tasks of uri, wait_for and docker exec, and write the figures down.

    verification.py [--samples N] [--output FILE]

Both sides check one host that site.yml has converged; they take turns. Then one service is paused, and verify is timed again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
from pathlib import Path
from statistics import median
from typing import Any

from hosts import CACHE, ROOT, BenchError, Host, hosts, play
from machine import machine
from report import row, times, verdict
from sides import run

VERIFY = ROOT / "playbooks" / "verify.yml"
USUAL = ROOT / "tests" / "bench" / "usual" / "verify.yml"
PATHS = {"http": "/metrics", "prometheus": "/api/v1/targets", "grafana": "/api/datasources"}
HEALTH = (8000, 8888)  # ports of those that have /health
DEAD, DEADLINE = "auren-redis", 5.0  # seconds that a probe of it may take
PACE = 5.0  # how much faster than the usual way it should be


def verified(host: Host, fails: bool = False) -> tuple[float, dict[str, Any]]:
    """Seconds of the whole command, and the result of the module. fails: that something is broken is right."""
    reports, seconds = CACHE / "reports", 0.0
    try:
        seconds = play(VERIFY, [host], "-e", f"auren_report_dir={reports}").seconds
    except BenchError:
        if not fails:
            raise
    return seconds, dict(json.loads((reports / host.name / "verification.json").read_text()))


def usual_checks(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What the usual way checks: the same, by probe, service, port and client."""
    found = []
    for one in result["checks"]:
        probe, target = one["check"].split(" ", 1)
        number, slash, rest = target.partition(":")[2].partition("/")
        port = int(number or 0)
        path = slash + rest or ("/health" if port in HEALTH else PATHS.get(probe, ""))
        if probe != "disk":
            found.append({"probe": probe, "service": one["service"], "client": one["client"], "port": port, "path": path})
    return found


def measure(samples: int) -> tuple[str, int, dict[str, list[float]]]:
    """The machine in a line, the number of checks, and seconds by side."""
    found: dict[str, list[float]] = {}
    with hosts("verify") as [host]:
        run("site", [host])
        checks = usual_checks(verified(host)[1])
        (CACHE / "checks.json").write_text(json.dumps({"checks": checks}))
        for sample in range(-1, samples):
            whole, result = verified(host)
            taken = {"play": whole, "module": result["seconds"], "usual": play(USUAL, [host], "-e", f"@{CACHE}/checks.json").seconds}
            for side, seconds in taken.items() if sample >= 0 else ():
                found.setdefault(side, []).append(seconds)
            print(*(f"{side} {seconds:.2f} s" for side, seconds in taken.items()), flush=True)
        host.shell(f"docker pause {DEAD}")
        for _sample in range(samples):
            found.setdefault("dead", []).append(verified(host, fails=True)[1]["seconds"])
        host.shell(f"docker unpause {DEAD}")
        return machine(host), len(result["checks"]), found


def page(samples: int, where: str, checks: int, found: dict[str, list[float]]) -> str:
    play_time, usual, module, dead = (median(found[side]) for side in ("play", "usual", "module", "dead"))
    lines = [
        "# Benchmarks: verification",
        "",
        "Made by `make bench`; do not edit. Only figures of one page are comparable.",
        "",
        f"{datetime.date.today().isoformat()}: {where}; load {os.getloadavg()[0]:.1f} after.",
        "",
        f"One fresh host with an Engine of its own and the whole stack, reached over SSH. {checks} checks. Medians of {samples};",
        "the sides take turns.",
        "",
        row("way", "median (range)", "times the play"),
        row(*["---"] * 3),
        row("the module alone, in `verify`", times(found["module"]), ""),
        row("`verify.yml`, the whole command, with its reports", times(found["play"]), "1.0"),
        row("the same checks with `uri`, `wait_for` and `docker exec`", times(found["usual"]), f"{usual / play_time:.1f}"),
        row(f"the module, {DEAD} paused", times(found["dead"]), ""),
        "",
        f"- the module in at most 0.5 s on a healthy stack: {module:.2f} s, {verdict(module <= 0.5)}",
        f"- the play in at most 3 s: {play_time:.1f} s, {verdict(play_time <= 3)}",
        f"- at least {PACE:.0f} times faster than the usual way: {usual / play_time:.1f}, {verdict(usual / play_time >= PACE)}",
        f"- with one dead service at most its probe's {DEADLINE:.0f} s and 1 s: {dead:.2f} s, {verdict(dead <= DEADLINE + 1)}",
        "",
        "The usual way asks Postgres, Redis and Kafka inside their own containers and web services from the host, so it does not see a",
        "client's wrong password or network; names it resolves in each client.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks-verification.md")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that the host is removed
    try:
        where, checks, found = measure(given.samples)
    except BenchError as error:
        sys.exit(str(error))
    given.output.write_text(page(given.samples, where, checks, found))
    print(f"written to {given.output}")


if __name__ == "__main__":
    main()
