"""Is this the language that the model speaks? What a model of one language makes of others is fluent rubbish.

The rule: a transcript is doubted when the model gave its own tokens, on average, less than even odds (the geometric
mean of their probabilities, here called the confidence, is below ``LEAST_CONFIDENCE``). Fewer than ``LEAST_TOKENS`` are
too few to tell.

Measured with moonshine-tiny-en on 143 clips (``benchmarks/language.py`` prints this for any speech folder): of 20 clips
in other languages 19 are noticed, of 123 in English one is doubted. Missed is one of 5 s in German (confidence 0.53);
doubted is a speech over loudspeakers outdoors (0.49), a third of whose words are wrong. 0.45 gives 18 and none, 0.55
gives 20 and four. Each clip judged by the threshold that is best for all others: 18 and one.
"""

from __future__ import annotations

import math

from stenogram.languages import NAMES
from stenogram.types import ModelFiles, TranscribeOptions, Transcript

LEAST_CONFIDENCE = 0.5
LEAST_TOKENS = 6
"""A mean over fewer says little: "2:30 pm", well heard and well written in five tokens, has 0.43."""


def of_language(transcript: Transcript, files: ModelFiles, options: TranscribeOptions) -> list[str]:
    """A warning when a model of one language, with none asked for, probably heard another one; else nothing."""
    if options.language is not None or len(files.languages) != 1 or files.languages[0] not in NAMES:
        return []
    found = confidence(transcript)
    if found is None or found >= LEAST_CONFIDENCE:
        return []
    language = NAMES[files.languages[0]].title()
    doubted = f"This does not sound like clear {language} (confidence {found:.2f}): the text is probably wrong."
    return [f"{doubted} Name the language with --language; see the models for it with: stenogram models list"]


def confidence(transcript: Transcript) -> float | None:
    """Geometric mean of the probabilities of all tokens, 0..1; None with fewer than ``LEAST_TOKENS``."""
    rated = [(len(segment.tokens), segment.avg_logprob) for segment in transcript.segments]
    tokens = sum(count for count, logprob in rated if logprob is not None)
    if tokens < LEAST_TOKENS:
        return None
    return math.exp(sum(count * logprob for count, logprob in rated if logprob is not None) / tokens)
