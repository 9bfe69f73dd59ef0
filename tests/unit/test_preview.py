"""Previews: the beginning of every format, and the cues that break a rule although they were cut to keep it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import FORMATS, Recording, TextName, render
from stenogram.formats.preview import Preview, preview
from stenogram.types import Segment, SubtitleOptions, Transcript

FAST = Segment(0, 0.0, 1.0, "These are forty characters, all of them.", speaker="Ann")
TALK = Transcript(
    (FAST, Segment(1, 1.0, 1.5, "Yes.", speaker="Ben"), Segment(2, 1.5, 10.0, "Donaudampfschifffahrtsgesellschaft")),
    duration=10.0,
)


def shown(name: str, limit: int = 10_000, **chosen: Any) -> Preview:
    return preview(TALK, name, SubtitleOptions(**chosen), Recording("talk"), limit)


@given(st.sampled_from(get_args(TextName)), st.integers(1, 600), st.booleans())
def test_a_preview_is_the_beginning_of_the_output_up_to_the_end_of_a_line(
    name: TextName, limit: int, names: bool
) -> None:
    body = render(TALK, name, SubtitleOptions(speaker_names=names), ("segment", "word"), "talk")
    text = shown(name, limit, speaker_names=names)

    assert body.startswith(text.text)
    assert 0 < len(text.text) <= limit
    assert text.truncated == (text.text != body)
    assert not text.truncated or text.text.endswith("\n") or "\n" not in body[:limit]


def test_cues_that_break_a_rule_are_told_with_what_there_is_and_what_is_allowed() -> None:
    told = shown("vtt", max_cps=20.0, min_gap_ms=100, max_line_chars=30)

    assert told.cues == 3
    assert [(w.cue, w.rule, w.found, w.allowed, w.start) for w in told.warnings] == [
        (1, "too_fast", 43.3, 20.0, 0.0),
        (2, "short_gap", 0.0, 100.0, 1.0),
        (3, "long_line", 34.0, 30.0, 1.5),
        (3, "too_long", 8.5, 7.0, 1.5),
    ]
    assert told.warnings[0].text == "These are forty characters, all of them."


def test_nobody_asks_for_a_pace_by_default() -> None:
    assert [warning.rule for warning in shown("srt").warnings] == ["too_long"]


def test_of_people_who_talk_over_each_other_no_gap_is_asked() -> None:
    told = Transcript((Segment(0, 0.0, 2.0, "One."), Segment(1, 1.0, 3.0, "Two.")), duration=4.0)

    assert preview(told, "srt", SubtitleOptions(min_gap_ms=100), Recording(), 100).warnings == ()


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"srt", "vtt"}])
def test_other_formats_have_no_cues(name: str) -> None:
    assert shown(name).cues is None
    assert shown(name).warnings == ()


def test_names_can_be_left_out_of_what_people_read_but_not_of_what_programs_read() -> None:
    with_names = {name: "Ann" in shown(name).text for name in FORMATS}
    without = {name: "Ann" in shown(name, speaker_names=False).text for name in FORMATS}

    assert {name for name, told in with_names.items() if not told} == {"json"}
    assert {name for name, told in without.items() if told} == {"verbose_json", "diarized_json", "rttm"}


def test_text_with_times_is_in_paragraphs() -> None:
    assert shown("txt", timestamps=True).text == (
        "[00:00:00] Ann: These are forty characters, all of them.\n\n[00:00:01] Ben: Yes.\n\n"
        "[00:00:01] Donaudampfschifffahrtsgesellschaft\n"
    )
