"""What Whisper's tokens say: passages between timestamps, words, and where a window that stopped early goes on."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.engines.whisper.passages import Passage, passages, speech_after
from stenogram.engines.whisper.vocabulary import WhisperVocabulary, read_vocabulary
from stenogram.engines.whisper.words import bounded, segments_of, token_borders
from stenogram.types import SAMPLE_RATE, Chunk, Segment, Span
from tests import whisper_weights
from tools.whisper_files import EOT, FIRST_TIME

CHUNK = Chunk(0, 100.0, np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE).astype(np.float32), 10.0)
FACTS = Segment(0, 0.0, 0.0, "", avg_logprob=-0.1, compression_ratio=1.0, no_speech_prob=0.0)


def at(seconds: float) -> int:
    """The token of a time."""
    return FIRST_TIME + round(seconds / 0.02)


def split(ids: list[int], window_s: float = 30.0) -> tuple[list[Passage], float | None]:
    return passages(ids, EOT, FIRST_TIME, window_s)


@pytest.fixture(scope="module")
def vocabulary() -> WhisperVocabulary:
    return read_vocabulary(whisper_weights.ctranslate2_files().paths["tokenizer"])


def test_a_passage_stands_between_its_timestamps() -> None:
    assert split([at(1.0), 5, 6, at(2.0)]) == ([Passage(1.0, 2.0, (5, 6))], None)


def test_several_passages() -> None:
    found, resume = split([at(0.0), 5, at(1.5), at(2.0), 6, 7, at(3.0)])

    assert found == [Passage(0.0, 1.5, (5,)), Passage(2.0, 3.0, (6, 7))]
    assert resume is None


def test_two_timestamps_at_the_end_announce_more() -> None:
    found, resume = split([at(0.0), 5, at(1.5), at(1.5)])

    assert found == [Passage(0.0, 1.5, (5,))]
    assert resume == 1.5


def test_text_without_timestamps_fills_the_window() -> None:
    assert split([5, 6], 8.0) == ([Passage(0.0, 8.0, (5, 6))], None)
    assert split([], 8.0) == ([], None)
    assert split([at(0.0)], 8.0) == ([], None)


def test_a_window_cut_off_in_mid_passage_keeps_what_was_said() -> None:
    found, resume = split([at(0.0), 5, at(1.0), at(1.0), 6, 7], 9.0)

    assert [passage.ids for passage in found] == [(5,)]
    assert resume == 1.0


@given(st.lists(st.one_of(st.integers(5, 99), st.integers(FIRST_TIME, FIRST_TIME + 400)), max_size=30))
def test_whatever_the_tokens_no_text_is_lost_and_times_are_in_the_window(ids: list[int]) -> None:
    """What comes after the point to go on from is heard again; all before it is in a passage."""
    found, resume = split(ids, 8.0)

    said = [token for passage in found for token in passage.ids]
    text = [token for token in ids if token < EOT]
    assert said == (text if resume is None else text[: len(said)])
    assert all(0 <= passage.start <= passage.end <= 8.0 for passage in found)
    assert resume is None or 0 <= resume <= 8.0


def test_speech_after_a_time_is_what_the_spans_hold() -> None:
    chunk = Chunk(0, 0.0, CHUNK.samples, 10.0, (Span(1.0, 4.0), Span(6.0, 9.0)))

    assert speech_after(chunk, 3.0) == pytest.approx(4.0)
    assert speech_after(chunk, 9.5) == 0.0
    assert speech_after(CHUNK, 103.0) == pytest.approx(7.0)


def test_text_becomes_tokens_and_words_again(vocabulary: WhisperVocabulary) -> None:
    ids = vocabulary.encode(" It was the age of foolishness, Привет, мир.")

    words = vocabulary.words(ids, "en")

    assert [word.text for word in words] == ["It", "was", "the", "age", "of", "foolishness,", "Привет,", "мир."]
    assert [(word.first, word.last) for word in words] == list(
        itertools.pairwise([*(word.first for word in words), len(ids)])
    )


def test_languages_without_spaces_are_cut_at_characters(vocabulary: WhisperVocabulary) -> None:
    """A character spread over several tokens is one part, and punctuation joins the part before it."""
    ids = vocabulary.encode("我们。")

    parts = vocabulary.words(ids, "zh")

    assert [part.text for part in parts] == ["我", "们。"]
    assert vocabulary.joined([part.text for part in parts], "zh") == "我们。"
    assert [part.last - part.first for part in parts] == [3, len(ids) - 3]


def test_special_tokens_are_known_by_name(vocabulary: WhisperVocabulary) -> None:
    assert vocabulary.first_special == EOT
    assert vocabulary.first_time == FIRST_TIME
    assert len(vocabulary.languages) == 99
    assert vocabulary.start("ru", "translate", multilingual=True) == [50258, 50263, 50358]


def test_every_token_needs_a_border() -> None:
    path = [(0, 3), (0, 4), (1, 9), (2, 9), (3, 20)]

    assert token_borders(SimpleNamespace(alignments=path), 3) == [3, 9, 9, 20]
    assert token_borders(SimpleNamespace(alignments=path), 4) is None


def test_attention_that_lost_its_way_is_kept_near_the_passage() -> None:
    found = [Passage(1.0, 2.0, (5, 6)), Passage(3.0, 4.0, (7,))]

    assert bounded([10, 900, 160, 10], found) == [25, 125, 160, 160]


def test_words_are_timed_from_the_alignment(vocabulary: WhisperVocabulary) -> None:
    ids = vocabulary.encode(" It was the age")
    alignment = SimpleNamespace(alignments=[(i, 50 + 20 * i) for i in range(len(ids) + 1)], text_token_probs=[0.9] * 4)

    segments = segments_of(CHUNK, [Passage(1.0, 3.0, tuple(ids))], vocabulary, "en", (alignment, FACTS))

    assert [word.word for word in segments[0].words] == ["It", "was", "the", "age"]
    assert [word.start for word in segments[0].words] == pytest.approx([101.0, 101.4, 101.8, 102.2], abs=0.1)
    assert all(word.probability == 0.9 and not word.interpolated for word in segments[0].words)


def test_words_that_could_not_be_aligned_are_fitted_and_marked(vocabulary: WhisperVocabulary) -> None:
    """Every word is timed, digits and punctuation too; in order, without overlap, inside the chunk."""
    ids = vocabulary.encode(" It was 1775, the age of wisdom.")
    alignment = SimpleNamespace(alignments=[(0, 0)], text_token_probs=[0.5] * len(ids))

    segment = segments_of(CHUNK, [Passage(1.0, 3.0, tuple(ids))], vocabulary, "en", (alignment, FACTS))[0]

    assert [word.word for word in segment.words] == ["It", "was", "1775,", "the", "age", "of", "wisdom."]
    assert all(word.interpolated and word.end > word.start for word in segment.words)
    assert all(one.end <= other.start for one, other in itertools.pairwise(segment.words))
    assert 100.9 <= segment.words[0].start < segment.words[-1].end <= 103.1


def test_without_words_segments_have_the_models_own_times(vocabulary: WhisperVocabulary) -> None:
    ids = tuple(vocabulary.encode(" It was"))

    segment = segments_of(CHUNK, [Passage(1.0, 3.0, ids)], vocabulary, "en", (None, FACTS))[0]

    assert (segment.start, segment.end, segment.text) == (101.0, 103.0, "It was")
