# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Engine tells for a bundle: containers, logs, networks, names, images, events, what takes room. Reads only."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import names, netns
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine, told
from ansible_collections.auren.stack.plugins.module_utils.evidence import Evidence
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError

LOG = 1 << 20  # bytes of the end of one container's log
LOGS = 12 << 20  # bytes of all logs together
EVENTS = 3000  # the last of them
MOST_NAMES = 80  # that are asked for from each container
ASKING = 10.0  # seconds that all questions for names may take
TELLING = ("die", "oom", "kill", "restart", "stop", "destroy", "health_status: unhealthy")  # events that the diagnosis counts


@dataclass(frozen=True)
class Window:
    """How far back is read. lines, minutes: of a log, 0 minutes for all. hours: of the Engine's events."""

    lines: int = 1000
    minutes: int = 0
    hours: int = 24


@dataclass
class Told:
    """What the diagnosis takes from it. logs: container → its log as it is. happened: container → how often what."""

    logs: dict[str, str] = field(default_factory=dict)
    happened: dict[str, Counter[str]] = field(default_factory=dict)


def gather(engine: Engine, raw: Mapping[str, Mapping[str, Any]], containers: Sequence[Container], into: Evidence, window: Window) -> Told:
    """All of it. raw: container → what an inspect says."""
    found = Told()
    into.read("engine.json", lambda: {"version": engine.info(), "info": engine.system()})
    into.read("containers.txt", lambda: _table(raw))
    into.read("networks.json", lambda: _networks(engine))
    into.read("events.txt", lambda: _events(engine, window.hours, health_checks(raw), found))
    into.read("names.txt", lambda: matrix(engine, containers, into))
    into.read("images.txt", lambda: _images(engine))
    for name in sorted(raw):
        into.read(f"containers/{name}/inspect.json", lambda name=name: into.redactor.inspected(raw[name]))  # type: ignore[misc]
    _logs(engine, raw, into, window, found)
    into.read("room.txt", lambda: _room(engine))
    return found


