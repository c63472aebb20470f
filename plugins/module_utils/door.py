# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a published port is closed while its container is replaced, measured as a client would feel it."""

from __future__ import annotations

import http.client
import threading
import time

PACE = 0.02  # seconds between two requests
PATIENCE = 0.25  # seconds that one may take: one that hangs in a port that has just closed must not hide that it is open again


class Door:
    """Asks a path again and again, on a connection of its own each time, until it is closed."""

    def __init__(self, address: str, port: int, path: str) -> None:
        self.address, self.port, self.path = address, port, path
        self.refused = 0.0
        self._since: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.was_open = self._answers()
        if self.was_open:
            self._thread.start()

    def close(self) -> float:
        """The longest time without an answer, in seconds."""
        if self.was_open:
            self._stop.set()
            self._thread.join()
        return self.refused

    def _watch(self) -> None:
        while not self._stop.wait(PACE):
            begun = time.monotonic()
            if self._answers():
                if self._since is not None:
                    self.refused = max(self.refused, time.monotonic() - self._since)
                self._since = None
            elif self._since is None:
                self._since = begun

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
