"""The HTTP server: who may see what, and which page or answer a path has."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from . import VERSION, api, pages
from .provisioning import Catalogue
from .settings import Settings

HTML = "text/html; charset=utf-8"
LONGEST = 1 << 20  # bytes of a request's body
JSON = "application/json; charset=UTF-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
log = logging.getLogger("grafana_standin")


class Server(ThreadingHTTPServer):
    """Serves one catalogue. Port 0 takes a free one: see `server_port`."""

    daemon_threads = True

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.settings, self.catalogue = settings, catalogue
        self.started = time.time()
        self.answers: Counter[tuple[str, int]] = Counter()
        super().__init__((settings.address, settings.port), Handler)

    def metrics(self) -> str:
        """A few of the metrics that Grafana exports, under its names."""
        lines = [
            "# TYPE grafana_build_info gauge",
            f'grafana_build_info{{edition="stand-in",version="{VERSION}"}} 1',
            "# TYPE grafana_stat_totals_dashboard gauge",
            f"grafana_stat_totals_dashboard {len(self.catalogue.dashboards)}",
            *(f"# TYPE grafana_{kind}_response_status_total counter" for kind in ("api", "page")),
            *(f'grafana_{kind}_response_status_total{{code="{code}"}} {count}' for (kind, code), count in sorted(self.answers.items())),
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self.started:.2f}",
        ]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    """One request. Without a login there are only health and metrics, as in Grafana."""

    server: Server
    server_version = "grafana-stand-in"
    sys_version = ""
    timeout = 30  # seconds a client may be silent

    def do_GET(self) -> None:
        """Answer; what is wrong inside costs this request only."""
        self._guarded(self._route)

    def do_POST(self) -> None:
        """A query of a data source."""
        self._guarded(self._posted)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ConnectionError:
            log.debug("client of %s went away", self.path)
        except Exception:
            log.exception("%s %s", self.command, self.path)
            self._json(api.problem(500, "Internal server error"))

    def do_HEAD(self) -> None:
        """The headers of a GET."""
        self.do_GET()

    def _route(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        if path in ("/api/health", "/healthz"):
            self._json(api.health())
        elif path == "/metrics":
            self._send(200, TEXT, self.server.metrics())
        elif not self._known():
            self._json(api.problem(401, "Invalid username or password", "password-auth.failed"))
        elif path.startswith("/api/"):
            self._json(api.answer(self.server.catalogue, path, parse_qs(address.query)))
        else:
            self._page(path)

    def _posted(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, LONGEST))
        if not self._known():
            self._json(api.problem(401, "Invalid username or password", "password-auth.failed"))
            return
        try:
            self._json(api.posted(self.server.catalogue, unquote(urlsplit(self.path).path), json.loads(body)))
        except ValueError:
            self._json(api.problem(400, "bad request data"))

    def _page(self, path: str) -> None:
        parts = path.strip("/").split("/")
        board = self.server.catalogue.dashboards.get(parts[1]) if parts[0] == "d" and len(parts) > 1 else None
        if board:
            self._send(200, HTML, pages.dashboard(self.server.catalogue, board))
        elif path == "/":
            self._send(200, HTML, pages.index(self.server.catalogue))
        else:
            self._json(api.problem(404, "Not found"))

    def _known(self) -> bool:
        """Whether the request carries the administrator's name and password (basic authentication)."""
        kind, encoded = [*self.headers.get("Authorization", "").split(" ", 1), ""][:2]
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self.server.settings.admin_user}:{self.server.settings.admin_password}".encode()
        return kind.lower() == "basic" and hmac.compare_digest(given, wanted)

    def _json(self, answer: api.Answer) -> None:
        status, value = answer
        self._send(status, JSON, json.dumps(value))

    def _send(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.server.answers["api" if self.path.startswith("/api/") else "page", status] += 1
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="Grafana stand-in"')
        if kind == HTML:
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The path without its query, and never a header."""
        log.debug("%s %s", self.command, urlsplit(self.path).path)
