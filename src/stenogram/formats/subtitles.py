"""Subtitle files: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

from collections.abc import Sequence

from stenogram.formats.cues import Cue, cut
from stenogram.types import SubtitleOptions, Transcript


def srt(transcript: Transcript, options: SubtitleOptions) -> str:
    """SubRip: numbered cues, a comma before the milliseconds; speakers as WhisperX writes them, ``[SPEAKER_00]: ``."""
    return srt_text(srt_cues(transcript, options))


def srt_text(cues: Sequence[Cue]) -> str:
    """Cues as a SubRip file."""
    blocks = (
        f"{number}\n{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}\n" + "\n".join(cue.lines) + "\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt(transcript: Transcript, options: SubtitleOptions) -> str:
    """WebVTT: a header, a dot before the milliseconds; speakers as voice tags, ``<v SPEAKER_00>``."""
    return vtt_text(vtt_cues(transcript, options))


def vtt_text(cues: Sequence[Cue]) -> str:
    """Cues as a WebVTT file."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        voice = f"<v {_escaped(' '.join(cue.speaker.split()))}>" if cue.speaker else ""
        times = f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}"
        blocks.append(f"{times}\n{voice}" + "\n".join(map(_escaped, cue.lines)) + "\n")
    return "\n".join(blocks)


def srt_cues(transcript: Transcript, options: SubtitleOptions) -> list[Cue]:
    """What stands in a SubRip file, in order of time; the names of speakers are in the text."""
    return cut(transcript.segments, options, lambda speaker: f"[{speaker}]: ", transcript.duration)


def vtt_cues(transcript: Transcript, options: SubtitleOptions) -> list[Cue]:
    """What stands in a WebVTT file, in order of time; the names of speakers are not in the text."""
    return cut(transcript.segments, options, duration_s=transcript.duration)


def timestamp(milliseconds: int, mark: str) -> str:
    """``HH:MM:SS``, the decimal ``mark``, three digits; hours take more than two digits where they need them."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{milliseconds:03d}"


def _escaped(text: str) -> str:
    """Escaping ``>`` also disarms ``-->``, which may not stand in a cue."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
