"""A project as a finished run leaves it, and what the next one would do; real files in a directory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import definition, files, project
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_COMPOSE_HASH,
    LABEL_COMPOSE_VERSION,
    LABEL_SPEC,
    Binding,
    Container,
    Endpoint,
)
from ansible_collections.auren.stack.plugins.module_utils.project import Declared
from ansible_collections.auren.stack.plugins.module_utils.project_plan import plan_present

from tests.unit.builders import container, observed

MADE = "2.26.1 one"


def free(_: Binding) -> str:
    return ""


def converged(
    house: House, *services: Service, values: Mapping[str, str] | None = None, **more: dict[str, Any]
) -> tuple[dict[str, Service], project.Observed]:
    """Services as a finished run leaves them: files on disk, containers with their spec. more: what differs, by container name."""
    called = {s.name: s for s in services}
    specs = {name: definition.spec(s, values or {}) for name, s in called.items()}
    declared = {n: Declared(s, specs[n], definition.reload_digest(s, values or {}), MADE) for n, s in called.items()}
    live = [running(s, specs[s.name], **more.get(s.name, {})) for s in services]
    seen = observed(*live, declared=declared, values=dict(values or {}))
    work = plan_present(house, called, dataclasses.replace(seen, declared={}), free)
    record = project.declared_file(house.directory, declared)
    for file in work.files:
        files.make_directory(file.wanted.path.parent)
        files.write(record if file.record and file.wanted.path == record.path else file.wanted)
    return called, seen


def labelled(spec: Mapping[str, str], made: str = MADE) -> dict[str, str]:
    version, known = made.split()
    return {LABEL_SPEC: json.dumps(dict(spec)), LABEL_COMPOSE_VERSION: version, LABEL_COMPOSE_HASH: known}


def running(one: Service, spec: Mapping[str, str], **more: Any) -> Container:
    endpoint = Endpoint("net", "id", "10.0.0.2", tuple(one.aliases))
    known = {"labels": labelled(spec), "endpoints": (endpoint,), "restart_policy": "unless-stopped"}
    return container(one.name, **{**known, **more})


def actions(house: House, called: dict[str, Service], seen: project.Observed, **more: Any) -> list[str]:
    work = plan_present(house, called, seen, more.pop("taken", free), **more)
    assert [c.message for c in work.plan.conflicts] == []
    return work.plan.actions()
