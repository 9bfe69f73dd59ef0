"""Which language a recording is in, where nobody said: asked of the model, over the first passages of speech.

The rule: the model is asked for the first passage; while the mean of its answers names no language with at least
``SURE``, for the next one, ``MOST`` at most. Music or one foreign greeting at the start thus does not decide for an
hour. One recording has one language; below ``DOUBTFUL`` the user is told how to name it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stenogram.languages import NAMES
from stenogram.protocols import Engine
from stenogram.types import Chunk, ModelFiles, TranscribeOptions

SURE = 0.8
MOST = 4
DOUBTFUL = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What the language is, and how likely (0..1)."""

    language: str
    """ISO 639-1 code."""
    probability: float

    def doubts(self) -> list[str]:
        """What to tell the user when it is uncertain; else nothing."""
        if self.probability >= DOUBTFUL:
            return []
        name = NAMES.get(self.language, self.language).title()
        return [f"The language is uncertain: {name} ({self.probability:.2f}) was taken. Name it with --language."]


def must_be_heard(engine: Engine, files: ModelFiles, options: TranscribeOptions) -> bool:
    """Whether nobody said the language, and the model can tell it."""
    return options.language is None and files.only_language is None and "language_detection" in engine.supports


@dataclass(slots=True)
class Hearing:
    """Chunks wait here until the language is known. Not thread-safe: it belongs to the driving thread."""

    chunks: list[Chunk] = field(default_factory=list)
    answers: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take in further chunks, in order."""
        self.chunks += chunks

    def question(self) -> Chunk | None:
        """The chunk to ask the model about next, if there is one yet."""
        return self.chunks[len(self.answers)] if len(self.answers) < len(self.chunks) else None

    def answer(self, probabilities: Mapping[str, float]) -> None:
        """Take the model's answer to the last question."""
        self.answers.append(probabilities)

    def verdict(self, *, more: bool) -> Heard | None:
        """The language, once it is decided; ``more``: further chunks will come."""
        if not self.answers:
            return None
        codes = dict.fromkeys(code for answer in self.answers for code in answer)
        means = {code: sum(answer.get(code, 0.0) for answer in self.answers) / len(self.answers) for code in codes}
        best = max(means, key=lambda code: means[code])
        exhausted = len(self.answers) >= MOST or (not more and self.question() is None)
        return Heard(best, round(means[best], 4)) if means[best] >= SURE or exhausted else None
