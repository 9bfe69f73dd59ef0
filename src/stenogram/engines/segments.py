"""From the tokens of a chunk to segments that read well: split at sentence ends and long pauses."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence

from stenogram.engines.tokens import WordTokens
from stenogram.types import Chunk, Segment, TranscribeOptions, Word

PAUSE_S = 1.0
"""A gap between two words from which a new segment begins even inside a sentence."""
SENTENCE_END = re.compile(r"[.?!…。？！][\"'”’)\]]*$")  # noqa: RUF001 - all the marks there are
ABBREVIATION = re.compile(  # common titles and Latin abbreviations, and initials such as "J." or "U.S."
    r"^\W*(?:mr|mrs|ms|dr|prof|st|sr|jr|gen|col|capt|lt|sgt|rev|hon|gov|sen|rep|no|vol|vs|etc|inc|ltd|co|fig"
    r"|e\.g|i\.e|[a-z](?:\.[a-z])*)\.$",
    re.IGNORECASE,
)


def compression_ratio(text: str) -> float:
    """Bytes of the text over its bytes under zlib, Whisper's measure of repetition; 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def build_segments(
    chunk: Chunk,
    pieces: Sequence[WordTokens],
    words: Sequence[Word],
    ids: Sequence[int],
    logprobs: Sequence[float],
) -> list[Segment]:
    """Split a chunk's words into segments; ``pieces`` tells which of the tokens ``ids`` each word was written with.

    ``logprobs`` has one natural logarithm per token. ``avg_logprob`` is the mean over the segment's own tokens;
    ``compression_ratio`` is of the whole chunk's text (as in Whisper), because a loop shows only over its repetitions.
    """
    ratio = compression_ratio(" ".join(piece.text for piece in pieces))
    segments: list[Segment] = []
    first = 0
    for index in range(1, len(words) + 1):
        if index < len(words) and not splits(words[index - 1], words[index]):
            continue
        begin, end = pieces[first].first, pieces[index - 1].last
        segments.append(
            Segment(
                id=len(segments),
                start=words[first].start,
                end=words[index - 1].end,
                text=" ".join(word.word for word in words[first:index]),
                words=tuple(words[first:index]),
                tokens=tuple(ids[begin:end]),
                avg_logprob=sum(logprobs[begin:end]) / (end - begin),
                compression_ratio=ratio,
                channel=chunk.channel,
            )
        )
        first = index
    return segments


def splits(word: Word, following: Word) -> bool:
    """Whether a new segment begins between two words: after a sentence or at a long pause."""
    if following.start - word.end >= PAUSE_S:
        return True
    if not SENTENCE_END.search(word.word):
        return False
    opening = next((letter for letter in following.word if letter.isalnum()), "")
    return not opening.islower() and not ABBREVIATION.match(word.word)


def credibility(segments: Sequence[Segment], options: TranscribeOptions) -> tuple[bool, float]:
    """Rank of a text among others of the same chunk: some text, no loop, then the mean log-probability."""
    tokens = sum(len(segment.tokens) for segment in segments)
    if not tokens:
        return False, -math.inf
    sound = all((segment.compression_ratio or 0) <= options.compression_ratio_threshold for segment in segments)
    return sound, sum((segment.avg_logprob or 0) * len(segment.tokens) for segment in segments) / tokens
