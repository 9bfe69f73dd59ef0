"""What is stored comes back equal, or is refused; never something else."""

from __future__ import annotations

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
    assert stored.read(Transcript, stored.write(transcript)) == transcript


@given(st.lists(segments, max_size=3))
def test_segments_come_back_equal(given_segments: list[Segment]) -> None:
    assert stored.read(list[Segment], stored.write(given_segments)) == given_segments


@given(st.lists(st.lists(st.builds(Span, numbers, numbers), max_size=3), max_size=3))
def test_speech_comes_back_equal(spans: list[list[Span]]) -> None:
    assert stored.read(list[list[Span]], stored.write(spans)) == spans


@given(st.binary())
def test_foreign_bytes_are_a_miss(data: bytes) -> None:
    assert stored.read(Transcript, data) is None


def test_another_kind_is_a_miss() -> None:
    assert stored.read(Transcript, stored.write([Span(0.0, 1.0)])) is None


@given(st.integers(0, len(stored.write(SMALL)) - 1))
def test_a_result_cut_short_is_a_miss(length: int) -> None:
    assert stored.read(Transcript, stored.write(SMALL)[:length]) is None


def test_an_older_schema_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    old = stored.write(SMALL)
    monkeypatch.setattr(stored, "_header", lambda: b"stenogram 2 fedcba9876543210\n")

    assert stored.read(Transcript, old) is None
