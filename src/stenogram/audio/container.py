"""Open a media file with FFmpeg so that nothing but this one file can be opened, and find its sound.

Three locks, each enough alone: only the demuxers in ``DEMUXERS`` may run (none of them reads a playlist), FFmpeg gets
an open file instead of a path and a protocol list that matches none, and any further file it asks for is refused.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stenogram.audio import sniff
from stenogram.errors import DamagedMedia, FileNotReadable, InputError, NoAudio, NotMedia

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

DEMUXERS = (
    "3g2,3gp,aa,aac,ac3,ac4,act,adx,aea,aiff,alp,amr,amrnb,amrwb,ape,asf,asf_o,ast,au,avi,avr,bonk,caf,codec2,daud,"
    "dhav,dsf,dss,dts,dtshd,dv,eac3,flac,flv,g722,g723_1,g729,gsm,gxf,iamf,iff,ilbc,ircam,kux,lc3,live_flv,loas,lxf,"
    "m4a,matroska,mj2,mlp,mmf,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nsv,nut,nuv,ogg,oma,osq,paf,pva,pvf,"
    "qcp,qoa,rm,rka,rso,sbc,sds,shn,smjpeg,sox,spdif,swf,tak,thp,truehd,tta,ty,vivo,voc,vqf,w64,wav,wavarc,webm,wsd,"
    "wtv,wv,wve,xa,xwma"
)
"""FFmpeg's names of the formats that carry sound in one file. Not among them: playlists and other lists of files (hls,
concat, dash, image2, sdp, vobsub ...), devices, images, text as pictures (tty), headerless samples."""

_ESTIMATED = frozenset(
    {"aac", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb", "loas", "mpeg", "mpegts", "truehd", "mlp", "gsm"}
)
"""Formats that record no length: FFmpeg guesses one from the bit rate or the last timestamp, too roughly to call a
file cut off."""

_LEAST_BIT_RATE = 300.0
"""Bits per second below which a declared length cannot be true: half of what the thriftiest speech codec needs."""

_CUT_FROM_S = 1.0
"""A file that declares more sound than this, and holds none, was cut off; one that declares less is empty."""

_OUTGROWN_S = 1.0
"""Sound after the declared end of a WAV is looked at from this length on; less may be padding."""

_BUFFER_BYTES = 65_536
_PCM_PACKET_BYTES = 32_768
"""Size of packets FFmpeg cuts WAV into. Larger saves little and makes opening slower (it probes by packets)."""


@dataclass(frozen=True, slots=True)
class Track:
    """One sound track of an open container."""

    path: Path
    container: InputContainer
    stream: AudioStream
    zero_s: float
    """The container's own time of what a player shows as 0:00."""
    declared_s: float | None
    """Length the container declares or FFmpeg estimates."""
    believable: bool
    """Whether a file of this size can hold ``declared_s``."""
    recorded: bool
    """Whether ``declared_s`` stands in the file, so that a lack of sound means that the file was cut off."""
    own: bool
    """Whether ``declared_s`` is the length of this track, not of the whole container."""
    head: bytes
    """First bytes of the file, for ``failure``."""

    @property
    def total_s(self) -> float | None:
        """Length the container declares, where that is believable."""
        return self.declared_s if self.believable else None

    def failure(self, damaged_packets: int) -> InputError:
        """Build the error for a track that gave no sound."""
        if damaged_packets:
            return _failure(self.path, self.head, f"{damaged_packets} of its packets could not be decoded")
        if self.own and self.recorded and (self.total_s or 0.0) > _CUT_FROM_S:
            cause = f"it announces {self.total_s:.0f} s of sound and holds none of it, as when it was cut off"
            return DamagedMedia(path=self.path, cause=cause)
        return NoAudio(path=self.path, cause="its sound track is empty")


