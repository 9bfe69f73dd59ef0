"""Whisper weights in memory, and in the file formats of CTranslate2, whisper.cpp and openai-whisper.

Weights are a dict under openai-whisper's names. The trained test weights (``read``) say known words; random ones
(``random_weights``) have any shape and say a given number of tokens, so that engines can be timed on equal work.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from stenogram.audio.features import mel_filters
from stenogram.languages import NAMES

Array = npt.NDArray[np.float32]
Quantization = Literal["f16", "q8_0", "q5_0"]

WEIGHTS = Path(__file__).parents[1] / "tests" / "weights"
BASE_TOKENS = 50257
"""Tokens of text, without the special ones."""
LANGUAGES = 99
EOT, SOT, TRANSLATE, TRANSCRIBE, SOT_LM, SOT_PREV, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIME = (
    50257,
    50258,
    50358,
    50359,
    50360,
    50361,
    50362,
    50363,
    50364,
)
BLOCK = 32
"""Values that share a scale in ggml's quantised types."""


@dataclass(frozen=True)
class Dims:
    """The shape of a network; openai-whisper's names."""

    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int = 384
    n_audio_head: int = 6
    n_audio_layer: int = 4
    n_vocab: int = 51865
    n_text_ctx: int = 448
    n_text_state: int = 384
    n_text_head: int = 6
    n_text_layer: int = 4


TINY = Dims()
BASE = Dims(n_audio_state=512, n_audio_head=8, n_audio_layer=6, n_text_state=512, n_text_head=8, n_text_layer=6)


@dataclass(frozen=True)
class Weights:
    """A network: its shape, its weights, and the (layer, head) pairs whose attention follows the sound."""

    dims: Dims
    state: Mapping[str, Array]
    alignment_heads: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Vocabulary:
    """The part of Whisper's multilingual vocabulary that the test texts need; all other ids are filled."""

    tokens: Mapping[str, int]
    """Bytes as printable characters (GPT-2's table) -> id."""
    merges: Sequence[str]
    suppress: Sequence[int]
    """Ids that openai-whisper never says: symbols that are no speech."""

    def texts(self) -> list[str]:
        """The token of each id up to ``BASE_TOKENS``."""
        texts = [f"[{number}]" for number in range(BASE_TOKENS)]
        for text, number in self.tokens.items():
            texts[number] = text
        texts[-1] = ""  # by this token CTranslate2 tells a multilingual vocabulary
        return texts


def read(path: Path = WEIGHTS / "whisper-test.npz") -> Weights:
    """The trained test weights."""
    with np.load(path) as file:
        state = {name: np.asarray(file[name], np.float32) for name in file.files}
    width, layers = state["encoder.ln_post.weight"].shape[0], _count(state, "encoder")
    dims = Dims(
        n_audio_state=width,
        n_audio_head=1,
        n_audio_layer=layers,
        n_text_state=width,
        n_text_head=1,
        n_text_layer=_count(state, "decoder"),
    )
    state["encoder.positional_embedding"] = sinusoids(dims.n_audio_ctx, width)
    return Weights(dims, state, [(dims.n_text_layer - 1, 0)])


def read_vocabulary(path: Path = WEIGHTS / "vocabulary.json") -> Vocabulary:
    """The vocabulary of the test texts."""
    return Vocabulary(**json.loads(path.read_text(encoding="utf-8")))


