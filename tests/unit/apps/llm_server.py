"""A small real HTTP server of the chat completions API, for tests: remembers what it was asked, answers as told."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LLMServer(ThreadingHTTPServer):
    """Listens on a free port of the loopback address from construction on; `behaviour` decides the next answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = []
        self.behaviour = "answer"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        """Base URL as OPENAI_BASE_URL wants it."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers.get("Authorization"), body))
        behaviour = self.server.behaviour
        if behaviour == "slow":
            time.sleep(3)
        if behaviour == "error":
            return self._send(500, b'{"error": {"message": "overloaded"}}')
        if behaviour == "garbage":
            return self._send(200, b"<html>not the API</html>", "text/html")
        if behaviour == "other json":
            return self._send(200, b'{"hello": "world"}')
        message = {"role": "assistant", "content": "" if behaviour == "empty" else "Take it easy today."}
        completion = {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        return self._send(200, json.dumps(completion).encode())

    def _send(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass
