"""Whisper on CTranslate2: the fastest there is on CPU and CUDA, in all sizes from tiny to large-v3 and turbo."""

from stenogram.engines.whisper.engine import WhisperEngine

__all__ = ["WhisperEngine"]
