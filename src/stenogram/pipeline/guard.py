"""Text that looks invented is decoded again on its own, and then kept, flagged or dropped.

The rules, in order:

1. A segment is *doubtful* when it repeats itself (``compression_ratio`` above ``compression_ratio_threshold``), when
   the model was unsure (``avg_logprob`` below ``logprob_threshold``), or when there is no speech under it (the share
   of silence under its words, ``no_speech_prob`` where the engine gives none, above ``no_speech_threshold``; pauses
   between words say nothing against them).
2. A chunk with a doubtful segment is decoded once more, alone, by the engine's careful path. The second text is taken
   when it has fewer doubts or, with as many, a higher mean log-probability; never when it is empty, nor when it has
   fewer undoubted words than the first (``KEPT_SHARE``). Its segments are marked ``retried``.
3. What is doubtful still: with no speech under it, it is **dropped**, with a warning that gives time and text.
   Otherwise it is kept and marked ``suspect``.

Nothing else is ever removed or replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stenogram.types import Chunk, Segment, Span, TranscribeOptions

KEPT_SHARE = 0.9
"""Share of the first text's undoubted words that the second must reach: doubt about one segment costs no other."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The segments of a chunk after the guard, and what it dropped."""

    segments: tuple[Segment, ...]
    dropped: tuple[Segment, ...] = ()


def check(
    chunk: Chunk, segments: Sequence[Segment], options: TranscribeOptions, again: Callable[[], list[Segment]]
) -> Checked:
    """Apply the rules to the ``segments`` of ``chunk``; ``again`` decodes it carefully, and is called at most once."""
    kept = [_with_silence(segment, chunk.spans) for segment in segments]
    if any(doubts(segment, options) for segment in kept):
        second = [replace(_with_silence(segment, chunk.spans), retried=True) for segment in again()]
        whole = _sure_words(second, options) >= KEPT_SHARE * _sure_words(kept, options)
        if second and whole and _rank(second, options) > _rank(kept, options):
            kept = second
        else:
            kept = [replace(segment, retried=True) if doubts(segment, options) else segment for segment in kept]
    dropped = tuple(segment for segment in kept if _silent(segment, options))
    kept = [segment for segment in kept if not _silent(segment, options)]
    return Checked(tuple(replace(segment, suspect=bool(doubts(segment, options))) for segment in kept), dropped)


def doubts(segment: Segment, options: TranscribeOptions) -> tuple[str, ...]:
    """Why the segment looks invented; empty: it does not."""
    found = []
    if segment.compression_ratio is not None and segment.compression_ratio > options.compression_ratio_threshold:
        found.append("repeats itself")
    if segment.avg_logprob is not None and segment.avg_logprob < options.logprob_threshold:
        found.append("unsure")
    if _silent(segment, options):
        found.append("no speech under it")
    return tuple(found)


def silence_share(start: float, end: float, spans: Sequence[Span]) -> float:
    """Share (0..1) of the time from ``start`` to ``end`` that no span of speech covers."""
    if end <= start:
        return 0.0
    speech = sum(max(0.0, min(end, span.end) - max(start, span.start)) for span in spans)
    return min(max(1.0 - speech / (end - start), 0.0), 1.0)


def _with_silence(segment: Segment, spans: Sequence[Span]) -> Segment:
    if segment.no_speech_prob is not None:
        return segment
    stretches = segment.words or (Span(segment.start, segment.end),)
    total = sum(stretch.end - stretch.start for stretch in stretches)
    silent = sum(silence_share(s.start, s.end, spans) * (s.end - s.start) for s in stretches)
    return replace(segment, no_speech_prob=round(silent / total, 4) if total > 0 else 0.0)


def _silent(segment: Segment, options: TranscribeOptions) -> bool:
    return segment.no_speech_prob is not None and segment.no_speech_prob > options.no_speech_threshold


def _sure_words(segments: Sequence[Segment], options: TranscribeOptions) -> int:
    return sum(len(segment.text.split()) for segment in segments if not doubts(segment, options))


def _rank(segments: Sequence[Segment], options: TranscribeOptions) -> tuple[int, float]:
    """Higher is better: fewer doubts, then the mean log-probability weighted by tokens."""
    weights = [max(len(segment.tokens), 1) for segment in segments]
    score = sum(w * (s.avg_logprob or 0.0) for w, s in zip(weights, segments, strict=True)) / max(sum(weights), 1)
    return -sum(len(doubts(segment, options)) for segment in segments), score
