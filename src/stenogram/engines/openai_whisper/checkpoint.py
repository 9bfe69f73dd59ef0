"""A ``.pt`` file of openai-whisper as a network. Needs PyTorch: imported when weights are loaded."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from stenogram.engines.openai_whisper.faults import exhausted, first_line

MEL_BANDS = (80, 128)
FRAMES = 1500
"""Of the encoder's output: 30 s."""
VOCABULARIES = (51864, 51865, 51866)
"""English only, 99 languages, 100 languages."""


def read_network(path: Path) -> Any:
    """Read a checkpoint, float32 on the CPU.

    Only tensors and plain values are unpickled (``weights_only``); shapes are compared before anything is built from
    them. Raises ``OSError``, ``ValueError`` when it is no checkpoint of Whisper, ``MemoryError``.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever a broken pickle makes of the unpickler
        if exhausted(error):
            raise
        raise ValueError(f"{path.name} is no checkpoint of PyTorch, or is damaged") from error
    try:
        dims, state = ModelDimensions(**checkpoint["dims"]), checkpoint["model_state_dict"]
        _compare(dims, state)
        heads = _heads(dims, path.stem, checkpoint.get("alignment_heads"))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"{path.name} is no checkpoint of Whisper: {first_line(error)}") from error
    network = Whisper(dims)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path.name} is no checkpoint of Whisper: {first_line(error)}") from error
    if heads is not None:
        network.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return network.requires_grad_(requires_grad=False)


def _compare(dims: Any, state: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` where the shape that a file claims is not the shape of its weights, or not Whisper's."""
    expected = {
        "encoder.conv1.weight": (dims.n_audio_state, dims.n_mels, 3),
        "encoder.positional_embedding": (dims.n_audio_ctx, dims.n_audio_state),
        "decoder.token_embedding.weight": (dims.n_vocab, dims.n_text_state),
        "decoder.positional_embedding": (dims.n_text_ctx, dims.n_text_state),
        f"encoder.blocks.{dims.n_audio_layer - 1}.attn.query.weight": (dims.n_audio_state,) * 2,
        f"decoder.blocks.{dims.n_text_layer - 1}.attn.query.weight": (dims.n_text_state,) * 2,
    }
    for name, shape in expected.items():
        if tuple(state[name].shape) != shape:
            raise ValueError(f"its weights {name} have the shape {tuple(state[name].shape)}, not {shape}")
    for width, heads in ((dims.n_audio_state, dims.n_audio_head), (dims.n_text_state, dims.n_text_head)):
        if heads < 1 or width % heads:
            raise ValueError(f"its {heads} heads of attention cannot share a width of {width}")
    if dims.n_mels not in MEL_BANDS or dims.n_audio_ctx != FRAMES or dims.n_vocab not in VOCABULARIES:
        raise ValueError("it has another number of mel bands, frames or tokens than Whisper")


def _heads(dims: Any, name: str, recorded: Any) -> Any:
    """Which heads' attention follows the sound, bool ``[layers, heads]``.

    Those recorded in the file as (layer, head) pairs, else the library's for a published model of that file name; None:
    the library's default, the upper half of the layers.
    """
    shape = dims.n_text_layer, dims.n_text_head
    if recorded is not None:
        chosen = torch.zeros(shape, dtype=torch.bool)
        for layer, head in recorded:
            chosen[layer, head] = True
        return chosen
    if name in whisper.available_models() and shape == PUBLISHED.get(name.removesuffix(".en")):
        table = gzip.decompress(base64.b85decode(whisper._ALIGNMENT_HEADS[name]))  # noqa: SLF001 - it has no other name
        return torch.frombuffer(bytearray(table), dtype=torch.bool).reshape(shape)
    return None


PUBLISHED = {
    "tiny": (4, 6),
    "base": (6, 8),
    "small": (12, 12),
    "medium": (24, 16),
    "large": (32, 20),
    "large-v1": (32, 20),
    "large-v2": (32, 20),
    "large-v3": (32, 20),
    "large-v3-turbo": (4, 20),
    "turbo": (4, 20),
}
"""Layers and heads of the published decoders, by file name."""


def halve(network: Any) -> Any:
    """The weights of matrices as float16, in place; norms and positions stay float32.

    The library itself keeps float32 and converts at every use. The published files hold float16, so nothing is lost:
    the same text from half the memory.
    """
    for module in network.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Embedding):
            module.half()
    return network
