"""How the engine ``whisper`` lays out cores and memory, and what it reads of a model's shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from stenogram.engines.whisper.layout import Layout, Shape, lay_out, read_shape
from stenogram.types import LoadOptions
from tests import whisper_weights
from tools import whisper_files

CPU, CUDA = LoadOptions(device="cpu"), LoadOptions(device="cuda")
TINY, LARGE = 384, 1280


@pytest.mark.parametrize(
    ("cores", "width", "expected"),
    [
        (1, TINY, Layout(1, 1, 4)),
        (2, TINY, Layout(2, 1, 4)),
        (8, TINY, Layout(8, 1, 4)),
        (32, TINY, Layout(32, 1, 4)),
        (1, LARGE, Layout(1, 1, 4)),
        (2, LARGE, Layout(1, 2, 4)),
        (8, LARGE, Layout(2, 4, 4)),
        (32, LARGE, Layout(8, 4, 4)),
    ],
)
def test_the_rule_for_cores(cores: int, width: int, expected: Layout) -> None:
    assert lay_out(cores, width, CPU) == expected


def test_threads_that_are_asked_for_stand_for_the_cores() -> None:
    assert lay_out(32, TINY, LoadOptions(device="cpu", cpu_threads=3)) == Layout(3, 1, 4)


def test_a_gpu_gets_one_worker_and_large_batches() -> None:
    assert lay_out(16, LARGE, CUDA) == Layout(1, 1, 16)


def test_the_shape_is_read_from_the_file() -> None:
    shape = read_shape(whisper_weights.ctranslate2_files().paths["model"])

    assert (shape.width, shape.heads, shape.decoder_layers) == (64, 1, 3)
    assert 51865 * 64 <= shape.weights < 1.3 * 51865 * 64


def test_equal_variables_that_are_stored_once_are_found(tmp_path: Path) -> None:
    """Random weights have equal norms everywhere, and as many heads in encoder and decoder."""
    dims = whisper_files.Dims(
        n_audio_state=128, n_audio_head=2, n_audio_layer=1, n_text_state=128, n_text_head=2, n_text_layer=2
    )
    weights = whisper_files.random_weights(dims)
    whisper_files.write_ctranslate2(weights, whisper_files.read_vocabulary(), tmp_path)

    shape = read_shape(tmp_path / "model.bin")

    assert (shape.width, shape.heads, shape.decoder_layers) == (128, 2, 2)


def test_memory_follows_number_type_and_shape() -> None:
    shape = Shape(width=384, heads=6, decoder_layers=4, weights=37_000_000)

    assert shape.memory_bytes("float32") == 4 * shape.memory_bytes("int8")
    assert shape.chunk_bytes("cpu") == 2 * shape.chunk_bytes("cuda")
    assert 50e6 < shape.chunk_bytes("cpu") < 150e6


@pytest.mark.parametrize("content", [b"", b"x", b"\6\0\0\0\3\0xx\0", bytes(100)])
def test_what_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"model\.bin"):
        read_shape(path)
