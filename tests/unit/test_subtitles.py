"""srt and vtt, read back by a parser of our own: times, order, words and the shape of lines hold for any transcript."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import render
from stenogram.formats.pace import SHORTEST_MS
from stenogram.types import Segment, SubtitleOptions, Transcript, Word


@dataclass
class Parsed:
    start_ms: int
    end_ms: int
    lines: list[str]


def milliseconds(stamp: str, mark: str) -> int:
    match = re.fullmatch(rf"([0-9]{{2,}}):([0-5][0-9]):([0-5][0-9]){re.escape(mark)}([0-9]{{3}})", stamp)
    assert match, stamp
    hours, minutes, seconds, thousandths = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def parse_block(lines: list[str], mark: str) -> Parsed:
    start, arrow, end = lines[0].split(" ")
    assert arrow == "-->"
    return Parsed(milliseconds(start, mark), milliseconds(end, mark), lines[1:])


def parse_srt(body: str) -> list[Parsed]:
    if not body:
        return []
    assert body.endswith("\n")
    blocks = [block.split("\n") for block in body[:-1].split("\n\n")]
    assert [block[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    return [parse_block(block[1:], ",") for block in blocks]


def parse_vtt(body: str) -> list[Parsed]:
    header, *blocks = body[:-1].split("\n\n")
    assert header == "WEBVTT"
    cues = [parse_block(block.split("\n"), ".") for block in blocks]
    for cue in cues:
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "\n".join(cue.lines))
        cue.lines = [html.unescape(line) for line in cue.lines]
    return cues


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def bare(text: str) -> str:
    return "".join(text.split())


# Letters of several scripts, marks, joiners, emoji, punctuation, white space of every kind, markup, timing lines.
texts = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.text("ab,.&<>猫がっ、。「」가ไทย\u0301\u200d🙂👩אب \t\n\r\x0b\x1c\x85\u2028\u3000\xa0-", max_size=12)
        | st.sampled_from(["-->", "1", "00:00:01,000 --> 00:00:02,000", "WEBVTT", "NOTE", "a" * 60, "猫" * 50]),
        max_size=12,
    ).map(" ".join),
)
gaps = st.one_of(st.just(0.0), st.floats(0, 0.002), st.floats(0, 20))


@st.composite
def segments_in_turn(draw: st.DrawFn) -> tuple[Segment, ...]:
    """Segments one after the other, up to 400 hours in; their words fit the text, miss, or do not fit it at all."""
    now, segments = draw(st.sampled_from([0.0, 59.9996, 3660.0, 400 * 3600.0]) | st.floats(0, 400 * 3600)), []
    for index in range(draw(st.integers(0, 4))):
        now += draw(gaps)
        start, words, text = now, [], draw(texts)
        kind = draw(st.sampled_from(["none", "fitting", "wild times", "other words"]))
        if kind == "fitting":
            for piece in text.split():
                begin = now + draw(gaps)
                now = begin + draw(gaps)
                words.append(Word(piece, begin, now))
        elif kind == "wild times":
            words = [Word(piece, draw(st.floats(0, 2e6)), draw(st.floats(0, 2e6))) for piece in text.split()]
        elif kind == "other words":
            words = draw(st.lists(st.builds(Word, texts, st.floats(0, 1e6), st.floats(0, 1e6)), max_size=4))
        now += draw(gaps)
        segments.append(Segment(index, start, now, text, tuple(words)))
    return tuple(segments)


options = st.builds(SubtitleOptions, st.integers(10, 80), st.integers(1, 4), st.floats(1, 20))


def transcript(*segments: Segment) -> Transcript:
    return Transcript(segments, duration=500 * 3600.0, language="en")


@given(segments_in_turn(), options)
def test_srt_and_vtt_hold_the_same_cues(segments: tuple[Segment, ...], chosen: SubtitleOptions) -> None:
    assert parse_srt(render(transcript(*segments), "srt", chosen)) == parse_vtt(
        render(transcript(*segments), "vtt", chosen)
    )


@given(segments_in_turn(), options)
def test_cues_are_in_order_and_never_overlap(segments: tuple[Segment, ...], chosen: SubtitleOptions) -> None:
    cues = parse_srt(render(transcript(*segments), "srt", chosen))

    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(cues))


@given(segments_in_turn(), options)
def test_every_character_survives_in_order(segments: tuple[Segment, ...], chosen: SubtitleOptions) -> None:
    """Only white space may change."""
    cues = parse_srt(render(transcript(*segments), "srt", chosen))

    assert bare("".join(line for cue in cues for line in cue.lines)) == bare("".join(s.text for s in segments))


@given(segments_in_turn(), options)
def test_words_are_parted_only_where_the_text_has_a_space(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    """Of scripts that use spaces: each word of the text is a word of the cues."""
    cues = parse_srt(render(transcript(*segments), "srt", chosen))
    shown = [word for cue in cues for line in cue.lines for word in line.split() if word.isascii()]

    assert shown == [word for segment in segments for word in segment.text.split() if word.isascii()] or any(
        not s.text.isascii() for s in segments
    )


@given(segments_in_turn(), options)
def test_lines_keep_to_the_limits(segments: tuple[Segment, ...], chosen: SubtitleOptions) -> None:
    """A line past the limit is one word; a cue has at most so many lines, unless words longer than a line are in it."""
    for cue in parse_srt(render(transcript(*segments), "srt", chosen)):
        assert len(cue.lines) <= chosen.max_lines
        for line in cue.lines:
            assert line.strip() == line != ""
            assert columns(line) <= chosen.max_line_chars or " " not in line


@given(segments_in_turn(), options)
def test_a_cue_stands_no_longer_than_allowed_unless_it_is_one_word(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    for cue in parse_srt(render(transcript(*segments), "srt", chosen)):
        assert cue.end_ms - cue.start_ms <= chosen.max_cue_s * 1000 or " " not in " ".join(cue.lines)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10), texts), max_size=6))
def test_people_talking_at_once_get_cues_in_order_of_time(rows: list[tuple[float, float, str]]) -> None:
    segments = [Segment(i, start, start + length, text) for i, (start, length, text) in enumerate(rows)]
    cues = parse_srt(render(transcript(*segments), "srt"))

    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(earlier.start_ms <= later.start_ms for earlier, later in pairwise(cues))


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (59.9996, 60.5, "00:01:00,000 --> 00:01:00,500"),
        (3599.9996, 3600.0, "01:00:00,000 --> 01:00:00,001"),
        (3665.0, 3667.25, "01:01:05,000 --> 01:01:07,250"),
        (360_000.0, 360_001.0, "100:00:00,000 --> 100:00:01,000"),
        (0.0, 0.0, "00:00:00,000 --> 00:00:00,001"),
    ],
)
def test_times_are_right_at_the_edges(start: float, end: float, times: str) -> None:
    spoken = transcript(Segment(0, start, end, "x"))

    assert render(spoken, "srt") == f"1\n{times}\nx\n"
    assert render(spoken, "vtt") == f"WEBVTT\n\n{times.replace(',', '.')}\nx\n"


def lines_of(text: str, seconds: float = 6.0, **chosen: int) -> list[list[str]]:
    return [
        cue.lines for cue in parse_srt(render(transcript(Segment(0, 0, seconds, text)), "srt", options_of(**chosen)))
    ]


def options_of(**chosen: Any) -> SubtitleOptions:
    return SubtitleOptions(**chosen)


def test_lines_are_balanced_and_no_word_stands_alone() -> None:
    """Filled greedily, the last word would have the second line to itself."""
    assert lines_of("There was no one in the house that evening but me.") == [
        ["There was no one in the", "house that evening but me."]
    ]


def test_a_line_ends_with_the_clause_although_another_break_is_more_even() -> None:
    assert lines_of("When the rain came, nobody wanted to go back home.") == [
        ["When the rain came,", "nobody wanted to go back home."]
    ]


def test_a_cue_ends_with_the_sentence_where_it_can() -> None:
    text = (
        "We went down to the harbour in the early morning. The boats had all left by then, and nobody could say where."
    )
    assert lines_of(text, 10.0) == [
        ["We went down to the harbour", "in the early morning."],
        ["The boats had all left by then,", "and nobody could say where."],
    ]


def test_a_cue_is_not_one_word_where_that_can_be_avoided() -> None:
    """The comma before the last word would otherwise be the best place."""
    text = "Then they all went home by the old road along the river in the evening light too, friend."
    assert lines_of(text) == [
        ["Then they all went home", "by the old road along"],
        ["the river in the evening", "light too, friend."],
    ]


def test_chinese_and_japanese_break_between_characters_but_not_before_punctuation() -> None:
    """No line begins with closing punctuation or a small kana, and none ends with an opening bracket."""
    text = "吾輩は「猫」である。名前はまだ無い。ちょっと待ってください、どこで生れたかとんと見当がつかぬと言った。"
    for limit in range(10, 60):
        for line in sum(lines_of(text, max_line_chars=limit), []):  # noqa: RUF017 - short lists
            assert line[0] not in "。、」っょ"
            assert line[-1] != "「"
            assert columns(line) <= limit


def test_korean_breaks_at_spaces_only() -> None:
    text = "나는 오늘 아침에 일찍 일어나서 학교에 갔습니다"
    assert " ".join(" ".join(lines) for lines in lines_of(text, max_line_chars=14)) == text


def test_thai_breaks_between_the_words_that_have_times() -> None:
    words = ["ฉัน", "ไป", "โรงเรียน", "ทุกวัน"]
    segment = Segment(0, 0, 4, "".join(words), tuple(Word(word, i, i + 1) for i, word in enumerate(words)))

    cues = parse_srt(render(transcript(segment), "srt", SubtitleOptions(max_line_chars=10, max_lines=3)))

    assert [line for cue in cues for line in cue.lines] == ["ฉันไป", "โรงเรียน", "ทุกวัน"]


def test_cue_times_come_from_the_words() -> None:
    """The cue begins with its first word and ends with its last, not where the text's share of the segment would be."""
    words = (Word("Wait.", 1.0, 1.5), Word("Now", 9.0, 9.25), Word("go", 9.25, 9.75))
    segment = Segment(0, 0.0, 12.0, "Wait. Now go!", words)

    assert render(transcript(segment), "srt") == (
        "1\n00:00:01,000 --> 00:00:01,500\nWait.\n\n2\n00:00:09,000 --> 00:00:09,750\nNow go!\n"
    )


