"""Docker's socket once more, for one test: it shows only what the test made, refuses changes when asked to, and remembers every call."""

from __future__ import annotations

import http.client
import json
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

ENGINE = "/var/run/docker.sock"
READS = ("GET", "HEAD")
LISTS = re.compile(r"/v[\d.]+/(containers/json|networks)(\?.*)?")
NO_BODY = (204, 304)
OFFERED = ("bridge", "host", "none")  # everybody's


@dataclass
class View:
    """prefix: begins the names of what is shown. also: further names. read_only: whatever is no GET or HEAD is answered with 403.

    calls: method and path without the version, in order.
    """

    path: Path
    prefix: str
    also: set[str] = field(default_factory=set)
    read_only: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"unix://{self.path}"

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The calls that were no reads."""
        return [call for call in self.calls if call[0] not in READS]

    def shows(self, entry: dict[str, Any]) -> bool:
        """Whether an entry of a list is this test's, or everybody's."""
        names = [name.lstrip("/") for name in entry.get("Names") or [entry.get("Name", "")]]
        mine = (self.prefix, f"auren-temporary-{self.prefix}")
        return any(name.startswith(mine) or name in self.also or name in OFFERED for name in names)


class _Forwarded(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(ENGINE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    view: View

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""

    def __getattr__(self, name: str) -> Any:
        """Every method of HTTP is handled alike."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        self.view.calls.append((self.command, re.sub(r"^/v[\d.]+", "", self.path)))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.view.read_only and self.command not in READS:
            self._answer(403, b'{"message": "this socket is for reading"}')
        else:
            self._answer(*self._asked(body))

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        """What the Engine says; of a list only what is shown."""
        engine = _Forwarded("engine")
        try:
            engine.request(self.command, self.path, body or None, {"Content-Type": self.headers.get("Content-Type", "application/json")})
            reply = engine.getresponse()
            said = reply.read()
        finally:
            engine.close()
        if self.command == "GET" and reply.status == 200 and LISTS.fullmatch(self.path):
            said = json.dumps([entry for entry in json.loads(said) if self.view.shows(entry)]).encode()
        return reply.status, said

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status not in NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in NO_BODY and self.command != "HEAD":
            self.wfile.write(body)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextmanager
def opened(view: View) -> Iterator[View]:
    """The view, served until the block ends."""
    with _Server(str(view.path), type("Handler", (_Handler,), {"view": view})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield view
        finally:
            server.shutdown()
            thread.join()
            view.path.unlink()
