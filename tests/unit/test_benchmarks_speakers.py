"""The arithmetic of the benchmark of who spoke; what it measures is not tested."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import diarization_report as report
from benchmarks import speakers
from benchmarks.diarizers import LIBRARY
from benchmarks.speakers import Errors
from stenogram.types import SpeakerTurn

REFERENCE = [SpeakerTurn(0.0, 10.0, "Ann"), SpeakerTurn(10.0, 20.0, "Bob")]


def clip(diarizer: str, group: str, *, confusion_s: float, found: int) -> dict[str, Any]:
    """A clip of 100 s with two speakers, scored."""
    errors = {"spoken_s": 100.0, "false_alarm_s": 1.0, "missed_s": 2.0, "confusion_s": confusion_s}
    facts = {"clip": f"{group}.wav", "group": group, "diarizer": diarizer, "seconds": 100.0, "cpu_s": 1.0}
    return facts | {"speakers": 2, "found": found, "errors": dict.fromkeys(speakers.COLLARS, errors)}


def test_names_of_speakers_do_not_matter() -> None:
    found = [SpeakerTurn(0.0, 10.0, "SPEAKER_01"), SpeakerTurn(10.0, 20.0, "SPEAKER_00")]

    assert speakers.score(REFERENCE, found, 20.0, collar=0.0) == Errors(spoken_s=20.0)


def test_a_boundary_is_forgiven_by_half_the_collar_on_each_side() -> None:
    """0.4 s late: with 0.25 s on each side 0.15 s are counted, with 0.125 s on each side 0.275 s."""
    found = [SpeakerTurn(0.0, 10.4, "1"), SpeakerTurn(10.4, 20.0, "2")]

    each_side = {name: speakers.score(REFERENCE, found, 20.0, width) for name, width in speakers.COLLARS.items()}

    assert each_side["0.25 s"].confusion_s == pytest.approx(0.15)
    assert each_side["0.125 s"].confusion_s == pytest.approx(0.275)


def test_overlap_is_scored() -> None:
    """Both speak from 8 to 12, one of them is found."""
    reference = [SpeakerTurn(0.0, 12.0, "Ann"), SpeakerTurn(8.0, 20.0, "Bob")]
    found = [SpeakerTurn(0.0, 10.0, "1"), SpeakerTurn(10.0, 20.0, "2")]

    errors = speakers.score(reference, found, 20.0, collar=0.0)

    assert (errors.spoken_s, errors.missed_s, errors.confusion_s) == pytest.approx((24.0, 4.0, 0.0))


def test_what_is_found_where_nobody_speaks_is_a_false_alarm_to_the_end_of_the_recording() -> None:
    found = [*REFERENCE, SpeakerTurn(25.0, 28.0, "Ann")]

    assert speakers.score(REFERENCE, found, 30.0, collar=0.5).false_alarm_s == pytest.approx(3.0)


def test_errors_are_pooled_by_what_is_spoken() -> None:
    assert (Errors(10.0, 1.0, 0.0, 0.0) + Errors(90.0, 0.0, 4.0, 0.0)).rate == pytest.approx(0.05)


def test_speakers_are_matched_so_that_word_errors_are_fewest() -> None:
    score = speakers.cp_word_error_rate(
        {"Ann": "one two", "Bob": "three four five"}, {"x": "three four", "y": "one two"}
    )

    assert (score.words, score.deletions, score.errors) == (5, 1, 1)


def test_a_word_under_the_wrong_speaker_is_missing_there_and_too_much_here() -> None:
    score = speakers.cp_word_error_rate({"Ann": "the cat", "Bob": "sat on"}, {"x": "the cat sat", "y": "on"})

    assert (score.deletions, score.insertions) == (1, 1)


def test_who_is_found_too_many_has_inserted_all_words() -> None:
    score = speakers.cp_word_error_rate({"Ann": "one two three"}, {"x": "one two", "y": "three"})

    assert (score.deletions, score.insertions) == (1, 1)


def test_targets_tell_where_a_group_is_worse_than_the_library() -> None:
    rows = [
        clip("built-in", "falcon", confusion_s=3.0, found=2),
        clip("built-in", report.COMPOSITE, confusion_s=0.0, found=3),
        clip(LIBRARY, "falcon", confusion_s=1.0, found=2),
        clip(LIBRARY, report.COMPOSITE, confusion_s=0.0, found=2),
    ]

    table = report.quality(rows)

    assert "| DER without the composite at most 0.09 | yes: 0.060 | yes: 0.040 |" in table
    assert f"| no group of clips worse than {LIBRARY} | **no**: falcon | yes: none |" in table
    assert "| five speakers in the composite | **no**: 3 | yes: 2 |" in table
