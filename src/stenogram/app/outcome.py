"""What a use case that yields as it goes gives in the end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def outcome(work: Generator[Any, None, T]) -> T:
    """Let it go through, and give its value; what it yields on the way is not wanted."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            value: T = ended.value
            return value
