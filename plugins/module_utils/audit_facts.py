# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read of a host what a document may speak of. Reads only; what may not be read is left out, so that it is judged as unprovable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.auren.stack.plugins.module_utils import connections, host_ports, netns, proc_net, references
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Facts, ImageFact, Known, ScrapeTarget
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine, told
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import read_text
from ansible_collections.auren.stack.plugins.module_utils.host_state import Text, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_IMAGE, LABEL_OFFLINE, Container, container_from_inspect
from ansible_collections.auren.stack.plugins.module_utils.probes import prometheus
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target
from ansible_collections.auren.stack.plugins.module_utils.project import declared_services
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import is_secret_key

PATIENCE = 5.0  # seconds that Prometheus has to answer
MOST_PATHS = 500  # of a document that are looked for
_PATH = re.compile(r"(?<![\w./:-])/[\w.@-]+(?:/[\w.@-]+)+")
_LOCAL = re.compile(r"\|-- ([\d.]+)\n\s+/32 host LOCAL")  # /proc/net/fib_trie
_LISTENS = re.compile(r"--web\.listen-address=\S*?:(\d+)")
_URL_PASSWORD = re.compile(r"://[^\s/?#:@]*:([^\s/?#@]+)@")


def read(
    engine: Engine, text: str, project_dir: Path, declared: Sequence[Mapping[str, Any]], network: str, checks: Sequence[Mapping[str, Any]]
) -> Facts:
    """One reading. text: the document, for the paths that it names. Raises StackError when the Engine does not answer."""
    snapshot = engine.snapshot()
    raws = [raw for raw in (engine.inspect(one.id) for one in snapshot.containers) if raw]
    containers = tuple(container_from_inspect(raw) for raw in raws)
    networks = tuple(engine.networks())
    services = known_services(project_dir, declared, network)
    known = Facts(containers, networks, services)
    targets, reason = _targets(engine, containers, services)
    return Facts(
        containers=containers,
        networks=networks,
        services=services,
        images=_images(engine),
        listening=_listening(engine, containers, raws),
        exposed={one.name: frozenset(_exposed(raw, "tcp")) for one, raw in zip(containers, raws)},
        mounts={one.name: _mounts(raw) for one, raw in zip(containers, raws)},
        volumes=frozenset(snapshot.volumes),
        host_ports=tuple(one.binding for one in host_ports.listeners()) if engine.local else None,
        addresses=frozenset(_LOCAL.findall(read_text(Path("/proc/net/fib_trie")) or "")) if engine.local else frozenset(),
        targets=targets,
        no_targets=reason,
        checks=tuple(checks),
        references=told_of(known),
        flows=frozenset((f.client, f.server) for f in connections.flows(containers, [one.name for one in networks]))
        if engine.local
        else frozenset(),
        paths={path: engine.local and os.path.exists(path) for path in list(dict.fromkeys(_PATH.findall(text)))[:MOST_PATHS]},
        secrets=frozenset({*held(containers), *_stored(project_dir)}),
        network=network,
        engine=str(engine.info().get("Version", "")),
    )


def known_services(project_dir: Path, declared: Sequence[Mapping[str, Any]], network: str) -> dict[str, Known]:
    """What is declared; nothing on a host where nobody has declared anything."""
    try:
        found = declared_services(project_dir, declared, network)
    except StackError as error:
        if error.kind != "nothing_declared":
            raise
        found = {}
    return {name: _known(service) for name, service in found.items()}


def _known(service: Service) -> Known:
    return Known(service.name, service.role, tuple(service.needs), tuple(service.aliases), bool(service.entry.get("build")))


def _images(engine: Engine) -> dict[str, ImageFact]:
    with told("read", "the images"):
        raws = engine.api.images()
    found = {}
    for raw in raws:
        labels = raw.get("Labels") or {}
        fact = ImageFact(raw["Id"], tuple(raw.get("RepoDigests") or ()), LABEL_IMAGE in labels and LABEL_OFFLINE not in labels)
        found.update({reference: fact for reference in raw.get("RepoTags") or () if reference != "<none>:<none>"})
    return found


def _exposed(raw: Mapping[str, Any], protocol: str) -> list[int]:
    named = [*((raw["Config"].get("ExposedPorts")) or {}), *((raw["HostConfig"].get("PortBindings")) or {})]
    return [int(one.partition("/")[0]) for one in named if one.endswith(f"/{protocol}") and one.partition("/")[0].isdigit()]


def _listening(engine: Engine, containers: Iterable[Container], raws: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[int]]:
    """Looked up from the host in /proc; UDP ports are taken as the container names them."""
    found: dict[str, frozenset[int]] = {}
    for one, raw in zip(containers, raws):
        net = Path(f"/proc/{one.pid}/net")
        if engine.local and one.running and one.pid and not outside_networks(one) and os.access(net / "tcp", os.R_OK):
            tcp = {socket.local[1] for socket in proc_net.sockets(net) if socket.state == proc_net.LISTEN}
            found[one.name] = frozenset({*tcp, *_exposed(raw, "udp")})
    return found


