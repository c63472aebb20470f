"""Start: settings, files, server; or one sentence and exit status 1."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from . import VERSION, provisioning, settings
from .server import Server


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    level = os.environ.get("GF_LOG_LEVEL", "info").upper()
    known = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "ERROR": "ERROR"}
    logging.basicConfig(level=known.get(level, "INFO"), stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    log = logging.getLogger("grafana_standin")
    try:
        given = settings.read(os.environ)
        catalogue = provisioning.load(given.provisioning)
        server = Server(given, catalogue)
    except (settings.RefusedError, OSError) as error:
        log.error("refused to start: %s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    log.info(
        "stand-in for Grafana, %s: %d data sources, %d dashboards, port %d",
        VERSION,
        len(catalogue.sources),
        len(catalogue.dashboards),
        server.server_port,
    )
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