def test_words_that_are_not_those_of_the_text_give_no_times() -> None:
    """Found in the middle of another word, or with words of the text left over before or behind."""
    for text, word in (("I know now", "now"), ("one two", "two"), ("one two", "one")):
        with_words = Segment(0, 0.0, 10.0, text, (Word(word, 9.0, 9.5),))
        without = Segment(0, 0.0, 10.0, text)
        assert render(transcript(with_words), "srt") == render(transcript(without), "srt")


def test_segments_given_out_of_order_become_cues_in_order() -> None:
    late, early = Segment(0, 5.0, 6.0, "late"), Segment(1, 0.0, 1.0, "early")

    cues = parse_srt(render(transcript(late, early), "srt"))

    assert cues == [Parsed(0, 1000, ["early"]), Parsed(5000, 6000, ["late"])]


def test_a_cue_made_a_millisecond_long_does_not_disturb_the_order() -> None:
    """Two words without length at 5 s, while someone else talks from 4 s to 7 s."""
    talk = Segment(2, 4.0, 7.0, "a. b", (Word("a.", 4.0, 4.5), Word("b", 5.0, 7.0)))
    spoken = transcript(Segment(0, 5.0, 5.0, "x"), Segment(1, 5.0, 5.0, "y"), talk)

    cues = parse_srt(render(spoken, "srt", SubtitleOptions(max_cue_s=2.5)))

    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(4000, 4500), (5000, 5001), (5001, 5002), (5001, 7000)]


