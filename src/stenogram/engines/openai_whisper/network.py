"""openai-whisper at its border. Needs PyTorch: imported when weights are loaded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from whisper.audio import log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, DecodingTask, detect_language
from whisper.timing import dtw, median_filter
from whisper.tokenizer import get_tokenizer
from whisper.transcribe import transcribe

if TYPE_CHECKING:
    from stenogram.types import Samples

MEDIAN_WIDTH = 7
"""Frames over which attention is smoothed, as in the library's ``find_alignment``."""
ALIGNING = threading.Lock()
"""The warping runs in numba, whose thread pool may end the process when two threads use it at once."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """When text tokens were said: the path of dynamic time warping, and how likely each was."""

    alignments: list[tuple[int, int]]
    """(token, frame of 20 ms); one token more than there are stands for the end."""
    text_token_probs: list[float]


class Task(DecodingTask):  # type: ignore[misc]
    """The library's decoding of a batch of encoded windows in a known language, also with several beams each.

    The library repeats the tokens of a window for its beams and, since 2024, not the window: with more than one window
    the shapes no longer fit.
    """

    def _get_audio_features(self, mel: Any) -> Any:
        return super()._get_audio_features(mel).repeat_interleave(self.n_group, dim=0)

    def _detect_language(self, audio_features: Any, tokens: Any) -> tuple[list[str], None]:  # noqa: ARG002 - known
        return [self.options.language] * tokens.shape[0], None


def ready(network: Any, device: str, compute_type: str) -> Any:
    """Bring a network to where, and in which numbers, it shall compute."""
    from stenogram.engines.openai_whisper.checkpoint import halve

    return (halve(network) if compute_type == "float16" else network).to(device)


def size_bytes(network: Any) -> int:
    """What weights and buffers hold."""
    tensors = [*network.parameters(), *(buffer for buffer in network.buffers() if not buffer.is_sparse)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def half(network: Any) -> bool:
    """Whether it computes in float16."""
    return bool(network.encoder.conv1.weight.dtype == torch.float16)


def tokenizer_of(network: Any, language: str | None, task: str = "transcribe") -> Any:
    """The library's tokenizer."""
    languages = network.num_languages
    return get_tokenizer(network.is_multilingual, num_languages=languages, language=language, task=task)


def encode(network: Any, windows: Sequence[Samples]) -> Any:
    """Samples to the encoder's output ``[n, 1500, width]``: one by one on a CPU, where batches gain nothing."""
    mels = [
        log_mel_spectrogram(pad_or_trim(np.nan_to_num(samples)), network.dims.n_mels, device=network.device)
        for samples in windows
    ]
    mels = [mel.half() if half(network) else mel for mel in mels]
    if network.device.type == "cpu":
        return torch.cat([network.encoder(mel[None]) for mel in mels])
    return network.encoder(torch.stack(mels))


def detect(network: Any, encoded: Any) -> list[dict[str, float]]:
    """Probabilities of all languages for each window."""
    found: list[dict[str, float]] = detect_language(network, encoded, tokenizer_of(network, None))[1]
    return found


def decode(network: Any, encoded: Any, **options: Any) -> list[Any]:
    """Decode windows together; ``options`` are the library's ``DecodingOptions``, with a language."""
    results: list[Any] = Task(network, DecodingOptions(**options, fp16=half(network))).run(encoded)
    return results


def transcribe_whole(network: Any, samples: Samples, **options: Any) -> list[dict[str, Any]]:
    """The library's own ``transcribe``: its segments."""
    found: list[dict[str, Any]] = transcribe(
        network, np.nan_to_num(samples), verbose=None, fp16=half(network), **options
    )["segments"]
    return found


def align(network: Any, encoded: Any, tokenizer: Any, ids: Sequence[int], frames: int) -> Alignment:
    """When each text token of one window (``[1500, width]``) was said, by the attention to ``frames`` frames of 20 ms.

    The library's ``find_alignment``, without its second pass through the encoder and without switching attention over
    for the whole process: queries and keys are caught where they are computed.
    """
    start = len(tokenizer.sot_sequence)
    tokens = torch.tensor([*tokenizer.sot_sequence, tokenizer.no_timestamps, *ids, tokenizer.eot])
    heads = network.alignment_heads.indices().T.tolist()
    caught: dict[tuple[int, str], Any] = {}

    def catch(layer: int, role: str) -> Callable[[Any, Any, Any], None]:
        return lambda _module, _given, output: caught.__setitem__((layer, role), output[0])

    with contextlib.ExitStack() as hooks:
        for layer in {layer for layer, _ in heads}:
            attention = network.decoder.blocks[layer].cross_attn
            for role, module in (("query", attention.query), ("key", attention.key)):
                hooks.callback(module.register_forward_hook(catch(layer, role)).remove)
        logits = network.decoder(tokens[None].to(network.device), encoded[None])[0]
    chances = logits[start:, : tokenizer.eot].softmax(dim=-1)
    scores = []
    for layer, head in heads:
        query, key = (
            caught[layer, role].unflatten(-1, (network.dims.n_text_head, -1))[:, head] for role in ("query", "key")
        )
        scale = query.shape[-1] ** -0.25
        scores.append(((query * scale) @ (key * scale).T).float())
    weights = torch.stack(scores)[:, :, : max(frames, 1)].cpu().softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    matrix = median_filter((weights - mean) / deviation, MEDIAN_WIDTH).mean(dim=0)[start:-1]
    with ALIGNING:
        token_path, frame_path = dtw(-matrix)
    likely = [float(chances[place, token]) for place, token in enumerate(ids)]
    return Alignment([(int(token), int(frame)) for token, frame in zip(token_path, frame_path, strict=True)], likely)


@contextlib.contextmanager
def asked(network: Any, ask: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` before every layer of the encoder and every step of the decoder; it may raise."""
    with contextlib.ExitStack() as hooks:
        for module in (network.decoder, *network.encoder.blocks):
            hooks.callback(module.register_forward_pre_hook(lambda _module, _given: ask()).remove)
        yield
