"""openai-whisper on real weights: prompts, languages, word times, damaged files, memory. Needs PyTorch."""

from __future__ import annotations

import base64
import dataclasses
import gc
import gzip
import os
import pickle
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stenogram import engines
from stenogram.audio.decode import Decoder
from stenogram.engines.openai_whisper import OpenAIWhisperEngine
from stenogram.errors import DeviceNotUsable, EngineError, ModelError, OutOfMemory
from stenogram.protocols import Loaded
from stenogram.types import SAMPLE_RATE, Chunk, DecodeOptions, LoadOptions, TranscribeOptions
from tests import whisper_weights

if TYPE_CHECKING:
    from stenogram.types import Samples

pytestmark = pytest.mark.engines

FILES = whisper_weights.checkpoint_files
CPU = LoadOptions(device="cpu", cpu_threads=1)  # PyTorch with more threads than free cores is very slow
ENGLISH = TranscribeOptions(language="en")


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    loaded = OpenAIWhisperEngine().load(FILES(), CPU)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def network() -> Any:
    """The library's own network."""
    from stenogram.engines.openai_whisper.checkpoint import read_network

    return read_network(FILES().paths["model"])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Samples:
    with Decoder() as decoder:
        *_, decoded = decoder.decode(two_cities, tmp_path_factory.mktemp("sound"), DecodeOptions(), never)
    return decoded.audios[0].window(0, 20 * SAMPLE_RATE)


def chunk_of(samples: Samples) -> Chunk:
    return Chunk(0, 0.0, np.ascontiguousarray(samples), len(samples) / SAMPLE_RATE)


def said(loaded: Loaded, samples: Samples, options: TranscribeOptions) -> str:
    return " ".join(segment.text for segment in loaded.transcribe([chunk_of(samples)], options, never)[0])


def test_the_language_is_heard_and_translated(loaded: Loaded, recording: Samples) -> None:
    """The weights take sound played backwards for Russian."""
    backwards = recording[: 5 * SAMPLE_RATE][::-1]

    assert loaded.detect_language(chunk_of(backwards))["ru"] > 0.9
    assert loaded.detect_language(chunk_of(recording[: 5 * SAMPLE_RATE]))["en"] > 0.9
    assert said(loaded, backwards, TranscribeOptions()) == "Привет, мир."
    assert said(loaded, backwards, TranscribeOptions(task="translate")) == "Hello, world."


def test_a_batch_may_hold_several_languages(loaded: Loaded, recording: Samples) -> None:
    five = recording[: 5 * SAMPLE_RATE]

    found = loaded.transcribe([chunk_of(five), chunk_of(five[::-1]), chunk_of(five)], TranscribeOptions(), never)

    assert found[0] == found[2]
    assert found[1][0].text.startswith("Привет")
    assert found[0][0].text.startswith("It was")


@pytest.mark.parametrize("careful", [False, True])
def test_the_prompt_sets_spelling(loaded: Loaded, recording: Samples, careful: bool) -> None:
    """The weights write "Wisdom" with a capital where the prompt does."""

    def text(prompt: str | None) -> str:
        options = dataclasses.replace(ENGLISH, initial_prompt=prompt)
        chunk = chunk_of(recording[: 7 * SAMPLE_RATE])
        ways = [loaded.transcribe_sequential(chunk, options, never)] if careful else []
        ways += [] if careful else loaded.transcribe([chunk], options, never)
        return " ".join(segment.text for segment in ways[0])

    assert "wisdom" in text(None)
    assert "Wisdom" in text("Wisdom")


@pytest.mark.parametrize(
    "options",
    [
        dataclasses.replace(ENGLISH, beam_size=1),
        dataclasses.replace(ENGLISH, use_beam_search=False),
        dataclasses.replace(ENGLISH, beam_size=3),
        dataclasses.replace(ENGLISH, temperature=0.05, best_of=3),
    ],
)
def test_every_way_of_decoding_works_on_a_batch(loaded: Loaded, recording: Samples, options: TranscribeOptions) -> None:
    """Also beams and samples for several windows at once, which the library alone cannot."""
    chunks = [chunk_of(recording[: 5 * SAMPLE_RATE]), chunk_of(recording[5 * SAMPLE_RATE : 10 * SAMPLE_RATE])]

    first, second = loaded.transcribe(chunks, options, never)

    assert first[0].text.startswith("It was the best of times")
    assert "age of wisdom" in " ".join(segment.text for segment in second)


def test_doubt_makes_the_careful_way_try_again(loaded: Loaded, recording: Samples) -> None:
    """Where no text can be sure enough, the last temperature stands, and is told."""
    unsure = dataclasses.replace(ENGLISH, logprob_threshold=0.0, no_speech_threshold=1.0)

    segments = loaded.transcribe_sequential(chunk_of(recording[: 5 * SAMPLE_RATE]), unsure, never)

    assert {segment.temperature for segment in segments} == {1.0}


