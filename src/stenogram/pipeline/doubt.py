"""Is this the language that the model speaks? What an English-only model makes of other languages is rubbish."""

from __future__ import annotations

from stenogram.types import ModelFiles, TranscribeOptions, Transcript


def of_language(transcript: Transcript, files: ModelFiles, options: TranscribeOptions) -> list[str]:
    """Warnings."""
    return []
