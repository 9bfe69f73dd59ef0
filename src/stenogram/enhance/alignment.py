"""Which words of two texts are the same ones, in order."""

from __future__ import annotations

from collections.abc import Sequence

EXACT_WORDS = 1000
"""Up to so many words between the first and the last difference, every word counts; in longer stretches very frequent
ones do not begin a match (``difflib``'s ``autojunk``), or time would grow with the square of the length."""


def matched(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indexes of equal items, both rising."""
    from difflib import SequenceMatcher

    least = min(len(before), len(after))
    head = next((n for n in range(least) if before[n] != after[n]), least)
    most = least - head
    tail = next((n for n in range(most) if before[-1 - n] != after[-1 - n]), most)
    a, b = before[head : len(before) - tail], after[head : len(after) - tail]
    blocks = SequenceMatcher(None, a, b, autojunk=len(b) > EXACT_WORDS).get_matching_blocks() if a and b else []
    return [
        *((n, n) for n in range(head)),
        *((head + x + n, head + y + n) for x, y, size in blocks for n in range(size)),
        *((len(before) - n, len(after) - n) for n in range(tail, 0, -1)),
    ]
