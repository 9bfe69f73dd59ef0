"""What is stored comes back equal, or is refused; never something else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import stored
from stenogram.types import Segment, Span, Transcript, Word

numbers = st.floats(allow_nan=False)
words = st.builds(
    Word, st.text(), numbers, numbers, st.none() | numbers, st.booleans(), st.none() | st.text(max_size=5)
)
segments = st.builds(
    Segment,
    id=st.integers(0, 2**31),
    start=numbers,
    end=numbers,
    text=st.text(),
    words=st.lists(words, max_size=3).map(tuple),
    tokens=st.lists(st.integers(0, 2**31), max_size=5).map(tuple),
    temperature=numbers,
    avg_logprob=st.none() | numbers,
    compression_ratio=st.none() | numbers,
    no_speech_prob=st.none() | numbers,
    speaker=st.none() | st.text(max_size=5),
    channel=st.none() | st.integers(0, 8),
    suspect=st.booleans(),
)
transcripts = st.builds(
    Transcript,
    segments=st.lists(segments, max_size=3).map(tuple),
    duration=numbers,
    language=st.none() | st.text(max_size=3),
    task=st.sampled_from(["transcribe", "translate"]),
    model=st.text(max_size=5),
    engine=st.text(max_size=5),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
)
SMALL = Transcript((Segment(0, 0.0, 1.5, "Größe 🙂", (Word("Größe", 0.0, 1.0), Word("🙂", 1.0, 1.5))),), 2.0, "de")


@given(transcripts)
def test_a_transcript_comes_back_equal(transcript: Transcript) -> None:
    assert stored.load(stored.dump(transcript)) == transcript


@given(st.lists(segments, max_size=3))
def test_segments_come_back_equal(given_segments: list[Segment]) -> None:
    assert stored.load_segments(stored.dump_segments(given_segments)) == given_segments


@given(st.lists(st.builds(Span, numbers, numbers)))
def test_spans_come_back_equal(spans: list[Span]) -> None:
    assert stored.load_spans(stored.dump_spans(spans)) == spans


@given(st.data())
def test_one_wrong_byte_anywhere_is_refused(data: st.DataObject) -> None:
    good = stored.dump(SMALL)
    place = data.draw(st.integers(0, len(good) - 1))
    flipped = good[place] ^ data.draw(st.integers(1, 255))

    with pytest.raises(ValueError, match="stored"):
        stored.load(good[:place] + bytes([flipped]) + good[place + 1 :])


@given(st.integers(0, len(stored.dump(SMALL)) - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="stored"):
        stored.load(stored.dump(SMALL)[:length])


@given(st.binary())
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="stored"):
        stored.load(data)


@pytest.mark.parametrize("load", [stored.load, stored.load_spans])
def test_segments_are_not_read_as_something_else(load: Callable[[bytes], object]) -> None:
    """A segment has all the fields of a span: only the kind in the header tells them apart."""
    with pytest.raises(ValueError, match="another version"):
        load(stored.dump_segments(SMALL.segments))


def test_bytes_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = stored.dump(SMALL)
    monkeypatch.setattr(stored, "_VERSION", 2)
    stored._header.cache_clear()
    try:
        with pytest.raises(ValueError, match="another version"):
            stored.load(old)
    finally:
        stored._header.cache_clear()
