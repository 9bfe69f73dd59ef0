# ruff: noqa: RUF001 - the words are Russian
"""The engine onnx-asr: every family's files, words and their times, prompts, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram import engines
from stenogram.engines.onnx_asr.family import identify
from stenogram.engines.onnx_asr.transcript import Heard, split_words, write
from stenogram.errors import (
    Cancelled,
    DeviceNotUsable,
    EngineError,
    ModelError,
    OptionError,
    OptionNotSupported,
    OutOfMemory,
)
from stenogram.onnx.session import cuda_fault
from stenogram.protocols import Loaded
from stenogram.types import SAMPLE_RATE, Chunk, LoadOptions, ModelFiles, Segment, TranscribeOptions
from tests.unit.onnx_asr.layouts import NETWORKS, write_family

ENGINE = engines.find("onnx-asr")
RUSSIAN = TranscribeOptions(language="ru")
SPEAKING = tuple(sorted(set(NETWORKS) - {"canary"}))


@contextlib.contextmanager
def opened(files: ModelFiles) -> Iterator[Loaded]:
    loaded = ENGINE.load(files, LoadOptions(cpu_threads=1))
    yield loaded
    loaded.close()


def noise(length_s: float = 3.0, start: float = 0.0) -> Chunk:
    samples = np.random.default_rng(0).standard_normal(int(length_s * SAMPLE_RATE)) / 10
    return Chunk(0, start, samples.astype(np.float32), length_s)


def hum() -> Chunk:
    """3 s of even sound."""
    samples = np.sin(2 * np.pi * 200 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)
    return Chunk(0, 0.0, samples.astype(np.float32), 3.0)


def never() -> bool:
    return False


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


@pytest.mark.parametrize("family", SPEAKING)
def test_every_family_is_read_from_its_own_files(family: str, tmp_path: Path) -> None:
    """The words that the network says come out, each with a time in the chunk, aligned, and with a likelihood."""
    with opened(write_family(tmp_path, family)) as loaded:
        (segments,) = loaded.transcribe([noise(start=7.0)], RUSSIAN, never)

        assert text(segments).startswith("да" if family == "t-one" else "да нет")
        words = [word for segment in segments for word in segment.words]
        assert all(7.0 <= word.start < word.end <= 10.0 for word in words)
        assert all(one.end <= following.start for one, following in pairwise(words))
        assert not any(word.interpolated for word in words)
        assert all(0.5 < (word.probability or 0) <= 1 for word in words)
        assert all(-1 < (segment.avg_logprob or -9) <= 0 for segment in segments)


@pytest.mark.parametrize(("family", "frame_s"), [("nemo-tdt", 0.08), ("nemo-ctc", 0.08), ("gigaam-rnnt", 0.04)])
def test_times_follow_the_frames_of_the_family(family: str, frame_s: float, tmp_path: Path) -> None:
    """In even sound, two words part half-way between the last token of one and the first of the other."""
    with opened(write_family(tmp_path, family)) as loaded:
        (segments,) = loaded.transcribe([hum()], RUSSIAN, never)

    first, second = segments[0].words
    assert first.end == pytest.approx((5 + 9 + 1) / 2 * frame_s, abs=0.021)
    assert second.start == pytest.approx(first.end, abs=0.001)


def test_times_do_not_move_with_silence_put_before(tmp_path: Path) -> None:
    """The careful path hears the sound after a little silence; its times are those of the sound."""
    with opened(write_family(tmp_path, "nemo-tdt")) as loaded:
        careful = loaded.transcribe_sequential(noise(), RUSSIAN, never)
        (plain,) = loaded.transcribe([noise()], RUSSIAN, never)

    assert text(careful) == text(plain) == "да нет"
    assert careful[0].start == pytest.approx(plain[0].start, abs=0.05)


@pytest.mark.parametrize("family", sorted(NETWORKS))
def test_silence_and_the_shortest_sounds_are_no_error(family: str, tmp_path: Path) -> None:
    """Silence has no text in any family; one sample, and the longest chunk, are decoded."""
    silence = Chunk(0, 0.0, np.zeros(SAMPLE_RATE, np.float32), 1.0)
    sample = Chunk(1, 0.0, np.ones(1, np.float32), 1 / SAMPLE_RATE)
    with opened(write_family(tmp_path, family)) as loaded:
        results = loaded.transcribe([silence, sample, noise(ENGINE.chunking.max_s)], RUSSIAN, never)

    assert results[0] == []
    assert text(results[2]).startswith("да")


def test_canary_is_told_the_languages(tmp_path: Path) -> None:
    """Heard and written language reach the prompt; translation is into English; words are interpolated."""
    with opened(write_family(tmp_path, "canary", ("en", "ru"))) as loaded:
        (russian,) = loaded.transcribe([noise()], RUSSIAN, never)
        (english,) = loaded.transcribe([noise()], TranscribeOptions(language="en"), never)
        (translated,) = loaded.transcribe([noise()], TranscribeOptions(language="ru", task="translate"), never)
        with pytest.raises(OptionError, match="which language is spoken"):
            loaded.transcribe([noise()], TranscribeOptions(), never)

    assert [text(found) for found in (russian, english, translated)] == ["да", "yes", "yes"]
    assert russian[0].words[0].interpolated


def test_canary_of_languages_it_lacks_is_a_model_error(tmp_path: Path) -> None:
    """The catalogue promises no language that the vocabulary cannot name."""
    with pytest.raises(ModelError, match="does not have the languages de"):
        ENGINE.load(write_family(tmp_path, "canary", ("ru", "de")), LoadOptions())


@pytest.mark.parametrize("family", SPEAKING)
def test_only_canary_translates(family: str, tmp_path: Path) -> None:
    """Translation asked of any other family is refused, not ignored."""
    with opened(write_family(tmp_path, family)) as loaded, pytest.raises(OptionNotSupported, match="task"):
        loaded.transcribe([noise()], TranscribeOptions(task="translate"), never)


@pytest.mark.parametrize("family", ["nemo-rnnt", "nemo-tdt", "gigaam-rnnt", "vosk", "canary", "t-one"])
def test_stop_is_asked_at_every_step_of_decoding(family: str, tmp_path: Path) -> None:
    """A call is left between any two runs of a network."""
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with opened(write_family(tmp_path, family)) as loaded:
        with pytest.raises(Cancelled):
            loaded.transcribe([noise()], RUSSIAN, later)
        assert asked == 4
        assert loaded.transcribe([noise()], RUSSIAN, never)[0]


def test_two_loads_are_apart(tmp_path: Path) -> None:
    """Another model in memory, and its end, change nothing."""
    with opened(write_family(tmp_path / "one", "nemo-tdt")) as one:
        with opened(write_family(tmp_path / "two", "t-one")) as two:
            assert text(two.transcribe([noise()], RUSSIAN, never)[0]) != "да нет"
            assert text(one.transcribe([noise()], RUSSIAN, never)[0]) == "да нет"
        with pytest.raises(EngineError, match="load it again"):
            two.transcribe([noise()], RUSSIAN, never)
        assert text(one.transcribe([noise()], RUSSIAN, never)[0]) == "да нет"


@pytest.mark.parametrize(
    ("family", "role", "change"),
    [
        ("nemo-ctc", "vocab", lambda data: data[: data.index(b"\n") + 1]),
        ("nemo-tdt", "config", lambda data: data.replace(b"tdt", b"rnnt")),
        ("nemo-rnnt", "config", lambda data: data.replace(b"rnnt", b"tdt")),
        ("nemo-ctc", "config", lambda data: data.replace(b"nemo", b"gigaam")),
        ("nemo-tdt", "config", lambda data: data.replace(b"128", b"80")),
        ("gigaam-ctc", "vocab", lambda data: data.replace(b"<blk>", b"<pad>")),
        ("t-one", "config", lambda data: b"{}"),
        ("vosk", "config", lambda data: b"[]"),
        ("vosk", "joiner", lambda data: data[:-20]),
        ("gigaam-rnnt", "encoder", lambda data: b""),
    ],
)
def test_files_that_do_not_belong_together(
    family: str, role: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """They are refused when the model is loaded, not in the middle of a recording."""
    files = write_family(tmp_path, family)
    path = tmp_path / role
    path.write_bytes(change(path.read_bytes() if path.exists() else b""))

    with pytest.raises(ModelError, match=f"a-{family}"):
        ENGINE.load(dataclasses.replace(files, paths={**files.paths, role: path}), LoadOptions())


def test_weights_of_their_own_file_are_left_to_onnxruntime(tmp_path: Path) -> None:
    """A role that ends in _data names no part of the family."""
    files = write_family(tmp_path, "nemo-tdt")
    more = {**files.paths, "encoder_data": files.paths["vocab"]}

    assert identify(more, json.loads((tmp_path / "config").read_bytes())).title == "NeMo TDT"
    with opened(dataclasses.replace(files, paths=more)) as loaded:
        assert loaded.memory_bytes > 0
    with pytest.raises(ValueError, match=r"\(none\)"):
        identify({}, {})


def test_lack_of_memory_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into memory may be tried smaller; the weights stay usable."""
    with opened(write_family(tmp_path, "nemo-tdt")) as loaded:
        with monkeypatch.context() as patch:
            patch.setattr(loaded, "_hear", lambda *_: np.empty(1 << 60, np.uint8))
            with pytest.raises(OutOfMemory):
                loaded.transcribe([noise()], RUSSIAN, never)
        assert loaded.transcribe([noise()], RUSSIAN, never)[0]


