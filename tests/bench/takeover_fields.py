"""What is read of a container, field by field, and what docker-autocompose would lose of the same containers.

    takeover_fields.py [--seeds N] [--output FILE]

Containers are made by `docker create` with random options (tests/integration/run_options.py), described by both, made again by `docker
compose create` of what each wrote, and compared by the Engine's own words (tests/integration/run_facts.py).
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosts import ROOT
from report import row

sys.path[:0] = [str(ROOT), str(ROOT / ".collections")]
import yaml  # noqa: E402
from ansible_collections.auren.stack.plugins.module_utils import run_config  # noqa: E402

from tests.integration.harness import docker  # noqa: E402
from tests.integration.run_again import Pair, inspected, made_again, removed  # noqa: E402
from tests.integration.run_facts import IGNORED, RETOLD, differing  # noqa: E402
from tests.integration.run_options import FAMILIES, World, cases, refused  # noqa: E402

BASE, EACH = "redis:7-alpine", 40
AUTOCOMPOSE = ROOT / ".venv-autocompose" / "bin" / "autocompose"
REFUSED_KEYS = ("ulimits", "volumes_from", "links", "volume_driver")  # of what it writes, those that Compose v2 refuses, tried
DERIVED = ("Path", "Args")  # the Engine puts them together from Entrypoint and Cmd


@dataclass
class Counts:
    """Numbers of cases. used: a field is set by the options. theirs, silent, named: it is another one afterwards."""

    cases: int = 0
    used: Counter[str] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # keys that had to be taken out of what it wrote
    as_written: int = 0  # its files that Compose took as they were
    never: int = 0  # its files that were refused even without those keys
    same: int = 0  # its containers without any difference
    same_but_host_name: int = 0
    ours_same: int = 0
    ours_told: int = 0  # every difference was named
    without: set[str] = field(default_factory=set)


def fields(paths: list[str]) -> set[str]:
    """``HostConfig.CapAdd`` of a path; every mount is one field."""
    names = {".".join(path.split(".")[:2]) if path.startswith(("Config.", "HostConfig.")) else path.split(".")[0] for path in paths}
    return names - set(DERIVED)


def compose(project: str, path: Path) -> str:
    """Create what is in the file; what was said when that failed."""
    words = ["docker", "compose", "-p", project, "-f", str(path), "create", "--pull", "never"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr or "refused").strip()


def written(name: str) -> subprocess.CompletedProcess[str]:
    """What docker-autocompose writes of a container. It looks at all there are: when others remove one meanwhile it fails, so again."""
    for _again in range(5):
        done = subprocess.run([str(AUTOCOMPOSE), name], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "NotFound" not in done.stderr:
            break
    return done


def theirs(world: World, pair: Pair, folder: Path, counts: Counts) -> dict[str, Any] | None:
    """The container that Compose makes of what docker-autocompose writes; None when it makes none.

    Keys that Compose refuses are taken out, so that the rest can be compared.
    """
    name, path = pair.case.name.replace(f"{world.prefix}-a", f"{world.prefix}-c"), folder / "theirs.yml"
    wrote = written(pair.case.name)
    path.write_text(re.sub(rf"\b{re.escape(pair.case.name)}\b", name, wrote.stdout))
    said = compose(name, path) if wrote.returncode == 0 else wrote.stderr or "it wrote nothing"
    counts.as_written += not said
    if said and wrote.returncode == 0:
        content = yaml.safe_load(path.read_text())
        service = content["services"][name]
        for key in [key for key in REFUSED_KEYS if key in service]:
            del service[key]
            counts.refused[key] += 1
        path.write_text(yaml.safe_dump(content))
        said = compose(name, path)
    if said:
        counts.never += 1
        print(f"{name}: refused: {said.splitlines()[-1]}", flush=True)
        return None
    return inspected([name])[0]


def plain(world: World) -> dict[str, dict[str, Any]]:
    """Containers without any option, by image id."""
    found = {}
    for number, image in enumerate(world.images):
        docker("create", "--name", f"{world.prefix}-plain{number}", image, *(["x"] if number else []))
        raw = inspected([f"{world.prefix}-plain{number}"])[0]
        found[raw["Image"]] = raw
    return found


def measure(world: World, seeds: int, folder: Path) -> Counts:
    counts = Counts(without=refused(world))
    usual = plain(world)
    for seed in range(1, seeds + 1):
        try:
            for pair in made_again(world, list(cases(world, seed, EACH, counts.without)), folder):
                count(world, pair, usual[pair.by_hand["Image"]], folder, counts)
        finally:
            removed(world, seed)
        print(f"{counts.cases} cases", flush=True)
    return counts


def count(world: World, pair: Pair, usual: dict[str, Any], folder: Path, counts: Counts) -> None:
    counts.cases += 1
    counts.used.update(fields(differing(pair.by_hand, usual)))
    paths = pair.differing()
    counts.silent.update(fields([path for path in paths if not pair.explained(path)]))
    counts.named.update(fields([path for path in paths if pair.explained(path)]))
    counts.ours_same += not paths
    counts.ours_told += bool(paths) and all(pair.explained(path) for path in paths)
    other = theirs(world, pair, folder, counts)
    if other is not None:
        lost = fields(differing(pair.by_hand, other))
        counts.theirs.update(lost)
        counts.same += not lost
        counts.same_but_host_name += not lost - {"Config.Hostname"}
    project = pair.case.name.replace(f"{world.prefix}-a", f"{world.prefix}-c")
    docker("network", "rm", f"{project}_default", check=False)


# --- the page -----------------------------------------------------------------------------------------------------------


def covered() -> list[str]:
    lines = [
        "## Fields",
        "",
        f"All {len(run_config.COVERED)} fields of `Config` and `HostConfig` that the Engine reports. A field that is not among them is",
        "named when it is set.",
        "",
    ]
    for group in ("Config", "HostConfig"):
        names = [f"`{name.split('.')[1]}`" for name in run_config.EXPRESSED if name.startswith(f"{group}.")]
        lines += [f"**{group}, in Compose's words:** {', '.join(names)}", ""]
    lines += [
        f"**Without a word in Compose; named in a sentence when they are set:** {', '.join(f'`{name}`' for name in run_config.NAMED)}",
        "",
    ]
    lines += ["**Without effect on a container that is made again:**", ""]
    return [*lines, *(f"- `{name}`: {why}" for name, why in sorted(run_config.NO_EFFECT.items())), ""]


def compared(counts: Counts, version: str) -> list[str]:
    made, silent = counts.cases - counts.never, counts.cases - counts.ours_same - counts.ours_told
    lines = [
        "## Compared with docker-autocompose",
        "",
        f"{version}; {counts.cases} containers made by `docker create` with random options of",
        f"{len(FAMILIES) - len(counts.without)} families, each of up to 24 of them.",
        f"Left out, as this Engine refuses or discards them: {', '.join(sorted(counts.without)) or 'none'}.",
        "",
        row("", "docker-autocompose 1.3.0", "`run_config`"),
        row(*["---"] * 3),
        row(
            "what it wrote is taken by `docker compose` as it is",
            f"{counts.as_written} of {counts.cases}",
            f"{counts.cases} of {counts.cases}",
        ),
        row("the container is the same in every field", f"{counts.same} of {counts.cases}", f"{counts.ours_same} of {counts.cases}"),
        row("the same but for the host name", f"{counts.same_but_host_name} of {counts.cases}", f"{counts.ours_same} of {counts.cases}"),
        row("something is lost, and a sentence names each of it", f"0 of {counts.cases}", f"{counts.ours_told} of {counts.cases}"),
        row("something is lost in silence", f"{made - counts.same} of {counts.cases}", f"{silent} of {counts.cases}"),
        row("no container", f"{counts.never} of {counts.cases}", f"0 of {counts.cases}"),
        "",
        "docker-autocompose writes the old container's short id down as the host name of the new one. Networks are not compared: it",
        "keeps the old one, `run_config` leaves that to who takes the container over. Compose 2.26 loses `mac_address` where a service",
        "names no network, which is how docker-autocompose writes a container of the default bridge.",
        f"Keys that Compose refuses were taken out of what it wrote ({keys(counts.refused)});",
        f"{counts.never} files were refused all the same, so its column below is of {made} containers.",
        "",
        "By field: in how many cases it is not as in a container without options, which counts the volumes that the image asks for,",
        "and in how many it is another one after the container was made again.",
        "",
        row("field", "set in", "docker-autocompose", "`run_config`, in silence", "`run_config`, named"),
        row(*["---"] * 5),
    ]
    names = sorted({*counts.used, *counts.theirs, *counts.silent, *counts.named}, key=lambda name: (-counts.theirs[name], name))
    lines += [row(f"`{n}`", counts.used[n], counts.theirs[n], counts.silent[n], counts.named[n]) for n in names]
    return [*lines, ""]


def keys(refused_keys: Counter[str]) -> str:
    return ", ".join(f"`{key}` in {number}" for key, number in refused_keys.most_common()) or "none"


def how() -> list[str]:
    lines = ["## What is compared", "", "Everything in the inspects of the two containers, but for:", ""]
    lines += [f"- `{name}`: {why}" for name, why in IGNORED.items()]
    lines += ["", "Compared in another form:", ""]
    return [*lines, *(f"- `{name}`: {why}" for name, why in RETOLD.items()), ""]


def page(counts: Counts, version: str) -> str:
    lines = [
        "# What is read of a container that was started by hand",
        "",
        "Made by `make bench` (`tests/bench/takeover_fields.py`); do not edit.",
        "",
        f"{datetime.date.today().isoformat()}.",
        "",
    ]
    return "\n".join([*lines, *covered(), *compared(counts, version), *how()]).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help=f"{EACH} containers each")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "takeover-fields.md")
    given = parser.parse_args()
    prefix = f"bench-{uuid.uuid4().hex[:6]}"
    with tempfile.TemporaryDirectory() as folder:
        world = World(prefix, Path(folder) / "host", (f"{prefix}/rich:1", f"{prefix}/bare:1"))
        try:
            world.make(BASE)
            counts = measure(world, given.seeds, Path(folder))
        finally:
            world.remove()
    engine = json.loads(docker("version", "--format", "{{json .}}"))["Server"]["Version"]
    version = f"Docker Engine {engine}, Compose {docker('compose', 'version', '--short')}"
    given.output.write_text(page(counts, version))
    print(f"written to {given.output}")


if __name__ == "__main__":
    main()
