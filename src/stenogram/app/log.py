"""The log of a server's processes: lines for people, or JSON lines for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Any

REQUEST_ID: ContextVar[str | None] = ContextVar("stenogram_request_id", default=None)
"""Of the request that is being answered, by which its lines in the log belong together."""
_FIELDS = ("job", "worker", "stage", "code")
"""What records may carry in ``extra``."""


class JsonLines(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, what it carries, and its ``request``."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        request_id = REQUEST_ID.get()
        if request_id is not None:
            line["request"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Lines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """With the id of the request at its end."""
        request_id = REQUEST_ID.get()
        return super().formatMessage(record) + (f" [{request_id}]" if request_id is not None else "")


def configure(level: int, *, as_json: bool) -> None:
    """Log to standard error: of ours all from ``level`` on, of others what is a warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else _Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("procrastinate", "psycopg.pool"):  # the queue tells of a lost database in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    ours = logging.getLogger("stenogram")
    ours.handlers.clear()  # -v has given it one that knows nothing of JSON
    ours.propagate = True
    ours.setLevel(level or logging.INFO)