def test_without_words_time_is_shared_out_by_characters() -> None:
    segment = Segment(0, 0.0, 10.0, "aaaa. bbbb")

    cues = parse_srt(render(transcript(segment), "srt", SubtitleOptions(max_cue_s=5)))

    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 5000), (6000, 10000)]


def test_speakers_are_named_in_each_formats_own_way() -> None:
    spoken = transcript(Segment(0, 0.0, 1.0, "R&D", speaker="A <b>"))

    assert render(spoken, "srt") == "1\n00:00:00,000 --> 00:00:01,000\n[A <b>]: R&D\n"
    assert render(spoken, "vtt") == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v A &lt;b&gt;>R&amp;D\n"


@pytest.mark.parametrize("count", range(1, 40))
def test_the_name_of_the_speaker_takes_its_room_from_the_first_line(count: int) -> None:
    segment = Segment(0, 0.0, 7.0, "gone " * count, speaker="SPEAKER_00")

    cues = parse_srt(render(transcript(segment), "srt"))

    assert all(columns(line) <= 42 for cue in cues for line in cue.lines)
    assert all(len(cue.lines) <= 2 for cue in cues)
    assert all(cue.lines[0].startswith("[SPEAKER_00]: ") for cue in cues)


def test_the_name_of_the_speaker_takes_no_room_from_other_lines() -> None:
    segment = Segment(0, 0.0, 7.0, f"{'a' * 28} {'b' * 20} {'c' * 21}", speaker="SPEAKER_00")

    (cue,) = parse_srt(render(transcript(segment), "srt"))

    assert cue.lines == ["[SPEAKER_00]: " + "a" * 28, "b" * 20 + " " + "c" * 21]


