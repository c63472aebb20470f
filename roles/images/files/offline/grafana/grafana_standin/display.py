"""A panel's values as text: units, value mappings, thresholds and legends as a dashboard's JSON states them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .prometheus import Value

LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
SUFFIX = {"percent": " %", "ops": " ops/s", "reqps": " req/s", "Bps": " B/s", "short": "", "none": "", "": ""}
# The dark theme's colours by the names that a dashboard uses.
COLOURS = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a", "blue": "#5794f2", "text": "#d8d9da"}


@dataclass(frozen=True)
class Shown:
    """One line of a panel."""

    legend: str
    text: str
    colour: str


def legend(pattern: str, value: Value, expr: str) -> str:
    """Fill `{{label}}` in; without a pattern the labels as Prometheus writes them, and the query where there are none."""
    if pattern and pattern != "__auto":
        return LEGEND.sub(lambda match: value.labels.get(match[1], ""), pattern)
    labels = {key: text for key, text in value.labels.items() if key != "__name__"}
    if labels:
        return "{" + ", ".join(f'{key}="{text}"' for key, text in sorted(labels.items())) + "}"
    return value.labels.get("__name__") or expr


def shown(value: Value, name: str, defaults: dict[str, Any]) -> Shown:
    """Return the line for a value under a panel's `fieldConfig.defaults`."""
    mapped = _mapping(value.value, defaults)
    text = mapped.get("text") or with_unit(value.value, str(defaults.get("unit") or ""), defaults.get("decimals"))
    colour = mapped.get("color") or _threshold(value.value, defaults)
    return Shown(name, text, COLOURS.get(colour, COLOURS["text"]))


def _mapping(value: float, defaults: dict[str, Any]) -> dict[str, str]:
    for mapping in defaults.get("mappings") or []:
        if mapping.get("type") == "value":
            found = (mapping.get("options") or {}).get(f"{value:g}")
            if found:
                return dict(found)
    return {}


def _threshold(value: float, defaults: dict[str, Any]) -> str:
    colour = "text"
    for step in (defaults.get("thresholds") or {}).get("steps") or []:
        if step.get("value") is None or value >= step["value"]:
            colour = str(step.get("color"))
    return colour


def with_unit(value: float, unit: str, decimals: int | None = None) -> str:
    """Format a value in one of Grafana's units; an unknown unit is written behind the number."""
    if math.isnan(value):
        return "no value"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit == "percentunit":
        return with_unit(100 * value, "percent", decimals)
    if unit == "s":
        return _seconds(value, decimals)
    if unit in ("bytes", "decbytes"):
        power = min(int(math.log(abs(value), 1024)), len(BINARY) - 1) if abs(value) >= 1 else 0
        return f"{_number(value / 1024**power, decimals)} {BINARY[power]}"
    return _number(value, decimals) + SUFFIX.get(unit, f" {unit}")


def _seconds(value: float, decimals: int | None) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= size:
            return f"{_number(value / size, decimals)} {name}"
    return f"{_number(1000 * value, decimals)} ms"


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
