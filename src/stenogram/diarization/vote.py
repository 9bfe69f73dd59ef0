"""From the windows of a recording to turns: voices are clustered, and where windows overlap, they vote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stenogram.diarization import clustering
from stenogram.diarization.dense import Dense
from stenogram.diarization.networks import FIRST, FRAME, FRAMES
from stenogram.diarization.windows import Window, stretches
from stenogram.types import DiarizeOptions, SpeakerTurn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]

_AT_A_TIME = 20_000
"""Frames decided at a time (5.6 minutes), so that memory does not grow with the recording."""


def turns(windows: Sequence[Window], dense: Dense, options: DiarizeOptions, step: int) -> list[SpeakerTurn]:
    """Who speaks when, on the clock of the recording; speakers are numbers. ``step``: samples from window to window."""
    runs = [run for window in windows for run in window.runs]
    if not runs:
        return []
    labels = iter(clustering.cluster(runs, options, step / FRAME))
    speakers = [[next(labels) for _ in window.runs] for window in windows]
    found = []
    for first, spoken in _decisions(windows, speakers, step):
        for speaker in range(spoken.shape[1]):
            for start, end in stretches(spoken[:, speaker]):
                # a decision stands for the samples around the middle of what the network heard for it
                begin, stop = ((first + frame) * FRAME + FIRST - FRAME // 2 for frame in (start, end))
                begin = 0 if first + start == 0 else begin
                found += [SpeakerTurn(span.start, span.end, str(speaker)) for span in dense.spans(begin, stop)]
    return found


def _decisions(windows: Sequence[Window], speakers: Sequence[Sequence[int]], step: int) -> Iterator[tuple[int, Bools]]:
    """First frame, and who speaks in the frames from there on ``[n, K]``; all frames in order.

    As many speakers as the windows say there are at the time, on average and rounded: those that they name most.
    """
    import numpy as np

    count = max((speaker for row in speakers for speaker in row), default=0) + 1
    begins = [round(place * step / FRAME) for place in range(len(windows))]
    total = begins[-1] + FRAMES
    done = 0
    for first in range(0, total, _AT_A_TIME):
        end = min(first + _AT_A_TIME, total)
        votes = np.zeros((end - first + 2 * FRAMES, count), np.float32)
        sums, heard = np.zeros(len(votes), np.float32), np.zeros(len(votes), np.float32)
        while done and begins[done - 1] + FRAMES > first:
            done -= 1
        while done < len(windows) and begins[done] < end:
            begin = begins[done] - first + FRAMES
            activity = windows[done].probabilities()
            place = slice(begin, begin + FRAMES)
            heard[place] += 1
            sums[place] += activity.sum(1)
            for run, speaker in zip(windows[done].runs, speakers[done], strict=True):
                if speaker >= 0:
                    votes[begin + run.start : begin + run.end, speaker] += activity[run.start : run.end, run.speaker]
            done += 1
        own = slice(FRAMES, FRAMES + end - first)
        yield first, _named(votes[own], np.rint(sums[own] / np.maximum(heard[own], 1)))


def _named(votes: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> Bools:
    """The ``counts`` ``[n]`` speakers with most ``votes`` ``[n, K]`` in each frame."""
    import numpy as np

    ranks = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1, kind="stable")
    return (ranks < counts[:, None]) & (votes > 0)
