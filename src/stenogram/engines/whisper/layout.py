"""How cores and memory are laid out: a rule from a few facts."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

from stenogram.types import LoadOptions

POSITIONS = 1500
"""Frames of the encoder's output for 30 s."""
LARGE_WIDTH = 1024
"""From here on (medium, large) one window is work enough for several threads, and activations are large."""
LARGE_THREADS = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Workers that decode batches side by side, and threads inside each."""

    workers: int
    threads: int
    batch_size: int


def lay_out(cores: int, width: int, options: LoadOptions) -> Layout:
    """Lay out ``cores`` for a model of ``width`` (d_model); ``cpu_threads``, where given, stands for the cores.

    CPU: as many workers of one thread as there are cores: small matrices gain nothing from threads. Two workers of one
    thread are 1.3 (tiny) to 1.65 (base) times as fast as one of two; weights are shared between workers, activations
    are not, so wide models get four threads each. Batches of 4: the encoder gains nothing from batches on a CPU, the
    decoder up to then. GPU: one worker, large batches.
    """
    cores = options.cpu_threads or cores
    if options.device == "cuda":
        return Layout(1, 1, 16)
    threads = 1 if width < LARGE_WIDTH else min(LARGE_THREADS, cores)
    return Layout(max(cores // threads, 1), threads, 4)


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a network, as its file tells."""

    width: int
    heads: int
    decoder_layers: int
    weights: int
    """Numbers in all weights."""

    def memory_bytes(self, compute_type: str) -> int:
        """What the weights take: one byte a number for int8 (embeddings and convolutions are few), two or four."""
        return self.weights * {"float32": 4, "float16": 2}.get(compute_type, 1)

    def chunk_bytes(self, device: str) -> int:
        """What a window takes while it is computed: scores of one attention layer, keys and values of the decoder."""
        number = 2 if device == "cuda" else 4
        scores = self.heads * POSITIONS * POSITIONS
        memory = 2 * self.decoder_layers * POSITIONS * self.width
        return number * (scores + memory + 12 * POSITIONS * self.width)


def read_shape(path: Path) -> Shape:
    """Read the shape of a network from a ``model.bin`` of CTranslate2 (binary version 6), without its weights.

    Raises ``OSError``, ``ValueError`` when it is no such file.
    """
    try:
        shapes, aliases, heads = _read_variables(path)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is cut off or damaged") from error
    weights = sum(math.prod(shape) for name, shape in shapes.items() if name.endswith("weight"))
    shapes |= {alias: shapes[name] for alias, name in aliases.items()}
    layers = {name.split("/")[1] for name in shapes if name.startswith("decoder/layer_")} - {"layer_norm"}
    if "encoder/layer_norm/gamma" not in shapes or not heads:
        raise ValueError(f"{path.name} lacks an encoder")
    return Shape(shapes["encoder/layer_norm/gamma"][0], heads, len(layers), weights)


def _read_variables(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str], int]:
    """The shape of every variable; names that stand for another one, which is equal; and the heads of the encoder."""
    shapes: dict[str, tuple[int, ...]] = {}
    heads: dict[str, int] = {}
    with path.open("rb") as file:

        def read(layout: str) -> tuple[int, ...]:
            return struct.unpack(layout, file.read(struct.calcsize(layout)))

        def read_name() -> str:
            return file.read(read("<H")[0]).rstrip(b"\0").decode()

        read("<I")
        if read_name() != "WhisperSpec":
            raise ValueError(f"{path.name} holds no Whisper network of CTranslate2")
        read("<I")
        for _ in range(read("<I")[0]):
            name = read_name()
            shapes[name] = read(f"<{read('<B')[0]}I")
            read("<B")
            size = read("<I")[0]
            if shapes[name]:
                file.seek(size, 1)
            else:
                heads[name] = int.from_bytes(file.read(size), "little")
        aliases = {read_name(): read_name() for _ in range(read("<I")[0])}
    number = "encoder/num_heads"
    return shapes, aliases, heads.get(aliases.get(number, number), 0)
