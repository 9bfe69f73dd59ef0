"""The log of a server's processes: lines for people, or JSON lines for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_FIELDS = ("job", "worker", "stage", "code", "request")
"""What records may carry in ``extra``."""


class JsonLines(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, and what the record carries."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: int, *, as_json: bool) -> None:
    """Log to standard error: of ours all from ``level`` on, of others what is a warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("stenogram").setLevel(level or logging.INFO)
