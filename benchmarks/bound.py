"""What no clustering of voices could beat: the segmentation network's own decisions, put together by one who knows.

The network hears windows and tells up to three local speakers apart in each. Here each of them (or each of their runs
from pause to pause) is given to the speaker of the reference with whom it shares most time, two who speak at once to
two different ones; where windows overlap they vote. What is wrong then, the network got wrong: who it did not hear,
took for another, or heard in silence. Whoever shares nothing with the reference is left out, which no diarizer could.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stenogram.diarization.networks import FIRST, FRAME, FRAMES, POWERSET, WINDOW, SegmentationNetwork
from stenogram.diarization.windows import FRAME_S, GAP_S, SPEAKERS, stretches
from stenogram.types import SAMPLE_RATE, Sound, SpeakerTurn

HOP = WINDOW // 5
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def turns(sound: Sound, reference: Sequence[SpeakerTurn], *, runs: bool) -> list[SpeakerTurn]:
    """The turns of the reference's speakers as the network can tell them.

    ``runs``: a local speaker whom the network took two people for may be several in turn, as in our diarizer.
    """
    names = sorted({turn.speaker for turn in reference})
    frames = sound.audio.sample_count // FRAME + FRAMES
    truth = _frames(reference, names, frames)
    votes, counts, heard = np.zeros((frames, len(names))), np.zeros(frames), np.zeros(frames)
    for start, active in _windows(sound, SegmentationNetwork()):
        place = slice(start, start + FRAMES)
        for piece, name in _given(active, truth[place], runs=runs):
            votes[start + np.flatnonzero(piece), name] += 1
        counts[place] += active.sum(1)
        heard[place] += 1
    at_once = np.rint(counts / np.maximum(heard, 1))
    ranks = (-votes).argsort(1, kind="stable").argsort(1, kind="stable")
    return list(_turns((ranks < at_once[:, None]) & (votes > 0), names, sound.audio.duration))


def _windows(sound: Sound, network: SegmentationNetwork) -> Iterator[tuple[int, Bools]]:
    """First frame of each window, and which local speaker speaks when in it ``[FRAMES, SPEAKERS]``."""
    members = np.array([[place in speakers for place in range(SPEAKERS)] for speakers in POWERSET])
    for start in range(0, max(sound.audio.sample_count - WINDOW + HOP, 1), HOP):
        first = round(start / FRAME)
        samples = np.zeros((1, WINDOW), np.float32)
        found = sound.audio.window(first * FRAME, first * FRAME + WINDOW)
        samples[0, : len(found)] = found
        yield first, members[network.probabilities(samples)[0].argmax(1)]


def _given(active: Bools, truth: Bools, *, runs: bool) -> Iterator[tuple[Bools, int]]:
    """Each piece of a window, the longest first, and who speaks most in it and was not given to another just then."""
    pieces = [piece for speaker in range(SPEAKERS) for piece in _pieces(active[:, speaker], runs=runs)]
    free = truth.copy()
    for piece in sorted(pieces, key=lambda piece: -int(piece.sum())):
        shared = free[piece].sum(0)
        if shared.any():
            name = int(shared.argmax())
            free[piece, name] = False
            yield piece, name


def _pieces(active: Bools, *, runs: bool) -> Iterator[Bools]:
    for start, end in stretches(active, GAP_S / FRAME_S) if runs else [(0, FRAMES)]:
        piece = np.zeros_like(active)
        piece[start:end] = active[start:end]
        yield piece


def _frames(reference: Iterable[SpeakerTurn], names: Sequence[str], frames: int) -> Bools:
    """Who speaks at the middle of each frame ``[frames, names]``."""
    middles = (np.arange(frames) * FRAME + FIRST) / SAMPLE_RATE
    found = np.zeros((frames, len(names)), bool)
    for turn in reference:
        found[(middles >= turn.start) & (middles < turn.end), names.index(turn.speaker)] = True
    return found


def _turns(active: npt.NDArray[Any], names: Sequence[str], duration: float) -> Iterator[SpeakerTurn]:
    shift = (FIRST - FRAME / 2) / SAMPLE_RATE
    for place, name in enumerate(names):
        for start, end in stretches(active[:, place]):
            yield SpeakerTurn(start * FRAME_S + shift, min(end * FRAME_S + shift, duration), name)
