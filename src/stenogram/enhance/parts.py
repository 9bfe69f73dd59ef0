"""A long transcript in parts that a language model can take, and how long each answer may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

PART_BYTES = 1600
"""Of UTF-8 in one question about lines: some 280 English words, half a screen of answer, so that the first lines come
soon and several parts can be worked on at once."""
DOCUMENT_BYTES = 6000
"""Of UTF-8 in one question about the whole: some 1,000 English words, which any model's context holds."""
_LEAST_BYTES = 200
_PROMPT_TOKENS = 350
"""What is said around the lines, at most."""


def part_bytes(wished: int, context_tokens: int | None) -> int:
    """How much of a transcript goes into one question, so that question and answer have room in the context."""
    if context_tokens is None:
        return wished
    return min(wished, max(context_tokens - _PROMPT_TOKENS - token_limit([]), _LEAST_BYTES))


def split(texts: Sequence[str], limit_bytes: int) -> Iterator[range]:
    """Places of the texts of each part, in order; one that is longer than the limit is a part of its own."""
    start, taken = 0, 0
    for place, text in enumerate(texts):
        size = len(text.encode())
        if place > start and taken + size > limit_bytes:
            yield range(start, place)
            start, taken = place, 0
        taken += size
    if start < len(texts):
        yield range(start, len(texts))


def token_limit(texts: Sequence[str], *, translated: bool = False) -> int:
    """Tokens that an answer with these lines may have: about twice what it should need.

    English has some 4 bytes in a token; a character of other scripts is up to 2 tokens in vocabularies that hardly
    know it. A line number has 4 tokens. A translation may be in a script that takes more than that of the original.
    """
    if translated:
        return 64 + sum(12 + 2 * len(text.encode()) for text in texts)
    return 64 + sum(12 + len(text.encode()) - len(text) // 2 for text in texts)
