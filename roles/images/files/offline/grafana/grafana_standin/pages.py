"""Plain pages for people. Every text that comes from a file or from Prometheus is escaped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

from . import VERSION
from .display import Shown, legend, shown
from .prometheus import QueryError, query
from .provisioning import Catalogue, Dashboard

COLUMNS = 24  # of Grafana's grid
LONGEST = 40  # lines shown of one panel
NOTICE = (
    "This is a stand-in, not Grafana: it reads Grafana's provisioning and dashboard files and shows each query's "
    "newest value. Graphs, editing, users and alerts are Grafana's."
)
STYLE = """
:root { color-scheme: dark }
* { box-sizing: border-box }
body { margin: 0; background: #111217; color: #d8d9da; font: 14px/1.45 "DejaVu Sans", system-ui, sans-serif }
header { padding: 14px 20px; background: #181b1f; border-bottom: 1px solid #2c3235 }
header a, li a { color: #6e9fff; text-decoration: none }
h1 { display: inline; margin: 0 0 0 8px; font-size: 18px; font-weight: 600 }
.notice { margin: 14px 20px 0; padding: 8px 12px; border-left: 3px solid #ff9830; background: #22252b; color: #c8c9ca }
main { padding: 14px 20px }
.grid { display: grid; grid-template-columns: repeat(24, 1fr); gap: 10px }
section { background: #181b1f; border: 1px solid #2c3235; border-radius: 3px; padding: 10px 12px; overflow: auto; min-width: 0 }
section.row { grid-column: 1 / -1; background: none; border: 0; padding: 8px 0 0; font-weight: 600 }
h2 { margin: 0 0 6px; font-size: 13px; font-weight: 600 }
table { width: 100%; border-collapse: collapse }
td { padding: 2px 0; vertical-align: top; overflow-wrap: anywhere; color: #9fa1a5 }
td.value { text-align: right; white-space: nowrap; padding-left: 12px; font-variant-numeric: tabular-nums }
.tiles { display: flex; flex-wrap: wrap; gap: 8px }
.tiles div { flex: 1 0 90px; padding: 8px 10px; background: #22252b; border-radius: 3px; color: #9fa1a5 }
.tiles b { display: block; font-size: 18px }
.one { font-size: 28px; font-weight: 600 }
.none { color: #7b7d82 }
.error { color: #f2495c; overflow-wrap: anywhere }
@media (max-width: 900px) { .grid { display: block } section { margin-bottom: 10px } }
"""


def _document(title: str, header: str, body: str, refresh: int = 0) -> str:
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)} · stand-in for Grafana</title>'
        f'<style>{STYLE}</style></head><body><header>{header}</header><p class="notice">{escape(NOTICE)}</p>'
        f"<main>{body}</main></body></html>"
    )


def index(catalogue: Catalogue) -> str:
    """The page `/`: dashboards and data sources."""
    boards = "".join(
        f'<li><a href="/d/{escape(board.uid)}">{escape(board.title)}</a> <span class="none">{escape(board.folder)}</span></li>'
        for board in catalogue.dashboards.values()
    )
    sources = "".join(
        f'<li>{escape(source.name)} <span class="none">{escape(source.type)}, uid {escape(source.uid)}, {escape(source.url)}</span></li>'
        for source in catalogue.sources.values()
    )
    body = (
        f"<h2>Dashboards</h2><ul>{boards or '<li>none</li>'}</ul><h2>Data sources</h2><ul>{sources or '<li>none</li>'}</ul>"
        f'<p class="none">{VERSION}</p>'
    )
    return _document("Home", "<h1>Home</h1>", body)


def dashboard(catalogue: Catalogue, board: Dashboard) -> str:
    """The page `/d/<uid>`: every panel with the newest values of its queries, asked now and at the same time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        panels = "".join(pool.map(lambda panel: _panel(catalogue, panel), board.panels()))
    header = f'<a href="/">Home</a> / {escape(board.folder)} /<h1>{escape(board.title)}</h1>'
    return _document(board.title, header, f'<div class="grid">{panels}</div>', refresh=15)


def _panel(catalogue: Catalogue, panel: dict[str, Any]) -> str:
    title = escape(str(panel.get("title") or ""))
    if panel["type"] == "row":
        return f'<section class="row">{title}</section>'
    try:
        values = _values(catalogue, panel)
        body = _tiles(values) if panel["type"] == "stat" and values else _lines(values)
    except QueryError as error:
        body = f'<div class="error">{escape(str(error))}</div>'
    if panel["type"] == "text":
        body = escape(str((panel.get("options") or {}).get("content") or ""))
    width = min(max(int((panel.get("gridPos") or {}).get("w") or COLUMNS), 1), COLUMNS)
    hint = escape(str(panel.get("description") or ""), quote=True)
    return f'<section style="grid-column: span {width}" title="{hint}"><h2>{title}</h2>{body}</section>'


def _values(catalogue: Catalogue, panel: dict[str, Any]) -> list[Shown]:
    found = []
    defaults = (panel.get("fieldConfig") or {}).get("defaults") or {}
    for target in panel.get("targets") or []:
        source = catalogue.source_of(target, panel)
        if source is None or source.type != "prometheus" or target.get("hide"):
            continue
        expr = str(target["expr"])
        pattern = str(target.get("legendFormat") or "")
        found += [shown(value, legend(pattern, value, expr), defaults) for value in query(source, expr)]
    return found


def _tiles(values: list[Shown]) -> str:
    tiles = "".join(f'<div><b style="color: {line.colour}">{escape(line.text)}</b>{escape(line.legend)}</div>' for line in values)
    return f'<div class="tiles">{tiles}</div>'


def _lines(values: list[Shown]) -> str:
    if not values:
        return '<div class="none">No data</div>'
    if len(values) == 1:
        only = values[0]
        return f'<div class="one" style="color: {only.colour}">{escape(only.text)}</div><div class="none">{escape(only.legend)}</div>'
    rows = "".join(
        f'<tr><td>{escape(line.legend)}</td><td class="value" style="color: {line.colour}">{escape(line.text)}</td></tr>'
        for line in values[:LONGEST]
    )
    more = f'<div class="none">and {len(values) - LONGEST} more</div>' if len(values) > LONGEST else ""
    return f"<table>{rows}</table>{more}"
