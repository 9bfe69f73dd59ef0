"""Whisper's vocabulary: special tokens by name, text to tokens and back."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stenogram.engines.tokens import Vocabulary, WordTokens
from stenogram.languages import NAMES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces between words, as openai-whisper has them."""


@dataclass(frozen=True, slots=True)
class WhisperVocabulary:
    """What the tokens of one model mean."""

    path: Path
    text: Vocabulary
    special: Mapping[str, int]
    """``<|transcribe|>`` -> id."""

    @property
    def first_special(self) -> int:
        """Tokens from here on are no text: ``<|endoftext|>`` is the first of them."""
        return self.special["<|endoftext|>"]

    @property
    def first_time(self) -> int:
        """``<|0.00|>``; each further one stands for 20 ms more."""
        return self.special["<|notimestamps|>"] + 1

    @property
    def languages(self) -> Mapping[str, int]:
        """Code -> token. Tokenizers of English-only models list them too: ask the model whether it is multilingual."""
        return {code: self.special[f"<|{code}|>"] for code in NAMES if f"<|{code}|>" in self.special}

    def start(self, language: str, task: str, *, multilingual: bool) -> list[int]:
        """The tokens that tell the model what to do; one that is English-only was never taught a language or task."""
        start = [self.special["<|startoftranscript|>"]]
        if multilingual:
            start += [self.special[f"<|{language}|>"], self.special[f"<|{task}|>"]]
        return start

    def encode(self, text: str) -> list[int]:
        """Text to tokens."""
        ids: list[int] = _tokenizer(self.path).encode(text, add_special_tokens=False).ids
        return ids

    def words(self, ids: Sequence[int], language: str) -> list[WordTokens]:
        """Split text tokens into words; into characters where a language writes no spaces."""
        return self.text.characters(ids) if language in UNSPACED else self.text.words(ids)

    def joined(self, words: Sequence[str], language: str) -> str:
        """Words as text."""
        return ("" if language in UNSPACED else " ").join(words)


@functools.lru_cache(maxsize=4)
def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def read_vocabulary(path: Path) -> WhisperVocabulary:
    """Read a ``tokenizer.json``. Raises ``OSError``, ``ValueError`` when it is no Whisper tokenizer."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        special = {token["content"]: int(token["id"]) for token in content["added_tokens"]}
        table = bytes_of_characters()
        pieces = [b""] * (max(content["model"]["vocab"].values()) + 1)
        for text, number in content["model"]["vocab"].items():
            if text not in special:
                pieces[number] = bytes(table[character] for character in text)
    except KeyError as error:
        raise ValueError(f"{path.name} is no tokenizer of Whisper: it lacks {error}") from error
    except (AttributeError, IndexError, TypeError) as error:  # JSON of another shape
        raise ValueError(f"{path.name} is no tokenizer of Whisper: {error}") from error
    lacking = [name for name in ("<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>") if name not in special]
    if lacking:
        raise ValueError(f"{path.name} is no tokenizer of Whisper: it lacks {lacking[0]}")
    return WhisperVocabulary(path, Vocabulary(tuple(pieces)), special)


@functools.cache
def bytes_of_characters() -> Mapping[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
