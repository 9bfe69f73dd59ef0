"""Which words of two texts are the same ones, in order."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

EXACT_WORDS = 1000
"""Up to so many words between the first and the last difference, every word counts; in longer stretches very frequent
ones do not begin a match (``difflib``'s ``autojunk``), or time would grow with the square of the length."""
MOST_PAIRS = 100_000
"""Of equal words, one of each text. ``difflib`` looks at all of them for each stretch that it finds: these take a
quarter of a second at worst, ten million of them minutes. Two texts of 3,000 words of English have about so many."""


@dataclass(slots=True)
class Effort:
    """What may be spent on comparing texts word by word; beyond it only words that are there once lead the way."""

    pairs: int = MOST_PAIRS
    """Of equal words, in all."""

    def spend(self, before: Sequence[str], after: Sequence[str]) -> bool:
        """Whether these may be compared word by word."""
        counts = Counter(after)
        pairs = sum(counts[word] for word in before)
        if pairs > min(self.pairs, MOST_PAIRS):
            return False
        self.pairs -= pairs
        return True


def matched(before: Sequence[str], after: Sequence[str], effort: Effort | None = None) -> list[tuple[int, int]]:
    """Pairs of indexes of equal items, both rising."""
    return _matched(before, after, effort if effort is not None else Effort(), anchored=True)


def _matched(before: Sequence[str], after: Sequence[str], effort: Effort, *, anchored: bool) -> list[tuple[int, int]]:
    least = min(len(before), len(after))
    head = next((n for n in range(least) if before[n] != after[n]), least)
    most = least - head
    tail = next((n for n in range(most) if before[-1 - n] != after[-1 - n]), most)
    a, b = before[head : len(before) - tail], after[head : len(after) - tail]
    if not a or not b:
        between = []
    elif effort.spend(a, b):
        between = _exactly(a, b)
    else:
        between = _around(a, b, effort) if anchored else []
    return [
        *((n, n) for n in range(head)),
        *((head + x, head + y) for x, y in between),
        *((len(before) - n, len(after) - n) for n in range(tail, 0, -1)),
    ]


def _exactly(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    from difflib import SequenceMatcher

    blocks = SequenceMatcher(None, a, b, autojunk=len(b) > EXACT_WORDS).get_matching_blocks()
    return [(x + n, y + n) for x, y, size in blocks for n in range(size)]


def _around(a: Sequence[str], b: Sequence[str], effort: Effort) -> list[tuple[int, int]]:
    """By the words that each text has once, and what stands between them."""
    found: list[tuple[int, int]] = []
    x = y = 0
    for at, to in [*_anchors(a, b), (len(a), len(b))]:
        found += ((x + n, y + m) for n, m in _matched(a[x:at], b[y:to], effort, anchored=False))
        if at < len(a):
            found.append((at, to))
        x, y = at + 1, to + 1
    return found


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The most words that each text has once and that stand in one order in both (patience sorting)."""
    in_a, in_b = Counter(a), Counter(b)
    places = {word: place for place, word in enumerate(b) if in_b[word] == 1}
    pairs = [(place, places[word]) for place, word in enumerate(a) if in_a[word] == 1 and word in places]
    last: list[int] = []  # of the piles: number of the pair on top, and where it stands in ``b``
    tops: list[int] = []
    below: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        below.append(last[pile - 1] if pile else None)
        tops[pile : pile + 1] = [place]
        last[pile : pile + 1] = [number]
    chain: list[tuple[int, int]] = []
    top = last[-1] if last else None
    while top is not None:
        chain.append(pairs[top])
        top = below[top]
    return chain[::-1]
