"""The languages Whisper knows: their codes, their English names, and what else people call them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stenogram.errors import OptionError

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "english",
        "zh": "chinese",
        "de": "german",
        "es": "spanish",
        "ru": "russian",
        "ko": "korean",
        "fr": "french",
        "ja": "japanese",
        "pt": "portuguese",
        "tr": "turkish",
        "pl": "polish",
        "ca": "catalan",
        "nl": "dutch",
        "ar": "arabic",
        "sv": "swedish",
        "it": "italian",
        "id": "indonesian",
        "hi": "hindi",
        "fi": "finnish",
        "vi": "vietnamese",
        "he": "hebrew",
        "uk": "ukrainian",
        "el": "greek",
        "ms": "malay",
        "cs": "czech",
        "ro": "romanian",
        "da": "danish",
        "hu": "hungarian",
        "ta": "tamil",
        "no": "norwegian",
        "th": "thai",
        "ur": "urdu",
        "hr": "croatian",
        "bg": "bulgarian",
        "lt": "lithuanian",
        "la": "latin",
        "mi": "maori",
        "ml": "malayalam",
        "cy": "welsh",
        "sk": "slovak",
        "te": "telugu",
        "fa": "persian",
        "lv": "latvian",
        "bn": "bengali",
        "sr": "serbian",
        "az": "azerbaijani",
        "sl": "slovenian",
        "kn": "kannada",
        "et": "estonian",
        "mk": "macedonian",
        "br": "breton",
        "eu": "basque",
        "is": "icelandic",
        "hy": "armenian",
        "ne": "nepali",
        "mn": "mongolian",
        "bs": "bosnian",
        "kk": "kazakh",
        "sq": "albanian",
        "sw": "swahili",
        "gl": "galician",
        "mr": "marathi",
        "pa": "punjabi",
        "si": "sinhala",
        "km": "khmer",
        "sn": "shona",
        "yo": "yoruba",
        "so": "somali",
        "af": "afrikaans",
        "oc": "occitan",
        "ka": "georgian",
        "be": "belarusian",
        "tg": "tajik",
        "sd": "sindhi",
        "gu": "gujarati",
        "am": "amharic",
        "yi": "yiddish",
        "lo": "lao",
        "uz": "uzbek",
        "fo": "faroese",
        "ht": "haitian creole",
        "ps": "pashto",
        "tk": "turkmen",
        "nn": "nynorsk",
        "mt": "maltese",
        "sa": "sanskrit",
        "lb": "luxembourgish",
        "my": "myanmar",
        "bo": "tibetan",
        "tl": "tagalog",
        "mg": "malagasy",
        "as": "assamese",
        "tt": "tatar",
        "haw": "hawaiian",
        "ln": "lingala",
        "ha": "hausa",
        "ba": "bashkir",
        "jw": "javanese",
        "su": "sundanese",
        "yue": "cantonese",
    }
)
"""Code -> lower-case English name, as in openai-whisper's tokenizer: ISO 639-1, but for haw, yue and jw (ISO: jv)."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        # other codes: replaced ones of ISO 639-1, and those of macro-languages
        "jv": "jw",
        "iw": "he",
        "in": "id",
        "ji": "yi",
        "mo": "ro",
        "nb": "no",
        "fil": "tl",
        "cmn": "zh",
        "zh-yue": "yue",
        # other English names
        "burmese": "my",
        "valencian": "ca",
        "flemish": "nl",
        "haitian": "ht",
        "letzeburgesch": "lb",
        "pushto": "ps",
        "panjabi": "pa",
        "moldavian": "ro",
        "moldovan": "ro",
        "sinhalese": "si",
        "castilian": "es",
        "mandarin": "zh",
        "farsi": "fa",
        "filipino": "tl",
        "norwegian bokmål": "no",
        "norwegian nynorsk": "nn",
        # what their speakers call them
        "中文": "zh",
        "汉语": "zh",
        "漢語": "zh",
        "普通话": "zh",
        "普通話": "zh",
        "粤语": "yue",
        "粵語": "yue",
        "廣東話": "yue",
        "deutsch": "de",
        "español": "es",
        "espanol": "es",
        "castellano": "es",
        "русский": "ru",
        "한국어": "ko",
        "français": "fr",
        "francais": "fr",
        "日本語": "ja",
        "português": "pt",
        "portugues": "pt",
        "türkçe": "tr",
        "polski": "pl",
        "català": "ca",
        "nederlands": "nl",
        "العربية": "ar",
        "svenska": "sv",
        "italiano": "it",
        "bahasa indonesia": "id",
        "हिन्दी": "hi",
        "हिंदी": "hi",
        "suomi": "fi",
        "tiếng việt": "vi",
        "עברית": "he",
        "українська": "uk",
        "ελληνικά": "el",
        "bahasa melayu": "ms",
        "čeština": "cs",
        "česky": "cs",
        "română": "ro",
        "dansk": "da",
        "magyar": "hu",
        "தமிழ்": "ta",
        "norsk": "no",
        "ไทย": "th",
        "ภาษาไทย": "th",
        "اردو": "ur",
        "hrvatski": "hr",
        "български": "bg",
        "lietuvių": "lt",
        "latina": "la",
        "cymraeg": "cy",
        "slovenčina": "sk",
        "فارسی": "fa",
        "latviešu": "lv",
        "বাংলা": "bn",
        "српски": "sr",
        "srpski": "sr",
        "azərbaycanca": "az",
        "slovenščina": "sl",
        "eesti": "et",
        "македонски": "mk",
        "brezhoneg": "br",
        "euskara": "eu",
        "íslenska": "is",
        "հայերեն": "hy",
        "नेपाली": "ne",
        "монгол": "mn",
        "bosanski": "bs",
        "қазақша": "kk",
        "қазақ тілі": "kk",
        "shqip": "sq",
        "kiswahili": "sw",
        "galego": "gl",
        "मराठी": "mr",
        "ਪੰਜਾਬੀ": "pa",
        "ქართული": "ka",
        "беларуская": "be",
        "тоҷикӣ": "tg",
        "ગુજરાતી": "gu",
        "አማርኛ": "am",
        "ייִדיש": "yi",
        "o'zbekcha": "uz",
        "føroyskt": "fo",
        "پښتو": "ps",
        "malti": "mt",
        "lëtzebuergesch": "lb",
        "татарча": "tt",
        "башҡортса": "ba",
        "basa jawa": "jw",
    }
)


