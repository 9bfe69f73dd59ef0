"""The bar on a terminal: what moves is in sight whatever the file is called and however narrow the window."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from stenogram import events
from stenogram.cli.progress import Show
from stenogram.types import Segment

NAMES = [
    "talk.mp3",
    "a/very/deep/folder/" + "Очень длинное имя записи разговора между клиентом и продавцом, март, и ещё немного.mp3",
    "日本語の長い名前" * 20 + ".wav",
    "new\nline \x1b[31mred\x1b[0m.wav",
]


def shown(name: str, width: int) -> list[str]:
    """The lines of a bar at 65 s of 10 h."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    show = Show(name, quiet=False, lines=False, console=console)
    with show:
        show(events.StageProgress("transcribe", 65.0, 36068.0))
        assert show.progress is not None
        lines = console.render_lines(show.progress.get_renderable())
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_time_done_is_in_sight_on_one_line(name: str, width: int) -> None:
    (line,) = shown(name, width)

    assert "01:05/10:01:08" in line or width == 20
    assert "01:05/" in line
    assert "\x1b" not in line


def test_the_name_is_that_of_the_file_and_gives_way_to_the_bar() -> None:
    assert "a/very" not in shown(NAMES[1], 200)[0]
    assert shown(NAMES[1], 200)[0].startswith("Очень длинное имя записи разговора между клиентом и продавцом, март")
    assert shown(NAMES[1], 80)[0].startswith("Очень длинное")
    assert "…" in shown(NAMES[1], 80)[0]


def test_no_speed_is_told_before_there_is_one() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Show("talk.mp3", quiet=False, lines=False, console=console) as show:
        show(events.StageProgress("transcribe", 0.0, 60.0))
        assert show.progress is not None
        assert "0x" not in "".join(segment.text for segment in console.render_lines(show.progress)[0])


def test_a_terminal_that_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("stenogram.cli.progress.LINE_EVERY_S", 0.0)
    output = io.StringIO()
    with Show("talk.mp3", quiet=False, lines=False, console=Console(file=output, force_terminal=True)) as show:
        show(events.StageProgress("transcribe", 30.0, 60.0))

    assert "talk.mp3: 00:30/01:00" in output.getvalue()


def test_when_all_is_text_the_bar_goes_on_with_the_speakers() -> None:
    """Until then it is the text's, which is what one waits for."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Show("a/talk.mp3", quiet=False, lines=False, console=console) as show:
        assert show.progress is not None
        found = []
        for event in (
            events.StageProgress("transcribe", 30.0, 60.0),
            events.StageProgress("diarize", 45.0, 60.0),
            events.StageProgress("transcribe", 60.0, 60.0),
            events.StageProgress("diarize", 50.0, 60.0),
        ):
            show(event)
            (line,) = console.render_lines(show.progress.get_renderable())
            found.append("".join(segment.text for segment in line))

    assert [line.partition(" ")[0] for line in found] == ["talk.mp3", "talk.mp3", "talk.mp3", "speakers:"]
    assert ["00:30/" in found[0], "00:30/" in found[1], "01:00/" in found[2], "00:50/" in found[3]] == [True] * 4


def test_segments_have_their_speakers(capsys: pytest.CaptureFixture[str]) -> None:
    with Show("talk.mp3", quiet=True, lines=False) as show:
        show(events.SegmentReady(Segment(0, 0, 1, "Not yet.")))
        show.print([Segment(0, 0, 1, "So.", speaker="Ann"), Segment(1, 1, 2.5, "What?")])

    assert capsys.readouterr().out == "[00:00.000 -> 00:01.000] Ann: So.\n[00:01.000 -> 00:02.500] What?\n"
