"""What the command line says of a language model's work."""

from __future__ import annotations

import pytest

from stenogram.cli.editing import Edited, difference, printable
from stenogram.cli.exits import exit_code, worst
from stenogram.enhancement import Change, ChatUsage, Enhancement, Line
from stenogram.errors import ChatUnavailable, EmptyFile, EngineError
from stenogram.types import Segment, Transcript


def test_a_text_that_was_not_cleaned_up_is_the_mildest_failure() -> None:
    absent = exit_code(ChatUnavailable(where="there", cause="gone", advice=""))
    unread = exit_code(EmptyFile(path="x"))
    broken = exit_code(EngineError(engine="x", cause="y"))

    assert worst([0, absent]) == absent == 6
    assert worst([absent, unread, 0]) == unread
    assert worst([unread, broken, absent]) == broken
    assert worst([]) == 0


def test_a_model_cannot_do_anything_to_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc\u202ed\ne") == "a?[2Jb?c?d\ne"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("teh", "the", '"teh" -> "the"'),
        ("", "were ", 'nothing -> "were"'),
        (" um", "", '"um" -> nothing'),
        ("  ", " ", '"  " -> " "'),
    ],
)
def test_a_change_is_one_line(before: str, after: str, shown: str) -> None:
    assert difference(Change(12, 0, 0, before, after, 61.5, 62.0)) == f"  12  01:01.500  {shown}"


def test_the_summary_counts_what_was_kept_by_its_reasons() -> None:
    transcript = Transcript(tuple(Segment(number, number, number + 1, "x") for number in range(4)), 4.0)
    lines = (
        Line(0, "x", "x"),
        Line(1, "x", "1", "numbers"),
        Line(2, "x", "2", "numbers"),
        Line(3, "x", None, "missing"),
    )
    made = Enhancement("clean", "mistral", 1, lines, usage=ChatUsage(10, 30))

    said = Edited(transcript, made, took_s=2.0).summary()

    assert (
        said == "mistral: 0 changes, 3 of 4 lines kept as transcribed (numbers 2, not answered 1); 2.0 s, 15 tokens/s"
    )
