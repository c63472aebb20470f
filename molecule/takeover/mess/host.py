#!/usr/bin/env python3
"""What is done and read on the host itself; every answer is JSON on standard output.

host.py history          samples of some hours, in the text format of OpenMetrics (and no JSON)
host.py fill             data for Redis and Kafka; then wait until there is something of everything, and note what there is
host.py facts            all data: see read.py
host.py trees NAME ...   container → directory of a mount → path → what it is; the containers have to be stopped
host.py boot             what systemd and cron would start at boot
host.py cron WORD        what cron runs, of the lines that hold the word
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MADE = HERE / "made.json"
CLIENTS = "auren-stack/neuros-reference:0.1.0"
SERVERS = ("auren-postgres", "auren-redis", "auren-kafka", "auren-prometheus", "auren-grafana")
SECRETS = Path("/opt/auren/docker/secrets")
FILES = {"postgres": "postgres_password", "redis": "redis_password", "grafana": "grafana_admin_password"}
UNITS = Path("/etc/systemd/system")
SAMPLES = 12  # of each target, at least
LAYERED = {"auren-grafana": "/var/lib/grafana"}  # data that may be in a container's own layer


def docker(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def inspected(*names: str) -> list[Any]:
    return list(json.loads(docker("container", "inspect", *names)))


def passwords() -> dict[str, str]:
    """By hand, or from the project's file where there is one."""
    given = dict(word.split("=", 1) for word in shlex.split((HERE / "passwords").read_text(), comments=True))
    found = {name: given[name.upper()] for name in FILES}
    for name, file in FILES.items():
        if (SECRETS / file).exists():
            found[name] = (SECRETS / file).read_text().rstrip("\n")
    return found


def client(script: str, **given: Any) -> str:
    """Run a script where the clients are. It finds each server by its name, whatever networks that is on."""
    hosts = []
    for one in inspected(*SERVERS):
        addresses = [network["IPAddress"] for network in one["NetworkSettings"]["Networks"].values() if network["IPAddress"]]
        if not addresses:
            sys.exit(f"{one['Name'][1:]} has no address: it is {one['State']['Status']}")
        hosts += ["--add-host", f"{one['Name'][1:]}:{addresses[0]}"]
    options = ["--rm", "--interactive", "--network", "host", "--volume", f"{HERE}:/mess:ro", *hosts, CLIENTS]
    return docker("run", *options, "python", f"/mess/{script}", stdin=json.dumps({**passwords(), **given}))


# --- making -------------------------------------------------------------------------------------------------------------


def history() -> str:
    """A sample every 30 s from eight to four hours ago: blocks that are complete and on disk."""
    now = int(time.time())
    lines = ["# TYPE auren_history gauge"]
    for user in range(3):
        for moment in range(now - 8 * 3600, now - 4 * 3600, 30):
            lines.append(f'auren_history{{user="kept-{user}"}} {60 + 10 * math.sin(moment / 600 + user):.3f} {moment}')
    return "\n".join([*lines, "# EOF\n"])


def asked(query: str) -> list[Any]:
    command = ["promtool", "query", "instant", "--format", "json", "http://127.0.0.1:9090", query]
    return list(json.loads(docker("exec", "auren-prometheus", *command)))


def sampled() -> bool:
    found = asked(f"sum_over_time(up[{SAMPLES + 10}s]) >= {SAMPLES}")
    return len(found) == 3


def fill() -> None:
    client("fill.py")
    deadline = time.monotonic() + 45
    while not sampled():
        if time.monotonic() > deadline:
            sys.exit(f"not everything is scraped: {asked('up')}")
        time.sleep(0.5)
    now = int(time.time())
    # What is not committed yet, three seconds after its time, was given up: a scrape has one.
    MADE.write_text(json.dumps({"from": now - 3 - SAMPLES, "to": now - 3, "published": published()}))


def published() -> dict[str, list[str]]:
    """Container → address:port on the host."""
    found = {}
    for one in inspected(*docker("ps", "--quiet").split()):
        ports = [b for bound in (one["NetworkSettings"]["Ports"] or {}).values() for b in bound or []]
        if ports:
            found[one["Name"][1:]] = sorted(f"{b['HostIp']}:{b['HostPort']}" for b in ports)
    return found


# --- reading ------------------------------------------------------------------------------------------------------------


def facts() -> dict[str, Any]:
    made = json.loads(MADE.read_text())
    found: dict[str, Any] = json.loads(client("read.py", **{"from": made["from"], "to": made["to"]}))
    found["grafana"].update(grafana())
    return found


