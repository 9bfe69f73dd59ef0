"""What a worker must know to work as the process that starts it would."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from stenogram.config import ServerSettings, Settings


def letter_of(settings: Settings, server: ServerSettings) -> dict[str, Any]:
    """To be read by ``app.worker``, as JSON on its standard input."""
    return {"settings": asdict(settings), "server": asdict(server), "log_level": logging.getLogger("stenogram").level}
