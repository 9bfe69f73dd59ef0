"""What no clustering of voices could beat: our diarizer with the voices given to the right speakers by one who knows.

All but the clustering is the diarizer's own: the segmentation network's windows, the vote where they overlap. The
network tells up to three local speakers apart in a window; each of them (or each of their runs from pause to pause) is
given to the speaker of the reference with whom it shares most time, two who speak at once to two different ones. What
is wrong then, the network got wrong: who it did not hear, took for another, or heard in silence. What it heard where
the reference has nobody at all is left out, which no diarizer could know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from stenogram.diarization import clustering, vote
from stenogram.diarization.dense import Dense
from stenogram.diarization.networks import FIRST, FRAME, FRAMES
from stenogram.diarization.turns import smooth
from stenogram.diarization.windows import Run, Window
from stenogram.protocols import Diarizer
from stenogram.types import SAMPLE_RATE, DiarizeOptions, Sound, SpeakerTurn

ACTIVE = 0.5
"""Probability from which a local speaker speaks."""
Bools = npt.NDArray[np.bool_]


def turns(diarizer: Diarizer, sound: Sound, reference: Sequence[SpeakerTurn], *, runs: bool) -> list[SpeakerTurn]:
    """The turns of the reference's speakers as the built-in diarizer can tell them, speakers as numbers.

    ``runs``: a local speaker for whom the network took two people may be several in turn, as the diarizer has it.
    """
    ordinary = vote.turns

    def knowing(windows: Sequence[Window], dense: Dense, options: DiarizeOptions, step: int) -> list[SpeakerTurn]:
        labels = [label for window in windows for label in _labels(window, dense, step, reference, runs=runs)]
        with mock.patch.object(clustering, "cluster", return_value=labels):
            return ordinary(windows, dense, options, step)

    with mock.patch.object(vote, "turns", knowing):
        return smooth(diarizer.diarize([sound], DiarizeOptions(diarize=True), lambda _seconds: None, lambda: False))


def _labels(window: Window, dense: Dense, step: int, reference: Sequence[SpeakerTurn], *, runs: bool) -> list[int]:
    """The speaker of the reference for each run of a window, those who speak longest first; -1: nobody."""
    if not window.runs:
        return []
    active = window.probabilities() >= ACTIVE
    free = _truth(dense, window.runs[0].window * step, reference)
    pieces: dict[Any, list[Run]] = defaultdict(list)
    for place, run in enumerate(window.runs):
        pieces[place if runs else run.speaker].append(run)
    labels: dict[int, int] = {}
    for piece in sorted(pieces.values(), key=lambda piece: sum(run.start - run.end for run in piece)):
        mask = np.zeros(FRAMES, bool)
        for run in piece:
            mask[run.start : run.end] |= active[run.start : run.end, run.speaker]
        shared = free[mask].sum(0)
        label = int(shared.argmax()) if shared.any() else -1
        if label >= 0:
            free[mask, label] = False
        labels |= {id(run): label for run in piece}
    return [labels[id(run)] for run in window.runs]


def _truth(dense: Dense, first: int, reference: Sequence[SpeakerTurn]) -> Bools:
    """Who speaks in each frame of the window that begins at the sample ``first`` ``[FRAMES, speakers]``."""
    samples = first + np.arange(FRAMES) * FRAME + FIRST
    stretch = np.clip(np.searchsorted(dense.places, samples, "right") - 1, 0, len(dense.starts) - 1)
    seconds = (samples - np.array(dense.places)[stretch] + np.array(dense.starts)[stretch]) / SAMPLE_RATE
    names = sorted({turn.speaker for turn in reference})
    found = np.zeros((FRAMES, len(names)), bool)
    for turn in reference:
        found[(seconds >= turn.start) & (seconds < turn.end), names.index(turn.speaker)] = True
    return found
