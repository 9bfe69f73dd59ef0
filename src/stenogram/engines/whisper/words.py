"""From passages of tokens to segments with words: times by the decoder's attention, fitted where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stenogram.engines.sound import FRAME_S
from stenogram.engines.tokens import WordTokens
from stenogram.engines.whisper.passages import Passage
from stenogram.engines.whisper.vocabulary import WhisperVocabulary
from stenogram.engines.words import interpolate, place
from stenogram.types import Chunk, Segment, Span, Word

SLACK_S = 0.5
"""How far the path of attention may leave a passage's own timestamps: further, and it lost its way."""


def segments_of(
    chunk: Chunk,
    found: Sequence[Passage],
    vocabulary: WhisperVocabulary,
    language: str,
    aligned: tuple[Any, Segment],
) -> list[Segment]:
    """One segment for each passage that says something.

    ``aligned``: CTranslate2's alignment of all text tokens of the window (None: the words are fitted between the
    passages' times), and a segment with the facts that all share.
    """
    alignment, facts = aligned
    ids = [token for passage in found for token in passage.ids]
    pieces: list[WordTokens] = []
    counts, first = [], 0
    for passage in found:
        own = vocabulary.words(passage.ids, language)
        pieces += [WordTokens(piece.text, first + piece.first, first + piece.last) for piece in own]
        counts.append(len(own))
        first += len(passage.ids)
    borders = token_borders(alignment, len(ids)) if alignment is not None else None
    if borders is not None and found:
        borders = bounded(borders, found)
    words = _words(chunk, found, pieces, borders)
    if alignment is not None:
        words = rated(words, pieces, list(alignment.text_token_probs))
    segments, first = [], 0
    for passage, count in zip(found, counts, strict=True):
        own_words = tuple(words[first : first + count])
        first += count
        if not own_words:
            continue
        text = vocabulary.joined([word.word for word in own_words], language)
        start, end = own_words[0].start, own_words[-1].end
        if alignment is None:  # nobody wants the words: the model's own times, then
            start, end = chunk.start + passage.start, chunk.start + passage.end
        segments.append(replace(facts, start=start, end=end, text=text, words=own_words, tokens=passage.ids))
    return segments


def _words(
    chunk: Chunk, found: Sequence[Passage], pieces: Sequence[WordTokens], borders: Sequence[int] | None
) -> list[Word]:
    """The words of a window, in order and without overlap."""
    texts = [piece.text for piece in pieces]
    if borders is not None and pieces:
        return place(texts, [*(borders[piece.first] for piece in pieces), borders[pieces[-1].last]], chunk)
    spoken = tuple(Span(chunk.start + passage.start, chunk.start + passage.end) for passage in found)
    return interpolate(texts, replace(chunk, spans=spoken))


def token_borders(alignment: Any, count: int) -> list[int] | None:
    """Frames (20 ms) at which each of ``count`` tokens begins, and at which the last one ends; None: not all do.

    The path of dynamic time warping visits every token; one begins where the path comes to it.
    """
    begins: dict[int, int] = {}
    for token, frame in alignment.alignments:
        begins.setdefault(token, frame)
    if any(token not in begins for token in range(count + 1)):
        return None
    return [begins[token] for token in range(count + 1)]


def bounded(borders: Sequence[int], found: Sequence[Passage]) -> list[int]:
    """The same, in order, and none further than ``SLACK_S`` from the passage that its token belongs to."""
    result: list[int] = []
    owners = [passage for passage in found for _ in passage.ids]
    for border, passage in zip(borders, [*owners, *found[-1:]], strict=True):
        low, high = (passage.start - SLACK_S) / FRAME_S, (passage.end + SLACK_S) / FRAME_S
        result.append(max(round(min(max(border, low), high)), *result[-1:], 0))
    return result


def rated(words: Sequence[Word], pieces: Sequence[WordTokens], chances: Sequence[float]) -> list[Word]:
    """Give each word the mean probability of its tokens."""
    result = []
    for word, piece in zip(words, pieces, strict=True):
        own = chances[piece.first : piece.last]
        result.append(replace(word, probability=round(sum(own) / len(own), 4) if own else None))
    return result
