"""Jobs whose client went away before they were done."""

from __future__ import annotations

import threading

from cachetools import LRUCache

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.job import Job

_MOST = 10_000
"""Remembered at once; one that is forgotten runs to its end."""


class GivenUp:
    """Ends jobs that nobody waits for any more. Safe to use from several threads."""

    def __init__(self) -> None:
        self._going_on: LRUCache[str, None] = LRUCache(_MOST)
        self._lock = threading.Lock()

    def add(self, house: House, job: Job) -> None:
        """The client of this job is gone. It goes on as long as somebody waits for an identical one.

        Raises ``DatabaseUnavailable``.
        """
        with self._lock:
            if not jobs.abandon(house, job, list(self._going_on)):
                self._going_on[job.id] = None
