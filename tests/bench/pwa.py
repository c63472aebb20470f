"""Measure the PWA's nginx against a bare one with the same files and the same backend, and how long a deploy closes the port.

    pwa.py [--samples N] [--output FILE]

Both are containers of one image on a network of their own, asked by wrk through published ports on this machine; they take turns.
Debian's wrk is installed where there is none.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hosts import BenchError, hosts, play  # noqa: E402
from report import row, times, verdict  # noqa: E402
from sides import run  # noqa: E402

from tests.integration.pwa_site import NGINX, configuration, until, written  # noqa: E402

RUN = f"bench-pwa-{uuid.uuid4().hex[:6]}"
PACE, LIMIT = 0.9, 150  # share of the bare nginx's requests; kB of the bundle, compressed
SECONDS, CONNECTIONS = 5, 32
BACKEND = """
events {}
http { access_log off; server { listen 8000; listen 8888; default_type application/json; return 200 '{"status":"healthy"}'; } }
"""
BARE = """
worker_processes 2;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    sendfile on;
    server {
        listen 8080;
        root /usr/share/nginx/html;
        location /api/neuros/ { proxy_pass http://BACKEND:8000/; }
    }
}
"""
SIDES = ("bare", "ours")


@dataclass(frozen=True)
class Sample:
    """rate: requests per second. late: milliseconds within which 99 of 100 were answered."""

    rate: float
    late: float


Figures = dict[str, dict[str, list[Sample]]]  # by what is asked and by side


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def wrk() -> None:
    if shutil.which("wrk") is None:
        subprocess.run("apt-get update -qq && apt-get install -qqy --no-install-recommends wrk >/dev/null", shell=True, check=True)


def bundle(directory: Path) -> Path:
    """The files of the reference PWA, from its image."""
    holder = docker("create", "auren-stack/pwa:current")
    docker("cp", f"{holder}:/usr/share/nginx/html", str(directory / "bundle"))
    docker("rm", holder)
    return directory / "bundle"


def nginx(name: str, config: Path, *words: str) -> None:
    command = ["nginx", "-c", "/etc/auren-pwa/nginx.conf", "-g", "daemon off;"]
    docker("run", "-d", "--name", f"{RUN}-{name}", "--network", RUN, "-v", f"{config}:/etc/auren-pwa:ro", *words, NGINX, *command)


def published(side: str) -> int:
    """The port of one side, once it answers."""
    port = int(docker("port", f"{RUN}-{side}", "8080").rpartition(":")[2])
    command = ["curl", "-fs", f"http://127.0.0.1:{port}/api/neuros/health"]
    until(f"{side} answers", lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0)
    return port


def start(directory: Path, files: Path) -> dict[str, int]:
    """The backend and both sides; returns their ports."""
    backend = f"{RUN}-backend"
    nginx("backend", written(directory / "backend", {"nginx.conf": BACKEND}))
    rendered = configuration(auren_neuros_host=backend, auren_biometric_host=backend)
    mounted = ["-v", f"{files}:/usr/share/nginx/html:ro", "-p", "127.0.0.1::8080"]
    hard = ["--user", "101:101", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    nginx("bare", written(directory / "bare", {"nginx.conf": BARE.replace("BACKEND", backend)}), *mounted)
    nginx("ours", written(directory / "ours", {**rendered, "config.json": "{}"}), *mounted, *hard)
    return {side: published(side) for side in SIDES}


def asked(port: int, path: str) -> Sample:
    """One run of wrk."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        sys.exit(f"{path} is not answered with 200:\n{said}")
    [rate], [(late, unit)] = re.findall(r"Requests/sec:\s+([\d.]+)", said), re.findall(r"99%\s+([\d.]+)(us|ms|s)", said)
    return Sample(float(rate), float(late) * {"us": 0.001, "ms": 1, "s": 1000}[unit])


