"""Words of English and Russian that the guard knows, and which words may stand for each other."""

from __future__ import annotations

import functools
import re

LONG_LINE = 20
"""Characters from which on the length of a translation is looked at."""
SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "mn", "tg", "tt", "ba"), ("CYRILLIC",)),
    "sr": ("CYRILLIC", "LATIN"), "el": ("GREEK",), "he": ("HEBREW",), "yi": ("HEBREW",), "hy": ("ARMENIAN",),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd"), ("ARABIC",)),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"), "zh": ("CJK",), "yue": ("CJK",), "ko": ("HANGUL", "CJK"),
    "ka": ("GEORGIAN",), "th": ("THAI",), "lo": ("LAO",), "km": ("KHMER",), "my": ("MYANMAR",), "am": ("ETHIOPIC",),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    "bn": ("BENGALI",), "as": ("BENGALI",), "pa": ("GURMUKHI",), "gu": ("GUJARATI",), "ta": ("TAMIL",),
    "te": ("TELUGU",), "kn": ("KANNADA",), "ml": ("MALAYALAM",), "si": ("SINHALA",), "bo": ("TIBETAN",),
}  # fmt: skip
"""Languages that are not written in Latin letters, and what they are written in."""
DENSE = frozenset({"ja", "zh", "yue", "ko"})
"""Languages that say much in few characters."""
ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", None})
LENGTHS = {(False, True): (0.3, 3.5), (False, False): (0.3, 8.0), (True, True): (0.1, 3.5), (True, False): (0.1, 8.0)}
"""Lengths of a translation for one of the original, least and most: by whether the target is dense, and whether the
original is written in an alphabet that is not."""

NEGATION = re.compile(
    r"not?|nope|nah|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|"
    r"(?:do|does|did|is|are|was|were|wo|ca|could|should|would|has|have|had|ai|must|need|might)nt|"
    r"не\w*|ни\w*|без|безо|нельзя"
)
"""Negations, without apostrophes. In Russian all words that begin like one: joined or not, there are as many."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILLERS = _set("um umm uh uhm er erm ah eh hm hmm mm mhm ну вот короче типа")
FILLER_PAIRS = frozenset({"you know", "i mean", "kind of", "sort of", "как бы", "это самое", "так сказать"})
HESITATION = re.compile(r"э+|м+|а{2,}|[эм]+-?[эм]+")
SMALL = _set("""
    a an the of to in on at is are am was were be been has have had do does did and that it s
    и а в во на с со к ко о об у по из за от что это же то
""")
"""Words that may come and go."""
NO_NAMES = _set("i im id ive ill ok я")
"""Words that may have a capital anywhere."""
DATES = _set("""
    monday tuesday wednesday thursday friday saturday sunday
    january february march april may june july august september october november december
    понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье
    январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
    января февраля марта апреля мая июня июля августа сентября октября ноября декабря
""")
_GROUPS = """
    a an the | is are am | was were | has have | do does | be been being | this these | that those
    their there theyre | your youre | to too | whose whos | who whom | then than | were where | much many | less fewer
    in on at | affect effect | lets let | gonna going | wanna want | cause because | hear here | by buy bye
    right write | see sea | our hour | weather whether
    с со | в во | к ко | о об обо | чтобы чтоб | тоже также | че что чего | щас сейчас | ваще вообще | тыща тысяча
    здраствуйте здравствуйте
"""
"""Words that may stand for each other: forms of one, and those that sound the same."""
_PRONOUNS = """
    i me my mine | you your yours youre | he him his hes | she her hers shes | we us our ours | they them their
    я меня мне мной мой моя мое мои | ты тебя тебе тобой твой | он его ему им нем | она ее ей ней
    мы нас нам нами наш | вы вас вам вами ваш | они их ими
"""
_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de", "anti", "не", "ни", "без", "бес")
_PAIRS = """
    in de | in ex | over under | up down | pre post | on off | inter intra
    при у | в вы | за от | под с | вос за | про до
