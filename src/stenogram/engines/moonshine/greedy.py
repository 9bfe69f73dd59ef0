"""Greedy decoding of several chunks at once, each as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stenogram.engines.moonshine.decoder import read_shape, step_graph
from stenogram.errors import Cancelled
from stenogram.onnx.session import exact_int8, open_session
from stenogram.onnx.weights import Weights
from stenogram.protocols import Stop

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.float32]

BOS, EOS = 1, 2
POSITIONS = 512
"""Most tokens of one chunk: a minute of the fastest speech."""
FRAME_MULTIPLE = 16
"""Frames are padded to a multiple of this: sums then run in the same lanes of a vector register whatever the length
of the longest row, so that results are equal bit for bit (measured on 101 clips in random batches)."""
COMPACT_AT = 0.75
"""Finished rows leave the batch when no more than this share is still at work; copying the caches has its price."""
LOOP_TOKENS, LOOP_PERIOD = 24, 12
"""A row loops when its last 24 or more tokens are at most 12 tokens over and over, three times at least."""


@dataclass(slots=True)
class Row:
    """One chunk being decoded."""

    keys_values: list[Floats]
    """Keys ``[heads, head_size, T]`` and values ``[heads, T, head_size]`` of each layer."""
    budget: int
    """Most tokens it may write."""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)
    """For each token, how much of each frame was read to write it, ``[T]``."""
    done: bool = False

    @property
    def frames(self) -> int:
        """Encoder states it attends to."""
        return int(self.keys_values[0].shape[-1])

    def take(self, token: int, logprob: float, attention: Floats) -> None:
        """Append a token, or finish."""
        if token == EOS:
            self.done = True
            return
        self.ids.append(token)
        self.logprobs.append(logprob)
        self.attention.append(attention[: self.frames])
        self.done = len(self.ids) >= self.budget or loops(self.ids)


def loops(ids: Sequence[int]) -> bool:
    """Whether the end of a text only repeats itself; shorter repetitions are speech ("no, no, no")."""
    for period in range(1, LOOP_PERIOD + 1):
        length = max(LOOP_TOKENS, 3 * period)
        tail = ids[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return True
    return False


class Decoder:
    """The decoder in memory; shared by threads. Raises ``ValueError`` or ``KeyError`` when the weights do not fit."""

    def __init__(self, weights: Weights) -> None:
        self._shape = read_shape(weights)
        self._step = open_session(step_graph(weights, POSITIONS, signed=exact_int8()))
        self._cross = [f"cross.{layer}.{kind}" for layer in range(self._shape.layers) for kind in ("key", "value")]
        self._present = [output.name for output in self._step.get_outputs() if output.name.startswith("present")]
        self._past = [name.replace("present", "past") for name in self._present]

    def greedy(self, rows: Sequence[Row], stop: Stop) -> None:
        """Decode all rows to their ends. Raises ``Cancelled`` within a step of being asked to."""
        import numpy as np
        from onnxruntime import OrtValue

        value = OrtValue.ortvalue_from_numpy
        active = [row for row in rows if row.budget > 0]
        empty = np.zeros((len(active), self._shape.heads, 0, self._shape.head_size), np.float32)
        past = [value(empty) for _ in self._past]
        feeds = self._join(active)
        outputs = ["logits", "attention", *self._present]
        for position in range(max((row.budget for row in active), default=0)):
            check(stop)
            feeds["token"] = value(np.array([row.ids[-1:] or [BOS] for row in active], np.int64))
            feeds["position"] = value(np.array([position], np.int64))
            logits, attention, *past = self._step.run_with_ort_values(
                outputs, feeds | dict(zip(self._past, past, strict=True))
            )
            for row, token, logprob, read in zip(active, *best(logits.numpy()), attention.numpy(), strict=True):
                if not row.done:
                    row.take(int(token), float(logprob), read)
            left = [index for index, row in enumerate(active) if not row.done]
            if not left:
                return
            if len(left) <= COMPACT_AT * len(active):
                active = [active[index] for index in left]
                past = [value(cache.numpy()[left]) for cache in past]
                feeds = self._join(active)

    def _join(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Stack the rows' encoder states, padded to the longest, with the mask that hides the padding."""
        import numpy as np
        from onnxruntime import OrtValue

        if not rows:
            return {}
        value = OrtValue.ortvalue_from_numpy
        longest = max(row.frames for row in rows)
        frames = -(-longest // FRAME_MULTIPLE) * FRAME_MULTIPLE
        heads, size = self._shape.heads, self._shape.head_size
        mask = np.zeros((len(rows), 1, 1, frames), np.float32)
        joined = [
            np.zeros(
                (len(rows), heads, size, frames) if index % 2 == 0 else (len(rows), heads, frames, size), np.float32
            )
            for index in range(len(self._cross))
        ]
        for place, row in enumerate(rows):
            mask[place, ..., row.frames :] = -np.inf
            for index, part in enumerate(row.keys_values):
                target = joined[index][place]
                target[tuple(slice(length) for length in part.shape)] = part
        return {"mask": value(mask)} | dict(zip(self._cross, map(value, joined), strict=True))


def best(logits: Floats) -> tuple[Array, Array]:
    """Each row's most likely token and its log-probability; overwrites ``logits`` ``[B, V]``."""
    import numpy as np

    tokens = logits.argmax(axis=1)
    logits -= np.take_along_axis(logits, tokens[:, None], axis=1)
    return tokens, -np.log(np.exp(logits, out=logits).sum(axis=1))


def check(stop: Stop) -> None:
    """Raise ``Cancelled`` when asked to stop."""
    if stop():
        raise Cancelled
