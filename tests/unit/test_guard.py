"""The guard's documented rules, one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.pipeline import guard
from stenogram.types import Chunk, Segment, Span, TranscribeOptions, Word

OPTIONS = TranscribeOptions()
CHUNK = Chunk(0, 0.0, np.zeros(160_000, np.float32), 10.0, (Span(1.0, 9.0),))
GOOD = Segment(0, 1.0, 9.0, "a good text", tokens=(1, 2), avg_logprob=-0.2, compression_ratio=1.1)


def altered(**changes: object) -> Segment:
    """The good segment with some fields changed."""
    facts = {name: getattr(GOOD, name) for name in Segment.__dataclass_fields__}
    return Segment(**(facts | changes))


def never() -> list[Segment]:
    """A careful path that must not be taken."""
    pytest.fail("decoded again without a reason")


def test_a_good_segment_is_left_alone_and_not_decoded_again() -> None:
    checked = guard.check(CHUNK, [GOOD], OPTIONS, never)

    assert [segment.text for segment in checked.segments] == ["a good text"]
    assert not checked.segments[0].retried
    assert not checked.segments[0].suspect
    assert checked.dropped == ()


@pytest.mark.parametrize(
    "changes", [{"compression_ratio": 5.0}, {"avg_logprob": -2.0}], ids=["repeats itself", "unsure"]
)
def test_a_doubtful_segment_is_replaced_by_a_better_second_text_and_says_so(changes: dict[str, float]) -> None:
    checked = guard.check(CHUNK, [altered(text="bad", **changes)], OPTIONS, lambda: [GOOD])

    assert [(segment.text, segment.retried, segment.suspect) for segment in checked.segments] == [
        ("a good text", True, False)
    ]


def test_a_worse_second_text_is_not_taken() -> None:
    first, second = altered(text="first", avg_logprob=-1.5), altered(text="second", avg_logprob=-3.0)

    checked = guard.check(CHUNK, [first], OPTIONS, lambda: [second])

    assert [(segment.text, segment.retried, segment.suspect) for segment in checked.segments] == [("first", True, True)]


def test_an_empty_second_text_never_removes_the_first() -> None:
    checked = guard.check(CHUNK, [altered(avg_logprob=-2.0)], OPTIONS, list)

    assert [(segment.text, segment.suspect) for segment in checked.segments] == [("a good text", True)]


def test_a_second_text_that_loses_good_words_is_not_taken() -> None:
    good = altered(text="four good words here", end=5.0)
    bad = altered(text="la la la", start=5.0, compression_ratio=9.0)

    checked = guard.check(CHUNK, [good, bad], OPTIONS, lambda: [altered(text="Oh.")])

    assert [(segment.text, segment.suspect) for segment in checked.segments] == [
        ("four good words here", False),
        ("la la la", True),
    ]


def test_text_with_no_speech_under_it_is_dropped_and_reported() -> None:
    invented = altered(start=9.2, end=10.0, text="thanks for watching")

    checked = guard.check(CHUNK, [GOOD, invented], OPTIONS, lambda: [GOOD, invented])

    assert [segment.text for segment in checked.segments] == ["a good text"]
    assert [segment.text for segment in checked.dropped] == ["thanks for watching"]


def test_words_far_apart_are_not_taken_for_silence() -> None:
    """Somebody dictates digits: 0.3 s each, 0.9 s of pause after each."""
    starts = [0.5, 1.7, 2.9, 4.1, 5.3]
    digits = tuple(
        Word(text, start, start + 0.3) for text, start in zip(("one", "two", "six", "four", "ten"), starts, strict=True)
    )
    chunk = replace(CHUNK, spans=tuple(Span(word.start, word.end) for word in digits))
    dictated = altered(start=0.5, end=5.6, text="one two six four ten", words=digits)

    checked = guard.check(chunk, [dictated], OPTIONS, never)

    assert [segment.text for segment in checked.segments] == ["one two six four ten"]
    assert checked.segments[0].no_speech_prob == 0


def test_the_chunk_is_decoded_again_once_however_many_segments_are_doubtful() -> None:
    calls: list[int] = []

    def again() -> list[Segment]:
        calls.append(1)
        return [GOOD]

    guard.check(CHUNK, [altered(avg_logprob=-2.0), altered(compression_ratio=9.0)], OPTIONS, again)

    assert len(calls) == 1


spans = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 10)), max_size=4).map(
    lambda pairs: [Span(start, start + length) for start, length in pairs]
)


@given(st.floats(0, 50), st.floats(0.01, 10), spans)
def test_the_share_of_silence_is_a_share(start: float, length: float, covered: list[Span]) -> None:
    assert 0.0 <= guard.silence_share(start, start + length, covered) <= 1.0


texts = st.lists(
    st.builds(
        lambda text, logprob, ratio: altered(text=text, avg_logprob=logprob, compression_ratio=ratio),
        st.text("abc", min_size=1, max_size=4),
        st.floats(-5, 0),
        st.floats(0.5, 6),
    ),
    max_size=4,
)


@given(texts, texts)
def test_every_segment_of_one_of_the_two_texts_is_kept_or_reported(first: list[Segment], second: list[Segment]) -> None:
    checked = guard.check(CHUNK, first, OPTIONS, lambda: second)

    outcome = sorted(segment.text for segment in checked.segments + checked.dropped)
    assert outcome in (sorted(s.text for s in first), sorted(s.text for s in second))
