"""Decode one sound track into sample files: packets -> frames -> places in time -> 16 kHz blocks -> files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stenogram.audio.container import Track
from stenogram.audio.resampler import Resampler
from stenogram.audio.samples import SampleFiles
from stenogram.audio.timeline import Placed, Timeline
from stenogram.errors import FileNotReadable, OptionError, TooLong
from stenogram.types import SAMPLE_RATE, DecodeOptions

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.packet import Packet

    from stenogram.audio.resampler import Block

MOST_CHANNELS = 8
"""Channels that may be transcribed each on its own (7.1)."""

_LOWEST_RATE, _HIGHEST_RATE = 1_000, 3_000_000
"""Samples per second that sound may have (the highest: DSD512). Beyond, a header is damaged: at 1 Hz, a packet would
become hours."""
_FIRST_SNAPSHOT_S = 5.0
_SNAPSHOT_S = 30.0
_REPORT_EVERY_S = 1.0
_CUT_TOLERANCE_S = 1.0
_CUT_TOLERANCE = 0.01
"""A recording this much shorter than declared (the larger of a second and a hundredth) was cut off."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Samples that are in the files for good."""

    paths: tuple[Path, ...]
    channels: tuple[int | None, ...]
    sample_count: int
    total_s: float | None
    busy_s: float
    """Processor time this decode took so far."""
    finished: bool
    warnings: tuple[str, ...]


Report = Callable[[Snapshot | None], None]
"""Told of each snapshot, and of None about once a second in between: still alive."""


