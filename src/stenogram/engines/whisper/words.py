"""From passages of tokens to segments with words: times by the decoder's attention, fitted where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stenogram.engines.tokens import WordTokens
from stenogram.engines.whisper.passages import Passage
from stenogram.engines.whisper.vocabulary import WhisperVocabulary
from stenogram.engines.words import interpolate, place
from stenogram.types import SAMPLE_RATE, Chunk, Segment, Span, Word


def segments_of(
    chunk: Chunk,
    found: Sequence[Passage],
    vocabulary: WhisperVocabulary,
    language: str,
    aligned: tuple[Any, Segment],
) -> list[Segment]:
    """One segment for each passage that says something.

    ``aligned``: CTranslate2's alignment of all text tokens of the window (None: fit the words between the passage's
    times), and a segment with the facts that all share.
    """
    alignment, facts = aligned
    ids = [token for passage in found for token in passage.ids]
    borders = token_borders(alignment, len(ids)) if alignment is not None else None
    chances = list(alignment.text_token_probs) if alignment is not None else []
    segments, first = [], 0
    for passage in found:
        last = first + len(passage.ids)
        pieces = vocabulary.words(passage.ids, language)
        if borders is None:
            words = fitted([piece.text for piece in pieces], chunk, passage)
        else:
            edges = [borders[first + piece.first] for piece in pieces] + [borders[last]]
            words = place([piece.text for piece in pieces], edges, chunk)
        words = rated(words, pieces, chances[first:last])
        first = last
        if not words:
            continue
        start, end = words[0].start, words[-1].end
        if borders is None:
            start, end = min(start, chunk.start + passage.start), max(end, chunk.start + passage.end)
        text = vocabulary.joined([word.word for word in words], language)
        segments.append(replace(facts, start=start, end=end, text=text, words=tuple(words), tokens=passage.ids))
    return ordered(segments)


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


def fitted(texts: Sequence[str], chunk: Chunk, passage: Passage) -> list[Word]:
    """Words shared out between the times of their passage; marked ``interpolated``."""
    first, last = round(passage.start * SAMPLE_RATE), round(passage.end * SAMPLE_RATE)
    start, end = chunk.start + passage.start, chunk.start + passage.end
    spans = tuple(
        Span(max(span.start, start), min(span.end, end)) for span in chunk.spans if span.start < end and span.end > start
    )
    part = replace(chunk, start=start, duration=max(end - start, 0.02), samples=chunk.samples[first:last], spans=spans)
    return interpolate(texts, part)


def rated(words: Sequence[Word], pieces: Sequence[WordTokens], chances: Sequence[float]) -> list[Word]:
    """Give each word the mean probability of its tokens, where it is known."""
    if not chances:
        return list(words)
    result = []
    for word, piece in zip(words, pieces, strict=True):
        own = chances[piece.first : piece.last]
        result.append(replace(word, probability=round(sum(own) / len(own), 4) if own else None))
    return result


def ordered(segments: Sequence[Segment]) -> list[Segment]:
    """Monotonic times: where attention put a passage before the end of the one before, it begins there."""
    result: list[Segment] = []
    earliest = 0.0
    for segment in segments:
        words = []
        for word in segment.words:
            start = max(word.start, earliest)
            end = max(word.end, start)
            words.append(replace(word, start=start, end=end))
            earliest = end
        start = max(segment.start, result[-1].end if result else segment.start)
        result.append(replace(segment, start=start, end=max(segment.end, start), words=tuple(words)))
    return result
