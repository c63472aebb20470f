# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The picture of a verification: who asks whom, and which arrows are red."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verification_graph
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: The result of service_verification as places and arrows
description:
  - Gives every service and client a place, clients to the left of those they ask, and every pair of them that was checked an arrow.
options:
  _input:
    description: RV(auren.stack.service_verification#module:checks) of M(auren.stack.service_verification).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Draw what was checked
  ansible.builtin.debug:
    msg: "{{ verification_result.checks | auren.stack.verification_graph }}"
"""

RETURN = r"""
_value:
  description:
    - C(width) and C(height) in pixels, C(nodes) with C(name), C(x), C(y), C(status) and C(told), and C(arrows) with C(client),
      C(service), C(path) for SVG, C(status) and C(told).
    - A status is the worst of all checks of the place or the arrow, from C(fail) over C(blocked), C(warn) and C(skipped) to C(pass).
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

ORDER = ("fail", "blocked", "warn", "skipped", "pass")  # the worst first
WIDE = 190  # pixels, as all of these: a place,
HIGH = 34
ACROSS = 290  # from one to the next,
DOWN = 58
EDGE = 20  # and around them


def worst(checks: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The worst status, and what was told with it."""
    first = min(checks, key=lambda one: ORDER.index(one["status"]))
    told = f"because of {first['because']}" if first.get("because") else str(first["evidence"])
    return str(first["status"]), told


def columns(arrows: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, int]:
    """Name → column: a client stands left of those it asks, where they do not ask each other."""
    asked: dict[str, list[str]] = {name: [] for name in names}
    for client, service in arrows:
        asked[client].append(service)
    depth: dict[str, int] = {}

    def below(name: str, above: tuple[str, ...]) -> int:
        """How many stand behind it, on the longest way that comes back to nobody."""
        if name not in depth:
            further = [below(other, (*above, name)) + 1 for other in asked[name] if other not in (*above, name)]
            if above and len(further) < len(asked[name]):
                return max(further, default=0)  # a circle: it has its place when it is looked at first
            depth[name] = max(further, default=0)
        return depth[name]

    for name in names:
        below(name, ())
    used = sorted(set(depth.values()), reverse=True)
    return {name: used.index(depth[name]) for name in names}


def graph(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Places and arrows."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    own: dict[str, list[Mapping[str, Any]]] = {}
    for one in checks:
        if one["client"] == one["service"]:
            own.setdefault(one["service"], []).append(one)
        else:
            pairs.setdefault((one["client"], one["service"]), []).append(one)
    names = sorted({*own, *(name for pair in pairs for name in pair)})
    places = _places(columns(list(pairs), names))
    nodes = []
    for name in names:
        status, told = worst(own[name]) if name in own else ("pass", "not looked at")
        nodes.append({"name": name, "x": places[name][0], "y": places[name][1], "status": status, "told": told})
    arrows = [_arrow(pair, found, places) for pair, found in sorted(pairs.items())]
    arrows.sort(key=lambda one: -ORDER.index(one["status"]))  # red ones are drawn last
    right, low = (max((place[axis] for place in places.values()), default=0) for axis in (0, 1))
    return {"width": right + WIDE + EDGE, "height": low + HIGH + EDGE, "nodes": nodes, "arrows": arrows}


def _places(column: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Each column is in the middle of the height."""
    held: dict[int, list[str]] = {}
    for name, number in column.items():
        held.setdefault(number, []).append(name)
    most = max((len(names) for names in held.values()), default=0)
    return {
        name: (EDGE + number * ACROSS, EDGE + row * DOWN + (most - len(names)) * DOWN // 2)
        for number, names in held.items()
        for row, name in enumerate(names)
    }


def _arrow(pair: tuple[str, str], found: Sequence[Mapping[str, Any]], places: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    (left, upper), (right, lower) = places[pair[0]], places[pair[1]]
    start, end = (left + WIDE, upper + HIGH // 2), (right, lower + HIGH // 2)
    if right <= left:  # back to the left, or within the column: around below
        start, end = (left + WIDE // 2, upper + HIGH), (right + WIDE // 2, lower + HIGH)
        low = max(start[1], end[1]) + 34
        path = f"M{start[0]} {start[1]} C{start[0]} {low} {end[0]} {low} {end[0]} {end[1]}"
    else:
        bend = (start[0] + end[0]) // 2
        path = f"M{start[0]} {start[1]} C{bend} {start[1]} {bend} {end[1]} {end[0]} {end[1]}"
    status, told = worst(found)
    return {"client": pair[0], "service": pair[1], "path": path, "status": status, "told": told}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"verification_graph": graph}