class TrackDecoder:
    """Decodes one track. After ``run``: what was found (``sample_count``) and what went wrong (``damaged_packets``)."""

    def __init__(
        self, track: Track, name: Path, options: DecodeOptions, report: Report, first_s: float | None = None
    ) -> None:
        """``name``: sample files are called this plus channel and suffix; ``first_s``: end after so many seconds."""
        self._first_s = first_s
        self.good_packets = 0
        self.damaged_packets = 0
        self._track = track
        self._name = name
        self._options = options
        self._report = report
        tick_s = float(track.stream.time_base or 0)
        self._timeline = Timeline(tick_s, track.zero_s, track.total_s)
        self._resampler: Resampler | None = None
        self._files: SampleFiles | None = None
        self._paths: list[Path] = []
        self._channels: tuple[int | None, ...] = ()
        self._announced = 0
        self._reported_at = time.monotonic()
        self._began_s = time.process_time()
        self._others_end_s = 0.0
        self._opposite_phase = False

    @property
    def sample_count(self) -> int:
        """Samples decoded so far, per channel."""
        return 0 if self._files is None else self._files.count

    @property
    def is_junk(self) -> bool:
        """Whether most packets make no sense: then this is no such recording, whatever the rest sounds like."""
        return self.damaged_packets > self.good_packets

    def run(self) -> None:
        """Decode all. Raises ``TooLong``, ``StorageError``, ``OptionError``, ``FileNotReadable``."""
        if self._track.total_s is not None:
            self._check_length(self._track.total_s)
        try:
            for frame in self._frames():
                for placed in self._timeline.place(frame):
                    self._take(placed)
                if self._first_s is not None and self.sample_count >= self._first_s * SAMPLE_RATE:
                    return
            for placed in self._timeline.finish():
                self._take(placed)
            self._end_run()
        finally:
            if self._files is not None:
                self._files.close()

    def snapshot(self, *, finished: bool) -> Snapshot:
        """What is in the files now; the warnings come with the last one."""
        return Snapshot(
            paths=tuple(self._paths),
            channels=self._channels,
            sample_count=self.sample_count,
            total_s=self._track.total_s,
            busy_s=time.process_time() - self._began_s,
            finished=finished,
            warnings=tuple(self._warnings()) if finished and self._first_s is None else (),
        )

    def _frames(self) -> Iterator[AudioFrame]:
        from av.error import FFmpegError

        for packet in self._packets():
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except FFmpegError:
                self.damaged_packets += 1
                continue
            for frame in cast("list[AudioFrame]", frames):
                if frame.samples and _LOWEST_RATE <= frame.sample_rate <= _HIGHEST_RATE:
                    self.good_packets += 1
                    yield frame
                else:
                    self.damaged_packets += 1

    def _packets(self) -> Iterator[Packet[Any]]:
        from av.error import FFmpegError

        stream = self._track.stream
        if self._track.own:
            self._skip_others()
        try:
            for packet in self._track.container.demux():
                self._keep_alive()
                if packet.stream is stream:  # not by index: the empty packets that flush a decoder all have 0
                    yield packet
                elif packet.pts is not None and packet.time_base is not None:
                    end_s = float(packet.pts * packet.time_base) - self._track.zero_s
                    self._others_end_s = max(self._others_end_s, end_s)
        except MemoryError:
            raise
        except FFmpegError:
            self.damaged_packets += 1  # the container is broken from here on; what was read stays good
        except IndexError:
            pass  # PyAV 18.1, after the last packet, when damaged MPEG-TS seemed to hold tracks that were not announced
        except OSError as error:
            raise FileNotReadable(path=self._track.path, cause=error.strerror or error) from error

    def _skip_others(self) -> None:
        """Let the demuxer pass over all other tracks: there is nothing to learn from them."""
        from av.stream import Discard

        for other in self._track.container.streams:
            if other.index != self._track.stream.index:
                other.discard = Discard.all

    def _take(self, placed: Placed) -> None:
        files = self._files or self._open_files(placed.frame)
        if placed.start_s is not None or self._resampler is None or not self._resampler.takes(placed.frame):
            self._end_run()
            if placed.start_s is not None:
                self._check_length(placed.start_s)
                files.silence_until(round(placed.start_s * SAMPLE_RATE))
            self._resampler = Resampler(placed.frame, self._options.channels)
        self._write(files, self._resampler.push(placed.frame))

    def _end_run(self) -> None:
        if self._resampler is None or self._files is None:
            return
        self._write(self._files, self._resampler.finish())
        if self._resampler is not None:
            self._opposite_phase |= self._resampler.opposite_phase
        self._resampler = None

    def _write(self, files: SampleFiles, blocks: Iterator[Block]) -> None:
        from av.error import FFmpegError

        try:
            for block in blocks:
                files.append(block)
                self._progress()
        except MemoryError:
            raise
        except FFmpegError:  # frames that no filter takes, such as at 1 Hz or with 1000 channels
            self.damaged_packets += 1
            self._resampler = None

    def _open_files(self, frame: AudioFrame) -> SampleFiles:
        count = frame.layout.nb_channels
        if self._options.channels == "mix":
            self._channels = (None,)
        elif count > MOST_CHANNELS:
            cause = f"{self._track.path} has {count} channels, at most {MOST_CHANNELS} can be taken apart; use mix"
            raise OptionError(name="channels", value="separate", cause=cause)
        else:
            self._channels = tuple(range(count))
        suffixes = ["mix" if channel is None else str(channel) for channel in self._channels]
        self._paths = [self._name.with_name(f"{self._name.name}-{suffix}.f32") for suffix in suffixes]
        self._files = SampleFiles(self._paths, self._track.total_s)
        return self._files

    def _check_length(self, length_s: float) -> None:
        if length_s > self._options.max_duration_s:
            raise TooLong(path=self._track.path, limit_s=self._options.max_duration_s)

    def _progress(self) -> None:
        self._check_length(self.sample_count / SAMPLE_RATE)
        new_s = (self.sample_count - self._announced) / SAMPLE_RATE
        overdue = new_s > 0 and time.monotonic() - self._reported_at > _REPORT_EVERY_S
        if (overdue or new_s >= (_SNAPSHOT_S if self._announced else _FIRST_SNAPSHOT_S)) and not self.is_junk:
            self._announced = self.sample_count
            self._reported_at = time.monotonic()
            self._report(self.snapshot(finished=False))

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._reported_at > _REPORT_EVERY_S:
            self._reported_at = now
            self._report(None)

    def _warnings(self) -> Iterator[str]:
        declared_s, end_s = self._track.declared_s, self.sample_count / SAMPLE_RATE
        if not self._track.own:
            end_s = max(end_s, self._others_end_s)
        if declared_s is not None and self._track.recorded:
            missing_s = declared_s - end_s
            if missing_s > max(_CUT_TOLERANCE_S, _CUT_TOLERANCE * declared_s):
                yield f"cut off: ended at {end_s:.1f} s of {declared_s:.1f} s"
        if self.damaged_packets:
            yield f"damaged: {self.damaged_packets} of {self.good_packets + self.damaged_packets} packets were skipped"
        if self._files is not None and self._files.unreal_count:
            unreal_s = self._files.unreal_count / SAMPLE_RATE
            yield f"{unreal_s:.3f} s of the samples were not numbers and were replaced by silence"
        if self._timeline.jumps:
            yield f"timestamps jump {self._timeline.jumps} times: times after that are counted on from the sound before"
        if self._opposite_phase:
            yield "the two channels are in opposite phase: their difference was used, because their mix is silent"
