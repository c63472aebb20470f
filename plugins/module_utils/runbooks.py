# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What leads to which page of ``docs/runbooks``: the one table of verification, of the bundle's diagnosis, and of the index. Pure.

A failure has a source (``container``, ``disk``, ``heartbeat``, a probe's name; ``host`` for what a look at the whole host finds,
``engine`` for an Engine that cannot be asked, ``bundle`` for what the bundle's own search finds) and a kind. An http check of a page's
path is told apart by that path: ``page`` for ``/``, ``proxy`` for what is below ``/api/``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FOLDER = "docs/runbooks"
ANY = "*"  # a source: whoever finds it
SITE = "ansible-playbook auren.stack.site"
STREAMLINE = "ansible-playbook auren.stack.streamline"


@dataclass(frozen=True)
class Page:
    """title: what is the matter. fix: one sentence, with the playbook or command. pains: numbers in the operators' list of what hurt."""

    name: str
    title: str
    fix: str
    pains: tuple[int, ...] = ()

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.name}.md"


PAGES: dict[str, Page] = {
    page.name: page
    for page in (
        Page(
            "password-drift",
            "A client holds another password than its server",
            f"{SITE} gives every client the password of the file; the page says what to do where the server has another one",
            (1,),
        ),
        Page(
            "grafana-password",
            "Grafana does not accept the password of its administrator",
            "docker exec -i auren-grafana grafana cli admin reset-admin-password --password-from-stdin, with the file of the secret",
            (1,),
        ),
        Page(
            "unhealthy",
            "A service says that it is not well, or says that it is and is not",
            "docker logs of the service says what it lacks",
            (2,),
        ),
        Page(
            "stopped-container", "A container is stopped", "docker start brings it back; site or streamline sets its restart policy", (3,)
        ),
        Page(
            "prometheus-targets",
            "Prometheus does not scrape what it should",
            f"{SITE} --tags prometheus writes its configuration anew and reloads it",
            (4,),
        ),
        Page("pwa-page", "The page is not served as it should be", "ansible-playbook auren.stack.pwa builds, tries and deploys it", (5,)),
        Page(
            "hot-patch",
            "A file was changed inside a container",
            "put the change into the image, then run site: at the next recreate it is lost",
            (6,),
        ),
        Page(
            "moved-tag",
            "A container runs another image than its tag is now",
            f"{SITE} makes it anew on the image that the tag is now",
            (7,),
        ),
        Page("wrong-network", "A container is not on the network", f"{STREAMLINE} connects it with all of its names", (8,)),
        Page("lost-alias", "A name does not resolve", f"{STREAMLINE} gives a container its names back", (8,)),
        Page("name-twice", "Two containers answer to one name", "docker network disconnect the one that is not the service", (8,)),
        Page(
            "creation-network",
            "A container cannot start again, for its creation network is gone",
            f"{STREAMLINE} makes that network again, empty",
            (8,),
        ),
        Page(
            "kafka-listeners",
            "Kafka advertises an address that its clients cannot reach",
            f"{SITE} --tags kafka writes its listeners anew; docker restart the client that is not well afterwards",
            (9,),
        ),
        Page(
            "disk-full",
            "A disk is full, or nearly",
            "docker system df shows what takes it; remove images that no container uses, never volumes",
            (10,),
        ),
        Page(
            "restart-loop",
            "A container crashes and is restarted again and again",
            f"docker logs says why; {SITE} takes back what was edited by hand",
            (11,),
        ),
        Page(
            "missing-tables",
            "The database lacks a table, a column or an extension",
            "docker restart auren-postgres makes what is missing",
            (12,),
        ),
        Page(
            "grafana-datasource",
            "A dashboard asks a data source that is not there or does not answer",
            f"{SITE} --tags grafana provisions it anew",
            (13,),
        ),
        Page("empty-panels", "A panel is about a metric that nobody exports", "start the exporter, or correct the dashboard", (13,)),
        Page("removed-container", "A declared container is not there any more", f"{SITE} makes it again on its own data", (14,)),
        Page(
            "unknown-container",
            "A container is on the host that nobody declared",
            "leave it, until somebody knows what it is; never prune",
            (14,),
        ),
        Page(
            "nginx-proxy",
            "The page does not hand calls on to the services",
            "ansible-playbook auren.stack.pwa writes the proxy's paths anew",
            (15,),
        ),
        Page(
            "alerts-without-jobs",
            "An alert is about a job that Prometheus does not have",
            f"{SITE} --tags prometheus writes jobs and rules together",
            (16,),
        ),
        Page(
            "documents-that-lie",
            "A document says what is not so",
            "believe verify; ansible-playbook auren.stack.document writes one from live state",
            (17,),
        ),
        Page(
            "secrets-in-clear-text",
            "A secret can be read where it should not be",
            "give the service another value in auren_secrets and run site: it is rotated",
            (18,),
        ),
        Page(
            "redis-read-only", "Redis takes no writes", "redis-cli REPLICAOF NO ONE where it became a replica; else make room on its disk"
        ),
        Page(
            "kafka-topics",
            "Kafka lacks a topic, a leader or a reader",
            "docker restart auren-kafka makes the topics; docker restart the service that does not read",
        ),
        Page(
            "broken-pipeline",
            "A reading does not arrive at the end of the stack",
            "the first hop that failed names the service: docker logs of it",
        ),
        Page(
            "no-answer",
            "A service gives no answer, or a late one",
            "docker logs and docker stats of the service; docker restart when it hangs",
        ),
        Page(
            "ports",
            "A published port is not as declared",
            f"{SITE} makes the container anew with its ports; one that was made by hand: {STREAMLINE} -e auren_streamline_phase=takeover",
        ),
        Page(
            "written-address",
            "The address of a container is written down",
            "write the name in its place: the address changes when a container is made anew",
        ),
        Page(
            "changed-by-hand",
            "A container, or a file that it reads, was changed by hand",
            f"declare the change, or {SITE} takes it back; limits of docker update: docker compose up --force-recreate after it",
        ),
        Page(
            "engine-down",
            "The Docker Engine does not answer",
            "systemctl start docker; journalctl -u docker says why it stopped; where the SDK is missing: apt-get install python3-docker",
        ),
    )
}

