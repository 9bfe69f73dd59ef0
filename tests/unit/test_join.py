"""Texts of two chunks that share sound: every word once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.pipeline.join import join
from stenogram.types import Segment, Word


def _segment(*words: tuple[str, float, float], id: int = 0, text: str | None = None) -> Segment:  # noqa: A002
    made = tuple(Word(word, start, end) for word, start, end in words)
    joined = " ".join(word.word for word in made) if text is None else text
    return Segment(id=id, start=made[0].start, end=made[-1].end, text=joined, words=made, tokens=(7,))


def _text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def test_words_that_both_heard_stand_once() -> None:
    before = [_segment(("It", 7, 7.3), ("was", 7.4, 7.7), ("the", 8, 8.3), ("best", 8.5, 9), ("of", 9.2, 9.4))]
    after = [_segment(("The", 8.1, 8.4), ("best", 8.5, 9), ("of", 9.2, 9.4), ("times,", 9.6, 10.4))]

    first, second = join(before, after, 8, 10)

    assert _text(first + second) == "It was the best of times,"


def test_damaged_words_at_the_cuts_give_way_to_the_whole_ones() -> None:
    before = [
        _segment(("a", 7, 7.3), ("recognised", 7.7, 8.4), ("word", 8.5, 9), ("here,", 9.1, 9.4), ("con", 9.6, 10))
    ]
    after = [_segment(("knives", 8, 8.4), ("word", 8.5, 9), ("here", 9.1, 9.4), ("continued", 9.6, 10.4))]

    first, second = join(before, after, 8, 10)

    assert _text(first + second) == "a recognised word here, continued"


def test_of_a_repeated_word_the_one_at_the_same_time_counts() -> None:
    before = [_segment(("no", 8, 8.3), ("no", 8.6, 8.9), ("no", 9.2, 9.5), ("n", 9.8, 10))]
    after = [_segment(("no", 8.6, 8.9), ("no", 9.2, 9.5), ("no", 9.8, 10.1), ("yes", 10.4, 10.7))]

    first, second = join(before, after, 8.4, 10)

    assert _text(first + second) == "no no no no yes"


def test_where_nothing_agrees_the_middle_of_the_shared_sound_decides() -> None:
    before = [_segment(("one", 7, 7.5), ("two", 8, 8.5), ("free", 9.2, 9.8))]
    after = [_segment(("blue", 8, 8.5), ("three", 9.2, 9.8), ("four", 10, 10.5))]

    first, second = join(before, after, 8, 10)

    assert _text(first + second) == "one two three four"


def test_segments_without_a_word_left_are_gone_and_untouched_ones_stay_as_they_are() -> None:
    whole = _segment(("far", 1, 2))
    shared = _segment(("mid", 8.5, 8.8), ("end", 9.2, 9.5), id=1)
    later = _segment(("next", 10, 11), id=1)

    first, second = join([whole, shared], [_segment(("mid", 8.5, 8.8), ("end", 9.2, 9.5)), later], 8, 10)

    assert first[0] is whole
    assert second == [later]


def test_a_shortened_segment_has_times_and_text_of_the_words_left() -> None:
    before = [_segment(("one", 7, 7.5), ("two,", 8.1, 8.6), ("three", 9.5, 10))]
    after = [_segment(("two", 8.1, 8.6), ("four", 9.4, 10), ("five", 10, 10.5))]

    [first], [second] = join(before, after, 8, 10)

    assert (first.start, first.end, first.text, first.tokens) == (7, 8.6, "one two,", ())
    assert (second.start, second.end, second.text, second.tokens) == (9.4, 10.5, "four five", ())


def test_times_never_run_backwards_over_the_change() -> None:
    before = [_segment(("one", 7, 8.2), ("two", 8.3, 9.4))]
    after = [_segment(("two", 8.0, 8.6), ("three", 8.7, 9.2), ("four", 9.3, 9.9))]

    [first], [second] = join(before, after, 8, 10)

    assert _text([first, second]) == "one two three four"
    assert [(word.start, word.end) for word in second.words] == [(9.4, 9.4), (9.4, 9.9)]
    assert second.start == 9.4


def test_segments_without_words_are_joined_by_their_text() -> None:
    before = [Segment(id=0, start=6, end=10, text="so we beat on, boats")]
    after = [Segment(id=0, start=8, end=12, text="beat on, boats against the current")]

    [first], [second] = join(before, after, 8, 10)

    assert _text([first, second]) == "so we beat on, boats against the current"
    assert (first.words, second.words) == ((), ())


def test_a_script_without_spaces_gets_none() -> None:
    before = [_segment(("你", 8, 8.5), ("好", 8.6, 9), ("世", 9.2, 9.5), text="你好世")]
    after = [_segment(("好", 8.6, 9), ("世", 9.2, 9.5), ("界", 9.6, 10.3), text="好世界")]

    first, second = join(before, after, 8, 10)

    assert "".join(segment.text for segment in first + second) == "你好世界"


@pytest.mark.parametrize("missing", ["before", "after", "both"])
def test_a_chunk_without_text_changes_nothing_but_its_half(missing: str) -> None:
    words = [_segment(("one", 8.2, 8.6), ("two", 9.2, 9.6))]
    before, after = ([], words) if missing == "before" else (words, [])
    if missing == "both":
        before = []

    first, second = join(before, after, 8, 10)

    assert _text(first + second) == {"before": "two", "after": "one", "both": ""}[missing]


VOCABULARY = ["the", "a", "of", "we", "no", "time", "house", "river", "light", "seven", "morning", "question", "again"]


@settings(max_examples=300, deadline=None)
@given(
    words=st.lists(st.tuples(st.sampled_from(VOCABULARY), st.floats(0.1, 0.6), st.floats(0.0, 0.4)), min_size=12),
    place=st.floats(0.2, 0.8),
    overlap_s=st.floats(2.0, 3.0),
    seed=st.integers(0, 2**32),
)
def test_two_damaged_views_of_a_text_join_into_the_text(
    words: list[tuple[str, float, float]], place: float, overlap_s: float, seed: int
) -> None:
    """Each view loses or garbles the word its cut went through, has times off by up to 0.2 s, its own punctuation."""
    chance, now = random.Random(seed), 0.0
    spoken: list[Word] = []
    for word, length, gap in words:
        if word in [former.word for former in spoken[-2:]]:
            continue  # the same word twice running, heard at vague times, could be once or thrice
        spoken.append(Word(word, now, now + length))
        now += length + gap
    end = now * place + overlap_s / 2
    start = end - overlap_s

    def hear(said: list[Word], cut: float) -> list[Segment]:
        heard = []
        for word in said:
            text = chance.choice([word.word, word.word.upper(), word.word + ",", word.word + "."])
            if word.start < cut < word.end:
                text = chance.choice(["", "zzz", text])
            shift = chance.uniform(-0.2, 0.2)
            if text:
                heard.append((text, word.start + shift, word.end + shift))
        middle = chance.randint(0, len(heard))
        return [_segment(*part) for part in (heard[:middle], heard[middle:]) if part]

    before = hear([word for word in spoken if word.start < end], end)
    after = hear([word for word in spoken if word.end > start], start)

    first, second = join(before, after, start, end)

    said = [word.strip(".,").lower() for word in _text(first + second).split()]
    assert said == [word.word for word in spoken]