def test_a_gpu_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The usual onnxruntime knows no CUDA, and says what to install."""
    if cuda_fault() is None:
        pytest.skip("this machine computes on CUDA")
    with pytest.raises(DeviceNotUsable, match="onnxruntime"):
        ENGINE.load(write_family(tmp_path, "vosk"), LoadOptions(device="cuda"))


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([" При", "вет", ",", " мир", "!"], ["Привет,", "мир!"]),
        (["п", "р", "и", " ", "м", "и", "р"], ["при", "мир"]),
        ([" да", " .", " нет"], ["да.", "нет"]),
        ([" сказал", " «", "да", "»"], ["сказал", "«да»"]),
        ([" Москва", " —", " столица"], ["Москва", "—", "столица"]),
        ([" кто", "-", "то"], ["кто-то"]),
        ([" 5", " %"], ["5%"]),
        (["<unk>", " а", " <unk>", " б"], ["а", "б"]),
        ([" ", " ", "<unk>"], []),
        ([], []),
    ],
)
def test_tokens_make_words(tokens: list[str], words: list[str]) -> None:
    """Spaces part words; marks stay with the word they belong to; special tokens write nothing."""
    assert [piece.text for piece in split_words(tokens)] == words


UNKNOWN = "<unk>"
TOKEN = st.tuples(st.sampled_from(["", " "]), st.text("абв,.-«»%", max_size=3)).map("".join)


@given(st.lists(st.one_of(TOKEN, st.just(UNKNOWN)), max_size=30), st.data())
def test_every_token_has_its_word_and_every_word_its_time(tokens: list[str], data: st.DataObject) -> None:
    """No letter is lost, and words are timed, in order, inside the chunk, whatever the model's times are."""
    chunk = noise(2.0, start=50.0)
    times = sorted(data.draw(st.lists(st.floats(0, 2.2), min_size=len(tokens), max_size=len(tokens))))
    heard = Heard(tuple(tokens), (-0.1,) * len(tokens), tuple(times))

    segments = write(chunk, heard, {}, lambda: None)

    words = [word for segment in segments for word in segment.words]
    letters = "".join(token for token in tokens if token.strip() != UNKNOWN)
    assert "".join(word.word for word in words) == letters.replace(" ", "")
    assert all(chunk.start <= word.start < word.end <= chunk.end + 1e-9 for word in words)
    assert all(one.end <= following.start for one, following in pairwise(words))
