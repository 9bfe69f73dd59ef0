"""The arithmetic of the benchmarks; what they measure is not tested."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report
from benchmarks.language import Heard, best_threshold, leave_one_out


def run(contestant: str, work_s: float, **stages: float) -> dict[str, Any]:
    """One run on 100 s of audio."""
    facts = {"recording": "a.wav", "contestant": contestant, "audio_s": 100.0, "work_s": work_s, "stages": stages}
    return facts | {
        "work_cpu_s": 2 * work_s,
        "load_s": 1.0,
        "wall_s": work_s + 1,
        "peak_rss_bytes": 5_000_000,
        "peak_anonymous_bytes": None,
        "words": 7,
    }


def clip(contestant: str, group: str, words: int, substitutions: int) -> dict[str, Any]:
    """One clip of the speech folder, scored."""
    facts = {"contestant": contestant, "group": group, "words": words, "substitutions": substitutions}
    return facts | {"deletions": 0, "insertions": 0, "recorded_rate": 0.5}


RESULTS = {
    "machine": {"cpus": 2, "load_average": None, "python": "3.12", "platform": "linux"},
    "contestants": ["stenogram", "other"],
    "speed": [
        run("stenogram", 1.0, decode=0.5, transcribe=1.0),
        run("other", 4.0),
        run("stenogram", 2.0, decode=1.0, transcribe=2.0),
        run("other", 4.0),
    ],
    "starts": {"--help": [0.1, 0.3, 0.2]},
    "accuracy": [
        clip("stenogram", "others", 90, 9),
        clip("stenogram", "composite", 10, 10),
        clip("other", "others", 90, 18),
        clip("other", "composite", 10, 10),
    ],
}


def test_ratios_are_taken_pair_by_pair() -> None:
    """4 s to 1 s, then 4 s to 2 s."""
    assert "| a.wav | other | 3.00 [2.00-4.00] |" in report.table(RESULTS)


def test_rates_are_pooled_by_words() -> None:
    table = report.table(RESULTS)

    assert "| all clips | 2 | 100 | 19.0% (19 s, 0 d, 0 i) | 28.0% (28 s, 0 d, 0 i) | 50.0% |" in table
    assert "| without the composite | 1 | 90 | 10.0% (9 s, 0 d, 0 i) |" in table


def test_what_no_stage_claims_is_shown() -> None:
    """Of 2 s and 4 s of CPU time the stages tell three quarters."""
    stages = report.stages_of(RESULTS, "a.wav")

    assert stages == pytest.approx({"decode": 7.5, "transcribe": 15.0, "rest": 7.5})


def heard(language: str, confidence: float) -> Heard:
    """A clip with no more than the rule looks at."""
    return Heard("clip", language, 5.0, confidence, doubted=False, text="")


def test_best_threshold_lies_in_the_gap_with_fewest_mistakes() -> None:
    clips = [heard("de", 0.2), heard("de", 0.3), heard("en", 0.7), heard("en", 0.9)]

    assert best_threshold(clips) == pytest.approx(0.5)


def test_no_clip_helps_to_choose_its_own_threshold() -> None:
    """Without the German one at 0.8 the border is far below it."""
    clips = [heard("de", 0.2), heard("de", 0.8), heard("en", 0.9), heard("en", 0.95)]

    assert leave_one_out(clips) == [True, False, False, False]
