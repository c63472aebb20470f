# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a document claims, what a host is, and what came of comparing them, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.model import Binding, Container, Network

TRUE, FALSE, UNPROVABLE = "true", "false", "unprovable"


@dataclass(frozen=True)
class Claim:
    """One thing that a document says. line: from 1 on. text: in the document's own words, without secrets.

    subject: whom it is about, as written; empty when nobody is named. value and other: what is said, see the kinds below. hedged: the
    sentence is about the past, a plan, a condition or an example, so it can be right but never wrong.

    container (value empty; other "name" when it is surely a name), image, pull (a reference), port (number; other: published,
    public, inner or empty), mapping (binding as ``address:host:container``), published (``address:port``), reach (other: a name, value: a
    port), address (IPv4), network (a network's name; with a subject: it is on it), subnet (subject: the network), driver, volume (name;
    other: where it is mounted), path, env (key in value, text in other), url (value; other: browser, container, host or empty), scrape
    (value: ``name:port``, a name, or ``*`` for all), arrow and depends (subject → value; other: the text at an arrow), nodepends (subject
    needs nobody), status (value: up, healthy, down; other ``all`` for everybody), count (number; other: containers, services, networks),
    version, restart (policy).
    """

    line: int
    kind: str
    text: str
    subject: str = ""
    value: str = ""
    other: str = ""
    hedged: bool = False
    observed: bool = False


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict. evidence: a sentence, what is true instead when it is false; never a secret."""

    line: int
    kind: str
    text: str
    verdict: str
    evidence: str


@dataclass(frozen=True)
class ScrapeTarget:
    """What Prometheus scrapes. address: ``name:port``; health: up, down or unknown."""

    job: str
    address: str
    path: str
    health: str
    error: str = ""


@dataclass(frozen=True)
class ImageFact:
    """An image that a reference stands for on the host. built: it was made on this host and comes from no registry."""

    id: str
    digests: tuple[str, ...] = ()
    built: bool = False


@dataclass(frozen=True)
class Known:
    """A declared service, as far as documents speak of it. builds: its image is built on the host."""

    name: str
    role: str = ""
    needs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    builds: bool = False


@dataclass(frozen=True)
class Facts:
    """One reading of a host, as far as documents speak of it.

    listening: container → TCP ports that somebody listens on inside; a container that is not in it could not be looked into. exposed:
    container → ports its image names. mounts: container → (volume or directory of the host, place inside). images: reference → image.
    host_ports: sockets that listen on the host; None when that could not be read. addresses: of the host. targets: None when no
    Prometheus answered, and why is in no_targets. checks: of service_verification. references: (client, server) → where the client is told
    of the server. flows: (client, server) that are connected now. paths: whether a path of the document is on the host. secrets: values
    that the services hold.
    """

    containers: tuple[Container, ...] = ()
    networks: tuple[Network, ...] = ()
    services: Mapping[str, Known] = field(default_factory=dict)
    images: Mapping[str, ImageFact] = field(default_factory=dict)
    listening: Mapping[str, frozenset[int]] = field(default_factory=dict)
    exposed: Mapping[str, frozenset[int]] = field(default_factory=dict)
    mounts: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()
    host_ports: tuple[Binding, ...] | None = None
    addresses: frozenset[str] = frozenset()
    targets: tuple[ScrapeTarget, ...] | None = None
    no_targets: str = "no Prometheus runs on this host"
    checks: tuple[Mapping[str, Any], ...] = ()
    references: Mapping[tuple[str, str], str] = field(default_factory=dict)
    flows: frozenset[tuple[str, str]] = frozenset()
    paths: Mapping[str, bool] = field(default_factory=dict)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    network: str = "auren-network"
    engine: str = ""

    def container(self, name: str) -> Container | None:
        return next((one for one in self.containers if one.name == name), None)

    def named_network(self, name: str) -> Network | None:
        return next((one for one in self.networks if one.name == name), None)

    def public_words(self) -> str:
        """All names of the host in one text: a secret that is a part of one of them hides nothing."""
        names = [word for one in self.containers for word in (one.name, one.image, *(a for e in one.endpoints for a in e.aliases))]
        names += [*self.volumes, *(one.name for one in self.networks), *self.images, *self.services]
        return "\n".join(names).lower()
