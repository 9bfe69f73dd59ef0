"""English-only Whisper: its tokenizer lists all languages, its network knows none of those tokens' meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from stenogram import engines
from stenogram.engines.whisper.engine import LoadedWhisper
from stenogram.errors import LanguageNotSupported, ModelError, OptionNotSupported
from stenogram.types import SAMPLE_RATE, Chunk, LoadOptions, ModelFiles, TranscribeOptions
from tests import whisper_weights
from tools import whisper_files

ENGLISH_TEXTS = 50256
"""openai-whisper's English-only vocabulary has one token of text less than the multilingual one."""
NOISE = np.random.default_rng(0).standard_normal(SAMPLE_RATE, np.float32) / np.float32(10)
CHUNK = Chunk(0, 0.0, NOISE, 1.0)


class EnglishVocabulary(whisper_files.Vocabulary):
    """The vocabulary of the test texts without its last token."""

    def texts(self) -> list[str]:
        return super().texts()[:ENGLISH_TEXTS]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """The test weights with an English-only vocabulary; 51864 tokens, as in the files of tiny.en to medium.en."""
    multilingual = whisper_weights.ctranslate2_files()
    weights, vocabulary = whisper_files.read(), whisper_files.read_vocabulary()
    embedding = np.delete(weights.state["decoder.token_embedding.weight"], ENGLISH_TEXTS, axis=0)
    state = {**weights.state, "decoder.token_embedding.weight": embedding}
    suppress = [token - (token > ENGLISH_TEXTS) for token in vocabulary.suppress]
    folder = tmp_path_factory.mktemp("tiny.en")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whisper_files, "EOT", whisper_files.EOT - 1)
        patch.setattr(whisper_files, "SOT", whisper_files.SOT - 1)
        english = EnglishVocabulary(vocabulary.tokens, vocabulary.merges, suppress)
        whisper_files.write_ctranslate2(
            whisper_files.Weights(weights.dims, state, weights.alignment_heads), english, folder
        )
        patch.setattr(whisper_files, "BASE_TOKENS", ENGLISH_TEXTS)
        texts = whisper_files._all_texts(english)
        tokenizer = json.dumps(whisper_files._tokenizer(english, texts))
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    paths = {role: folder / path.name for role, path in multilingual.paths.items()}
    return ModelFiles("tiny.en", "whisper", ("*",), paths, "digest")


@pytest.fixture(scope="module")
def loaded(files: ModelFiles) -> Iterator[LoadedWhisper]:
    loaded = engines.find("whisper").load(files, LoadOptions(device="cpu"))
    assert isinstance(loaded, LoadedWhisper)
    yield loaded
    loaded.close()


def test_it_is_told_nothing_of_languages_and_tasks(loaded: LoadedWhisper) -> None:
    """Only <|startoftranscript|> goes before the text, although <|en|> has an id."""
    way = loaded._way("en", TranscribeOptions(), 0.0)

    assert "<|en|>" in loaded._vocabulary.special
    assert way.start == (loaded._vocabulary.special["<|startoftranscript|>"],)


def test_it_hears_english(loaded: LoadedWhisper) -> None:
    """Without asking the network, which cannot tell; also where the files claim all languages."""
    assert loaded.detect_language(CHUNK) == {"en": 1.0}
    assert isinstance(loaded.transcribe([CHUNK], TranscribeOptions(), lambda: False), list)


def test_it_refuses_other_languages_and_translation(loaded: LoadedWhisper) -> None:
    """Both would invent text."""
    with pytest.raises(LanguageNotSupported, match="de"):
        loaded.transcribe([CHUNK], TranscribeOptions(language="de"), lambda: False)
    with pytest.raises(OptionNotSupported, match="translate"):
        loaded.transcribe([CHUNK], TranscribeOptions(task="translate"), lambda: False)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"added_tokens": [], "model": {"vocab": []}}',
        '{"added_tokens": [], "model": {"vocab": {}}}',
        '{"added_tokens": [{"content": "<|endoftext|>", "id": 1}], "model": {"vocab": {"a": -5}}}',
    ],
)
def test_damaged_tokenizer_is_a_model_error(files: ModelFiles, content: str) -> None:
    """JSON of any other shape is refused with the model's name."""
    damaged = files.paths["model"].with_name("damaged.json")
    damaged.write_text(content, encoding="utf-8")
    paths = {**files.paths, "tokenizer": damaged}

    with pytest.raises(ModelError, match=r"tiny\.en"):
        engines.find("whisper").load(ModelFiles("tiny.en", "whisper", ("en",), paths, "d"), LoadOptions(device="cpu"))
