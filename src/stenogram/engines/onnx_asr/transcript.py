"""What the library heard, as segments: tokens to words, and the times of tokens to the times of words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stenogram.engines.segments import build_segments
from stenogram.engines.sound import FRAME_S
from stenogram.engines.tokens import WordTokens
from stenogram.engines.words import align, interpolate
from stenogram.types import Chunk, Segment, Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPECIAL = re.compile(r"^ ?<.+>$")
"""Tokens that write nothing: ``<unk>``, ``<|pnc|>``."""
OPENING = "«„“\"'([{¿¡"
"""Marks that belong to the word after them, when they stand alone before it."""
REACH_S, LETTER_S = 0.1, 0.08
"""A token's sound begins and ends at most this far from the frame it came in, and so much for each of its letters. With
both and ``FADE_S``, nine of ten words of two recordings begin and end within 0.15 s of where Moonshine has them."""
FADE_S = 0.06
"""A word's claim on a moment falls by e with each such distance from its nearest token."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was decoded in one chunk: one entry per token in each list."""

    tokens: tuple[str, ...]
    """A space begins a word."""
    logprobs: tuple[float, ...]
    """Natural logarithms."""
    times_s: tuple[float, ...] | None
    """Middle of the frame in which each token came; None: the family does not tell."""


def split_words(tokens: Sequence[str]) -> list[WordTokens]:
    """Words and the tokens each was written with; every token after the first word's start belongs to one.

    Marks that stand alone go to the word before them, opening ones to the word after; a dash stays a word.
    """
    words: list[WordTokens] = []
    first, pending = 0, ""
    for index, token in enumerate(tokens):
        text = "" if SPECIAL.match(token) else token
        if text.startswith(" ") and pending.strip() and not _opens(pending.strip()):
            _add(words, pending.strip(), first, index)
            first, pending = index, ""
        pending = pending.rstrip() + text.lstrip() if _opens(pending.strip()) else pending + text
    if pending.strip():
        _add(words, pending.strip(), first, len(tokens))
    return words


def _opens(text: str) -> bool:
    return bool(text) and all(letter in OPENING for letter in text)


def _add(words: list[WordTokens], text: str, first: int, last: int) -> None:
    dash = any(letter in "-–—" for letter in text)  # noqa: RUF001 - all dashes
    if words and not dash and not any(letter.isalnum() for letter in text):
        before = words.pop()
        text, first = before.text + text, before.first
    words.append(WordTokens(text, first, last))


def write(
    chunk: Chunk, heard: Heard, ids: Mapping[str, int], ask: Callable[[], None], *, lead_s: float = 0.0
) -> list[Segment]:
    """The segments of a chunk; ``lead_s``: silence put before it for the model; ``ask`` may raise before any word."""
    pieces = split_words(heard.tokens)
    if not pieces:
        return []
    texts = [piece.text for piece in pieces]
    if heard.times_s is None:
        words = interpolate(texts, chunk)
    else:
        spoken = [_spoken(piece, heard.tokens, heard.times_s) for piece in pieces]
        middles = [(low.time_s, high.time_s) for low, high in spoken]
        words = align(texts, claims(middles, chunk.duration + lead_s), FRAME_S, chunk, lead_s=lead_s)
        words = [_reached(word, *ends, chunk.start - lead_s) for word, ends in zip(words, spoken, strict=True)]
    sure = []
    for word, piece in zip(words, pieces, strict=True):
        ask()
        sure.append(_sure(word, heard.logprobs[piece.first : piece.last]))
    return build_segments(chunk, pieces, sure, [ids.get(token, 0) for token in heard.tokens], heard.logprobs)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a token came, and how far from there its sound may reach."""

    time_s: float
    reach_s: float


def _spoken(piece: WordTokens, tokens: Sequence[str], times_s: Sequence[float]) -> tuple[Moment, Moment]:
    """The first and the last token of a word that write a letter: a space of its own is said nowhere."""
    places = range(piece.first, piece.last)
    written = [place for place in places if tokens[place].strip() and not SPECIAL.match(tokens[place])]
    low, high = (
        Moment(times_s[place], REACH_S + LETTER_S * len(tokens[place].strip())) for place in (written[0], written[-1])
    )
    return low, high


def _reached(word: Word, low: Moment, high: Moment, origin_s: float) -> Word:
    """The word without what is too far from its tokens: noises in a pause are no part of it."""
    start = max(word.start, origin_s + low.time_s - low.reach_s)
    end = min(word.end, origin_s + high.time_s + high.reach_s)
    return replace(word, start=start, end=end) if start < end else word


def claims(spoken: Sequence[tuple[float, float]], duration_s: float) -> npt.NDArray[np.float32]:
    """How strongly each word claims each moment of the sound, 0..1, ``[words, T]``, frames of ``FRAME_S``.

    ``spoken``: times of the first and last token of each word. A word claims what is between them wholly, and the
    rest the less the further it is. Borders laid where the claims of neighbours are equal lie half-way between their
    tokens; the weakness of the sound moves them from there (``words.align``).
    """
    import numpy as np

    middles = (np.arange(max(1, round(duration_s / FRAME_S))) + 0.5) * FRAME_S
    distances = [np.maximum(np.maximum(low - middles, middles - high), 0) for low, high in spoken]
    claimed: npt.NDArray[np.float32] = np.exp(-np.array(distances, np.float32) / FADE_S)
    return claimed


def _sure(word: Word, logprobs: Sequence[float]) -> Word:
    return replace(word, probability=round(math.exp(sum(logprobs) / len(logprobs)), 4))
