"""What goes in comes out: containers, codecs, sample types, rates, channels, file names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenogram.types import SAMPLE_RATE

Array = Any
Decode = Callable[..., Any]


def level(samples: Array, frequency: float, rate: int = SAMPLE_RATE) -> float:
    """Amplitude of one frequency in the middle of the samples."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4].astype(np.float64)
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(middle)) / rate)
    return float(2 * abs(np.mean(middle * np.hanning(len(middle)) * 2 * wave)))


def likeness(samples: Array, source: Array) -> float:
    """Correlation of two recordings that must lie at the same place."""
    count = min(len(samples), len(source))
    return float(np.corrcoef(samples[:count], source[:count])[0, 1])


@pytest.mark.parametrize(("width", "error"), [(1, 1 / 100), (2, 1 / 32000), (3, 1e-6), (4, 1e-6)])
def test_wav_of_16_khz_comes_out_as_it_went_in(
    make: Any, decode: Decode, listen: Any, speech: Array, width: int, error: float
) -> None:
    """8, 16, 24 and 32 bit PCM at the target rate: the same samples, not one more or less."""
    (found,) = listen(decode(make.wav("a.wav", speech, width=width)).audios)
    assert len(found) == len(speech)
    assert np.abs(found - speech).max() < error


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_becomes_16_khz(make: Any, decode: Decode, listen: Any, sine: Any, rate: int) -> None:
    """A tone keeps its pitch, level and length within a sample."""
    (found,) = listen(decode(make.wav("a.wav", sine(440, 3, rate), rate)).audios)
    assert abs(len(found) - 3 * SAMPLE_RATE) <= 1
    assert likeness(found, sine(440, 3)) > 0.999


