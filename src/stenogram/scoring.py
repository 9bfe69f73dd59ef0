"""Word and character error rate: how far a transcript is from what was said.

Our own few lines rather than jiwer, because this is shipped with the package and must bring no dependency.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER_LANGUAGES = frozenset({"zh", "yue", "ja", "ko"})
"""Languages measured in characters, by custom of the field."""
_APOSTROPHES = frozenset("'’‘ʼ`´")  # noqa: RUF001 - look-alikes are meant


@dataclass(frozen=True, slots=True)
class Score:
    """Errors against a reference; scores of several recordings add up."""

    words: int = 0
    """Words (or characters) in the reference."""
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All three kinds together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per word of the reference; may exceed 1. Against an empty reference: 0, or infinity for any word."""
        if self.words:
            return self.errors / self.words
        return float("inf") if self.errors else 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def normalise(text: str) -> list[str]:
    """Words in lower case without punctuation; numbers are left as they are.

    Apostrophes vanish ("don't" is "dont"), any other punctuation or symbol parts words ("forty-two" is two, "2:30" is
    two). Letters, digits and the marks on them stay, in composed form (NFC).
    """
    kept = []
    for character in unicodedata.normalize("NFC", text.lower()):
        if character in _APOSTROPHES:
            continue
        kept.append(character if unicodedata.category(character)[0] in "LNM" else " ")
    return "".join(kept).split()


def word_error_rate(reference: str, hypothesis: str) -> Score:
    """Errors in words, after ``normalise``."""
    return _score(normalise(reference), normalise(hypothesis))


def character_error_rate(reference: str, hypothesis: str) -> Score:
    """Errors in characters, after ``normalise``, spaces left out."""
    return _score("".join(normalise(reference)), "".join(normalise(hypothesis)))


def error_rate(reference: str, hypothesis: str, language: str) -> Score:
    """Character error rate for ``CHARACTER_LANGUAGES``, word error rate for all others (ISO 639-1 code)."""
    measure = character_error_rate if language in CHARACTER_LANGUAGES else word_error_rate
    return measure(reference, hypothesis)


def _score(reference: Sequence[str], hypothesis: Sequence[str]) -> Score:
    """Levenshtein distance row by row; among the alignments with fewest errors, one with fewest substitutions.

    One integer per cell holds both: ``errors * unit + substitutions``. The three counts follow from the last cell,
    since insertions less deletions are the difference of the lengths.
    """
    import numpy as np

    unit = len(reference) + len(hypothesis) + 1
    ids: dict[str, int] = {}
    spoken = [ids.setdefault(token, len(ids)) for token in reference]
    heard = np.array([ids.setdefault(token, len(ids)) for token in hypothesis], np.int64)
    insertions_before = np.arange(len(heard) + 1, dtype=np.int64) * unit
    row = insertions_before
    for token in spoken:
        deleted = row + unit
        deleted[1:] = np.minimum(deleted[1:], row[:-1] + (heard != token) * (unit + 1))
        # An insertion costs a unit per step to the right: a running minimum once the steps are taken out.
        row = np.minimum.accumulate(deleted - insertions_before) + insertions_before
    errors, substitutions = divmod(int(row[-1]), unit)
    gaps, surplus = errors - substitutions, len(heard) - len(spoken)
    return Score(len(spoken), substitutions, (gaps - surplus) // 2, (gaps + surplus) // 2)