"""
"""Prefixes that make opposites of one stem."""
_ENDINGS = re.compile(r"|s|es|ed|d|ing|ly|er|ers|r|n|en|ies|y")
_RUSSIAN = re.compile(r"[а-я]+")
_STEM, _ENDING = 3, 3
"""Letters that forms of one Russian word have in common at least, and differ in at their ends at most."""
_LONG, _LONGER = 6, 8
"""From this length on one letter may be mistaken, from that on two."""


def _groups(table: str) -> list[list[str]]:
    return [group.split() for row in table.splitlines() for group in row.split("|") if group.strip()]


_SWAPS = {frozenset((one, other)) for group in _groups(_GROUPS) for one in group for other in group}
_PERSON = {word: number for number, group in enumerate(_groups(_PRONOUNS)) for word in group}


def opposite(one: str, other: str) -> bool:
    """Whether a prefix makes one word the opposite of the other: likely, unlikely; increase, decrease."""
    for prefix in _PREFIXES:
        if f"{prefix}{one}" == other or f"{prefix}{other}" == one:
            return True
    for first, second in _groups(_PAIRS):
        for left, right in ((one, other), (other, one)):
            if left.startswith(first) and right.startswith(second) and left[len(first) :] == right[len(second) :]:
                return bool(left[len(first) :])
    return False


@functools.lru_cache(8192)
def alike(one: str, other: str, *, name: bool = False) -> bool:
    """Whether one word may be the other, misheard, misspelt, or in a wrong form; a ``name`` may not."""
    if frozenset((one, other)) in _SWAPS:
        return True
    if name or _PERSON.get(one) != _PERSON.get(other) or one in DATES or other in DATES:
        return False
    if opposite(one, other):
        return False
    if _RUSSIAN.fullmatch(one) and _RUSSIAN.fullmatch(other):
        return _forms(one, other) or _sound_ru(one) == _sound_ru(other) or _near(one, other)
    return _inflected(one, other) or _sound_en(one) == _sound_en(other) or _near(one, other)


def _inflected(one: str, other: str) -> bool:
    """English forms of one word: the same stem with regular endings."""
    common = _common(one, other)
    return (
        common > 1
        and min(len(one), len(other)) - common <= 1
        and _ENDINGS.fullmatch(one[common:]) is not None
        and _ENDINGS.fullmatch(other[common:]) is not None
    )


def _forms(one: str, other: str) -> bool:
    """Russian forms of one word: a long enough stem, short endings."""
    common = _common(one, other)
    longest = max(len(one), len(other))
    return common >= max(_STEM, (longest + 1) // 2) and longest - common <= _ENDING


def _near(one: str, other: str) -> bool:
    """A long word with letters mistaken, not the first."""
    shortest = min(len(one), len(other))
    if shortest < _LONG or one[0] != other[0]:
        return False
    return _distance(one, other) <= (2 if shortest >= _LONGER else 1)


def _common(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length


def _distance(one: str, other: str) -> int:
    """Letters put in, left out or exchanged (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, 1):
        above, row = row, [number]
        for place, right in enumerate(other):
            row.append(min(above[place] + (left != right), above[place + 1] + 1, row[-1] + 1))
    return row[-1]


def _sounds(table: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Rows of ``form sound``, a dot for no sound at all."""
    rows = (row.split() for row in table.splitlines() if row.strip())
    return tuple((re.compile(form), sound.replace(".", "")) for form, sound in rows)


_ENGLISH_SOUNDS = _sounds(r"""
    ^kn|^gn n
    ^wr r
    ^wh w
    ^ps s
    ph f
    tch|ch X
    sh|tion|sion S
    th 0
    gh(?=t|$|[^aeiou]) .
    dge|j|g(?=[eiy]) J
    ck|q|k|c(?![eiy]) k
    c s
    x ks
    z s
    mb$ m
    w(?![aeiouy]) .
    (.)\1+ \1
    (?<=.)h .
    e$ .
""")
_VOWELS = re.compile(r"(?<=.)[aeiouy]+")
_RUSSIAN_SOUNDS = _sounds(r"""
    т?ться$|тся$ ца
    ого$ ава
    его$ ива
    [ьъ] .
    стн сн
    здн зн
    вств ств
    сч|зч|жч щ
    чн(?=о|и) шн
    [оа] а
    [еэияы] и
    ю у
    [жш] ш
    б п
    д т
    г к
    в ф
    з с
    й .
    (.)\1+ \1
""")


@functools.lru_cache(8192)
def _sound_en(word: str) -> str:
    """A key that English words share which sound alike; vowels count as one, after Metaphone (Philips, 1990)."""
    for form, sound in _ENGLISH_SOUNDS:
        word = form.sub(sound, word)
    return _VOWELS.sub("a", word)


@functools.lru_cache(8192)
def _sound_ru(word: str) -> str:
    """A key that Russian words share which sound alike: vowels fall together, and voiced consonants with unvoiced."""
    for form, sound in _RUSSIAN_SOUNDS:
        word = form.sub(sound, word)
    return word