def code_of(name_or_code: str) -> str:
    """The key in ``NAMES`` for a code, an English or native name (any case), or a region tag (``en-US``, ``pt_BR``).

    Raises ``OptionError`` for anything else, with the nearest names.
    """
    asked = _key(name_or_code)
    found = _find(asked) or _find(asked.split("-", 1)[0])
    if found:
        return found
    raise OptionError(name="language", value=name_or_code, cause=_advice(asked))


def _find(asked: str) -> str | None:
    return asked if asked in NAMES else _codes().get(asked)


def _codes() -> dict[str, str]:
    """Every other spelling, in the form that ``_key`` gives, to its code."""
    return {_key(name): code for code, name in NAMES.items()} | {_key(name): code for name, code in _ALIASES.items()}


def _key(spelling: str) -> str:
    import unicodedata

    return " ".join(unicodedata.normalize("NFC", spelling).casefold().replace("_", "-").split())


def _advice(asked: str) -> str:
    import difflib

    near = difflib.get_close_matches(asked, _codes(), n=3, cutoff=0.6)
    if not near:
        return "no such language; give an ISO 639-1 code such as en, or an English name such as english"
    # Several spellings may be near and mean one language: name it once.
    codes = dict.fromkeys(_codes()[spelling] for spelling in near)
    return "no such language; the nearest: " + ", ".join(f"{NAMES[code]} ({code})" for code in codes)