def measure(samples: int) -> tuple[Figures, float]:
    """Figures, and the size of what the page loads, in kB, compressed."""
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work)
        directory.chmod(0o755)
        docker("network", "create", RUN)
        try:
            files = bundle(directory)
            ports = start(directory, files)
            script = next((files / "assets").glob("*.js"))
            paths = {"the page": "/", "its script": f"/assets/{script.name}", "through the proxy": "/api/neuros/health"}
            found: Figures = {what: {side: [] for side in SIDES} for what in paths}
            for sample in range(samples):
                for what, path in paths.items():
                    for side in SIDES if sample % 2 else reversed(SIDES):
                        found[what][side].append(asked(ports[side], path))
                print(
                    sample + 1,
                    *(f"{what}: {sides['ours'][-1].rate / sides['bare'][-1].rate:.2f}" for what, sides in found.items()),
                    flush=True,
                )
            loaded = [files / "index.html", *(files / "assets").iterdir()]
            return found, sum(len(gzip.compress(path.read_bytes())) for path in loaded) / 1000
        finally:
            for name in docker("ps", "-aq", "--filter", f"name={RUN}").split():
                docker("rm", "-f", "-v", name)
            docker("network", "rm", RUN)


def closed(samples: int) -> list[float]:
    """Seconds in which new connections were refused while one version took the place of another, on a host of its own."""
    found: list[float] = []
    with hosts("pwa") as [host]:
        run("site", [host])
        for sample in range(samples):
            source = ["-e", f"pwa_source={ROOT}/molecule/pwa/pages/plain"] if sample % 2 == 0 else []
            said = play(ROOT / "playbooks" / "pwa.yml", [host], *source).output
            found += [float(seconds) for seconds in re.findall(r"new connections were refused for ([\d.]+) s", said)]
            print(f"closed for {found[-1]:.2f} s", flush=True)
    return found


def page(samples: int, found: Figures, size: float, shut: list[float]) -> str:
    lines = [
        "# Benchmarks: the PWA's nginx",
        "",
        "Made by `make bench`; do not edit. Only figures of one page are comparable.",
        "",
        f"{datetime.date.today().isoformat()}: {os.cpu_count()} cores, which wrk and the backend share with the two; load "
        f"{os.getloadavg()[0]:.1f} after.",
        "",
        f"One image, the reference PWA's files, one backend. wrk with {CONNECTIONS} connections for {SECONDS} s, medians of {samples};",
        "the sides take turns. The bare one serves the files and proxies by prefix, with no compression, headers, cache rules or names",
        "that are asked for again.",
        "",
        row("what is asked", "bare, requests/s", "ours, requests/s", "ours of bare", "bare, p99", "ours, p99"),
        row(*["---"] * 6),
    ]
    shares = {}
    for what, sides in found.items():
        rates = [f"{median(one.rate for one in sides[side]):.0f}" for side in SIDES]
        late = [f"{median(one.late for one in sides[side]):.1f} ms" for side in SIDES]
        shares[what] = median(ours.rate / bare.rate for ours, bare in zip(sides["ours"], sides["bare"]))
        lines.append(row(what, *rates, f"{shares[what]:.2f}", *late))
    lines += [
        "",
        *(f"- {what}: at least {PACE} of the bare nginx: {share:.2f}, {verdict(share >= PACE)}" for what, share in shares.items()),
    ]
    lines += [f"- a deploy refuses new connections for at most 1 s: {times(shut)}, {verdict(max(shut) <= 1)}"]
    return "\n".join([*lines, f"- what the page loads, at most {LIMIT} kB compressed: {size:.1f} kB, {verdict(size <= LIMIT)}"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks-pwa.md")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that the containers are removed
    wrk()
    try:
        shut = closed(given.samples)
    except BenchError as error:
        sys.exit(str(error))
    found, size = measure(given.samples)
    given.output.write_text(page(given.samples, found, size, shut))
    print(f"written to {given.output}")


if __name__ == "__main__":
    main()
