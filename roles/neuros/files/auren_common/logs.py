"""Logs for machines: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# Below this length a value is more likely to be part of ordinary words than a secret worth hiding.
_SHORTEST_SECRET = 4


class JsonFormatter(logging.Formatter):
    """`time` (UTC, ISO 8601), `level`, `logger`, `message`, what `extra=` adds, and `error` for exceptions."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        # Longest first: a secret that contains another one must go as a whole.
        self._secrets = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, with every known secret replaced by `***`."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        line.update(
            {k: self._redact(str(v)) if not isinstance(v, (int, float, bool)) else v for k, v in vars(record).items() if k not in _STANDARD}
        )
        if record.exc_info:
            line["error"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def configure(level: str, secrets: Sequence[str] = ()) -> None:
    """Send all logging to standard output as JSON at `level`; libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their INFO is one line a request, and their DEBUG shows bodies and headers.
    for library in ("aiokafka", "httpx", "httpx2", "httpcore", "httpcore2", "openai", "asyncio", "uvicorn.access"):
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))


def brief(error: BaseException) -> str:
    """An exception in one short line: its type and the first line of its text."""
    first = (str(error).splitlines() or [""])[0][:160]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
