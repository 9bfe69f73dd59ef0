"""What a file is by its first bytes: only for the wording of errors, after FFmpeg could make nothing of it."""

from __future__ import annotations

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
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD", b"<SmoothStreamingMedia", b"<ASX", b"<asx", b"v=0")
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


def _describe_text(head: bytes) -> str | None:
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    beginning = start[:2000].encode(errors="replace")
    if beginning.startswith(_PLAYLISTS) or b"<MPD" in beginning:
        return "a playlist, which only names other files; give those instead"
    if "-->" in text or start.startswith(("WEBVTT", "[Script Info]")):
        return "subtitles, which are text"
    if start.lower().startswith(("<!doctype html", "<html")):
        return "a web page; was the download a login or an error page?"
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
