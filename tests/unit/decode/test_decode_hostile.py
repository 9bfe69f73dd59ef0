"""Files that are broken, are something else, or mean harm: one clear error each, or the right answer."""

from __future__ import annotations

import os
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenogram import errors
from stenogram.audio import container, sniff
from stenogram.audio.samples import SampleFiles, check_space
from stenogram.types import SAMPLE_RATE, DecodeOptions

Decode = Callable[..., Any]


def refusal(decode: Decode, path: Path, kind: type[errors.StenogramError]) -> str:
    """The message of the error that the file must get: of this very class, naming the file, one line, no traceback."""
    with pytest.raises(errors.StenogramError) as caught:
        decode(path)
    assert type(caught.value) is kind, caught.value
    message = str(caught.value)
    assert str(path) in message
    assert "Traceback" not in message
    assert "\n" not in message.replace(str(path), "")
    return message


TEXTS = {
    "notes.txt": ("Это не звук.\n" * 500, "text"),
    "talk.mp3": ("hello world\n" * 100, "text"),
    "a.srt": ("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n", "subtitles"),
    "a.vtt": ("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "subtitles"),
    "a.ass": ("[Script Info]\nTitle: x\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Hi\n", "subtitles"),
    "a.html": ("<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "a.py": ("import os\nprint('-->', os.getcwd())\n", "text"),
    "a.mpd": ('<?xml version="1.0"?>\n<MPD type="static"><Period/></MPD>', "playlist"),
    "a.sdp": ("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n", "playlist"),
    "a.pls": ("[playlist]\nFile1=/etc/passwd\n", "playlist"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_not_media(make: Any, decode: Decode, name: str) -> None:
    """Text of any kind is named as what it is."""
    content, what = TEXTS[name]
    assert what in refusal(decode, make.bytes(name, content.encode()), errors.NotMedia)


def test_text_in_utf_16_is_not_media(make: Any, decode: Decode) -> None:
    """What Windows' Notepad calls Unicode is text too."""
    assert "text" in refusal(decode, make.bytes("a.wav", "Hello, world".encode("utf-16")), errors.NotMedia)


@pytest.mark.parametrize(
    ("name", "codec", "more"),
    [
        ("i.png", "png", {"format": "image2pipe", "pix_fmt": "rgb24"}),
        ("i.jpg", "mjpeg", {"format": "image2pipe", "pix_fmt": "yuvj420p"}),
        ("i.bmp", "bmp", {"format": "image2pipe", "pix_fmt": "bgr24"}),
        ("i.gif", "gif", {"pix_fmt": "rgb8"}),
        ("moving.gif", "gif", {"pix_fmt": "rgb8", "frames": 9}),
        ("camera.mjpeg", "mjpeg", {"pix_fmt": "yuvj420p", "frames": 9}),
        ("talk.mp3", "png", {"format": "image2pipe", "pix_fmt": "rgb24"}),
    ],
)
def test_images_are_not_media(make: Any, decode: Decode, name: str, codec: str, more: dict[str, Any]) -> None:
    """An image, moving or not, whatever its name says."""
    assert "an image" in refusal(decode, make.picture(name, codec, **more), errors.NotMedia)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_video_without_sound(make: Any, decode: Decode, name: str) -> None:
    """NoAudio says that there is a picture only."""
    assert "picture" in refusal(decode, make.picture(name, "mpeg4", 20), errors.NoAudio)


@pytest.mark.parametrize("name", ["noise", "noise.mp3", "noise.aac", "noise.mp4", "noise.wav", "noise.ac3", "noise.ts"])
def test_random_bytes_are_not_media(make: Any, decode: Decode, name: str) -> None:
    """Where FFmpeg guesses some format, the packets give it away."""
    for seed in range(3):
        path = make.bytes(name, random.Random(seed).randbytes(400_000))
        with pytest.raises((errors.NotMedia, errors.DamagedMedia), match=name):
            decode(path)


def test_a_program_is_not_media(decode: Decode) -> None:
    """The Python interpreter itself."""
    assert "a program" in refusal(decode, Path(sys.executable).resolve(), errors.NotMedia)


def test_headerless_samples_are_not_media(make: Any, decode: Decode, sine: Any) -> None:
    """Raw PCM does not say its rate: no guess."""
    for name in ("a.pcm", "a.raw", "a.s16"):
        refusal(decode, make.bytes(name, (sine(440, 3) * 32767).astype("<i2").tobytes()), errors.NotMedia)


def test_nothing_there(make: Any, decode: Decode, tmp_path: Path) -> None:
    """Absent, empty, a folder, a name that cannot be."""
    assert "No such file" in refusal(decode, tmp_path / "absent.wav", errors.FileNotReadable)
    assert "folder" in refusal(decode, tmp_path, errors.FileNotReadable)
    refusal(decode, make.bytes("zero.mp3", b""), errors.EmptyFile)
    refusal(decode, tmp_path / "nul\0.wav", errors.FileNotReadable)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_devices_and_pipes_are_refused_at_once(decode: Decode, tmp_path: Path) -> None:
    """/dev/zero never ends and a pipe nobody writes to never begins: neither is opened."""
    os.mkfifo(tmp_path / "pipe.wav")
    refusal(decode, tmp_path / "pipe.wav", errors.FileNotReadable)
    refusal(decode, Path("/dev/zero"), errors.FileNotReadable)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(make: Any, decode: Decode, sine: Any) -> None:
    """A file of somebody else."""
    path = make.wav("a.wav", sine(440, 1))
    path.chmod(0)
    assert "Permission" in refusal(decode, path, errors.FileNotReadable)


# --- cut, damaged, lying ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 16_000),
        ("a.flac", "flac", 16_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.mka", "flac", 16_000),
    ],
)
def test_cut_off_gives_what_is_there_and_says_where_it_ends(
    make: Any, decode: Decode, sine: Any, name: str, codec: str, rate: int
) -> None:
    """Six tenths of a file: six tenths of the sound, and a warning with both lengths."""
    path = make.encode(name, codec, sine(440, 20, rate), rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    decoded = decode(path)
    assert decoded.audios[0].duration == pytest.approx(12, abs=0.7)
    assert f"ended at {decoded.audios[0].duration:.1f} s of 20.0 s" in decoded.warnings[0]


def test_cut_video_is_cut_but_a_short_sound_track_is_not(make: Any, decode: Decode, sine: Any) -> None:
    """In Matroska only the container has a length: a sound track that ends before the picture is no damage."""
    path = make.encode("a.mkv", "flac", sine(440, 3), picture=100)
    assert decode(path).warnings == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert "of 10.0 s" in decode(path).warnings[0]


@pytest.mark.parametrize("kept", [8, 30, 60])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mka", "flac"), ("a.m4a", "aac")]
)
def test_cut_in_the_header(make: Any, decode: Decode, sine: Any, name: str, codec: str, kept: int) -> None:
    """Nothing can be decoded: an error, of a class that says so."""
    path = make.encode(name, codec, sine(440, 3))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises((errors.DamagedMedia, errors.NoAudio, errors.NotMedia), match=name):
        decode(path)


def test_mp4_without_its_index(make: Any, decode: Decode, sine: Any) -> None:
    """An MP4 whose recording was never finished has no index: the message says it."""
    path = make.encode("a.m4a", "aac", sine(440, 5))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert "index" in refusal(decode, path, errors.DamagedMedia)


def test_mp4_of_which_only_the_index_came(make: Any, decode: Decode, sine: Any) -> None:
    """A download cut off early: what is missing is the sound, and the message says how much of it."""
    path = make.encode("a.m4a", "aac", sine(440, 5), muxer={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 4])
    assert "announces 5 s of sound and holds none" in refusal(decode, path, errors.DamagedMedia)


@pytest.mark.parametrize(("riff", "data"), [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0xFFFFFFFF, 0)])
def test_wav_from_a_pipe_has_no_length(make: Any, decode: Decode, sine: Any, riff: int, data: int) -> None:
    """Sizes that a writer could not know: what is there is decoded, without complaint."""
    path = make.wav("a.wav", sine(440, 3))
    content = bytearray(path.read_bytes())
    content[4:8], content[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    path.write_bytes(bytes(content))
    decoded = decode(path)
    assert decoded.audios[0].sample_count == 3 * SAMPLE_RATE
    assert decoded.warnings == ()


def test_wav_that_outgrew_its_header(make: Any, decode: Decode, sine: Any) -> None:
    """A recorder that crashed left the length of its first seconds: the rest is sound too."""
    path = make.wav("a.wav", sine(440, 8))
    content = bytearray(path.read_bytes())
    content[40:44] = (2 * 32_000).to_bytes(4, "little")
    path.write_bytes(content)
    assert decode(path).audios[0].duration == pytest.approx(8)
    assert decode(path).warnings == ()


def test_wav_that_promises_hours(make: Any, decode: Decode, sine: Any) -> None:
    """A header of 37 hours over one second: one second, a warning, and not TooLong."""
    path = make.wav("a.wav", sine(440, 1))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFD0)
    path.write_bytes(bytes(content))
    decoded = decode(path)
    assert decoded.audios[0].sample_count == SAMPLE_RATE
    assert decoded.total_s is None
    assert "cut off: ended at 1.0 s" in decoded.warnings[0]


def test_tracks_without_samples(make: Any, decode: Decode, sine: Any) -> None:
    """A sound track of length zero is NoAudio."""
    assert "empty" in refusal(decode, make.wav("a.wav", np.zeros(0, np.float32)), errors.NoAudio)


def test_one_sample(make: Any, decode: Decode) -> None:
    """The shortest recording there is."""
    assert decode(make.wav("a.wav", np.zeros(1, np.float32))).audios[0].sample_count == 1


def test_silence_is_valid(make: Any, decode: Decode, listen: Any) -> None:
    """Digital silence, mono and stereo, comes out as silence, without warnings."""
    for shape in ((3 * SAMPLE_RATE,), (2, 3 * SAMPLE_RATE)):
        decoded = decode(make.wav("a.wav", np.zeros(shape, np.float32)))
        assert not listen(decoded.audios)[0].any()
        assert decoded.audios[0].sample_count == 3 * SAMPLE_RATE
        assert decoded.warnings == ()


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_numbers_that_are_none(make: Any, decode: Decode, listen: Any, sine: Any, rate: int) -> None:
    """NaN and infinity become silence, with a warning; absurd values are clipped; sound elsewhere stays."""
    source = sine(440, 3, rate)
    source[rate // 2 : rate // 2 + 10] = np.nan
    source[rate] = np.inf
    source[rate * 3 // 2 : rate * 3 // 2 + 10] = 1e30
    path = make.bytes("a.wav", _float_wav(source, rate))
    decoded = decode(path)
    (found,) = listen(decoded.audios)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1
    assert "not numbers" in decoded.warnings[0]
    np.testing.assert_allclose(found[2 * SAMPLE_RATE : -2000], sine(440, 3)[2 * SAMPLE_RATE : -2000], atol=1e-3)


def test_nothing_but_nan(make: Any, decode: Decode, listen: Any) -> None:
    """A file of NaN is silence, and says so."""
    decoded = decode(make.bytes("a.wav", _float_wav(np.full((SAMPLE_RATE,), np.nan, np.float32), SAMPLE_RATE)))
    assert not listen(decoded.audios)[0].any()
    assert "not numbers" in decoded.warnings[0]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.flac", "flac"), ("a.ts", "mp2"), ("a.opus", "libopus")],
)
def test_damage_in_the_middle_is_skipped(make: Any, decode: Decode, sine: Any, name: str, codec: str) -> None:
    """Bytes gone wrong in the middle cost some packets, not the recording, and never the process."""
    path = make.encode(name, codec, sine(440, 10, 48_000), 48_000)
    content = bytearray(path.read_bytes())
    dice = random.Random(7)
    middle = range(len(content) * 4 // 10, len(content) * 5 // 10)
    for place in middle:
        if dice.random() < 0.02:
            content[place] = dice.randrange(256)
    path.write_bytes(bytes(content))
    decoded = decode(path)
    assert decoded.audios[0].duration == pytest.approx(10, abs=1.5)
    if codec not in {"libopus", "flac"}:  # those hide lost packets or drop them while reading
        assert "packets were skipped" in " ".join(decoded.warnings)


def test_any_damage_at_all_is_an_answer_or_an_error(make: Any, decode: Decode, sine: Any) -> None:
    """Fifty files broken at random: samples or an InputError, and the decoder lives on."""
    dice = random.Random(11)
    kinds = (("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.mka", "flac"), ("a.ts", "mp2"), ("a.wav", "pcm_s16le"))
    sound = sine(440, 3, 48_000)
    sources = [make.encode(name, codec, sound, 48_000).read_bytes() for name, codec in kinds]
    for turn in range(50):
        content = bytearray(sources[turn % len(sources)])
        for _ in range(dice.choice((1, 10, 300))):
            content[dice.randrange(dice.choice((64, len(content))))] = dice.randrange(256)
        path = make.bytes(f"broken-{turn}.bin", bytes(content))
        try:
            length_s = decode(path).audios[0].duration
        except errors.InputError as error:
            refused = error
        else:
            assert length_s < 60
            continue
        assert not isinstance(refused, errors.DecoderCrashed)
        assert path.name in str(refused)


def test_a_leap_of_one_timestamp_is_not_believed(make: Any, decode: Decode, sine: Any) -> None:
    """One packet whose time is hours off does not make hours of silence."""
    import av

    source = make.encode("a.mka", "flac", sine(440, 8))
    target = source.with_name("leap.mka")
    with av.open(source) as reader, av.open(target, "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.audio[0])
        packets = [packet for packet in reader.demux(reader.streams.audio[0]) if packet.pts is not None]
        assert packets[-1].pts is not None
        packets[-1].pts = packets[-1].dts = packets[-1].pts + 20 * 3600 * 1000
        for packet in packets:
            packet.stream = stream
            writer.mux(packet)
    assert decode(target).audios[0].duration == pytest.approx(8, abs=0.3)


@pytest.mark.parametrize("rate", [1, 999, 4_000_000_000])
def test_a_rate_that_cannot_be(make: Any, decode: Decode, sine: Any, rate: int) -> None:
    """A header of 1 sample per second does not make days of sound: it is damaged."""
    path = make.wav("a.wav", sine(440, 1))
    content = bytearray(path.read_bytes())
    content[24:32] = struct.pack("<II", rate, min(rate * 2, 2**32 - 1))
    path.write_bytes(bytes(content))
    refusal(decode, path, errors.DamagedMedia)


def test_places_that_cannot_be_are_damage_not_unreadable(make: Any) -> None:
    """A damaged file may name places before its beginning: FFmpeg is told so, and nothing is raised."""
    source = container._Source(make.bytes("a.bin", b"0123456789"))
    assert source.seek(-5) == -1
    assert source.seek(5) == 5
    source.close()


# --- limits ----------------------------------------------------------------------------------------------------------


def test_longer_than_the_limit(make: Any, decode: Decode, sine: Any) -> None:
    """Refused by the length declared, or where none is declared by the length found."""
    path = make.wav("a.wav", sine(440, 20))
    with pytest.raises(errors.TooLong, match="limit of 10 s") as caught:
        decode(path, max_duration_s=10)
    assert "a.wav" in str(caught.value)
    undeclared = make.encode("a.aac", "aac", sine(440, 20), format="adts")
    with pytest.raises(errors.TooLong, match=r"a\.aac"):
        decode(undeclared, max_duration_s=10)


def test_too_many_channels_to_take_apart(make: Any, decode: Decode) -> None:
    """9 channels, each on its own, is an OptionError that names the file and the way out."""
    path = make.wav("a.wav", np.zeros((9, 16_000), np.float32))
    with pytest.raises(errors.OptionError, match=r"channels = 'separate'.*a\.wav has 9 channels.*mix"):
        decode(path, "separate")


def test_a_disk_too_full_is_known_before(tmp_path: Path) -> None:
    """More is needed than any disk has: StorageError names the folder and both amounts."""
    with pytest.raises(
        errors.StorageError, match=r"needs \d+ MB there and leaves \d+ MB to others, \d+ MB are free\. Make room"
    ):
        check_space(tmp_path, 2**60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """No space in the middle is a StorageError that names the file."""
    files = SampleFiles([tmp_path / "a.f32"], None)
    with Path("/dev/full").open("wb", buffering=0) as full:
        files._files[0].close()
        files._files[0] = full
        with pytest.raises(errors.StorageError, match=r"a\.f32 cannot be written: No space left"):
            files.append(np.zeros((1, 100), np.float32))


def test_a_folder_that_is_not_there(make: Any, decoder: Any, sine: Any, tmp_path: Path) -> None:
    """Nowhere to write is a StorageError, and the decoder goes on."""
    path = make.wav("a.wav", sine(440, 1))
    with pytest.raises(errors.StorageError, match="absent"):
        list(decoder.decode(path, tmp_path / "absent", DecodeOptions(), lambda: False))


def test_wav_length_of_other_files() -> None:
    """Headers that are none, or that end early, declare no length."""
    for head in (b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", b"OggS" * 20):
        assert sniff.wav_length_s(head) is None


def _float_wav(samples: Any, rate: int) -> bytes:
    data: bytes = samples.astype("<f4").tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, rate, rate * 4, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
