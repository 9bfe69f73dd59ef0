"""Media made for the tests: every format that PyAV can write, and a decoder to read them with."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from stenogram.audio.decode import Decoded, Decoder
from stenogram.types import Audio, ChannelMode, DecodeOptions

Array = npt.NDArray[np.float32]


def samples(audio: Audio) -> Array:
    """All samples of a decode."""
    return audio.window(0, audio.sample_count)


def tone(frequency: float, seconds: float, rate: int = 16_000, level: float = 0.25) -> Array:
    """A sine, shape ``[n]``."""
    wave = np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.asarray(level * wave, np.float32)


@dataclass(frozen=True)
class Make:
    """Writes media files into one folder."""

    folder: Path

    def bytes(self, name: str, content: bytes) -> Path:
        """Any file."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def wav(self, name: str, channels: Array, rate: int = 16_000, width: int = 2) -> Path:
        """A PCM file from floats, shape ``[n]`` or ``[channels, n]``."""
        array = np.atleast_2d(channels).T
        if width == 1:
            data = np.round(array * 127 + 128).astype(np.uint8).tobytes()
        else:
            whole = np.round(array.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype("<i4")
            data = whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
        path = self.folder / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(array.shape[1])
            file.setsampwidth(width)
            file.setframerate(rate)
            file.writeframes(data)
        return path

    def encode(
        self,
        name: str,
        codec: str,
        channels: Array,
        rate: int = 16_000,
        layout: str = "mono",
        **more: Any,
    ) -> Path:
        """Any audio codec, in the container that ``name`` (or ``format``) says.

        ``picture``: frames of video beside it, at 10 a second. ``offset_s``: where the sound starts. ``muxer``: its
        options.
        """
        path = self.folder / name
        picture, offset_s = more.get("picture", 0), more.get("offset_s", 0.0)
        with av.open(path, "w", format=more.get("format"), container_options=more.get("muxer", {})) as container:
            video: Any = container.add_stream("mpeg4" if path.suffix != ".webm" else "libvpx", 10) if picture else None
            if video is not None:
                video.width = video.height = 64
                video.pix_fmt = "yuv420p"
            stream: Any = container.add_stream(codec, rate, layout=layout, options={"strict": "experimental"})
            if "bit_rate" in more:
                stream.bit_rate = more["bit_rate"]
            _mux_picture(container, video, picture)
            context = stream.codec_context
            resampler = av.AudioResampler(context.format, layout, rate, context.frame_size or 1024)
            frame = av.AudioFrame.from_ndarray(np.atleast_2d(channels), "fltp", layout)
            frame.sample_rate = rate
            frame.pts = 0
            for out in [*resampler.resample(frame), *resampler.resample(None)]:
                if out.pts is not None:
                    out.pts += round(offset_s * rate)
                container.mux(stream.encode(out))
            container.mux(stream.encode(None))
        return path

    def picture(self, name: str, codec: str, frames: int = 1, **more: Any) -> Path:
        """A video, or an image, without sound."""
        path = self.folder / name
        with av.open(path, "w", format=more.get("format")) as container:
            stream: Any = container.add_stream(codec, 10)
            stream.width = stream.height = 64
            stream.pix_fmt = more.get("pix_fmt", "yuv420p")
            _mux_picture(container, stream, frames)
        return path


def _mux_picture(container: Any, stream: Any, frames: int) -> None:
    for index in range(frames):
        shade = np.full((64, 64, 3), index * 7 % 255, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, "rgb24")))
    if frames:
        container.mux(stream.encode(None))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes media files into the test's folder."""
    return Make(tmp_path)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """One decoder for the tests of a module: its process starts once."""
    with Decoder() as decoder:
        yield decoder


@pytest.fixture
def decode(decoder: Decoder, tmp_path: Path) -> Callable[..., Decoded]:
    """Decode a file to the end."""

    def run(path: Path, channels: ChannelMode = "mix", **options: Any) -> Decoded:
        folder = tmp_path / "samples"
        folder.mkdir(exist_ok=True)
        *_, last = decoder.decode(path, folder, DecodeOptions(channels, **options), lambda: False)
        assert last.finished
        return last

    return run


@pytest.fixture(scope="session")
def speech() -> Array:
    """10 s of real speech at 16 kHz, shape ``[n]``."""
    (path,) = (file.locate() for file in files("moonshine-voice") or () if file.name == "two_cities.wav")
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(10 * file.getframerate()), "<i2")
    return np.asarray(pcm[: len(pcm) // 3 * 3].reshape(-1, 3).mean(axis=1) / 32768, np.float32)


@pytest.fixture(scope="session")
def listen() -> Callable[[Sequence[Audio]], list[Array]]:
    """Samples of each audio."""
    return lambda audios: [samples(audio) for audio in audios]


@pytest.fixture(scope="session")
def sine() -> Callable[..., Array]:
    """``tone``: a sine of a frequency (Hz), a length (s), at a rate (Hz)."""
    return tone
