"""Subtitle files: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

from stenogram.formats.cues import cut
from stenogram.types import SubtitleOptions, Transcript


def srt(transcript: Transcript, options: SubtitleOptions) -> str:
    """SubRip: numbered cues, a comma before the milliseconds; speakers as WhisperX writes them, ``[SPEAKER_00]: ``."""
    cues = cut(transcript.segments, options, lambda speaker: f"[{speaker}]: ")
    blocks = (
        f"{number}\n{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}\n" + "\n".join(cue.lines) + "\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt(transcript: Transcript, options: SubtitleOptions) -> str:
    """WebVTT: a header, a dot before the milliseconds; speakers as voice tags, ``<v SPEAKER_00>``."""
    blocks = ["WEBVTT\n"]
    for cue in cut(transcript.segments, options):
        voice = f"<v {_escaped(' '.join(cue.speaker.split()))}>" if cue.speaker else ""
        times = f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}"
        blocks.append(f"{times}\n{voice}" + "\n".join(map(_escaped, cue.lines)) + "\n")
    return "\n".join(blocks)


def timestamp(milliseconds: int, mark: str) -> str:
    """``HH:MM:SS``, the decimal ``mark``, three digits; hours take more than two digits where they need them."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{milliseconds:03d}"


def _escaped(text: str) -> str:
    """Escaping ``>`` also disarms ``-->``, which may not stand in a cue."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
