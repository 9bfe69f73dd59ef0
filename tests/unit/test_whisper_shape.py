"""What the engine ``whisper`` reads from the header of a ``model.bin``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stenogram.engines.whisper.layout import read_shape
from tests import whisper_weights
from tools import whisper_files

SMALL = dataclasses.replace(
    whisper_files.TINY,
    n_audio_state=64,
    n_audio_head=2,
    n_audio_layer=1,
    n_text_state=64,
    n_text_head=2,
    n_text_layer=2,
)


def test_shape_of_trained_weights() -> None:
    """Width, heads and layers are the network's."""
    dims = whisper_files.read().dims

    shape = read_shape(whisper_weights.ctranslate2_files().paths["model"])

    assert (shape.width, shape.heads, shape.decoder_layers) == (
        dims.n_audio_state,
        dims.n_audio_head,
        dims.n_text_layer,
    )


def test_equal_arrays_are_found_by_all_their_names(tmp_path: Path) -> None:
    """CTranslate2 stores equal arrays once, here all norms; the network is whole all the same."""
    weights = whisper_files.random_weights(SMALL)
    whisper_files.write_ctranslate2(weights, whisper_files.read_vocabulary(), tmp_path)

    shape = read_shape(tmp_path / "model.bin")

    assert (shape.width, shape.heads, shape.decoder_layers) == (64, 2, 2)
    assert shape.weights <= sum(array.size for array in weights.state.values()) * 1.1


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_cut_off_file_is_refused(tmp_path: Path, share: float) -> None:
    """Wherever it ends."""
    whole = whisper_weights.ctranslate2_files().paths["model"].read_bytes()
    cut = tmp_path / "model.bin"
    cut.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(ValueError, match=r"model\.bin"):
        read_shape(cut)
