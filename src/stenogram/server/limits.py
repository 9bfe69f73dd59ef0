"""How much one caller may ask for: requests a minute, and requests at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cachetools import TTLCache

from stenogram.errors import TooManyRequests

_MINUTE_S = 60.0


@dataclass(slots=True)
class Allowance:
    """What one caller may; 0: as much as it likes."""

    requests_per_minute: int = 0
    max_concurrent: int = 0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


@dataclass(slots=True)
class Limits:
    """Counts by caller, in the event loop only."""

    clock: Callable[[], float] = time.monotonic
    _buckets: TTLCache[str, _Bucket] = field(default_factory=lambda: TTLCache(maxsize=100_000, ttl=10 * _MINUTE_S))
    _running: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def admit(self, who: str, allowance: Allowance) -> Iterator[None]:
        """Count a request of ``who`` for the block. Raises ``TooManyRequests``."""
        if allowance.max_concurrent and self._running[who] >= allowance.max_concurrent:
            cause = f"{allowance.max_concurrent} at once are allowed"
            raise TooManyRequests(cause=cause, retry_after_s=1.0)
        if allowance.requests_per_minute:
            self._take(who, allowance.requests_per_minute)
        self._running[who] += 1
        try:
            yield
        finally:
            self._running[who] -= 1
            if not self._running[who]:
                del self._running[who]

    def _take(self, who: str, per_minute: int) -> None:
        """A bucket that holds a minute's worth and fills up steadily."""
        now = self.clock()
        bucket = self._buckets.get(who) or _Bucket(float(per_minute), now)
        bucket.tokens = min(float(per_minute), bucket.tokens + (now - bucket.filled_at) * per_minute / _MINUTE_S)
        bucket.filled_at = now
        self._buckets[who] = bucket
        if bucket.tokens < 1.0:
            wait_s = (1.0 - bucket.tokens) * _MINUTE_S / per_minute
            raise TooManyRequests(cause=f"{per_minute} a minute are allowed", retry_after_s=max(wait_s, 1.0))
        bucket.tokens -= 1.0
