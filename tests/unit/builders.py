"""Small pieces that the tests of the planners put together."""

from __future__ import annotations

from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_COMPOSE_PROJECT,
    LABEL_SERVICE,
    Container,
    Endpoint,
    Image,
    Snapshot,
)
from ansible_collections.auren.stack.plugins.module_utils.project import Declared, Observed

HOUSE = House("stack", "/opt/stack", "net")


def service(name: str = "one", house: House = HOUSE, compose: dict[str, Any] | None = None, **entry: Any) -> Service:
    return Service({"name": name, "compose": {"image": "img:1", **(compose or {})}, **entry}, house)


def image(identity: str = "sha256:1", **more: Any) -> Image:
    return Image(identity, **{"env": {}, "labels": {}, "digests": (), **more})


def container(name: str, project: str = "stack", **more: Any) -> Container:
    """One of the project's, running on its network."""
    labels = {LABEL_SERVICE: name, LABEL_COMPOSE_PROJECT: project, **more.pop("labels", {})}
    known = {"image": "img:1", "image_id": "sha256:1", "state": "running", "endpoints": (Endpoint("net", "id", "10.0.0.2", ()),)}
    return Container(f"id-{name}", name, labels=labels, **{**known, **more})


def foreign(name: str, **more: Any) -> Container:
    known = {"image": "other:1", "image_id": "sha256:9", "state": "running"}
    return Container(f"id-{name}", name, **{**known, **more})


def snapshot(*containers: Container, **volumes: str) -> Snapshot:
    return Snapshot((1, 45), containers, volumes)


def observed(
    *containers: Container, declared: dict[str, Declared] | None = None, volumes: dict[str, str] | None = None, **more: Any
) -> Observed:
    known = {"images": {"img:0": image("sha256:0"), "img:1": image()}, **more}
    return Observed(Snapshot((1, 45), containers, volumes or {}), declared=declared or {}, **known)


def swap(**more: Any) -> dict[str, Any]:
    """What a takeover writes into its journal of a container that it takes over."""
    named = {"name": "db", "id": "old", "kept": "db-replaced-T", "project": "stack"}
    was = {"policy": "always", "ran": True, "served": True, "auto_remove": False, "redis": False, "listened": []}
    return {**named, **was, "copies": [], "places": [], "networks": [], **more}
