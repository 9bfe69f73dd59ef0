"""A cache in which each of several parties finds only what it stored itself."""

from __future__ import annotations

import hashlib

from stenogram.protocols import Cache


class ScopedCache:
    """``inner`` under keys that hold the party's name."""

    def __init__(self, inner: Cache, scope: str) -> None:
        self._inner = inner
        self._scope = scope

    def get(self, kind: str, key: str) -> bytes | None:
        """The stored bytes, or None."""
        return self._inner.get(kind, self._key(key))

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Store durably before returning."""
        self._inner.put(kind, self._key(key), value)

    def _key(self, key: str) -> str:
        return hashlib.sha256(f"{self._scope}\n{key}".encode()).hexdigest()