# --- reading speed and gaps ------------------------------------------------------------------------------------------

paced = st.builds(
    SubtitleOptions,
    max_line_chars=st.integers(10, 80),
    max_lines=st.integers(1, 4),
    max_cue_s=st.floats(1, 20),
    max_cps=st.just(0.0) | st.floats(1, 40),
    min_gap_ms=st.just(0) | st.integers(1, 2000),
)


def spoken(segments: tuple[Segment, ...]) -> Transcript:
    return Transcript(segments, duration=max((s.end for s in segments), default=0.0), language="en")


@given(segments_in_turn(), paced)
def test_with_any_pace_cues_are_in_order_and_never_overlap(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    told = spoken(segments)
    for cues in (parse_srt(render(told, "srt", chosen)), parse_vtt(render(told, "vtt", chosen))):
        assert all(cue.start_ms < cue.end_ms for cue in cues)
        assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(cues))


@given(segments_in_turn(), paced)
def test_a_gap_is_kept_unless_the_cue_before_it_is_as_short_as_may_be(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    for earlier, later in pairwise(parse_srt(render(spoken(segments), "srt", chosen))):
        kept = later.start_ms - earlier.end_ms >= chosen.min_gap_ms
        assert kept or earlier.end_ms - earlier.start_ms <= SHORTEST_MS


@given(segments_in_turn(), paced)
def test_with_any_pace_every_character_survives_in_order(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    cues = parse_srt(render(spoken(segments), "srt", chosen))

    assert bare("".join(line for cue in cues for line in cue.lines)) == bare("".join(s.text for s in segments))


@given(segments_in_turn(), paced)
def test_with_any_pace_lines_and_cues_keep_to_their_limits(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    for cue in parse_srt(render(spoken(segments), "srt", chosen)):
        assert len(cue.lines) <= chosen.max_lines
        assert all(columns(line) <= chosen.max_line_chars or " " not in line for line in cue.lines)
        assert cue.end_ms - cue.start_ms <= chosen.max_cue_s * 1000 or " " not in " ".join(cue.lines)


@given(segments_in_turn(), paced)
def test_a_cue_that_is_too_fast_stands_as_long_as_it_may(
    segments: tuple[Segment, ...], chosen: SubtitleOptions
) -> None:
    """Until the next one comes, or the recording ends; its text, its length or the silence leave no more."""
    told = spoken(segments)
    cues, slow = (parse_srt(render(told, "srt", replace(chosen, max_cps=cps))) for cps in (chosen.max_cps, 1e-6))
    if not chosen.max_cps or [cue.lines for cue in cues] != [cue.lines for cue in slow]:
        return
    for cue, longest in zip(cues, slow, strict=True):
        length_s = (cue.end_ms - cue.start_ms) / 1000
        assert columns("".join(cue.lines)) > chosen.max_cps * length_s or cue.end_ms <= longest.end_ms
        assert characters_of(cue) <= chosen.max_cps * length_s + 0.001 or cue.end_ms == longest.end_ms


def characters_of(cue: Parsed) -> int:
    return sum(unicodedata.category(c) not in ("Mn", "Me", "Cf") for line in cue.lines for c in line)


def times_of(told: Transcript, **chosen: Any) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in parse_srt(render(told, "srt", SubtitleOptions(**chosen)))]


FAST = Segment(0, 1.0, 2.0, "These are forty characters, all of them.")


@pytest.mark.parametrize(
    ("following", "options", "until"),
    [
        (60.0, {}, 2000),  # nobody asks
        (60.0, {"max_cps": 20.0}, 3000),  # 40 characters in 2 s
        (60.0, {"max_cps": 10.0}, 3500),  # no longer than 1.5 s after the last word
        (60.0, {"max_cps": 20.0, "max_cue_s": 1.5}, 2500),  # nor than a cue may stand
        (2.4, {"max_cps": 20.0}, 2400),  # nor into the next cue
        (2.4, {"max_cps": 20.0, "min_gap_ms": 83}, 2317),  # nor into the gap before it
        (2.0, {"min_gap_ms": 83}, 1917),  # for which it ends sooner
        (2.0, {"min_gap_ms": 500}, 1833),  # but stands for 5/6 s
        (1.7, {"max_cps": 20.0, "min_gap_ms": 500}, 2000),  # people talk over each other
    ],
)
def test_a_cue_stands_for_as_long_as_the_rules_say(following: float, options: dict[str, Any], until: int) -> None:
    told = Transcript((FAST, Segment(1, following, following + 2, "Yes.")), duration=120.0)

    assert times_of(told, **options)[0] == (1000, until)


def test_a_short_word_stands_long_enough_to_be_noticed_but_not_past_the_end_of_the_recording() -> None:
    told = Transcript((Segment(0, 1.0, 1.2, "Yes."), Segment(1, 5.0, 5.2, "No.")), duration=5.5)

    assert times_of(told, max_cps=20.0) == [(1000, 1833), (5000, 5500)]


def test_a_cue_is_parted_at_a_sentence_where_more_can_then_be_read() -> None:
    """72 characters take 8 s at 9 a second, and a cue stands for 7; two have 8 between them."""
    first, second = "The house on the hill is burning since six.", "Everybody has to leave it now."
    words = [Word(w, 0.5 * i, 0.5 * i + 0.5) for i, w in enumerate(first.split())]
    words += [Word(w, 4.9 + 0.3 * i, 5.2 + 0.3 * i) for i, w in enumerate(second.split())]
    told = Transcript((Segment(0, 0.0, 6.7, f"{first} {second}", tuple(words)),), duration=30.0)

    assert times_of(told) == [(0, 6700)]
    assert times_of(told, max_cps=9.0) == [(0, 4667), (4900, 8200)]
