"""What the networks hear in one window of sound: which local speaker speaks when, and what each voice is like.

The segmentation network tells up to three speakers apart within a window; who they are elsewhere it does not know. It
also takes two people for one now and then, who speak one after the other. So a local speaker is cut into runs at
pauses, each run gets a voice of its own, and those of one local speaker that differ are taken for different people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stenogram.diarization.networks import (
    FIRST,
    FRAME,
    FRAMES,
    POWERSET,
    EmbeddingNetwork,
)
from stenogram.types import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Bools = npt.NDArray[np.bool_]

SPEAKERS = 3
"""Local speakers of a window."""
FRAME_S = FRAME / SAMPLE_RATE
COLUMN_SAMPLES = 1280
"""Samples to one column of the embedding network: 80 ms."""

GAP_S = 0.3
"""A pause of this length cuts a local speaker into runs."""
HEARD_S = 0.3
"""A run needs so much sound of its own for a voice."""
SURE_S = 1.0
"""From so much sound of one person on, a voice tells people apart."""
SPLIT = 0.7
"""Runs of one local speaker further apart than this (cosine distance, average linkage) are different people."""
FULL = 255
"""An activity of 1."""


@dataclass(frozen=True, slots=True)
class Run:
    """A local speaker from pause to pause."""

    window: int
    """Index of its window."""
    speaker: int
    """0 to 2."""
    start: int
    """Frames of the window."""
    end: int
    heard_s: float
    """So long it is heard alone."""
    voice: bytes | None
    """float16 ``[VOICE]``, length 1; None where it cannot be told."""
    unit: int
    """Number of the person within the window: runs of one local speaker that sound alike."""

    def embedding(self) -> Floats | None:
        """The voice, float32 ``[VOICE]``."""
        import numpy as np

        return None if self.voice is None else np.frombuffer(self.voice, np.float16).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Window:
    """What was heard in one window."""

    activity: bytes
    """Probability that each local speaker speaks, uint8 ``[FRAMES, SPEAKERS]`` in units of 1 / FULL."""
    runs: tuple[Run, ...]

    def probabilities(self) -> Floats:
        """Probability that each local speaker speaks, float32 ``[FRAMES, SPEAKERS]``."""
        import numpy as np

        return np.frombuffer(self.activity, np.uint8).reshape(FRAMES, SPEAKERS).astype(np.float32) / np.float32(FULL)


def hear(network: EmbeddingNetwork, index: int, probabilities: Floats, columns: Floats) -> Window:
    """Make a window of the network's ``probabilities`` ``[FRAMES, 7]`` and the ``columns`` of its sound."""
    import numpy as np

    members = np.array([[place in speakers for place in range(SPEAKERS)] for speakers in POWERSET], np.float32)
    active = members[probabilities.argmax(1)] > 0
    alone = active & (active.sum(1, keepdims=True) == 1)
    places: list[tuple[int, int, int]] = []
    masks: list[Bools] = []
    for speaker in range(SPEAKERS):
        clean = alone[:, speaker]
        heard = clean if clean.sum() * FRAME_S >= HEARD_S else active[:, speaker]
        for start, end in stretches(active[:, speaker], GAP_S / FRAME_S):
            places.append((speaker, start, end))
            masks.append(np.zeros(FRAMES, bool))
            masks[-1][start:end] = heard[start:end]
    voices = _voices(network, masks, columns)
    seconds = [float(alone[start:end, speaker].sum() * FRAME_S) for speaker, start, end in places]
    units = _units([speaker for speaker, _, _ in places], voices, seconds)
    runs = tuple(
        Run(index, *place, heard_s, None if voice is None else voice.astype(np.float16).tobytes(), unit)
        for place, heard_s, voice, unit in zip(places, seconds, voices, units, strict=True)
    )
    return Window(np.rint(probabilities @ members * FULL).clip(0, FULL).astype(np.uint8).tobytes(), runs)


def _voices(network: EmbeddingNetwork, masks: Sequence[Bools], columns: Floats) -> list[Floats | None]:
    """The voice behind each mask of frames, None where it covers too little sound."""
    import numpy as np

    if not masks:
        return []
    frames = np.array(masks, np.float32)
    column = (np.arange(FRAMES) * FRAME + FIRST) // COLUMN_SAMPLES
    weights = np.zeros((max(len(columns), int(column[-1]) + 1), len(masks)), np.float32)
    np.add.at(weights, column, frames.T)  # a column weighs as much as frames fall into it
    weights = np.ascontiguousarray(weights[: len(columns)].T)
    able = (frames.sum(1) * FRAME_S >= HEARD_S) & (weights.sum(1) > 0)
    found = iter(network.voices(columns, weights[able]) if able.any() else ())
    return [next(found) if can else None for can in able]


def stretches(active: Bools, gap: float = 0.0) -> list[tuple[int, int]]:
    """Start and end of each stretch of true values; those less than ``gap`` apart are one."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if found and start - found[-1][1] < gap:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _units(speakers: Sequence[int], voices: Sequence[Floats | None], seconds: Sequence[float]) -> list[int]:
    """Which runs of a window are one person: those of one local speaker, unless their voices differ.

    A run that is too short to tell follows the nearest of its local speaker that is not.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    units, first = [0] * len(speakers), 0
    for speaker in sorted(set(speakers)):
        own = [place for place, other in enumerate(speakers) if other == speaker]
        sure = {place: voice for place in own if (voice := voices[place]) is not None and seconds[place] >= SURE_S}
        labels = np.zeros(max(len(sure), 1), np.int64)
        if len(sure) > 1:
            tree = linkage(np.array(list(sure.values())), "average", metric="cosine")
            labels = fcluster(tree, SPLIT, "distance") - 1
        label_of = dict(zip(sure, labels.tolist(), strict=False))
        for place in own:
            _, nearest = min(((abs(known - place), known) for known in sure), default=(0, place))
            units[place] = first + label_of.get(nearest, 0)
        first += int(labels.max()) + 1
    return units