def _mounts(raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(one.get("Name") or one.get("Source") or ""), str(one.get("Destination", ""))) for one in raw.get("Mounts") or [])


# --- secrets that services hold ------------------------------------------------------------------------------------------


def held(containers: Iterable[Container]) -> set[str]:
    """Values of environments that are secret, to find them again in a document. They go nowhere else."""
    found: set[str] = set()
    for one in containers:
        for key, value in one.env.items():
            passwords = _URL_PASSWORD.findall(value)
            found |= {form for password in passwords for form in (password, unquote(password))}
            if is_secret_key(key) and "://" not in value:
                found.add(value)
    return {value for value in found if _worth_hiding(value)}


def _worth_hiding(value: str) -> bool:
    return len(value) >= 6 and not value.startswith("/") and not (value.isdigit() and len(value) < 8) and "\n" not in value


def _stored(project_dir: Path) -> set[str]:
    """Values of the files in the project's directory of secrets, where they may be read."""
    folder = project_dir / "secrets"
    if not os.access(folder, os.R_OK | os.X_OK):
        return set()
    texts = [read_text(path) for path in folder.iterdir() if path.is_file() and os.access(path, os.R_OK)]
    return {text.strip() for text in texts if text and _worth_hiding(text.strip())}


# --- who is told of whom -------------------------------------------------------------------------------------------------


def told_of(facts: Facts) -> dict[tuple[str, str], str]:
    """(client, server) → the place where the client's configuration names the server. Values are searched and not shown."""
    names = Names(facts)
    own = {name.lower(): name for name in names.own}
    words = "|".join(re.escape(name) for name in sorted(names.exact, key=len, reverse=True)) or r"(?!)"
    whole = re.compile(rf"(?<![\w.-])({words})(?![\w-]|\.\w|://)", re.IGNORECASE)
    found: dict[tuple[str, str], str] = {}
    for container in facts.containers:
        for text in (*references.texts_of(container), *references.mounted_texts(container)):
            for match in whole.finditer(text.text):
                server = names.called(match[1])
                if server and server != container.name and (match[1].lower() in own or _as_host(text, match)):
                    found.setdefault((container.name, server), text.where)
    return found


def _as_host(text: Text, match: re.Match[str]) -> bool:
    """Whether a short name, which may be any word, stands where a host does."""
    before, after = text.text[: match.start()], text.text[match.end() :]
    return before.endswith(("@", "//")) or bool(re.match(r":\d{2,5}\b", after)) or ("HOST" in text.where and not before and not after)


# --- Prometheus ----------------------------------------------------------------------------------------------------------


def _targets(engine: Engine, containers: Sequence[Container], services: Mapping[str, Known]) -> tuple[tuple[ScrapeTarget, ...] | None, str]:
    """What Prometheus scrapes, asked inside its container's network; else why nobody can tell."""
    found = [one for one in containers if _is_prometheus(one, services)]
    running = [one for one in found if one.running]
    if not running:
        return None, f"{found[0].name} is {found[0].state}" if found else "no Prometheus runs on this host"
    one = running[0]
    listens = _LISTENS.search(" ".join(one.command))
    port = int(listens[1]) if listens else 9090
    if not engine.local or not netns.allowed():
        return None, f"asking {one.name} needs root on the Engine's own host"
    job = netns.Job(one.name, one.pid, lambda: _asked(Target("127.0.0.1", port)), PATIENCE)
    [answer] = netns.run([job], PATIENCE + 0.5, raises=False)
    if answer is None:
        return None, f"{one.name} did not answer within {PATIENCE:.0f} s"
    if "error" in answer:
        return None, str(answer["error"])
    return tuple(ScrapeTarget(**target) for target in answer["targets"]), ""


def _is_prometheus(one: Container, services: Mapping[str, Known]) -> bool:
    known = services.get(one.name)
    if known:
        return known.role == "prometheus"
    return bool(re.search(r"(^|/)prometheus(:|@|$)", one.image)) or "prometheus" in [alias for e in one.endpoints for alias in e.aliases]


def _asked(target: Target) -> dict[str, Any]:
    """In the child."""
    try:
        return {"targets": [_target(one) for one in prometheus.active(target, PATIENCE)]}
    except (ProbeError, OSError) as error:
        return {"error": getattr(error, "message", str(error))}


def _target(raw: Mapping[str, Any]) -> dict[str, str]:
    url = urlsplit(str(raw.get("scrapeUrl", "")))
    address = url.netloc.rpartition("@")[2] + ("" if url.port else ":80" if url.scheme == "http" else ":443")
    error = re.sub(r"://[^/\s@]*@", "://", str(raw.get("lastError") or ""))
    return {
        "job": str(raw.get("labels", {}).get("job", "")),
        "address": address,
        "path": url.path,
        "health": str(raw.get("health", "unknown")),
        "error": error,
    }
