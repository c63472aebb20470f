"""The page docs/benchmarks.md, made of nothing but figures of one run."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, field
from statistics import median

NAMES = {
    "site": "`site.yml`",
    "usual": "usual: files, templates, one `docker_compose_v2`",
    "usual-role": "usual: the same, one `docker_compose_v2` a role",
    "usual-command": "usual: the same, a task `docker compose up -d --wait`",
    "by hand": "by hand: `docker compose up -d --wait` on the files of `site.yml`",
    "one": "one host",
    "four": "four hosts",
}
HOLD = 5.0  # auren_gate_hold: seconds that a changed service has to stay healthy


@dataclass
class Figures:
    """Samples in seconds by side, and counts of one run each."""

    samples: int
    community_docker: str
    machine: str = ""
    services: int = 0
    load: float = field(default_factory=lambda: os.getloadavg()[0])  # before anything was started
    noop: dict[str, list[float]] = field(default_factory=dict)
    remote: dict[str, int] = field(default_factory=dict)
    compose: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[float]] = field(default_factory=dict)
    hosts: dict[str, list[float]] = field(default_factory=dict)


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def times(samples: list[float]) -> str:
    """Median and range."""
    return f"{median(samples):.1f} s ({min(samples):.1f} to {max(samples):.1f})"


def verdict(holds: bool) -> str:
    return "met" if holds else "**missed**"


def noop(figures: Figures) -> list[str]:
    site = median(figures.noop["site"])
    lines = [
        "## A run that changes nothing",
        "",
        row("way", "median (range)", "`site.yml` takes of it", "modules run on the host", "`docker compose` processes"),
        row(*["---"] * 5),
    ]
    for side, samples in figures.noop.items():
        share = f"{site / median(samples):.2f}" if side != "site" else ""
        lines.append(row(NAMES[side], times(samples), share, figures.remote[side], figures.compose[side]))
    ratio = site / median(figures.noop["usual"])
    return [
        *lines,
        "",
        f"- at most 5 remote tasks: {figures.remote['site']}, {verdict(figures.remote['site'] <= 5)}",
        f"- at most 0.3 of the usual way (its kindest form, the second line): {ratio:.2f}, {verdict(ratio <= 0.3)}",
        f"- no `docker compose` process: {figures.compose['site']}, {verdict(figures.compose['site'] == 0)}",
        "",
    ]


def first(figures: Figures) -> list[str]:
    site, hand = median(figures.first["site"]), median(figures.first["by hand"])
    lines = [
        "## The first run on a fresh host that has the images",
        "",
        row("way", "median (range)", "`site.yml` takes of it"),
        row(*["---"] * 3),
    ]
    for side, samples in figures.first.items():
        lines.append(row(NAMES[side], times(samples), f"{site / median(samples):.2f}" if side != "site" else ""))
    limit = 1.2 * hand + HOLD + 3
    return [
        *lines,
        "",
        f"- at most 1.2 of by hand, plus the gate's hold ({HOLD:.0f} s) and 3 s, which is {limit:.1f} s: {site:.1f} s, "
        f"{verdict(site <= limit)}",
        "",
        "The usual ways order their start with `depends_on`. By hand all services start at once, after the files were put in place and",
        "network and volumes made, which is not counted.",
        "",
    ]


def hosts(figures: Figures) -> list[str]:
    one, four = figures.hosts["one"], figures.hosts["four"]
    return [
        "## Four hosts against one, nothing to change",
        "",
        row("hosts", "median (range)"),
        row(*["---"] * 2),
        row(NAMES["one"], times(one)),
        row(NAMES["four"], times(four)),
        "",
        f"Four take {median(four) / median(one):.1f} times as long as one; all four and the controller share the machine. The first run on",
        f"all four at once, one sample: {figures.hosts['first'][0]:.0f} s.",
        "",
    ]


def page(figures: Figures) -> str:
    """The whole page; parts that were not measured are left out."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`, all in one run; do not edit. Figures of another machine are not comparable, only those of one page are.",
        "",
        f"{datetime.date.today().isoformat()}: {figures.machine}, community.docker {figures.community_docker}; "
        f"load {figures.load:.1f} before.",
        "",
        "Hosts are fresh containers with an Engine of their own, reached over SSH with pipelining as a user with sudo;",
        f"{figures.services} containers each (the seven services and their exporters) from the same definitions and files. Medians of",
        f"{figures.samples}; the sides take turns. Seconds are those of the whole command.",
        "",
    ]
    for samples, part in ((figures.noop, noop), (figures.first, first), (figures.hosts, hosts)):
        if samples:
            lines += part(figures)
    return "\n".join(lines).rstrip() + "\n"
