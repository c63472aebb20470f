# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The architecture diagram: five layers from top to bottom, services in them, and the connections that were asked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: architecture_graph
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: Services and connections as a diagram of five layers
description:
  - Gives each of the five layers a band, each service a place in its band, and each connection a curve. The same input gives the same
    picture.
options:
  _input:
    description: RV(auren.stack.stack_document#module:document) of M(auren.stack.stack_document).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Draw the architecture
  ansible.builtin.debug:
    msg: "{{ documentation_result.document | auren.stack.architecture_graph }}"
"""

RETURN = r"""
_value:
  description:
    - C(width) and C(height) in pixels, C(bands) with C(layer), C(y) and C(height), C(nodes) with C(name), C(id), C(layer), C(status), C(x),
      C(y) and C(width), and C(arrows) with C(client), C(service), C(status), C(monitoring), C(told) and C(path) for SVG.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.layers import LAYERS

WIDE = 172  # pixels, as all of these: a place,
HIGH = 36
GAP = 18  # between two of them,
BAND = 118  # a band,
INSIDE = 37  # from its top to its places,
LEFT = 112  # the name of the band,
EDGE = 10  # the edge of the picture,
BEND = 30  # and how far a curve leaves a place straight


def picture(document: Mapping[str, Any]) -> dict[str, Any]:
    """Places and curves."""
    rows = {layer: [one for one in document["nodes"] if one["layer"] == layer] for layer in LAYERS}
    most = max([len(row) for row in rows.values()] + [3])
    width = LEFT + most * (WIDE + GAP) + EDGE
    nodes = [node for number, layer in enumerate(LAYERS) for node in _row(rows[layer], number, width)]
    known = {node["name"]: node for node in nodes}
    wanted = [one for one in document["connections"] if one["client"] in known and one["service"] in known]
    order = {"proved": 0, "unproved": 0, "failed": 1}  # red ones are drawn last
    arrows = sorted(_arrows(wanted, known), key=lambda one: (order[one["status"]], not one["monitoring"]))
    bands = [{"layer": layer, "y": EDGE + number * BAND, "height": BAND - 8} for number, layer in enumerate(LAYERS)]
    return {"width": width, "height": 2 * EDGE + len(LAYERS) * BAND - 8, "bands": bands, "nodes": nodes, "arrows": arrows}


def _row(row: Sequence[Mapping[str, Any]], number: int, width: int) -> list[dict[str, Any]]:
    """A layer's services, in the middle of its band."""
    taken = len(row) * (WIDE + GAP) - GAP
    left = LEFT + (width - LEFT - EDGE - taken) // 2
    y = EDGE + number * BAND + INSIDE
    return [
        {**one, "id": f"n{number}{place}", "x": left + place * (WIDE + GAP), "y": y, "width": WIDE, "height": HIGH}
        for place, one in enumerate(row)
    ]


def _arrows(wanted: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each connection has points of its own on the edges of both places, in the order of where it comes from or goes to."""
    ends: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for number, one in enumerate(wanted):
        client, service = known[one["client"]], known[one["service"]]
        for name, side, other in zip((one["client"], one["service"]), _sides(client, service), (service, client)):
            ends.setdefault((name, side), []).append((other["x"], number))
    points: dict[tuple[str, int], tuple[int, int]] = {}
    for (name, side), found in ends.items():
        node = known[name]
        for place, (_x, number) in enumerate(sorted(found), 1):
            points[name, number] = (node["x"] + node["width"] * place // (len(found) + 1), node["y"] + (HIGH if side == "below" else 0))
    return [_arrow(one, known, points[one["client"], n], points[one["service"], n]) for n, one in enumerate(wanted)]


def _sides(client: Mapping[str, Any], service: Mapping[str, Any]) -> tuple[str, str]:
    """Down to a lower layer, up to a higher one; within a layer around below."""
    if client["y"] == service["y"]:
        return "below", "below"
    return ("below", "above") if client["y"] < service["y"] else ("above", "below")


def _arrow(one: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    leave, arrive = (1 if side == "below" else -1 for side in _sides(known[one["client"]], known[one["service"]]))
    bend = max(BEND, abs(end[1] - start[1]) // 2)
    path = f"M{start[0]} {start[1]} C{start[0]} {start[1] + leave * bend} {end[0]} {end[1] + arrive * bend} {end[0]} {end[1]}"
    told = f"{one['status']}: {', '.join(one['checks'])}" + (f" ({one['told']})" if one["told"] else "")
    keys = ("client", "service", "status", "monitoring")
    return {**{key: one[key] for key in keys}, "told": told, "path": path}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"architecture_graph": picture}