_LED = {
    "password-drift": [("postgres", "auth"), ("redis", "auth"), ("heartbeat", "auth"), (ANY, "no_password")],
    "grafana-password": [("grafana", "auth")],
    "unhealthy": [("container", "unhealthy"), ("http", "status"), ("postgres", "status"), ("redis", "status"), ("grafana", "status")],
    "stopped-container": [("container", "down"), ("container", "policy"), (ANY, "client")],
    "prometheus-targets": [("prometheus", kind) for kind in ("down", "target", "missing", "status")],
    "pwa-page": [("page", "status")],
    "hot-patch": [("container", "edited")],
    "moved-tag": [("container", "image")],
    "wrong-network": [("container", "network")],
    "lost-alias": [("container", "alias"), (ANY, "dns")],
    "name-twice": [("container", "twice"), ("container", "twice_alias")],
    "creation-network": [("container", "cannot_start")],
    "kafka-listeners": [("kafka", "advertised")],
    "disk-full": [("disk", "disk")],
    "restart-loop": [("container", "loop"), ("container", "restarted"), ("container", "oom")],
    "missing-tables": [("postgres", "missing")],
    "grafana-datasource": [("grafana", "datasource"), ("grafana", "query"), ("grafana", "missing")],
    "empty-panels": [("grafana", "unexported")],
    "removed-container": [("container", "absent")],
    "unknown-container": [("host", "superfluous"), ("host", "unknown"), ("host", "kept")],
    "nginx-proxy": [("proxy", "status")],
    "alerts-without-jobs": [("prometheus", "rule")],
    "secrets-in-clear-text": [("bundle", "clear_text")],
    "redis-read-only": [("redis", "readonly")],
    "kafka-topics": [("kafka", "missing"), ("kafka", "status"), ("kafka", "readonly")],
    "broken-pipeline": [("heartbeat", kind) for kind in ("missing", "status")],
    "no-answer": [(ANY, kind) for kind in ("refused", "timeout", "unreachable", "protocol", "slow")],
    "ports": [("container", "ports")],
    "written-address": [("host", "address")],
    "changed-by-hand": [("host", "field"), ("host", "file")],
    "engine-down": [("engine", kind) for kind in ("no_engine", "engine_too_old", "no_sdk", "permission", "engine")],
}
RULES: dict[tuple[str, str], str] = {rule: page for page, rules in _LED.items() for rule in rules}
BY_HAND = ("documents-that-lie",)  # pages of what no check finds: a person, or the audit of a document


def source_of(check: str) -> str:
    """From the label of a check, as ``http auren-pwa:8080/api/neuros/health``."""
    probe, _space, where = check.partition(" ")
    _host, slash, path = where.partition("/")
    if probe == "http" and slash:
        return "page" if not path else "proxy" if path.startswith("api/") else probe
    return probe


def page_of(check: str, kind: str) -> Page | None:
    """The page for a kind of failure that a check (its label, or a source alone) found; None for no failure and for what is not known."""
    name = RULES.get((source_of(check), kind)) or RULES.get((ANY, kind))
    return PAGES[name] if name else None


def see(pages: Iterable[str]) -> str:
    """Where to read on, in a line; empty for nothing. pages: names, or nothing where there is none."""
    named = list(dict.fromkeys(PAGES[name].path for name in pages if name))
    return f"see {', '.join(named)}" if named else ""


def index() -> str:
    """The text of the folder's README: every page with what leads to it."""
    numbered = sorted(PAGES.values(), key=lambda page: (page.pains or (99,), page.name))
    rows = [
        f"| {', '.join(map(str, page.pains))} | [{page.title}]({page.name}.md) | {_kinds(page.name)} | {page.fix} |" for page in numbered
    ]
    head = ["| pain | page | found as | in a sentence |", "| --- | --- | --- | --- |"]
    return "\n".join([_INTRODUCTION, *head, *rows, ""])


def _kinds(name: str) -> str:
    found = [f"{'any' if source == ANY else source} {kind}" for (source, kind), page in RULES.items() if page == name]
    return ", ".join(f"`{one}`" for one in found) or "by a person"


_INTRODUCTION = """# Runbooks

For whoever is called at night. `ansible-playbook auren.stack.verify` names what is behind the red lights, one line each, and the page to
read; `ansible-playbook auren.stack.troubleshoot` packs what somebody else needs to look at it, with a `diagnosis.md` on top. Neither
changes anything. Every page is the same: what you see, what it means, how to prove it, what fixes it, how to see that it is fixed, how it
comes about, and how it is kept from happening.

Commands are typed on the host, as root. Playbooks run from where the inventory is: add `-i INVENTORY`. The project is in
`/opt/auren/docker`; `docker compose ps` works there. Never prune, and remove no volume: nothing here needs it.

`streamline` shows a plan and asks. Where nobody can be asked it ends; the same command with `-e auren_approve=ID`, as it printed, does it.

The pains are numbered as in the operators' own list. This page is made from the table in `plugins/module_utils/runbooks.py`
(`python scripts/runbooks.py`); tests compare the two.
"""