def sinusoids(length: int, width: int) -> Array:
    """The encoder's positions, float32 ``[length, width]``."""
    scales = np.exp(-math.log(10000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * scales[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def random_weights(dims: Dims, tokens: int | None = None, seed: int = 0) -> Weights:
    """Random weights of a shape; with ``tokens``, every engine says so many tokens of text and then ends.

    That holds for windows without a prompt of text, with timestamps (<|0.00|> comes first) and without.
    """
    build = _Builder(np.random.default_rng(seed))
    build.state["encoder.positional_embedding"] = sinusoids(dims.n_audio_ctx, dims.n_audio_state)
    audio, text = dims.n_audio_state, dims.n_text_state
    for name, given in (("encoder.conv1", dims.n_mels), ("encoder.conv2", audio)):
        build.matrix(f"{name}.weight", audio, given, 3)
        build.state[f"{name}.bias"] = np.zeros(audio, np.float32)
    for layer in range(dims.n_audio_layer):
        build.block(f"encoder.blocks.{layer}", audio, "attn")
    build.norm("encoder.ln_post", audio)
    build.matrix("decoder.token_embedding.weight", dims.n_vocab, text)
    build.matrix("decoder.positional_embedding", dims.n_text_ctx, text)
    for layer in range(dims.n_text_layer):
        build.block(f"decoder.blocks.{layer}", text, "attn", "cross_attn")
    build.norm("decoder.ln", text)
    if tokens is not None:
        _recite(build.state, tokens, build.dice)
    layers, heads = range(dims.n_text_layer // 2, dims.n_text_layer), range(min(2, dims.n_text_head))
    return Weights(dims, build.state, [(layer, head) for layer in layers for head in heads])


@dataclass(frozen=True)
class _Builder:
    """Makes random layers."""

    dice: np.random.Generator
    state: dict[str, Array] = dataclasses.field(default_factory=dict)

    def matrix(self, name: str, *shape: int) -> None:
        self.state[name] = self.dice.normal(0, 1 / math.sqrt(math.prod(shape[1:])), shape).astype(np.float32)

    def norm(self, name: str, width: int) -> None:
        self.state[f"{name}.weight"] = np.ones(width, np.float32)
        self.state[f"{name}.bias"] = np.zeros(width, np.float32)

    def linear(self, name: str, out: int, given: int, *, bias: bool = True) -> None:
        self.matrix(f"{name}.weight", out, given)
        if bias:
            self.state[f"{name}.bias"] = np.zeros(out, np.float32)

    def block(self, name: str, width: int, *attentions: str) -> None:
        for part in attentions:
            for role in ("query", "key", "value", "out"):
                self.linear(f"{name}.{part}.{role}", width, width, bias=role != "key")
            self.norm(f"{name}.{part}_ln", width)
        self.linear(f"{name}.mlp.0", 4 * width, width)
        self.linear(f"{name}.mlp.2", width, 4 * width)
        self.norm(f"{name}.mlp_ln", width)


def _recite(state: dict[str, Array], tokens: int, dice: np.random.Generator) -> None:
    """Let the place alone decide what is said: English, from the start, ``tokens`` different ones of text, the end.

    The vector of a place points at the embedding of what is to be said there, and is far longer than what the layers
    add. So every engine, number type and way of decoding says the same, with a probability of nearly 1.
    """
    embedding, position = state["decoder.token_embedding.weight"], state["decoder.positional_embedding"]
    usable = np.setdiff1d(np.arange(256, BASE_TOKENS - 1), read_vocabulary().suppress)
    text = dice.choice(usable, tokens, replace=False)
    said = np.full(len(position), EOT)
    said[:3] = SOT + 1, TRANSCRIBE, FIRST_TIME
    said[3 : 3 + tokens] = text
    position[:] = 40 * embedding[said]
    state["decoder.ln.weight"] *= 3
    for name, value in list(state.items()):
        if name.startswith("decoder.blocks") and name.endswith(("out.weight", "mlp.2.weight")):
            state[name] = value * np.float32(0.05)


def _count(state: Mapping[str, Array], side: str) -> int:
    return 1 + max(int(name.split(".")[2]) for name in state if name.startswith(f"{side}.blocks."))


# --- CTranslate2 -----------------------------------------------------------------------------------------------------


def write_ctranslate2(weights: Weights, vocabulary: Vocabulary, folder: Path) -> Path:
    """Write a folder as those of Systran/faster-whisper-*: model.bin, config, vocabulary, tokenizer, preprocessor."""
    from ctranslate2.specs import WhisperSpec

    dims, state = weights.dims, weights.state
    spec = WhisperSpec(dims.n_audio_layer, dims.n_audio_head, dims.n_text_layer, dims.n_text_head)
    for conv in ("conv1", "conv2"):
        _set_linear(getattr(spec.encoder, conv), state, f"encoder.{conv}")
    spec.encoder.position_encodings.encodings = state["encoder.positional_embedding"]
    _set_norm(spec.encoder.layer_norm, state, "encoder.ln_post")
    spec.decoder.embeddings.weight = state["decoder.token_embedding.weight"]
    spec.decoder.projection.weight = state["decoder.token_embedding.weight"]
    spec.decoder.position_encodings.encodings = state["decoder.positional_embedding"]
    _set_norm(spec.decoder.layer_norm, state, "decoder.ln")
    for side, layers in (("encoder", spec.encoder.layer), ("decoder", spec.decoder.layer)):
        for number, layer in enumerate(layers):
            _set_layer(layer, state, f"{side}.blocks.{number}")
    texts = _all_texts(vocabulary)
    spec.register_vocabulary(texts)
    spec.config.suppress_ids = list(vocabulary.suppress)
    spec.config.suppress_ids_begin = [220, EOT]
    spec.config.alignment_heads = [list(pair) for pair in weights.alignment_heads]
    spec.config.lang_ids = list(range(SOT + 1, SOT + 1 + LANGUAGES))
    spec.validate()
    spec.optimize(quantization="float16")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(vocabulary, texts)), encoding="utf-8")
    preprocessor = {"feature_size": dims.n_mels, "sampling_rate": 16000, "hop_length": 160, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
    return folder


def _set_linear(spec: Any, state: Mapping[str, Array], *names: str) -> None:
    """One linear layer; several are joined by rows, and absent biases are zeros."""
    spec.weight = np.concatenate([state[f"{name}.weight"] for name in names])
    zeros = [np.zeros(state[f"{name}.weight"].shape[0], np.float32) for name in names]
    spec.bias = np.concatenate([state.get(f"{name}.bias", zero) for name, zero in zip(names, zeros, strict=True)])


def _set_norm(spec: Any, state: Mapping[str, Array], name: str) -> None:
    spec.gamma, spec.beta = state[f"{name}.weight"], state[f"{name}.bias"]


def _set_layer(layer: Any, state: Mapping[str, Array], name: str) -> None:
    own = f"{name}.attn"
    _set_linear(layer.self_attention.linear[0], state, f"{own}.query", f"{own}.key", f"{own}.value")
    _set_linear(layer.self_attention.linear[1], state, f"{own}.out")
    _set_norm(layer.self_attention.layer_norm, state, f"{own}_ln")
    cross = f"{name}.cross_attn"
    if f"{cross}.query.weight" in state:
        _set_linear(layer.attention.linear[0], state, f"{cross}.query")
        _set_linear(layer.attention.linear[1], state, f"{cross}.key", f"{cross}.value")
        _set_linear(layer.attention.linear[2], state, f"{cross}.out")
        _set_norm(layer.attention.layer_norm, state, f"{cross}_ln")
    _set_linear(layer.ffn.linear_0, state, f"{name}.mlp.0")
    _set_linear(layer.ffn.linear_1, state, f"{name}.mlp.2")
    _set_norm(layer.ffn.layer_norm, state, f"{name}.mlp_ln")


def _special() -> list[str]:
    """The tokens after those of text, in order of their ids."""
    tasks = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    spoken = [f"<|{code}|>" for code in list(NAMES)[:LANGUAGES]]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    return ["<|endoftext|>", "<|startoftranscript|>", *spoken, *tasks, *times]


def _all_texts(vocabulary: Vocabulary) -> list[str]:
    return [*vocabulary.texts(), *_special()]


def _tokenizer(vocabulary: Vocabulary, texts: Sequence[str]) -> dict[str, Any]:
    """A ``tokenizer.json`` of Hugging Face's tokenizers."""
    byte_level: dict[str, Any] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    flags: dict[str, Any] = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    special = [{"id": number, "content": texts[number], **flags} for number in range(BASE_TOKENS, len(texts))]
    model: dict[str, Any] = {"type": "BPE", "vocab": {text: number for number, text in enumerate(texts[:BASE_TOKENS])}}
    model |= {"merges": list(vocabulary.merges), "fuse_unk": False, "byte_fallback": False}
    return {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": model,
    }


# --- whisper.cpp -----------------------------------------------------------------------------------------------------


def write_ggml(weights: Weights, vocabulary: Vocabulary, path: Path, quantization: Quantization = "f16") -> Path:
    """Write a ggml file as whisper.cpp's ``convert-pt-to-ggml.py`` and its ``quantize`` do."""
    file_type = {"f16": 1, "q8_0": 2007, "q5_0": 2008}[quantization]
    filters = mel_filters(weights.dims.n_mels)
    with path.open("wb") as file:
        file.write(struct.pack("<I", 0x67676D6C))
        shape = dataclasses.asdict(weights.dims)
        names = ["n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx"]
        names += ["n_text_state", "n_text_head", "n_text_layer", "n_mels"]
        file.write(struct.pack("<11i", *(shape[name] for name in names), file_type))
        file.write(struct.pack("<2i", *filters.shape))
        file.write(filters.astype("<f4").tobytes())
        table = bytes_of_characters()
        texts = vocabulary.texts()
        file.write(struct.pack("<i", len(texts)))
        for text in texts:
            data = bytes(table[character] for character in text)
            file.write(struct.pack("<i", len(data)) + data)
        for name, value in weights.state.items():
            _write_tensor(file, name, value, quantization)
    return path


def _write_tensor(file: BinaryIO, name: str, value: Array, quantization: Quantization) -> None:
    plain = value.ndim < 2 or name.endswith("positional_embedding")  # noqa: PLR2004 - a matrix has two
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        value = value[:, None]
    if plain:
        kind, data = 0, value.astype("<f4").tobytes()
    elif quantization == "f16" or value.ndim > 2:  # noqa: PLR2004
        kind, data = 1, value.astype("<f2").tobytes()
    else:
        kind, data = {"q8_0": (8, q8_0(value)), "q5_0": (6, q5_0(value))}[quantization]
    encoded = name.encode()
    file.write(struct.pack("<3i", value.ndim, len(encoded), kind))
    file.write(struct.pack(f"<{value.ndim}i", *reversed(value.shape)) + encoded + data)


def q8_0(value: Array) -> bytes:
    """Blocks of 32 values: a float16 scale and 32 int8."""
    blocks = value.reshape(-1, BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    numbers = np.rint(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0))
    out = np.empty(len(blocks), np.dtype([("d", "<f2"), ("qs", "i1", BLOCK)]))
    out["d"], out["qs"] = scale[:, 0], numbers
    return out.tobytes()


def q5_0(value: Array) -> bytes:
    """Blocks of 32 values: a float16 scale, the fifth bits, and 16 bytes with two values of four bits each."""
    blocks = value.reshape(-1, BLOCK)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = extreme / -16
    numbers = np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale != 0)
    numbers = np.minimum(31, (numbers + 16.5).astype(np.int64))
    low, high = numbers[:, : BLOCK // 2], numbers[:, BLOCK // 2 :]
    places = np.arange(BLOCK // 2)
    fifths = ((low >> 4) << places).sum(axis=1) | ((high >> 4) << (places + BLOCK // 2)).sum(axis=1)
    out = np.empty(len(blocks), np.dtype([("d", "<f2"), ("qh", "<u4"), ("qs", "u1", BLOCK // 2)]))
    out["d"], out["qh"], out["qs"] = scale[:, 0], fifths, (low & 15) | ((high & 15) << 4)
    return out.tobytes()


def bytes_of_characters() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


# --- openai-whisper --------------------------------------------------------------------------------------------------


def write_checkpoint(weights: Weights, path: Path) -> Path:
    """Write a ``.pt`` checkpoint of openai-whisper (needs torch), and beside its own entries the alignment heads."""
    import torch

    state = {name: torch.from_numpy(np.ascontiguousarray(value)).half() for name, value in weights.state.items()}
    heads = [list(pair) for pair in weights.alignment_heads]
    torch.save({"dims": dataclasses.asdict(weights.dims), "model_state_dict": state, "alignment_heads": heads}, path)
    return path
