"""How much one caller may ask for: requests a minute, and requests at once."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cachetools import TTLCache

from stenogram.errors import TooManyRequests

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one caller may; 0: as much as it likes."""

    requests_per_minute: int = 0
    max_concurrent: int = 0


@dataclass(slots=True)
class _Bucket:
    """Holds a minute's worth of requests and fills up steadily."""

    tokens: float
    filled_at: float

    def fill(self, per_minute: int, now: float) -> None:
        gained = (now - self.filled_at) * per_minute / _MINUTE_S
        self.tokens = min(float(per_minute), self.tokens + gained)
        self.filled_at = now


@dataclass(slots=True)
class Limits:
    """Counts by caller, in the event loop only, and only for this process."""

    clock: Callable[[], float] = time.monotonic
    _buckets: TTLCache[str, _Bucket] = field(default_factory=lambda: TTLCache(maxsize=100_000, ttl=10 * _MINUTE_S))
    _running: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def admit(self, who: str, allowance: Allowance, told: MutableMapping[str, str]) -> Iterator[None]:
        """Count a request of ``who`` for the block. Raises ``TooManyRequests``.

        Into ``told`` go the headers by which clients of OpenAI know how much is left, also where it is refused.
        """
        at_once, per_minute = allowance.max_concurrent, allowance.requests_per_minute
        bucket = self._bucket(who, per_minute) if per_minute else None
        if at_once and self._running[who] >= at_once:
            if bucket is not None:
                _tell(bucket, per_minute, told)
            raise TooManyRequests(cause=f"{at_once} at once are allowed", retry_after_s=1.0)
        if bucket is not None:
            wait_s = (1.0 - bucket.tokens) * _MINUTE_S / per_minute
            bucket.tokens -= 1.0 if wait_s <= 0 else 0.0
            _tell(bucket, per_minute, told)
            if wait_s > 0:
                raise TooManyRequests(cause=f"{per_minute} a minute are allowed", retry_after_s=math.ceil(wait_s))
        self._running[who] += 1
        try:
            yield
        finally:
            self._running[who] -= 1
            if not self._running[who]:
                del self._running[who]

    def _bucket(self, who: str, per_minute: int) -> _Bucket:
        now = self.clock()
        bucket = self._buckets.get(who) or _Bucket(float(per_minute), now)
        bucket.fill(per_minute, now)
        self._buckets[who] = bucket  # anew, so that it is not forgotten while it is in use
        return bucket


def _tell(bucket: _Bucket, per_minute: int, told: MutableMapping[str, str]) -> None:
    full_in_s = (per_minute - bucket.tokens) * _MINUTE_S / per_minute
    told["x-ratelimit-limit-requests"] = str(per_minute)
    told["x-ratelimit-remaining-requests"] = str(int(bucket.tokens))
    told["x-ratelimit-reset-requests"] = f"{math.ceil(full_in_s)}s"
