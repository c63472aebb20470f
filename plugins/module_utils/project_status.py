# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closing table: what runs, where it is reached, how to look at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import validate
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_STANDS_IN
from ansible_collections.auren.stack.plugins.module_utils.project import Declared, Observed
from ansible_collections.auren.stack.plugins.module_utils.report import table

COLUMNS = ("service", "state", "address", "image", "look")


def _row(engine: Engine, observed: Observed, service: Service) -> dict[str, str]:
    container = engine.container(service.name)
    published = [f"{b.host_ip or '0.0.0.0'}:{b.host_port}" for b in validate.bindings(service)]
    image = observed.images.get(service.image)
    return {
        "service": service.name,
        "state": "absent" if container is None else container.health or container.state,
        "address": ", ".join(published) or f"on {service.house.network} only",
        "image": service.image,
        "look": str(service.entry.get("look") or ""),
        "stands_in": image.labels.get(LABEL_STANDS_IN, "") if image else "",
    }


def overview(engine: Engine, observed: Observed, declared: Mapping[str, Declared]) -> dict[str, Any]:
    """``services``: a dict a service, ``table``: the same as lines, with what stands in for something else below."""
    rows: list[dict[str, str]] = [_row(engine, observed, d.service) for d in (declared[name] for name in sorted(declared))]
    lines = table(rows, COLUMNS)
    stand_ins = list(dict.fromkeys(f"{row['image']}: {row['stands_in']}" for row in rows if row["stands_in"]))
    if stand_ins:
        lines += ["", "Stand-ins (no registry was in reach when they were made):", *(f"  {line}" for line in stand_ins)]
    return {"services": rows, "table": lines}
