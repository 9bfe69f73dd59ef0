"""Vocabularies: token ids to text and words. Moonshine's is read here, Whisper's in ``engines.whisper.vocabulary``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SPACE = "▁".encode()
"""SentencePiece writes a space as U+2581."""
LONG = 128
"""A length from here on takes a second byte."""
FIRST_TEXT_ID = 3
"""Below are ``<unk>``, ``<s>`` and ``</s>``."""


@dataclass(frozen=True, slots=True)
class WordTokens:
    """One word and the tokens it was written with: ``ids[first:last]`` of the sequence it was read from."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every token's bytes, by id; empty for tokens that write nothing."""

    pieces: tuple[bytes, ...]

    def characters(self, ids: Sequence[int]) -> list[WordTokens]:
        """Split a token sequence into as small parts as are text, for languages written without spaces.

        A part is one token or, where a character is spread over several, those; punctuation joins the part before.
        """
        parts: list[WordTokens] = []
        first, pending = 0, b""
        for index, token in enumerate(ids):
            pending += self.pieces[token] if token < len(self.pieces) else b""
            text = pending.decode("utf-8", "replace")
            if "\ufffd" in text and index < len(ids) - 1:
                continue
            text = text.strip()
            if parts and text and not any(letter.isalnum() for letter in text):
                parts[-1] = WordTokens(parts[-1].text + text, parts[-1].first, index + 1)
            elif text:
                parts.append(WordTokens(text, first, index + 1))
            first, pending = index + 1, b""
        return parts

    def words(self, ids: Sequence[int]) -> list[WordTokens]:
        """Split a token sequence at its spaces.

        Every token belongs to at most one word; bytes that are not UTF-8 (a character cut by the token budget) become
        U+FFFD. Joining the words by single spaces gives the text.
        """
        words: list[WordTokens] = []
        first, pending = 0, b""
        for index, token in enumerate(ids):
            piece = self.pieces[token] if token < len(self.pieces) else b""
            if piece.startswith(b" ") and pending.strip():
                words.append(WordTokens(_text(pending), first, index))
                first, pending = index, b""
            pending += piece
        if pending.strip():
            words.append(WordTokens(_text(pending), first, len(ids)))
        return words

    def text(self, ids: Sequence[int]) -> str:
        """The text of a token sequence, words joined by single spaces."""
        return " ".join(word.text for word in self.words(ids))


def _text(piece: bytes) -> str:
    return " ".join(piece.decode("utf-8", "replace").split())


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a ``tokenizer.bin`` of moonshine-voice.

    The file is the tokens in order of id, each a length and that many bytes; a length of 128 or more takes two bytes,
    ``second * 128 + first - 128``. Control tokens (``<s>``, ``<<ST_7>>``) write nothing. Raises ``ValueError`` when
    the file ends inside a token.
    """
    data, at = path.read_bytes(), 0
    pieces: list[bytes] = []
    while at < len(data):
        length, at = data[at], at + 1
        if length >= LONG and at < len(data):
            length, at = data[at] * LONG + length - LONG, at + 1
        if at + length > len(data):
            raise ValueError(f"token {len(pieces)} goes past the end of the file")
        piece, at = data[at : at + length], at + length
        control = len(pieces) < FIRST_TEXT_ID or piece.startswith(b"<<ST_")
        pieces.append(b"" if control else piece.replace(SPACE, b" "))
    return Vocabulary(tuple(pieces))
