"""Text that looks invented is decoded again on its own, and then kept, flagged or dropped.

The rules, in order:

1. A segment is *doubtful* when it repeats itself (``compression_ratio`` above ``compression_ratio_threshold``), when
   the model was unsure (``avg_logprob`` below ``logprob_threshold``), or when there is no speech under it: the share of
   silence under its words is above ``no_speech_threshold`` (pauses between words say nothing against them), or the
   model itself says so (its ``no_speech_prob`` above the threshold) and was unsure of the text, as Whisper's own rule
   has it. Where the engine gives no ``no_speech_prob``, the share of silence is shown there.
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

REPEATS, UNSURE, SILENT = "repeats itself", "unsure", "no speech under it"
"""Doubts."""
KEPT_SHARE = 0.9
"""Share of the first text's undoubted words that the second must reach: doubt about one segment costs no other."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The segments of a chunk after the guard, and what it dropped."""

    segments: tuple[Segment, ...]
    dropped: tuple[Segment, ...] = ()


def check(
    chunk: Chunk,
    segments: Sequence[Segment],
    options: TranscribeOptions,
    again: Callable[[], list[Segment]] | None,
) -> Checked:
    """Apply the rules to the ``segments`` of ``chunk``.

    ``again`` decodes it carefully, and is called at most once; None: it was decoded so already.
    """
    kept = [_rate(segment, chunk.spans, options) for segment in segments]
    if again is not None and any(rated.doubts for rated in kept):
        second = [_rate(replace(segment, retried=True), chunk.spans, options) for segment in again()]
        whole = _sure_words(second) >= KEPT_SHARE * _sure_words(kept)
        if second and whole and _rank(second) > _rank(kept):
            kept = second
        else:
            kept = [replace(r, segment=replace(r.segment, retried=True)) if r.doubts else r for r in kept]
    dropped = tuple(rated.segment for rated in kept if SILENT in rated.doubts)
    kept = [rated for rated in kept if SILENT not in rated.doubts]
    return Checked(tuple(replace(rated.segment, suspect=bool(rated.doubts)) for rated in kept), dropped)


def silence_share(start: float, end: float, spans: Sequence[Span]) -> float:
    """Share (0..1) of the time from ``start`` to ``end`` that no span of speech covers."""
    if end <= start:
        return 0.0
    speech = sum(max(0.0, min(end, span.end) - max(start, span.start)) for span in spans)
    return min(max(1.0 - speech / (end - start), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Rated:
    """A segment, and why it looks invented; nothing: it does not."""

    segment: Segment
    doubts: tuple[str, ...]


def _rate(segment: Segment, spans: Sequence[Span], options: TranscribeOptions) -> _Rated:
    share = _silence_under(segment, spans)
    said, unsure = segment.no_speech_prob, False
    found = []
    if segment.compression_ratio is not None and segment.compression_ratio > options.compression_ratio_threshold:
        found.append(REPEATS)
    if segment.avg_logprob is not None and segment.avg_logprob < options.logprob_threshold:
        unsure = True
        found.append(UNSURE)
    if share > options.no_speech_threshold or (unsure and said is not None and said > options.no_speech_threshold):
        found.append(SILENT)
    return _Rated(segment if said is not None else replace(segment, no_speech_prob=share), tuple(found))


def _silence_under(segment: Segment, spans: Sequence[Span]) -> float:
    stretches = segment.words or (Span(segment.start, segment.end),)
    total = sum(stretch.end - stretch.start for stretch in stretches)
    silent = sum(silence_share(s.start, s.end, spans) * (s.end - s.start) for s in stretches)
    return round(silent / total, 4) if total > 0 else 0.0


def _sure_words(rated: Sequence[_Rated]) -> int:
    return sum(len(r.segment.text.split()) for r in rated if not r.doubts)


def _rank(rated: Sequence[_Rated]) -> tuple[int, float]:
    """Higher is better: fewer doubts, then the mean log-probability weighted by tokens."""
    weights = [max(len(r.segment.tokens), 1) for r in rated]
    total = sum(w * (r.segment.avg_logprob or 0.0) for w, r in zip(weights, rated, strict=True))
    return -sum(len(r.doubts) for r in rated), total / max(sum(weights), 1)
