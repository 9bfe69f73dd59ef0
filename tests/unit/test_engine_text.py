"""From tokens to segments: vocabulary, words, sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.engines.segments import build_segments, compression_ratio, splits
from stenogram.engines.tokens import Vocabulary, WordTokens, read_vocabulary
from stenogram.types import Chunk, Word

PIECES = (b"", b"", b"", b" the", b" cat", b"s", b".", "é".encode()[:1], "é".encode()[1:], b" ", b"\n")


def test_vocabulary_file(tmp_path: Path) -> None:
    """Lengths of one and two bytes, spaces of SentencePiece, and control tokens that write nothing."""
    long = b"x" * 300
    tokens = [b"<unk>", b"<s>", b"</s>", "▁the".encode(), b"<<ST_7>>"]
    data = b"".join(bytes([len(token)]) + token for token in tokens) + bytes([300 % 128 + 128, 300 // 128]) + long
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(data)

    assert read_vocabulary(path).pieces == (b"", b"", b"", b" the", b"", long)


def test_vocabulary_cut_short(tmp_path: Path) -> None:
    """A truncated file is an error, not a shorter vocabulary."""
    path = tmp_path / "tokenizer.bin"
    for data in (b"\x05abc", b"\x01a\x80"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="past the end"):
            read_vocabulary(path)


def test_words_keep_their_tokens() -> None:
    """A word is what lies between spaces; bytes of one character may come in several tokens."""
    words = Vocabulary(PIECES).words([3, 4, 5, 6, 3, 7, 8])

    assert words == [WordTokens("the", 0, 1), WordTokens("cats.", 1, 4), WordTokens("theé", 4, 7)]


@given(st.lists(st.integers(0, len(PIECES) - 1)))
def test_words_are_the_text(ids: list[int]) -> None:
    """Whatever the tokens: words join to the text, hold no spaces, and their tokens follow one another."""
    words = Vocabulary(PIECES).words(ids)

    text = b"".join(PIECES[token] for token in ids).decode("utf-8", "replace")
    assert " ".join(word.text for word in words).split() == text.split()
    assert all(word.text.strip() for word in words)
    edges = [edge for word in words for edge in (word.first, word.last)]
    assert edges == sorted(edges)
    assert all(word.first < word.last for word in words)


@pytest.mark.parametrize(
    ("word", "following", "expected"),
    [
        ("end.", "Next", True),
        ("end.”", "“Next", True),
        ("really?", "Yes", True),
        ("end.", "next", False),
        ("Mr.", "Smith", False),
        ("J.", "Smith", False),
        ("U.S.", "Army", False),
        ("3.", "4", True),
        ("comma,", "Next", False),
    ],
)
def test_sentence_ends(word: str, following: str, expected: bool) -> None:
    """A sentence ends at its mark, unless the next word goes on or the mark is an abbreviation's."""
    assert splits(Word(word, 0, 1), Word(following, 1, 2)) is expected


def test_a_long_pause_splits() -> None:
    """A second of silence begins a new segment inside a sentence."""
    assert splits(Word("and", 0, 1), Word("then", 2.0, 3))
    assert not splits(Word("and", 0, 1), Word("then", 1.9, 3))


def test_segments_share_out_tokens() -> None:
    """Each segment has its own tokens and their mean log-probability; the chunk's compression ratio."""
    pieces = [WordTokens("One.", 0, 2), WordTokens("Two", 2, 3), WordTokens("three.", 3, 5)]
    words = [Word("One.", 0, 1), Word("Two", 1, 2), Word("three.", 2, 3)]

    chunk = Chunk(0, 0.0, np.zeros(1, np.float32), 3.0, channel=1)
    segments = build_segments(chunk, pieces, words, [5, 6, 7, 8, 9], [-1, -3, -1, -1, -1])

    assert [segment.text for segment in segments] == ["One.", "Two three."]
    assert [segment.tokens for segment in segments] == [(5, 6), (7, 8, 9)]
    assert [segment.avg_logprob for segment in segments] == [-2, -1]
    assert [(segment.id, segment.start, segment.end) for segment in segments] == [(0, 0, 1), (1, 1, 3)]
    assert {segment.compression_ratio for segment in segments} == {compression_ratio("One. Two three.")}
    assert {segment.channel for segment in segments} == {1}


def test_compression_ratio_shows_loops() -> None:
    """Whisper's measure: about 1 to 1.5 for speech, far above 2.4 for a loop."""
    assert compression_ratio("") == 0
    assert compression_ratio("It was the best of times, it was the worst of times.") < 2
    assert compression_ratio("and so on " * 30) > 2.4
