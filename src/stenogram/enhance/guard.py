"""Whether what a language model made of a line may stand.

The transcript is the record of what was said. A model asked to mend spelling, grammar and punctuation also drops halves
of sentences, rounds numbers, loses a "not", answers questions that were asked in the recording, and obeys orders given
in it. No instruction keeps it from that, so each line is compared with what it was made of, and **every word must be
accounted for**. Where one is not, the original stays and the line says why (``Doubt``).

Case, punctuation and white space are free. Words are compared in lower case, without apostrophes and hyphens. The
rules, in order; the first that speaks is the reason:

1. ``empty``: no text came back.
2. ``remark``: something about the text came with it ("Here is the corrected text:", an apology, words in brackets that
   nobody said), or something round it: quotation marks from end to end, markdown, bullets, symbols, a further line.
3. ``script``: less than half of the letters are in the script of the original (``SAME_SCRIPT``).
4. ``numbers``: the numbers are not the same ones in the same order and place. Digits and words are one (``numbers``
   says how), in English and Russian, ordinals and endings of cases included; 25 % is not 25, nor 5 $ 5 €.
5. ``negation``: a word that denies was dropped, put in or replaced, or a word got or lost a prefix that denies
   (possible, impossible). "can not" and "cannot", "dont" and "don't", "не правильно" and "неправильно" are the same.
6. ``names``: a word that is written as names are (a capital inside a sentence, or several, in the original or the
   edit) was dropped, put in, or replaced by one that sounds different. Another case of letters is none of that, nor a
   spelling that sounds the same (Moskow, Moscow), nor an ending of a Russian case. Anne for Anna is: nobody can tell
   from the text who was meant.
7. ``too_much``: any other word was dropped, put in or replaced but as follows; or too many were at once.

   - A word may be replaced by one that sounds the same (there, their; recieve, receive), by another form of it (go,
     goes; красивый, красивая), by one written in one or two (any more, anymore); one of eight letters and more also by
     one with a single slip in it (goverment, government). ``likeness`` has the details.
   - Light words (articles, forms of "be" and "do", "of", "to", "и", "в", "на"; ``vocabulary`` has them all) may come
     and go, and those of one group (in, on, at) take each other's place; phrases such as "you know" and "как бы" may
     go.
   - Fillers (um, uh, э-э, ну) may go, and so may words that say the words before them once more (the the, i want to
     i want to); neither of them counts as a change.
   - Of all words of the original, so many may be changed, dropped and put in together (fillers, repetitions and
     numbers not counted, nor words that only stand apart or together): 1 in a line of up to 2 words, 2 in one of up to
     5, and 40 % (``MOST_CHANGED``) in longer ones.

Of other languages than English and Russian the small words are not known: there only case, punctuation, accents and
slips in long words may differ. Chinese, Japanese, Thai and the like are compared by characters.

What this cannot see: punctuation that changes the meaning; a word that was replaced by one that sounds the same, or by
a form of it, in the wrong place. So each change can still be taken back on its own (``diff``).

Of a translation (``doubt_of_translation``) no word can be compared. It must not be empty, nor hold a remark; its
letters must be those of the target language; what the original has in digits must be in it, and no digits that the
original has not (in words counts, in English and Russian); and a line of more than ``SHORT_WIDTH`` columns must not
become more than ``MOST_LONGER`` times as long, nor shorter than one part in as many.

The time is that of reading the line, but for the alignment of what differs (``alignment``). Nothing here raises.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from stenogram.enhance.alignment import matched
from stenogram.enhance.likeness import alike, denies, sound
from stenogram.enhance.numbers import Number, same_numbers
from stenogram.enhance.reading import NUMBER, Reading, Token, read, script_of, scripts
from stenogram.enhance.remark import is_remark
from stenogram.enhance.vocabulary import Vocabulary, vocabulary_of
from stenogram.enhancement import Doubt
from stenogram.formats.breaks import width

SAME_SCRIPT = 0.5
"""Share of the letters that must be in the script of the original, or of the target language."""
MOST_CHANGED = 0.4
"""Share of the words that may be changed, in lines of more than ``SHORT_WORDS``."""
SHORT_WORDS, TINY_WORDS = 5, 2
"""In lines of up to so many words 2 and 1 may be changed."""
MOST_LONGER = 4
"""A translation is at most so many times as long as the original, in columns, or as many times shorter."""
SHORT_WIDTH = 24
"""Columns; of shorter lines no length is absurd."""
_LATIN = (
    "en de fr es it pt nl pl cs sk sl hr bs ro hu tr fi sv no nn da et lv lt sq ca eu gl cy is mt id ms vi tl sw af az "
    "uz tk la br oc lb ht ha yo sn so ln mg mi haw jw su fo"
)
SCRIPTS = dict(
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "mn", "tg", "tt", "ba"), "CYRILLIC"),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd"), "ARABIC"),
    **dict.fromkeys(("zh", "yue", "ja"), "CJK"),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), "DEVANAGARI"),
    **dict.fromkeys(("he", "yi"), "HEBREW"),
    **dict.fromkeys(("bn", "as"), "BENGALI"),
    **dict.fromkeys(_LATIN.split(), "LATIN"),
    ko="HANGUL",
    el="GREEK",
    th="THAI",
    ka="GEORGIAN",
    hy="ARMENIAN",
    ta="TAMIL",
    te="TELUGU",
)
"""Target language -> script, as ``reading`` names it; of others any will do."""
LONGEST_REPEAT = 4
"""Words of a phrase that is said twice: "i want to i want to go"."""
MOST_BLOCK = 40
"""Words next to each other that differ, on either side, before nobody compares them any more."""


def doubt(original: str, edit: str, language: str | None) -> Doubt | None:
    """Why the edit of a line must not stand; None: it may.

    ``language``: ISO 639-1 code; None: English for Latin letters, Russian for Cyrillic ones.
    """
    if original.strip() == edit.strip():
        return None
    if not _has_words(edit) and (_has_words(original) or not edit.strip()):
        return "empty"
    if is_remark(original, edit):
        return "remark"
    script = script_of(original)
    if script is not None and _foreign(edit, script):
        return "script"
    vocabulary = vocabulary_of(language, script or script_of(edit))
    before, after = read(original, vocabulary), read(edit, vocabulary)
    if not same_numbers(before.numbers, after.numbers) or not _same_units(before.units, after.units):
        return "numbers"
    return _Comparison(before, after, vocabulary).doubt()


def doubt_of_translation(original: str, edit: str, target: str) -> Doubt | None:
    """Why the translation of a line must not stand; None: it may. ``target``: ISO 639-1 code."""
    if not _has_words(edit):
        return "empty" if _has_words(original) or not edit.strip() else None
    if is_remark(original, edit):
        return "remark"
    code = target.lower().replace("_", "-").split("-")[0]
    script = SCRIPTS.get(code)
    if script is not None and _foreign(edit, script):
        return "script"
    if not _same_digits(original, edit, code):
        return "numbers"
    before, after = width(original), width(edit)
    if max(before, after) > SHORT_WIDTH and max(before, after) > MOST_LONGER * min(before, after):
        return "too_much"
    return None


def _same_digits(original: str, edit: str, target: str) -> bool:
    """Whether each number in digits is on the other side too, in digits or words, in whatever order."""
    before = read(original, vocabulary_of(None, script_of(original)))
    after = read(edit, vocabulary_of(target, script_of(edit)))
    return _covered(original, before, edit, after) and _covered(edit, after, original, before)


def _covered(text: str, reading: Reading, other_text: str, other: Reading) -> bool:
    """Whether the digits of one text are in the other: as they stand there, or put together with words."""
    if not _plain(text) - _plain(other_text):
        return True
    own = Counter(_digits(number) for number in reading.numbers if not number.spoken)
    return not own - Counter(_digits(number) for number in other.numbers)


def _plain(text: str) -> Counter[str]:
    """Numbers as they are written, without what parts thousands, hours and fractions."""
    return Counter(re.sub(r"\D", "", found) for found in re.findall(r"\d+(?:[.,:\u00a0\u202f ]\d+)*", text))


def _digits(number: Number) -> str:
    return number.text.removesuffix(".00").replace(".", "")


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))


def _foreign(text: str, script: str) -> bool:
    letters = scripts(text)
    return letters[script] < SAME_SCRIPT * letters.total()


def _same_units(before: Counter[str], after: Counter[str]) -> bool:
    """The same symbols; cents may go into the dollars."""
    if before == after:
        return True
    whole = any(before[symbol] for symbol in "$€£₽")
    return whole and before - Counter({"¢": before["¢"]}) == after - Counter({"¢": after["¢"]})


class _Comparison:
    """The words of a line before and after."""

    def __init__(self, before: Reading, after: Reading, vocabulary: Vocabulary) -> None:
        self._before, self._after, self._vocabulary = before, after, vocabulary
        self._changed = 0
        self._moved: Counter[str] = Counter()
        self._found: set[Doubt] = set()

    def doubt(self) -> Doubt | None:
        """Why the words must not stand so."""
        before, after = self._before.tokens, self._after.tokens
        pairs = matched([token.text for token in before], [token.text for token in after])
        ends = (len(before), len(after))
        for (a, b), (c, d) in pairwise([(-1, -1), *pairs, ends]):
            if (c, d) != (a + 1, b + 1):
                self._compare(a + 1, before[a + 1 : c], after[b + 1 : d])
        if self._moved["dropped"] and self._moved["added"]:
            self._found.add("numbers")
        if self._changed > _limit(len(before)):
            self._found.add("too_much")
        order: tuple[Doubt, ...] = ("numbers", "negation", "names", "too_much")
        return next((doubt for doubt in order if doubt in self._found), None)

    def _compare(self, place: int, before: Sequence[Token], after: Sequence[Token]) -> None:
        """Words between two that stay; ``place``: where they begin in the original."""
        if self._written_alike(before, after):
            self._count(before, after)
            return
        if max(len(before), len(after)) > MOST_BLOCK:
            self._found.add("too_much")
            return
        taken_before, taken_after = set[int](), set[int]()
        for (i, many), (j, more) in self._paired(before, after):
            taken_before.update(range(i, i + many))
            taken_after.update(range(j, j + more))
            self._count(before[i : i + many], after[j : j + more])
        dropped = [n for n in range(len(before)) if n not in taken_before]
        added = [n for n in range(len(after)) if n not in taken_after]
        repeated = self._repeated([place + n for n in dropped])
        dropped = [n for n in dropped if place + n not in repeated]
        pardoned = self._pardoned(place, before, dropped)
        self._judge([before[n] for n in dropped if n not in pardoned], "dropped")
        self._changed += len(pardoned)
        self._judge([after[n] for n in added], "added")
        if set(dropped) - pardoned and added and not any(t.text == NUMBER or t.raw == "." for t in (*before, *after)):
            self._found.add("too_much")
        if any(denies(before[i].text, after[j].text) for i in dropped for j in added):
            self._found.add("negation")

    def _count(self, before: Sequence[Token], after: Sequence[Token]) -> None:
        if _joined(before) != _joined(after):
            self._changed += len(before)

    def _written_alike(self, before: Sequence[Token], after: Sequence[Token]) -> bool:
        """Whether words are the same, written apart or together, or sound the same so."""
        if not before or not after or any(token.text == NUMBER for token in (*before, *after)):
            return False
        one, other = _joined(before), _joined(after)
        if one != other and max(len(before), len(after)) > 3:  # noqa: PLR2004 - whole sentences do not sound alike
            return False
        if self._vocabulary.language != "ru" and self._denials(before) != self._denials(after):
            return False
        if one == other:
            return True
        if self._denials(before) != self._denials(after):
            return False
        language = self._vocabulary.language
        return sound(one, language) == sound(other, language) or self._vocabulary.grouped(one, other)

    def _denials(self, tokens: Sequence[Token]) -> list[str]:
        return [token.text for token in tokens if token.text in self._vocabulary.negations]

    def _alike(self, before: Sequence[Token], after: Sequence[Token]) -> bool:
        if len(before) > 1 or len(after) > 1:
            return self._written_alike(before, after)
        (one,), (other,) = before, after
        negations = self._vocabulary.negations
        if NUMBER in {one.text, other.text} or one.text in negations or other.text in negations:
            return one.text == other.text
        return alike(one.text, other.text, self._vocabulary, name=self._is_name(one) or self._is_name(other))

    def _is_name(self, token: Token) -> bool:
        return token.name and token.text not in self._vocabulary.light

    def _paired(
        self, before: Sequence[Token], after: Sequence[Token]
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Words that are alike, in order and as many as can be, as (begin, count) on either side.

        The table holds how many words from ``i`` and ``j`` on find a partner, and how.
        """
        shapes = ((1, 1), (1, 2), (2, 1))
        best: dict[tuple[int, int], tuple[int, tuple[int, int]]] = {}

        def score(i: int, j: int) -> int:
            return best[i, j][0] if (i, j) in best else 0

        for i in range(len(before) - 1, -1, -1):
            for j in range(len(after) - 1, -1, -1):
                found = max((score(i + 1, j), (1, 0)), (score(i, j + 1), (0, 1)))
                for a, b in shapes:
                    fits = i + a <= len(before) and j + b <= len(after)
                    if fits and self._alike(before[i : i + a], after[j : j + b]):
                        found = max(found, (score(i + a, j + b) + a + b, (a, b)))
                best[i, j] = found
        i = j = 0
        while i < len(before) and j < len(after):
            a, b = best[i, j][1]
            if a and b:
                yield (i, a), (j, b)
            i, j = i + a, j + b

    def _repeated(self, dropped: Sequence[int]) -> set[int]:
        """Of the dropped words those that say what stands before or behind them once more."""
        tokens = self._before.tokens
        found = set[int]()
        for _, group in groupby(enumerate(dropped), key=lambda item: item[1] - item[0]):
            run = [number for _, number in group]
            for size in range(1, LONGEST_REPEAT + 1):
                if not len(run) % size and any(_says_again(tokens, run, shift) for shift in (size, -size)):
                    found.update(run)
        return found

    def _pardoned(self, place: int, before: Sequence[Token], dropped: Sequence[int]) -> set[int]:
        """Of the dropped words those that are phrases without a meaning, or open the line."""
        found = set()
        for one, other in pairwise([*dropped, len(before) + 1]):
            if before[one].text in self._vocabulary.markers or (
                place + one == 0 and before[one].text in self._vocabulary.openers
            ):
                found.add(one)
            elif other == one + 1 and f"{before[one].text} {before[other].text}" in self._vocabulary.markers:
                found |= {one, other}
        return found

    def _judge(self, tokens: Sequence[Token], how: str) -> None:
        """Words without a partner."""
        vocabulary = self._vocabulary
        for token in tokens:
            if token.text == NUMBER:
                self._moved[how] += 1
            elif token.raw == ".":
                continue  # a dot in a name: Node.js
            elif token.text in vocabulary.negations:
                self._found.add("negation")
            elif token.text in vocabulary.light or (how == "added" and token.text in vocabulary.addable):
                self._changed += 1
            elif token.name:
                self._found.add("names")
            else:
                self._found.add("too_much")


def _says_again(tokens: Sequence[Token], run: Sequence[int], shift: int) -> bool:
    """Whether each word of a run is the one that stands ``shift`` words from it; numbers say nothing again."""
    return all(0 <= n + shift < len(tokens) and tokens[n].text == tokens[n + shift].text != NUMBER for n in run)


def _joined(tokens: Sequence[Token]) -> str:
    return "".join(token.raw for token in tokens if token.raw != ".")


def _limit(words: int) -> float:
    """How many words of a line may be changed."""
    if words <= TINY_WORDS:
        return 1
    return 2 if words <= SHORT_WORDS else MOST_CHANGED * words
