"""Run inside the hand-run Grafana: what people left in its data directory. The stand-in stores nothing itself, so this does."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

DATA = Path("/var/lib/grafana")
ANNOTATIONS = [(number, 1_700_000_000_000 + number * 60_000, f"training {number}: ☾ 'hard'") for number in range(1, 201)]
FILES = {"plugins/auren-panel/plugin.json": b'{"id": "auren-panel"}', "png/a night ☾.png": bytes(range(256)) * 800}


def main() -> None:
    with sqlite3.connect(DATA / "grafana.db") as database:
        database.execute("CREATE TABLE annotation (id INTEGER PRIMARY KEY, epoch INTEGER, text TEXT)")
        database.executemany("INSERT INTO annotation VALUES (?, ?, ?)", ANNOTATIONS)
        database.execute("CREATE TABLE dashboard (id INTEGER PRIMARY KEY, uid TEXT, title TEXT, data TEXT)")
        database.execute("INSERT INTO dashboard VALUES (1, 'by-hand', 'Sleep, made by hand', ?)", ('{"panels": []}',))
        database.execute('CREATE TABLE "user" (id INTEGER PRIMARY KEY, login TEXT, is_admin INTEGER)')
        database.executemany('INSERT INTO "user" VALUES (?, ?, ?)', [(1, "admin", 1), (2, "coach", 0)])
    database.close()
    (DATA / "grafana.db").chmod(0o640)
    for name, content in {
        "plugins/auren-panel/plugin.json": b'{"id": "auren-panel"}',
        "png/a night ☾.png": bytes(range(256)) * 800,
    }.items():
        (DATA / name).parent.mkdir(parents=True)
        (DATA / name).write_bytes(content)
    (DATA / "csv").mkdir(mode=0o750)
    os.symlink("plugins/auren-panel", DATA / "panel")


main()