def test_sound_above_the_band_does_not_fold_back(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """10 kHz at 44.1 kHz would alias to 6 kHz: it is at least 40 dB down, and 3 kHz is untouched."""
    (found,) = listen(decode(make.wav("a.wav", sine(10_000, 3, 44_100), 44_100)).audios)
    assert level(found, 6_000) < 0.25 / 100
    assert np.abs(found[8000:-8000]).max() < 0.25 / 100
    (found,) = listen(decode(make.wav("b.wav", sine(3_000, 3, 44_100), 44_100)).audios)
    assert level(found, 3_000) == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize(
    "case",
    [
        ("a.mp3", "libmp3lame", 44_100, 2),
        ("a.flac", "flac", 44_100, 1),
        ("a.ogg", "libopus", 48_000, 2),
        ("a.opus", "libopus", 48_000, 2),
        ("a.m4a", "aac", 44_100, 1024),
        ("a.mkv", "libopus", 48_000, 2),
        ("a.webm", "libopus", 48_000, 2),
        ("a.mka", "flac", 44_100, 2),
        ("a.mov", "pcm_s16le", 48_000, 1),
        ("a.aiff", "pcm_s16be", 48_000, 1),
        ("a.caf", "pcm_f32le", 48_000, 1),
        ("a.w64", "pcm_s24le", 48_000, 1),
        ("a.wv", "wavpack", 44_100, 1),
        ("a.tta", "tta", 44_100, 1),
        ("alaw.wav", "pcm_alaw", 8_000, 1),
    ],
)
def test_codecs_give_the_same_sound_at_the_same_time(
    make: Any, decode: Decode, listen: Any, speech: Array, case: tuple[str, str, int, int]
) -> None:
    """Real speech through each codec lies where it was: no encoder delay left, none invented; no warning."""
    name, codec, rate, slack = case
    source = decode(make.wav("source.wav", speech))
    at_rate = np.interp(np.arange(10 * rate) / rate, np.arange(len(speech)) / SAMPLE_RATE, speech).astype(np.float32)
    decoded = decode(make.encode(name, codec, at_rate, rate, bit_rate=128_000))
    (found,), (expected,) = listen(decoded.audios), listen(source.audios)
    assert abs(len(found) - len(expected)) <= slack
    assert likeness(found, expected) > (0.98 if rate > 8_000 else 0.9)
    assert decoded.warnings == ()


def test_vorbis(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """Ogg Vorbis is read; FFmpeg's own encoder is rough, so only the tone is checked."""
    pair = np.stack([sine(440, 3, 44_100)] * 2)
    (found,) = listen(decode(make.encode("a.ogg", "vorbis", pair, 44_100, "stereo", bit_rate=128_000)).audios)
    assert level(found, 440) == pytest.approx(0.25, rel=0.1)
    assert abs(len(found) - 3 * SAMPLE_RATE) < SAMPLE_RATE / 20


def test_stereo_is_averaged_or_taken_apart(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """The mix is the mean of both channels; separate is one audio per channel, numbered."""
    path = make.wav("a.wav", np.stack([sine(300, 7), sine(500, 7)]))
    mix = decode(path)
    (mixed,) = listen(mix.audios)
    apart = decode(path, "separate")
    left, right = listen(apart.audios)
    assert [audio.channel for audio in mix.audios] == [None]
    assert [audio.channel for audio in apart.audios] == [0, 1]
    np.testing.assert_allclose(left, sine(300, 7), atol=1e-4)
    np.testing.assert_allclose(right, sine(500, 7), atol=1e-4)
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-4)


def test_mono_taken_apart_is_channel_0(make: Any, decode: Decode, sine: Any) -> None:
    """One channel is still numbered when channels were asked for."""
    assert [audio.channel for audio in decode(make.wav("a.wav", sine(300, 1)), "separate").audios] == [0]


def test_opposite_phase_does_not_cancel(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """A stereo file whose channels are each other's negative keeps its sound, and says so."""
    decoded = decode(make.wav("a.wav", np.stack([sine(300, 7), -sine(300, 7)])))
    assert level(listen(decoded.audios)[0], 300) == pytest.approx(0.25, rel=0.01)
    assert "opposite phase" in decoded.warnings[0]


def test_speech_in_the_centre_of_5_1_survives(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """The mix of 5.1 keeps the centre loudest, drops the LFE and never clips; all six come apart."""
    rate = 48_000
    tones = np.stack([sine(frequency, 3, rate, 0.9) for frequency in (200, 400, 600, 50, 800, 1000)])
    path = make.encode("a.wav", "pcm_s16le", tones, rate, "5.1")
    (mixed,) = listen(decode(path).audios)
    levels = [level(mixed, frequency) / 0.9 for frequency in (200, 400, 600, 50, 800, 1000)]
    assert levels == pytest.approx([0.207, 0.207, 0.293, 0, 0.146, 0.146], abs=0.01)
    assert np.abs(mixed).max() < 1
    apart = listen(decode(path, "separate").audios)
    assert [level(found, f) > 0.8 for found, f in zip(apart, (200, 400, 600, 50, 800, 1000), strict=True)] == [True] * 6


def test_channels_without_known_places_are_averaged(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """A recorder's 9 channels have no layout: all weigh the same."""
    path = make.wav("a.wav", np.stack([sine(100 * (1 + index), 3) for index in range(9)]))
    (mixed,) = listen(decode(path).audios)
    assert [level(mixed, 100 * (1 + index)) for index in range(9)] == pytest.approx([0.25 / 9] * 9, rel=0.02)


def test_video_gives_its_sound(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """The picture is ignored in Matroska, WebM and MP4."""
    for name, codec, rate in (("a.mkv", "flac", 44_100), ("b.webm", "libopus", 48_000), ("c.mp4", "aac", 48_000)):
        decoded = decode(make.encode(name, codec, sine(440, 3, rate), rate, picture=30))
        (found,) = listen(decoded.audios)
        assert level(found, 440) == pytest.approx(0.25, rel=0.03), name
        assert abs(len(found) - 3 * SAMPLE_RATE) < 0.05 * SAMPLE_RATE, name
        assert decoded.warnings == (), name


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "flac"), ("a.ts", "mp2")])
def test_sound_that_starts_after_the_picture_keeps_its_time(
    make: Any, decode: Decode, listen: Any, sine: Any, name: str, codec: str
) -> None:
    """Sample 0 is the player's 0:00: 1.5 s of silence stand before a track that starts there."""
    path = make.encode(name, codec, sine(440, 2, 48_000), 48_000, picture=40, offset_s=1.5)
    (found,) = listen(decode(path).audios)
    loud = np.flatnonzero(np.abs(found) > 0.05)
    assert loud[0] / SAMPLE_RATE == pytest.approx(1.5, abs=0.05)
    assert len(found) / SAMPLE_RATE == pytest.approx(3.5, abs=0.1)


def test_a_gap_in_the_timestamps_becomes_silence(make: Any, decode: Decode, listen: Any, sine: Any) -> None:
    """Packets missing in the middle (a muted call) leave what follows at its own time."""
    import av

    source = make.encode("a.mkv", "flac", sine(440, 8, 16_000), 16_000)
    target = source.with_name("gap.mkv")
    with av.open(source) as reader, av.open(target, "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.audio[0])
        for packet in reader.demux(reader.streams.audio[0]):
            if packet.pts is None or packet.time_base is None or 2 < packet.pts * packet.time_base < 5:
                continue
            packet.stream = stream
            writer.mux(packet)
    (found,) = listen(decode(target).audios)
    assert abs(len(found) - 8 * SAMPLE_RATE) <= SAMPLE_RATE // 100
    assert np.abs(found[round(2.6 * SAMPLE_RATE) : round(4.7 * SAMPLE_RATE)]).max() == 0
    np.testing.assert_allclose(found[6 * SAMPLE_RATE : 7 * SAMPLE_RATE], sine(440, 8)[96_000:112_000], atol=0.02)


@pytest.mark.parametrize(
    "name",
    ["звук и пробел.wav", "会議 🎙️.wav", "-y.wav", "line\nbreak.wav", "%d.wav", "a:b?*.wav", "file:x.wav", "noext"],
)
def test_any_file_name(make: Any, decode: Decode, sine: Any, name: str) -> None:
    """No name is a pattern, an option or a protocol."""
    assert decode(make.wav(name, sine(440, 1))).audios[0].sample_count == SAMPLE_RATE


def test_a_name_that_is_not_unicode(make: Any, decode: Decode, sine: Any, tmp_path: Path) -> None:
    """File names are bytes on Linux; those that are no UTF-8 work too."""
    import os
    import sys

    if sys.platform != "linux":
        pytest.skip("names are Unicode here")
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav"))
    make.wav("a.wav", sine(440, 1)).rename(path)
    assert decode(path).audios[0].sample_count == SAMPLE_RATE


def test_snapshots_grow_and_their_samples_are_there(make: Any, decoder: Any, tmp_path: Path, sine: Any) -> None:
    """The first snapshot comes after about 5 s of sound; each can be read at once, and never changes later."""
    from stenogram.types import DecodeOptions

    path = make.wav("a.wav", np.concatenate([sine(440, 60)] * 3))
    early = [
        (decoded, decoded.audios[0].window(0, decoded.audios[0].sample_count))
        for decoded in decoder.decode(path, tmp_path, DecodeOptions(), lambda: False)
    ]
    lengths = [decoded.audios[0].duration for decoded, _ in early]
    last = early[-1][1]
    assert lengths == sorted(lengths)
    assert 1 <= lengths[0] <= 10
    assert 3 <= len(lengths) <= 40
    assert [decoded.finished for decoded, _ in early] == [False] * (len(early) - 1) + [True]
    assert early[0][0].total_s == pytest.approx(180)
    for decoded, samples in early:
        assert len(samples) == decoded.audios[0].sample_count
        np.testing.assert_array_equal(samples, last[: len(samples)])


def test_length_zero_track_beside_a_full_one(make: Any, decode: Decode, sine: Any) -> None:
    """Where the first sound track is empty, the one that has samples is taken."""
    import av

    path = make.folder / "two.mkv"
    with av.open(path, "w") as container:
        container.add_stream("flac", 16_000, layout="mono")
        full: Any = container.add_stream("flac", 16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray((sine(440, 2)[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        frame.pts = 0
        resampler = av.AudioResampler(full.codec_context.format, "mono", 16_000, 4096)
        for out in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(full.encode(out))
        container.mux(full.encode(None))
    assert decode(path).audios[0].duration == pytest.approx(2, abs=0.01)


def test_chunks_after_the_samples_of_a_wav_are_no_sound(make: Any, decode: Decode, sine: Any) -> None:
    """Names, pictures and cue points follow in chunks of their own."""
    path = make.wav("a.wav", sine(440, 2))
    comment = bytes(range(256)) * 1000
    path.write_bytes(path.read_bytes() + b"LIST" + len(comment).to_bytes(4, "little") + comment)
    assert decode(path).audios[0].duration == pytest.approx(2)
