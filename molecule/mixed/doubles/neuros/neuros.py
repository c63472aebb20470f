"""A NEUROS as the operators' old images are: it answers, has no /metrics, and neither reads Kafka nor stores anything."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REQUIRED = ("user_id", "session_id", "message")


class Handler(BaseHTTPRequestHandler):
    """`GET /health` and `POST /api/agents/neuros/analyze`."""

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "healthy", "service": "neuros-advanced"})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/api/agents/neuros/analyze":
            self.answer(404, {"detail": "Not Found"})
        elif any(name not in question for name in REQUIRED):
            self.answer(422, {"detail": f"required: {', '.join(REQUIRED)}"})
        else:
            self.answer(200, {
                "response": "I hear you.", "session_id": question["session_id"], "weak_signals_detected": [],
                "narrative_arc": "unknown", "data_quality": "none",
            })  # fmt: skip

    def answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