def _table(raw: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, one in sorted(raw.items()):
        state, host = one["State"], one["HostConfig"]
        health = (state.get("Health") or {}).get("Status", "")
        on = ",".join(f"{net}={place.get('IPAddress') or '-'}" for net, place in (one["NetworkSettings"]["Networks"] or {}).items())
        policy = (host.get("RestartPolicy") or {}).get("Name") or "no"
        life = f"exit {state.get('ExitCode', 0)}, {one.get('RestartCount', 0)} restarts, policy {policy}"
        rows.append(f"{name}: {state['Status']} {health} since {state.get('StartedAt', '')[:19]}; {life}; {one['Config']['Image']}; {on}")
    return "\n".join(rows)


def _networks(engine: Engine) -> list[Any]:
    with told("read", "the networks"):
        listed = engine.api.networks()
        return [engine.api.inspect_network(one["Id"]) for one in listed]


def _images(engine: Engine) -> str:
    with told("read", "the images"):
        found = engine.api.images()
    rows = sorted(((", ".join(one.get("RepoTags") or ["without a name"]), one) for one in found), key=lambda row: row[0])
    return "\n".join(f"{name}  {one['Id'][:19]}  {one['Size'] / 1e6:.0f} MB  {_time(one['Created'])}" for name, one in rows)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _room(engine: Engine) -> str:
    """As `docker system df -v` has it, the largest first."""
    with told("read", "what takes room"):
        usage = engine.api.df()
    rows = [f"images {(usage.get('LayersSize') or 0) / 1e6:.0f} MB"]
    volumes = [((one.get("UsageData") or {}).get("Size") or 0, f"volume {one['Name']}") for one in usage.get("Volumes") or []]
    layers = [(one.get("SizeRw") or 0, f"layer of {(one.get('Names') or ['?'])[0].lstrip('/')}") for one in usage.get("Containers") or []]
    caches = [(one.get("Size") or 0, f"build cache {one['ID'][:12]}") for one in usage.get("BuildCache") or []]
    rows += [f"{what} {size / 1e6:.0f} MB" for size, what in sorted([*volumes, *layers, *caches], reverse=True)[:200]]
    return "\n".join(rows)


# --- logs and events -----------------------------------------------------------------------------------------------------


def _logs(engine: Engine, raw: Mapping[str, Any], into: Evidence, window: Window, found: Told) -> None:
    room = LOGS
    for name in sorted(raw, key=lambda one: (raw[one]["State"]["Status"] == "running", one)):  # those in trouble first
        if room > 0:
            into.read(f"containers/{name}/log.txt", lambda name=name: found.logs.setdefault(name, _log(engine, name, window)))  # type: ignore[misc]
            room -= len(found.logs.get(name, ""))
        else:
            into.missing.append(f"containers/{name}/log.txt: the logs before it took all the room")


def _log(engine: Engine, name: str, window: Window) -> str:
    """The end of a log; whole lines."""
    more = {"since": int(time.time()) - 60 * window.minutes} if window.minutes else {}
    chunks: deque[bytes] = deque()
    size = 0
    with told("read the log of", name):
        for chunk in engine.api.logs(name, tail=window.lines, timestamps=True, stream=True, follow=False, **more):
            chunks.append(chunk)
            size += len(chunk)
            while size - len(chunks[0]) > LOG:
                size -= len(chunks.popleft())
    text = b"".join(chunks)
    return (text if len(text) <= LOG else text[-LOG:].partition(b"\n")[2]).decode(errors="replace")


def health_checks(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Container → the command of its health check, as an event names it: it is most of what happens, and says nothing."""
    tests = {name: (one["Config"].get("Healthcheck") or {}).get("Test") or [] for name, one in raw.items()}
    return {name: " ".join(test[1:]) for name, test in tests.items() if len(test) > 1}


def _events(engine: Engine, hours: int, checks: Mapping[str, str], found: Told) -> str:
    now = int(time.time())
    lines: deque[str] = deque(maxlen=EVENTS)
    with told("read", "the events"):
        for event in engine.api.events(since=now - 3600 * hours, until=now, decode=True):
            actor = event.get("Actor") or {}
            facts, action = actor.get("Attributes") or {}, str(event.get("Action", ""))
            name = facts.get("name") or str(actor.get("ID", ""))[:12]
            if action.startswith(("exec_start", "exec_die")) or (action.startswith("exec_create") and checks.get(name, "\0") in action):
                continue
            kept = {key: facts[key] for key in ("exitCode", "signal", "container", "image", "execDuration") if key in facts}
            more = "".join(f" {key}={value}" for key, value in kept.items())
            lines.append(f"{_time(event.get('time') or 0)} {event.get('Type')} {name} {action}{more}")
            if event.get("Type") == "container" and action in TELLING:
                found.happened.setdefault(name, Counter())[action] += 1
    return "\n".join(lines)


# --- names ---------------------------------------------------------------------------------------------------------------


def matrix(engine: Engine, containers: Iterable[Container], into: Evidence) -> str:
    """What every name leads to, asked from inside every running container: a block a container, a line a name."""
    everybody = list(containers)
    running = [one for one in everybody if one.running]
    wanted = sorted({name for one in everybody for name in (one.name, *(a for e in one.endpoints for a in e.aliases))})
    if len(wanted) > MOST_NAMES:
        into.missing.append(f"names.txt: only {MOST_NAMES} of {len(wanted)} names were asked for")
        wanted = wanted[:MOST_NAMES]
    if not engine.local or not netns.allowed():
        into.missing.append("names.txt: only root on the Engine's own host may ask from inside the containers; run with become")
        return ""
    jobs = [netns.Job(one.name, one.pid, lambda pid=one.pid: _asked(pid, wanted)) for one in running]  # type: ignore[misc]
    answers = netns.run(jobs, min(ASKING, into.left()), raises=False) if jobs else []
    blocks = []
    for one, answer in zip(running, answers):
        told_of = answer or {"error": "no answer in time"}
        lines = [f"  ({told_of['error']})"] if "error" in told_of else [f"  {name}: {told_of[name]}" for name in wanted]
        blocks.append("\n".join([one.name, *lines]))
    return "\n".join(blocks)


def _asked(pid: int, wanted: Sequence[str]) -> dict[str, str]:
    """In the child."""
    resolver = names.of_container(pid)

    def ask(name: str) -> str:
        try:
            return ", ".join(resolver.resolve(name, 2.0))
        except (ProbeError, OSError, ValueError) as error:
            return f"- {getattr(error, 'message', error)}"

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(wanted, pool.map(ask, wanted)))
