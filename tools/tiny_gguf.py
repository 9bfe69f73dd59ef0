"""Write a tiny language model in the real GGUF format, with random weights: what it says is noise.

For the tests of what runs GGUF files: loading, streaming, token limits and stopping are real, the text means nothing.
The layout follows ggml's ``docs/gguf.md``, the names those of llama.cpp's ``llama`` architecture; the tokenizer is of
SentencePiece's kind, with a token for every byte, so that any text can be asked.

    python -m tools.tiny_gguf FILE.gguf
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

WORDS = (
    *(
        "the",
        "a",
        "of",
        "and",
        "to",
        "in",
        "is",
        "it",
        "was",
        "for",
        "on",
        "are",
        "with",
        "as",
        "his",
        "they",
        "at",
        "be",
    ),
    *(
        "this",
        "from",
        "have",
        "or",
        "by",
        "one",
        "had",
        "not",
        "but",
        "what",
        "all",
        "were",
        "we",
        "when",
        "your",
        "can",
    ),
    *("и", "в", "не", "на", "что", "он", "как", "это", "но", "они", "мы", "все", "она", "так", "его", "только", "был"),  # noqa: RUF001
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_ALIGNMENT = 32
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_U32, _I32, _F32, _STRING, _ARRAY = 4, 5, 6, 8, 9


@dataclass(frozen=True, slots=True)
class Shape:
    """How large it is; larger ones are slower, for tests of what takes long."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    context: int = 512


def write(path: Path, shape: Shape = Shape(), template: str | None = TEMPLATE, seed: int = 0) -> Path:
    """Write the file; the same arguments give the same bytes."""
    tokens = _vocabulary()
    keys = _keys(shape, tokens, template)
    tensors = _tensors(shape, tokens, np.random.default_rng(seed))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(_string(key) + _typed(kind, value) for key, (kind, value) in keys.items())
    offset = 0
    for name, tensor in tensors.items():
        dims = tensor.shape[::-1]
        head += _string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, offset)
        offset += _padded(tensor.nbytes)
    with path.open("wb") as file:
        file.write(head.ljust(_padded(len(head)), b"\0"))
        for tensor in tensors.values():
            file.write(tensor.tobytes().ljust(_padded(tensor.nbytes), b"\0"))
    return path


def _vocabulary() -> list[tuple[str, int]]:
    """Each token and its kind."""
    control = [(text, _CONTROL) for text in ("<s>", "</s>", "<|im_start|>", "<|im_end|>")]
    bytes_ = [(f"<0x{value:02X}>", _BYTE) for value in range(256)]
    letters = ["\u2581", *"etaoinshrdlu", *"0123456789", *".,?!"]
    words = dict.fromkeys([*letters, *(f"\u2581{word}" for word in WORDS)])
    return [("<unk>", _UNKNOWN), *control, *bytes_, *((word, _NORMAL) for word in words)]


def _keys(shape: Shape, tokens: Sequence[tuple[str, int]], template: str | None) -> dict[str, tuple[Any, Any]]:
    keys: dict[str, tuple[Any, Any]] = {
        "general.architecture": (_STRING, "llama"),
        "general.name": (_STRING, "noise"),
        "general.alignment": (_U32, _ALIGNMENT),
        "general.file_type": (_U32, 0),
        "llama.context_length": (_U32, shape.context),
        "llama.embedding_length": (_U32, shape.width),
        "llama.block_count": (_U32, shape.layers),
        "llama.feed_forward_length": (_U32, 2 * shape.width),
        "llama.attention.head_count": (_U32, shape.heads),
        "llama.attention.head_count_kv": (_U32, shape.heads),
        "llama.attention.layer_norm_rms_epsilon": (_F32, 1e-5),
        "llama.rope.dimension_count": (_U32, shape.width // shape.heads),
        "llama.vocab_size": (_U32, len(tokens)),
        "tokenizer.ggml.model": (_STRING, "llama"),
        "tokenizer.ggml.tokens": ((_ARRAY, _STRING), [text for text, _ in tokens]),
        "tokenizer.ggml.scores": ((_ARRAY, _F32), [-float(place) for place in range(len(tokens))]),
        "tokenizer.ggml.token_type": ((_ARRAY, _I32), [kind for _, kind in tokens]),
        "tokenizer.ggml.bos_token_id": (_U32, 1),
        "tokenizer.ggml.eos_token_id": (_U32, 2),
        "tokenizer.ggml.eot_token_id": (_U32, 4),
        "tokenizer.ggml.unknown_token_id": (_U32, 0),
    }
    if template is not None:
        keys["tokenizer.chat_template"] = (_STRING, template)
    return keys


def _tensors(
    shape: Shape, tokens: Sequence[tuple[str, int]], random: np.random.Generator
) -> dict[str, npt.NDArray[np.float32]]:
    """In NumPy's order of dimensions, which is GGUF's the other way round."""
    width, inner = shape.width, 2 * shape.width

    def noise(*dims: int) -> npt.NDArray[np.float32]:
        return random.standard_normal(dims, np.float32) / np.float32(np.sqrt(dims[-1]))

    tensors = {"token_embd.weight": noise(len(tokens), width) * np.float32(np.sqrt(width))}
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"{block}{name}.weight"] = np.ones(width, np.float32)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}{name}.weight"] = noise(width, width)
        tensors[f"{block}ffn_gate.weight"] = noise(inner, width)
        tensors[f"{block}ffn_up.weight"] = noise(inner, width)
        tensors[f"{block}ffn_down.weight"] = noise(width, inner)
    tensors["output_norm.weight"] = np.ones(width, np.float32)
    output = noise(len(tokens), width) * np.float32(4)
    output[[kind != _NORMAL for _, kind in tokens]] = 0  # it says words, and hardly ever stops by itself
    tensors["output.weight"] = output
    return tensors


def _typed(kind: Any, value: Any) -> bytes:
    if not isinstance(kind, tuple):
        return struct.pack("<I", kind) + _plain(kind, value)
    array, inner = kind
    return struct.pack("<IIQ", array, inner, len(value)) + b"".join(_plain(inner, one) for one in value)


def _plain(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        return _string(value)
    return struct.pack({_U32: "<I", _I32: "<i", _F32: "<f"}[kind], value)


def _string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def main() -> None:
    """Write the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--layers", type=int, default=Shape().layers)
    parser.add_argument("--width", type=int, default=Shape().width)
    given = parser.parse_args()
    write(given.file, Shape(width=given.width, layers=given.layers))


if __name__ == "__main__":
    main()
