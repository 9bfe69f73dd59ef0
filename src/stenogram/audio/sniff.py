"""What a file is by its first bytes: for the wording of errors, and for the type that browsers are told.

How a recording is decoded does not depend on it: that FFmpeg finds out by itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PREFIX_BYTES = 65_536
"""How much of a file ``describe`` and ``media_kind`` want to see."""

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"8BPS", "Photoshop"),
)
_OTHERS = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"SQLite format 3\x00", "a database"),
)
_PLAYLIST_TAGS = ("<MPD", "<SmoothStreamingMedia", "<ASX", "<asx", "<CompositionPlaylist", "<playlist")
_PLAYLISTS = ("#EXTM3U", "ffconcat", "[playlist]", "v=0", *_PLAYLIST_TAGS)
_IMAGE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"}
_MEDIA = (
    (b"RIFF", "WAV or AVI"),
    (b"RIFX", "WAV"),
    (b"RF64", "WAV"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (b"ID3", "MP3"),
    (b"\xff\xfb", "MP3"),
    (b"FORM", "AIFF"),
    (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
    (b"FLV\x01", "FLV"),
    (b"#!AMR", "AMR"),
    (b"caff", "CAF"),
    (b".snd", "AU"),
    (b"\x00\x00\x01\xba", "MPEG"),
)

_TYPES = (
    (b"RF64", "audio/wav"),
    (b"RIFX", "audio/wav"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"FORM", "audio/aiff"),
    (b"0&\xb2u\x8ef\xcf\x11", "video/x-ms-asf"),
    (b"FLV\x01", "video/x-flv"),
    (b"#!AMR", "audio/amr"),
    (b"caff", "audio/x-caf"),
    (b".snd", "audio/basic"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
)
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"F4A "}
_SYNC = 0xFFE0
"""The first eleven bits of a frame of MPEG audio, and of AAC in ADTS."""

_CUE = re.compile(r"\d\d:\d\d[.,]\d{3} --> ")
_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000}
"""Sizes that programs write when they cannot know one (FFmpeg, SoX, arecord, browsers)."""


class WavData(NamedTuple):
    """The samples of a WAV, in bytes from the beginning of the file."""

    start: int
    size: int
    byte_rate: int


def describe(head: bytes) -> str | None:
    """Say what a file is that holds no sound, or None where its first bytes do not tell."""
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return f"an image ({name})"
    if (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS):
        return "an image"
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    return _describe_text(head)


def media_kind(head: bytes) -> str | None:
    """Name the container a file begins like, or None."""
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return "MP4 or QuickTime"
    return next((name for magic, name in _MEDIA if head.startswith(magic)), None)


def media_type(head: bytes) -> str:
    """The MIME type of a recording; never one that a browser would show or run as anything but sound or video."""
    if head[4:8] == b"ftyp":
        return "audio/mp4" if head[8:12] in _AUDIO_BRANDS else _quicktime(head[8:12])
    if head[4:8] in {b"moov", b"mdat", b"wide", b"free"}:
        return "video/quicktime"
    if head.startswith(b"RIFF"):
        return "video/x-msvideo" if head[8:12] == b"AVI " else "audio/wav"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head[:512] else "audio/ogg"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    found = next((kind for magic, kind in _TYPES if head.startswith(magic)), None)
    return found or _framed(head)


def _quicktime(brand: bytes) -> str:
    return "video/quicktime" if brand == b"qt  " else "video/3gpp" if brand.startswith(b"3g") else "video/mp4"


def _framed(head: bytes) -> str:
    """The type of what has no beginning of its own, only frames or packets."""
    first = int.from_bytes(head[:2], "big")
    if len(head) > 1 and first & _SYNC == _SYNC:
        return "audio/mpeg" if first & 0x0006 else "audio/aac"  # ADTS has layer 0
    packets = head[0:565:188]
    return "video/mp2t" if packets == b"G" * 4 else "application/octet-stream"


def wav_length_s(head: bytes) -> float | None:
    """Length that a WAV header declares, in seconds, or None where it declares none (a stream written to a pipe).

    FFmpeg believes the file's size instead, and so does not notice a WAV that was cut off.
    """
    data = wav_data(head)
    return None if data is None else data.size / data.byte_rate


def wav_data(head: bytes) -> WavData | None:
    """Where the samples of a WAV are by its header, or None where it does not say."""
    if not (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return None
    position, byte_rate = 12, 0
    while position + 8 <= len(head):
        name, size = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        if name == b"fmt ":
            byte_rate = int.from_bytes(head[position + 16 : position + 20], "little")
        if name == b"data":
            return WavData(position + 8, size, byte_rate) if byte_rate and size not in _UNKNOWN_SIZES else None
        position += 8 + size + size % 2
    return None


def is_riff_chunk(head: bytes, rest_bytes: int) -> bool:
    """Whether a chunk with a name and a size that fits into ``rest_bytes`` can begin with ``head``."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4].isascii() and head[:4].decode("ascii").isprintable() and 8 + size <= rest_bytes + size % 2


def _describe_text(head: bytes) -> str | None:
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(_PLAYLISTS) or (start.startswith("<?xml") and any(tag in start for tag in _PLAYLIST_TAGS)):
        return "a playlist, which only names other files; give those instead"
    if _CUE.search(text) or start.startswith(("WEBVTT", "[Script Info]")):
        return "subtitles, which are text"
    if start.lower().startswith(("<!doctype html", "<html")):
        return "a web page, perhaps a login or error page instead of the download"
    return "a text file"


def _as_text(head: bytes) -> str | None:
    """Decode as text, or None: valid UTF-8 or marked UTF-16 without control characters (a cut end is forgiven)."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        control = sum(character < " " and character not in "\t\n\r\f\x1b" for character in text)
        return None if control else text
    return None
