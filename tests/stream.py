"""A steady stream of webhooks, for tests that count rows against accepted answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any

Post = Callable[[dict[str, Any]], int]  # posts a body to the bridge, returns the HTTP status; OSError when nobody answers


class Stream:
    """Devices that post webhooks, one after the other, each again until it is accepted, as devices do.

    Every webhook is of another user, `<name>-<number>`, and becomes exactly one row. Every second one has no time of its own: there
    only what the bridge remembers makes a retry the same event.
    """

    def __init__(self, post: Post, name: str, pause: float = 0.02) -> None:
        self._post = post
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._post_all, daemon=True)
        self.name = name
        self.accepted = 0
        self.refused = 0

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "the last webhook was never accepted"

    def _post_all(self) -> None:
        while not self._stopping.is_set():
            data: dict[str, Any] = {"recovery_score": 40 + self.accepted % 50}
            if self.accepted % 2:
                data["created_at"] = f"2026-01-01T00:00:00.{self.accepted:06d}Z"
            body = {"event_type": "recovery.updated", "user_id": f"{self.name}-{self.accepted}", "data": data}
            while not self._accepts(body):
                self.refused += 1
                time.sleep(0.3)
            self.accepted += 1
            time.sleep(self._pause)

    def _accepts(self, body: dict[str, Any]) -> bool:
        try:
            return self._post(body) == 200
        except (OSError, http.client.HTTPException):
            return False
