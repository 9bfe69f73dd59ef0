"""Whisper on PyTorch: openai-whisper, the reference that others are measured by (extra ``openai-whisper``)."""

from stenogram.engines.openai_whisper.engine import OpenAIWhisperEngine

__all__ = ["OpenAIWhisperEngine"]