def members(container: str, directory: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Everything below a directory of a container, in whatever state it is, with its content."""
    with tempfile.TemporaryFile() as archive:
        subprocess.run(["docker", "cp", f"{container}:{directory}", "-"], stdout=archive, check=True)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as opened:
            for member in opened:
                file = opened.extractfile(member) if member.isfile() else None
                yield member, file.read() if file else b""


def entry(member: tarfile.TarInfo, content: bytes) -> str:
    """Kind, mode, owner, and what is in it or where it leads to."""
    inside = member.linkname or (f"{member.size} {hashlib.sha256(content).hexdigest()[:20]}" if member.isfile() else "")
    return f"{member.type.decode()} {member.mode:o} {member.uid}:{member.gid} {inside}"


def below(member: tarfile.TarInfo) -> str:
    """The path without the name of the directory itself."""
    return member.name.partition("/")[2] or "."


def grafana() -> dict[str, Any]:
    """The rows of its database, and its other files as they are."""
    found: dict[str, Any] = {"rows": {}, "files": {}}
    for member, content in members("auren-grafana", "/var/lib/grafana"):
        if below(member) == "grafana.db":
            found["rows"] = rows(content)
        else:
            found["files"][below(member)] = entry(member, content)
    return found


def rows(content: bytes) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        database = sqlite3.connect(file.name)
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: {repr(row): 1 for row in database.execute(f'SELECT * FROM "{name}"')} for name in names}


def tree(container: str, directory: str) -> dict[str, str]:
    return {below(member): entry(member, content) for member, content in members(container, directory)}


def trees(*names: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in inspected(*names):
        name = one["Name"][1:]
        if one["State"]["Running"]:
            sys.exit(f"{name} runs: its files change while they are read")
        places = {mount["Destination"] for mount in one["Mounts"]} | ({LAYERED[name]} if name in LAYERED else set())
        found[name] = {place: tree(name, place) for place in sorted(places)}
    return found


def unpublished() -> list[str]:
    """Ports of the first hour that nobody answers any more, on the host itself."""
    silent = []
    for name, addresses in json.loads(MADE.read_text())["published"].items():
        for address in addresses:
            host, port = address.rsplit(":", 1)
            try:
                socket.create_connection(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)), timeout=2).close()
            except OSError:
                silent.append(f"{name} {address}")
    return silent


# --- booting ------------------------------------------------------------------------------------------------------------


def starts(unit: Path) -> list[str]:
    """The ExecStart lines of a unit with its drop-ins: an empty one takes back those before it (systemd.service(5))."""
    found: list[str] = []
    for file in [unit, *sorted(unit.parent.glob(f"{unit.name}.d/*.conf"))]:
        for line in file.read_text().replace("\\\n", " ").splitlines():
            key, equals, said = line.partition("=")
            if key.strip() == "ExecStart" and equals:
                found = [*found, said.strip()] if said.strip() else []
    return found


def boot() -> list[Any]:
    """Every unit that multi-user.target wants and that lies here (a masked one leads to /dev/null), then cron's own lines for a boot."""
    done = []
    for link in sorted(UNITS.glob("multi-user.target.wants/*")):
        unit = link.resolve()
        if unit.exists() and unit.parent == UNITS:
            done += [ran(link.name, shlex.split(said.lstrip("-@:+!"))) for said in starts(unit)]
    return done + [ran(file, ["sh", "-c", command]) for file, when, command in jobs() if when == "@reboot"]


def cron(word: str) -> list[Any]:
    return [ran(file, ["sh", "-c", command]) for file, when, command in jobs() if when != "@reboot" and word in command]


def jobs() -> Iterator[tuple[str, str, str]]:
    """File, when, and command of every line below /etc/cron.d; the names of files with a dot cron does not read (cron(8))."""
    for file in sorted(path for path in Path("/etc/cron.d").glob("*") if "." not in path.name):
        for line in file.read_text().splitlines():
            words = line.split(None, 2 if line.startswith("@") else 6)
            if line.strip() and not line.lstrip().startswith("#") and "=" not in words[0]:
                yield str(file), words[0], words[-1]


def ran(who: str, command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"who": who, "command": shlex.join(command), "status": done.returncode, "output": done.stdout + done.stderr}


if __name__ == "__main__":
    work: dict[str, Callable[..., Any]] = {one.__name__: one for one in (fill, facts, trees, published, unpublished, boot, cron)}
    if sys.argv[1] == "history":
        print(history(), end="")
    else:
        print(json.dumps(work[sys.argv[1]](*sys.argv[2:])))
