# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backup of a PostgreSQL server by its own tools, in its own container: a dump of each database, and the roles.

Proof: ``pg_restore --list`` names the data of every table that was there before and after the dump, by its OID, and ``pg_restore`` reads
every block of the dump (the list alone reads only the table of contents, and takes a dump that was cut off behind it).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.auren.stack.plugins.module_utils.backup_files import Backup, count, failed, taken, written
from ansible_collections.auren.stack.plugins.module_utils.container_io import execute
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.model import Container

# dump id; OID of the catalogue (0 for data) and of the table, what it is (pg_backup_archiver.c, PrintTOCSummary)
DATA = re.compile(r"^\d+; \d+ (\d+) TABLE DATA ", re.MULTILINE)
ROLE = re.compile(r"^CREATE ROLE ", re.MULTILINE)
COMPLETE = "-- PostgreSQL database cluster dump complete"
LOCKS = "--lock-wait-timeout=60000"  # milliseconds that pg_dump waits for a table that somebody has locked
DATABASES = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname"
CLOSED = "SELECT datname FROM pg_database WHERE NOT datistemplate AND NOT datallowconn"
ROLES = "SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_'"
SIZE = "SELECT sum(pg_database_size(datname)) FROM pg_database WHERE NOT datistemplate"
# Tables with data of their own: those of extensions only where the extension asks for it, as pg_dump does.
TABLES = """
SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND (NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))
"""


class Server:
    """The server in a running container, asked over its own socket as the user that it was made with."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self.engine, self.container = engine, container
        self.user = container.env.get("POSTGRES_USER") or "postgres"
        password = container.env.get("POSTGRES_PASSWORD")
        self.environment = {
            "PGUSER": self.user,
            "PGCONNECT_TIMEOUT": "20",
            "PGCLIENTENCODING": "UTF8",
            **({"PGPASSWORD": password} if password else {}),
        }

    def run(self, command: Sequence[str], what: str, dump: Path | None = None) -> bytes:
        """stdout of one of the server's tools that gets a dump as its stdin. Raises StackError: ``what`` completes "cannot …"."""
        found = io.BytesIO()
        if dump is None:
            status, said = execute(self.engine, self.container.id, command, self.environment, found)
        else:
            with open(dump, "rb") as source:
                status, said = execute(self.engine, self.container.id, command, self.environment, found, source)
        self._judge(status, said or found.getvalue().decode(errors="replace"), what)
        return found.getvalue()

    def write(self, command: Sequence[str], what: str, path: Path) -> None:
        with written(path) as out:
            status, said = execute(self.engine, self.container.id, command, self.environment, out)
        self._judge(status, said, what)

    def _judge(self, status: int, said: str, what: str) -> None:
        if status:
            lines = [line for line in said.splitlines() if line.strip()]
            raise failed(self.container.name, f"cannot {what}: {lines[-1] if lines else f'exit status {status}'}", said)

    def ask(self, query: str, database: str = "postgres") -> list[Any]:
        """What a query answers that has one column."""
        command = ["psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
        packed = f"SELECT coalesce(json_agg(q.one), '[]') FROM ({query}) q (one)"
        answer = self.run([*command, "--dbname", _named(database), "--command", packed], f"ask the database {database}")
        return list(json.loads(answer))


def _named(database: str) -> str:
    """A connection string: a bare name that holds "=" or begins like a URL would be taken for one."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


def postgres(engine: Engine, container: Container, folder: Path) -> Backup:
    """Dump every database that is no template (``<name>.dump``, for pg_restore) and the roles (``globals.sql``, with their passwords).

    Raises StackError of kind ``backup``; then nothing is left that looks like a backup.
    """
    server = Server(engine, container)

    def fill(part: Path) -> str:
        closed = server.ask(CLOSED)
        if closed:
            raise failed(container.name, f"the database {closed[0]} allows no connections, so it cannot be dumped")
        names = [str(name) for name in server.ask(DATABASES)]
        _roles(server, part / "globals.sql")
        for name in names:
            _database(server, name, part / f"{quote(name, safe=' ')}.dump")
        return count(len(names), "database")

    return taken(container.name, folder, fill)


def needed(engine: Engine, container: Container) -> int:
    """Bytes of the databases: a dump is compressed, and has no indexes."""
    return int(Server(engine, container).ask(SIZE)[0] or 0)


def _roles(server: Server, path: Path) -> None:
    wanted = int(server.ask(ROLES)[0])
    server.write(["pg_dumpall", "--globals-only", "--no-password", "--database=postgres"], "dump the roles", path)
    text = path.read_text(encoding="utf-8", errors="replace")
    if COMPLETE not in text or len(ROLE.findall(text)) < wanted:
        raise failed(server.container.name, f"the dump of the roles does not hold all {wanted} of them")


def _database(server: Server, name: str, path: Path) -> None:
    before = set(server.ask(TABLES, name))
    command = ["pg_dump", "--format=custom", "--no-password", LOCKS, "--dbname", _named(name)]
    server.write(command, f"dump the database {name}", path)
    prove(server, name, path, before & set(server.ask(TABLES, name)))


def prove(server: Server, name: str, path: Path, tables: set[int]) -> None:
    """Raises StackError unless a dump can be read to its end and holds the data of these tables (OIDs)."""
    listed = server.run(["pg_restore", "--list"], f"read the dump of the database {name}", path).decode(errors="replace")
    missing = tables - {int(oid) for oid in DATA.findall(listed)}
    if missing:
        raise failed(server.container.name, f"the dump of the database {name} lacks {count(len(missing), 'table')}")
    server.run(["pg_restore", "--file=/dev/null"], f"read the dump of the database {name} to its end", path)
