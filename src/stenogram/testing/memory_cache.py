"""A cache in memory, for tests."""

from __future__ import annotations

from stenogram.cache.entry import check_name


class MemoryCache:
    """``protocols.Cache`` in a dict; ``entries`` maps (kind, key) to the value."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], bytes] = {}

    def get(self, kind: str, key: str) -> bytes | None:
        """The stored bytes, or None."""
        check_name(kind, key)
        return self.entries.get((kind, key))

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Store ``value``."""
        check_name(kind, key)
        self.entries[kind, key] = bytes(value)