class _Source:
    """The file as FFmpeg sees it: bytes, and a name that says no more than the extension."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.read = self._file.read
        self.tell = self._file.tell
        self.name = "recording" + (path.suffix if path.suffix[1:].isalnum() and path.suffix.isascii() else "")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place; -1, FFmpeg's sign of failure, for one that cannot be (a damaged file names such)."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return -1

    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def head(self) -> bytes:
        """First bytes of the file, past an ID3 tag."""
        self.seek(0)
        head = self.read(10) or b""
        if head.startswith(b"ID3") and len(head) == 10:  # noqa: PLR2004 - size of the ID3v2 header
            tag_bytes = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            self.seek(10 + tag_bytes)
            return self.read(sniff.PREFIX_BYTES) or head
        return head + (self.read(sniff.PREFIX_BYTES) or b"")

    def close(self) -> None:
        self._file.close()


@contextmanager
def open_tracks(path: Path) -> Iterator[Iterator[Track]]:
    """Open ``path`` and give its sound tracks, FFmpeg's choice first; each is good until the next one is asked for.

    Raises ``FileNotReadable``, ``NotMedia``, ``NoAudio``, ``DamagedMedia``, or ``InputError`` for an unknown codec.
    """
    try:
        source = _Source(path)
    except OSError as error:
        raise FileNotReadable(path=path, cause=error.strerror or error) from error
    try:
        head = source.head()
        yield _tracks(path, source, head)
    finally:
        source.close()


def _tracks(path: Path, source: _Source, head: bytes) -> Iterator[Track]:
    tried: set[int] = set()
    while True:
        with _open(path, source, head) as container:
            streams = _candidates(path, container, head)
            stream = next((stream for stream in streams if stream.index not in tried), None)
            if stream is None:
                return
            tried.add(stream.index)
            yield _describe_track(path, container, stream, source.size(), head)


@contextmanager
def _open(path: Path, source: _Source, head: bytes) -> Iterator[InputContainer]:
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "none"}
    if head.startswith((b"RIFF", b"RF64")):
        options["max_size"] = str(_PCM_PACKET_BYTES)
        options["ignore_length"] = str(int(_outgrew_its_header(source, head)))
    source.seek(0)
    try:
        container = av.open(
            source,
            "r",
            options=options,
            buffer_size=_BUFFER_BYTES,
            io_open=_refuse,
            metadata_errors="replace",
        )
    except (FFmpegError, UnicodeError) as error:
        raise _failure(path, head, "the rest of its beginning is broken") from error
    except OSError as error:
        raise FileNotReadable(path=path, cause=error.strerror or error) from error
    with container:
        yield container


def _outgrew_its_header(source: _Source, head: bytes) -> bool:
    """Whether a WAV goes on after the end that its header names, but not as chunks of a WAV do.

    So it is when a recorder crashed after it had begun to write: what came since counts as sound.
    """
    data = sniff.wav_data(head)
    if data is None:
        return False
    rest_start = data.start + data.size + data.size % 2
    rest_bytes = source.size() - rest_start
    if rest_bytes < data.byte_rate * _OUTGROWN_S:
        return False
    source.seek(rest_start)
    return not sniff.is_riff_chunk(source.read(8) or b"", rest_bytes)


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:  # noqa: ARG001 - FFmpeg's signature
    raise PermissionError("a recording may not open other files")


def _failure(path: Path, head: bytes, cause: str) -> InputError:
    """Build the error for a file in which FFmpeg found nothing to decode: not media at all, or damaged media."""
    what = sniff.describe(head)
    if what is not None:
        return NotMedia(path=path, cause=f"it is {what}")
    kind = sniff.media_kind(head)
    if kind is None:
        return NotMedia(path=path, cause="its content is in no audio or video format known to FFmpeg")
    if kind.startswith("MP4"):
        cause = "it begins like MP4 or QuickTime, but its index is missing or broken, as when it was cut off"
    else:
        cause = f"it begins like {kind}, but {cause}"
    return DamagedMedia(path=path, cause=cause)


def _candidates(path: Path, container: InputContainer, head: bytes) -> list[AudioStream]:
    """Sound tracks that can be decoded, FFmpeg's choice first. Raises when there is none."""
    streams = list(container.streams.audio)
    best = container.streams.best("audio")
    streams.sort(key=lambda stream: best is None or stream.index != best.index)
    usable = [stream for stream in streams if stream.codec_context is not None]
    if usable:
        return usable
    if streams:
        raise InputError(path=path, cause="its sound is in a codec that FFmpeg cannot decode")
    what = sniff.describe(head)
    if what is not None:
        raise NotMedia(path=path, cause=f"it is {what}")
    if not container.streams and sniff.media_kind(head) is not None:
        raise NoAudio(path=path, cause="no track is in it; it is empty, or was cut off")
    if container.streams.video:
        raise NoAudio(path=path, cause="it has a picture but no sound track")
    raise NoAudio(path=path, cause="it has no sound track")


def _describe_track(path: Path, container: InputContainer, stream: AudioStream, size_bytes: int, head: bytes) -> Track:
    declared_s: float | None = None
    own = stream.duration is not None and stream.time_base is not None
    if stream.duration is not None and stream.time_base is not None:
        declared_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        declared_s = container.duration / 1e6
    declared_s = max(declared_s or 0.0, sniff.wav_length_s(head) or 0.0) or None
    name = container.format.name
    return Track(
        path=path,
        container=container,
        stream=stream,
        zero_s=0.0 if container.start_time is None else container.start_time / 1e6,
        declared_s=declared_s,
        believable=declared_s is not None and size_bytes * 8 / declared_s >= _LEAST_BIT_RATE,
        recorded=name not in _ESTIMATED and (name != "mp3" or _mp3_has_length(head)),
        own=own or len(container.streams) == 1,
        head=head,
    )


def _mp3_has_length(head: bytes) -> bool:
    """Whether the first frame is a Xing, LAME or VBRI header, which records the number of frames."""
    return any(tag in head[:200] for tag in (b"Xing", b"Info", b"VBRI"))
