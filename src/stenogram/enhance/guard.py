"""Whether what a language model made of a line may stand.

The transcript is the record of what was said. A model asked to mend spelling, grammar and punctuation also drops halves
of sentences, rounds numbers, loses a "not", answers questions that were asked in the recording, and obeys orders given
in it. No instruction keeps it from that, so each line is compared with what it was made of, and **every word must be
accounted for**. Where one is not, the original stays and the line says why (``Doubt``).

Case, punctuation and white space are free. Words are compared in lower case, without apostrophes and hyphens. The
rules, in order; the first that speaks is the reason:

1. ``empty``: no text came back.
2. ``remark``: something about the text came with it ("Here is the corrected text:", an apology, words in brackets that
   nobody said), or something round it: quotation marks from end to end, markdown, bullets, symbols, a further line; or characters that
   nobody sees, or that dress up letters.
3. ``script``: less than half of the letters are in the script of the original (``SAME_SCRIPT``).
4. ``numbers``: the numbers are not the same ones in the same order and place. Digits and words are one (``numbers``
   says how), in English and Russian, ordinals and endings of cases included; 25 % is not 25, nor 5 $ 5 €. Digits said
   one by one may be put together from three on: "two three days" is not 23.
5. ``negation``: a word that denies was dropped, put in or replaced, or a word got or lost a prefix that denies
   (possible, impossible). "can not" and "cannot", "dont" and "don't", "не правильно" and "неправильно" are the same.
6. ``names``: a word that is written as names are (a capital inside a sentence, or several, in the original or the
   edit) was dropped, put in, or replaced by one that sounds different. Another case of letters is none of that, nor a
   spelling that sounds the same (Moskow, Moscow), nor an ending of a Russian case. Anne for Anna is: nobody can tell
   from the text who was meant.
7. ``too_much``: any other word was dropped, put in or replaced but as follows; or too many were at once.

   - A word may be replaced by one that sounds the same (there, their; recieve, receive), by another form of it (go,
     goes; красивый, красивая), by one written in one or two (any more, anymore), by what a well-known misspelling
     stands for (goverment, government), and one of eight letters and more by one with two neighbours in each other's
     place. No other slip is mended: one letter makes "attacked" of "attached". ``likeness`` has the details.
   - A form that says another time, person or voice, only where a word beside it asks for that: "have finish" may
     become "have finished", "мы идет" "мы идем"; "he works" may not become "he worked", nor "bored" "boring"
     (``forms``).
   - Light words (articles, forms of "be" and "do", "of", "to", "и", "же"; ``vocabulary`` has them all) may come and go,
     but not change places ("is it", "it is"), open a question, or make a passive. Prepositions may come, go and take
     each other's place only before a time (on Monday): elsewhere they say where, or at whom.
   - Phrases such as "you know" and "как бы" may go where they are no part of the sentence ("you know the man").
   - Fillers (um, uh, э-э, ну) may go, and so may words that say the words before them once more (the the, i want to
     i want to); neither of them counts as a change.
   - Of all words of the original, so many may be changed, dropped and put in together (fillers, repetitions and
     numbers not counted, nor words that only stand apart or together): 1 in a line of up to 2 words, 2 in one of up to
     5, and 40 % (``comparison.MOST_CHANGED``) in longer ones.

Of other languages than English and Russian neither the small words are known nor those of number: there only case,
punctuation and two neighbouring letters in long words may differ, and a line without accents may get some. Chinese,
Japanese, Thai and the like are compared by characters.

Unseen, as nothing in the text tells it (``tests/data/edits.toml`` has examples); so each change can still be taken back
on its own (``diff``):

- punctuation: "no, quiero ir" and "no quiero ir", "he is coming?", the comma of "казнить нельзя помиловать";
- capitals: us and US, may and May;
- a word that sounds the same, in the wrong place: affect and effect, преступить and приступить;
- words joined or parted: "may be" and "maybe", "a part" and "apart";
- one and many where both are sentences (the lender may, the lenders may), and Russian cases that swap who does it
  (брат видит сестру, брата видит сестра) or tell a man from a woman (Александр, Александра);
- what an ambiguous word means: "two hundred and three" (rooms), "twenty thirty" (a year, or a guess), "uh uh" (no).

Of a translation (``doubt_of_translation``) no word can be compared. It must not be empty, nor hold a remark; its
letters must be those of the target language; what the original has in digits must be in it, and no digits that the
original has not (in words counts, in English and Russian); and a line of more than ``SHORT_WIDTH`` columns must not
become more than ``MOST_LONGER`` times as long, nor shorter than one part in as many.

The time grows with the length of the line; where much differs it is bounded (``alignment``, and
``comparison.MOST_COMPARED`` pairs of words): 20,000 words that fit nowhere take about two seconds of a processor.
Nothing here raises.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from stenogram.enhance.comparison import Comparison
from stenogram.enhance.likeness import is_accented
from stenogram.enhance.numbers import Number, same_numbers
from stenogram.enhance.reading import Reading, Unit, read, script_of, scripts
from stenogram.enhance.remark import is_overloaded, is_remark
from stenogram.enhance.vocabulary import vocabulary_of
from stenogram.enhancement import Doubt
from stenogram.formats.breaks import width

SAME_SCRIPT = 0.5
"""Share of the letters that must be in the script of the original, or of the target language."""
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


def doubt(original: str, edit: str, language: str | None) -> Doubt | None:
    """Why the edit of a line must not stand; None: it may.

    ``language``: ISO 639-1 code; None: English for Latin letters, Russian for Cyrillic ones.
    """
    if original.strip() == edit.strip():
        return None
    if not _has_words(edit) and (_has_words(original) or not edit.strip()):
        return "empty"
    if is_overloaded(original) or is_remark(original, edit):
        return "remark"
    script = script_of(original)
    if script is not None and _foreign(edit, script):
        return "script"
    vocabulary = vocabulary_of(language, script or script_of(edit))
    if vocabulary.groups is None:
        vocabulary = replace(vocabulary, accented=is_accented(original))
    before, after = read(original, vocabulary), read(edit, vocabulary)
    if not same_numbers(before.numbers, after.numbers) or not _same_units(before.units, after.units):
        return "numbers"
    return Comparison(before, after, vocabulary).doubt()


def doubt_of_translation(original: str, edit: str, target: str) -> Doubt | None:
    """Why the translation of a line must not stand; None: it may. ``target``: ISO 639-1 code."""
    if not _has_words(edit):
        return "empty" if _has_words(original) or not edit.strip() else None
    if is_overloaded(original) or is_remark(original, edit):
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


def _same_units(before: Sequence[Unit], after: Sequence[Unit]) -> bool:
    """The same symbols in the same order, at the same numbers; cents may go into the dollars."""
    texts, others = [unit.text for unit in before], [unit.text for unit in after]
    if texts == others:
        return [unit.run for unit in before] == [unit.run for unit in after] or not all(
            unit.sure for unit in (*before, *after)
        )
    whole = any(symbol in texts for symbol in "$€£₽")
    return whole and [t for t in texts if t != "¢"] == others
