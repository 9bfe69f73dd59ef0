"""Is this the language that the model speaks? What a model of one language makes of others is fluent rubbish.

The rule: a transcript is doubted when the model gave its own tokens, on average, less than even odds (the geometric
mean of their probabilities, here called the confidence, is below ``LEAST_CONFIDENCE``). Fewer than ``LEAST_TOKENS`` are
too few to tell.

"""

from __future__ import annotations

import math

from stenogram.languages import NAMES
from stenogram.types import ModelFiles, TranscribeOptions, Transcript

LEAST_CONFIDENCE = 0.5
LEAST_TOKENS = 6


def of_language(transcript: Transcript, files: ModelFiles, options: TranscribeOptions) -> list[str]:
    """A warning when a model of one language, with none asked for, probably heard another one; else nothing."""
    if options.language is not None or len(files.languages) != 1 or files.languages[0] not in NAMES:
        return []
    found = confidence(transcript)
    if found is None or found >= LEAST_CONFIDENCE:
        return []
    return [
        f"This does not sound like clear {NAMES[files.languages[0]].title()} (confidence {found:.2f}): the text is probably "
        "wrong. Name the language with --language; see the models for it with: stenogram models list"
    ]


def confidence(transcript: Transcript) -> float | None:
    """Geometric mean of the probabilities of all tokens, 0..1; None with fewer than ``LEAST_TOKENS``."""
    rated = [(len(segment.tokens), segment.avg_logprob) for segment in transcript.segments]
    tokens = sum(count for count, logprob in rated if logprob is not None)
    if tokens < LEAST_TOKENS:
        return None
    return math.exp(sum(count * logprob for count, logprob in rated if logprob is not None) / tokens)
