"""Frames of any rate, format and channel layout -> float32 blocks at ``SAMPLE_RATE``, by one FFmpeg filter graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from stenogram.types import SAMPLE_RATE, ChannelMode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from av.audio.frame import AudioFrame
    from av.filter import Graph

    Block = npt.NDArray[np.float32]

BLOCK_SAMPLES = 5 * SAMPLE_RATE
"""Samples per block handed out; few and large, so that Python costs nothing per frame."""

_PHASE_PROBE_S = 5.0
"""Sound looked at before stereo is mixed, to see whether the channels cancel each other."""
_CANCELLED = 0.01
"""Share of the channels' energy below which their mix is cancelled (-20 dB; unrelated channels give 0.5)."""
_PULL_EVERY = 64
"""Frames pushed between two looks for finished blocks."""


class Resampler:
    """One run of frames with the same rate, format and layout.

    Mixing: stereo is averaged; more channels are weighted as FFmpeg's downmix to mono does, scaled so that it cannot
    clip (5.1: centre 0.29, left and right 0.21 each, surround 0.15 each, no LFE); channels without known places are
    averaged. Stereo whose channels are in opposite phase, and would cancel, is subtracted instead.
    """

    def __init__(self, first: AudioFrame, channels: ChannelMode) -> None:
        """``first``: a frame like all that will come. ``channels``: the mix, or each channel of the source."""
        self.opposite_phase = False
        self._channels = channels
        self._graph: Graph | None = None
        self._first = first
        self._needs_probe = channels == "mix" and first.layout.nb_channels == 2  # noqa: PLR2004 - stereo
        self._probed: list[AudioFrame] = []
        self._probed_s = 0.0
        self._pushed = 0

    def takes(self, frame: AudioFrame) -> bool:
        """Whether the frame belongs to this run."""
        return (
            frame.sample_rate == self._first.sample_rate
            and frame.format.name == self._first.format.name
            and frame.layout == self._first.layout
        )

    def push(self, frame: AudioFrame) -> Iterator[Block]:
        """Take a frame (``takes`` is true of it); give finished blocks, shape ``[channels, n]``."""
        frame.pts = None  # its place is known already; a wild number must not reach the filters
        if self._graph is None:
            self._probed.append(frame)
            self._probed_s += frame.samples / frame.sample_rate
            if not self._needs_probe or self._probed_s >= _PHASE_PROBE_S:
                yield from self._start()
            return
        self._graph.push(frame)
        self._pushed += 1
        if self._pushed >= _PULL_EVERY or frame.samples >= SAMPLE_RATE // 2:
            self._pushed = 0
            yield from _pull(self._graph)

    def finish(self) -> Iterator[Block]:
        """End the run; give the rest."""
        if self._probed:
            yield from self._start()
        if self._graph is not None:
            self._graph.push(None)
            yield from _pull(self._graph)
            self._graph = None

    def _start(self) -> Iterator[Block]:
        from av.error import FFmpegError

        frames, self._probed = self._probed, []
        first = frames[0]
        count = first.layout.nb_channels
        self.opposite_phase = self._needs_probe and _cancels(frames)
        if self.opposite_phase:
            self._graph = _graph(first, "mono|c0=0.5*c0-0.5*c1", mix=True)
        elif self._channels == "separate":
            self._graph = _graph(first, None, mix=False)
        else:
            try:
                self._graph = _graph(first, None, mix=True)
            except FFmpegError:  # channels whose places FFmpeg does not know
                average = "+".join(f"{1 / count:.6f}*c{channel}" for channel in range(count))
                self._graph = _graph(first, f"mono|c0={average}", mix=True)
        for frame in frames:
            self._graph.push(frame)
        yield from _pull(self._graph)


def _graph(first: AudioFrame, pan: str | None, *, mix: bool) -> Graph:
    from av.filter import Graph

    graph = Graph()
    nodes = [
        graph.add(
            "abuffer",
            sample_rate=str(first.sample_rate),
            sample_fmt=first.format.name,
            channel_layout=first.layout.name,
            time_base=f"1/{first.sample_rate}",
        )
    ]
    if pan is not None:
        nodes.append(graph.add("pan", pan))
    # rematrix_maxval=1: scale the downmix so that it stays within [-1, 1]
    nodes.append(graph.add("aresample", f"{SAMPLE_RATE}:rematrix_maxval=1"))
    nodes.append(graph.add("aformat", "sample_fmts=fltp" + (":channel_layouts=mono" if mix else "")))
    nodes.append(graph.add("asetnsamples", f"n={BLOCK_SAMPLES}:p=0"))
    nodes.append(graph.add("abuffersink"))
    graph.link_nodes(*nodes)
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[Block]:
    import numpy as np
    from av.error import BlockingIOError as NoneReady
    from av.error import EOFError as Ended

    while True:
        try:
            frame = cast("AudioFrame", graph.pull())
        except (NoneReady, Ended):
            return
        yield np.stack([np.frombuffer(memoryview(plane), np.float32, frame.samples) for plane in frame.planes])


def _cancels(frames: list[AudioFrame]) -> bool:
    """Whether the average of two channels has nearly none of their energy."""
    import numpy as np

    mixed = apart = 0.0
    for frame in frames:
        array = frame.to_ndarray()
        pair = array if frame.format.is_planar else array.reshape(-1, 2).T
        left, right = (channel.astype(np.float64) for channel in pair)
        if pair.dtype == np.uint8:
            left, right = left - 128, right - 128
        mixed += float(np.sum((left + right) ** 2)) / 4
        apart += float(np.sum(left**2 + right**2)) / 2
    return 0 < apart < float("inf") and mixed < _CANCELLED * apart