def test_words_have_the_library_s_own_times(network: Any, recording: Samples) -> None:
    """Our alignment gives each token the frame that ``find_alignment`` gives it."""
    from whisper.audio import log_mel_spectrogram, pad_or_trim
    from whisper.timing import find_alignment

    from stenogram.engines.openai_whisper.network import align, encode, tokenizer_of

    tokenizer = tokenizer_of(network, "en")
    ids = tokenizer.encode(" It was the best of times, it was the worst of times,")
    samples = recording[: 5 * SAMPLE_RATE]
    mel = log_mel_spectrogram(pad_or_trim(samples), network.dims.n_mels)

    expected = find_alignment(network, tokenizer, ids, mel, 500)
    found = align(network, encode(network, [samples])[0], tokenizer, ids, 250)

    begins: dict[int, int] = {}
    for token, frame in found.alignments:
        begins.setdefault(token, frame)
    first = 0
    for word in expected:
        last = first + len(word.tokens)
        assert (begins[first] / 50, begins[last] / 50) == pytest.approx((word.start, word.end))
        assert np.mean(found.text_token_probs[first:last]) == pytest.approx(word.probability, rel=1e-4)
        first = last
    assert first == len(ids)


def test_float16_loses_nothing_of_a_published_file(network: Any) -> None:
    """Their weights are float16: halved ones, widened again, are the same; matrices take half the memory."""
    import copy

    import torch

    from stenogram.engines.openai_whisper.checkpoint import halve
    from stenogram.engines.openai_whisper.network import half, size_bytes

    halved = halve(copy.deepcopy(network))

    for name, weight in network.named_parameters():
        assert torch.equal(dict(halved.named_parameters())[name].float(), weight), name
    assert half(halved)
    assert not half(network)
    assert size_bytes(halved) < 0.6 * size_bytes(network)


def test_published_models_have_the_heads_of_their_table() -> None:
    """For every name of the library, the table of heads has as many entries as we take its decoder to have."""
    import whisper

    from stenogram.engines.openai_whisper.checkpoint import PUBLISHED

    for name in whisper.available_models():
        layers, heads = PUBLISHED[name.removesuffix(".en")]
        assert len(gzip.decompress(base64.b85decode(whisper._ALIGNMENT_HEADS[name]))) == layers * heads


def test_memory_is_free_after_close() -> None:
    loaded = OpenAIWhisperEngine().load(FILES(), CPU)
    weights = weakref.ref(next(loaded._network.parameters()))  # type: ignore[attr-defined]
    held = loaded.memory_bytes

    loaded.close()
    gc.collect()

    assert held > FILES().paths["model"].stat().st_size  # float16 in the file, float32 in memory
    assert weights() is None


class Trap:
    """What a hostile pickle may hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def refused(path: Path) -> str:
    """The message with which a file is refused."""
    with pytest.raises(ModelError) as caught:
        OpenAIWhisperEngine().load(dataclasses.replace(FILES(), paths={"model": path}), CPU)
    return str(caught.value)


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    import torch

    torch.save({"dims": Trap(tmp_path / "sprung"), "model_state_dict": {}}, tmp_path / "hostile.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))

    for name in ("hostile.pt", "plain.pt"):
        assert name in refused(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    whole = FILES().paths["model"].read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(len(whole) * share)])

    assert "cut.pt" in refused(tmp_path / "cut.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"n_text_ctx": 10**12},
        {"n_vocab": 10},
        {"n_audio_layer": 1000},
        {"n_text_head": 7},
        {"n_text_head": 0},
        {"n_mels": "many"},
        {"surprise": 1},
        {"n_text_layer": 2},
    ],
)
def test_a_shape_that_is_not_the_weights_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """Before memory is taken for it."""
    import torch

    checkpoint = torch.load(FILES().paths["model"], weights_only=True)
    checkpoint["dims"] |= change
    torch.save(checkpoint, tmp_path / "odd.pt")

    assert "odd.pt" in refused(tmp_path / "odd.pt")


def test_heads_that_are_not_there_are_refused(tmp_path: Path) -> None:
    import torch

    checkpoint = torch.load(FILES().paths["model"], weights_only=True)
    torch.save(checkpoint | {"alignment_heads": [[2, 1]]}, tmp_path / "odd.pt")

    assert "odd.pt" in refused(tmp_path / "odd.pt")


def test_another_network_s_weights_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"dims": {}, "model_state_dict": {}}, tmp_path / "empty.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with zipfile.ZipFile(tmp_path / "archive.pt", "w") as archive:
        archive.writestr("readme.txt", "no weights")

    for name in ("empty.pt", "tensor.pt", "archive.pt"):
        assert name in refused(tmp_path / name)


def test_memory_that_runs_out_is_our_error() -> None:
    """What PyTorch's allocator really says, and that other faults are not taken for it."""
    import torch

    from stenogram.engines.openai_whisper.faults import native

    with pytest.raises(OutOfMemory), native("cpu"):
        torch.empty(2**60)
    with pytest.raises(EngineError, match="shape") as caught, native("cpu"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not isinstance(caught.value, OutOfMemory)


def test_a_gpu_that_cannot_be_used_is_named_with_the_reason() -> None:
    engine = engines.find("openai-whisper")
    fault = engine.fault("cuda")
    if fault is None:
        pytest.skip("there is one")

    with pytest.raises(DeviceNotUsable) as caught:
        engine.load(FILES(), LoadOptions(device="cuda"))
    assert fault in str(caught.value)
    assert engine.load(FILES(), LoadOptions()).options.device == "cpu"
