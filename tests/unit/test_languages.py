"""What people type is found; what no one speaks is refused with advice."""

from __future__ import annotations

import pytest

from stenogram.errors import OptionError
from stenogram.languages import NAMES, code_of


def test_all_hundred_languages_of_whisper_are_named() -> None:
    """One lower-case English name per code, no name twice."""
    assert len(NAMES) == 100
    assert len(set(NAMES.values())) == 100
    assert all(name == name.lower().strip() for name in NAMES.values())


@pytest.mark.parametrize("code", NAMES)
def test_a_code_and_its_name_are_found_in_any_case(code: str) -> None:
    assert code_of(code) == code
    assert code_of(code.upper()) == code
    assert code_of(NAMES[code]) == code
    assert code_of(NAMES[code].title()) == code


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("Russian", "ru"),
        ("русский", "ru"),
        ("РУССКИЙ", "ru"),
        (" Deutsch ", "de"),
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("zh-Hans-CN", "zh"),
        ("zh-yue", "yue"),
        ("Haitian  Creole", "ht"),
        ("Mandarin", "zh"),
        ("jv", "jw"),
        ("nb", "no"),
        ("Türkçe", "tr"),
        ("espan\u0303ol", "es"),  # the tilde as a mark of its own
        ("日本語", "ja"),
    ],
)
def test_other_spellings_are_found(spelling: str, code: str) -> None:
    assert code_of(spelling) == code


def test_a_misspelt_language_is_refused_with_the_one_meant() -> None:
    with pytest.raises(OptionError, match=r"'Germn'.*the nearest: german \(de\)"):
        code_of("Germn")


@pytest.mark.parametrize("nonsense", ["", "-", "xx", "Klingon", "12", "🙂"])
def test_what_is_no_language_is_refused(nonsense: str) -> None:
    with pytest.raises(OptionError, match="no such language"):
        code_of(nonsense)
