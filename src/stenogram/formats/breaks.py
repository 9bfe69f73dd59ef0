"""Where a line of subtitles may be broken, how wide and how long to read it is, and how good a place a break is."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

_SENTENCE_ENDS = frozenset(".!?…。！？।॥؟۔։።")  # noqa: RUF001 - look-alikes in other scripts are meant
_CLAUSE_ENDS = frozenset(",;:،؛、，；：—–")  # noqa: RUF001
_SMALL_KANA = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ")
"""May not begin a line in Japanese (JIS X 4051)."""
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
)
"""Blocks of scripts whose words stand side by side; only word times tell where a word ends."""


def width(text: str) -> int:
    """Columns of a text: East Asian wide characters take two, combining marks and format characters none."""
    return sum(map(_columns, text))


def characters(text: str) -> int:
    """What there is to read: every character counts one, spaces too, but no combining marks and format characters."""
    return len(text) if text.isascii() else sum(map(_counts, text))


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" and _counts(character) else int(_counts(character))


def _counts(character: str) -> bool:
    return character.isascii() or unicodedata.category(character) not in {"Mn", "Me", "Cf"}


def unit_starts(text: str, word_starts: Collection[int]) -> list[int]:
    """Offsets at which an unbreakable piece of ``text`` begins; ``text`` has single spaces, and none at its ends.

    ``word_starts`` are the offsets at which a word with a time of its own begins.
    """
    return [
        offset
        for offset, character in enumerate(text)
        if character != " "
        and (
            offset == 0
            or text[offset - 1] == " "
            or may_part(text[offset - 1], character, at_word=offset in word_starts)
        )
    ]


def may_part(before: str, after: str, *, at_word: bool) -> bool:
    """Whether a line may end between two characters without a space between them.

    ``at_word``: a word with a time of its own begins there.
    """
    if before.isascii() and after.isascii():
        return False
    kind_before, kind_after = unicodedata.category(before), unicodedata.category(after)
    if kind_before in {"Ps", "Pi", "Cf"}:
        return False  # after an opening bracket, or inside a joined sequence
    if kind_after[0] == "M" or kind_after in {"Pe", "Pf", "Po", "Pd", "Lm", "Sk", "Cf"} or after in _SMALL_KANA:
        return False  # what belongs to the character before it
    if _ideographic(before, kind_before) or _ideographic(after, kind_after):
        return True
    return at_word and (_without_spaces(before) or _without_spaces(after))


def _ideographic(character: str, kind: str) -> bool:
    """Han, kana and their punctuation; not Hangul, which has spaces, and not emoji."""
    if kind[0] not in "LP" or unicodedata.east_asian_width(character) not in "WF":
        return False
    return not unicodedata.name(character, "").startswith("HANGUL")


def _without_spaces(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _WITHOUT_SPACES)


def break_cost(text: str) -> float:
    """How bad it is to end a line or a cue after this piece of text: 0 at the end of a sentence, 1 inside a clause."""
    last = next((character for character in reversed(text) if not _closes(character)), " ")
    if last in _SENTENCE_ENDS:
        return 0.0
    return 0.4 if last in _CLAUSE_ENDS else 1.0


def _closes(character: str) -> bool:
    """A quotation mark or bracket that may follow the end of a sentence."""
    return character in "\"'" or unicodedata.category(character) in {"Pe", "Pf"}
