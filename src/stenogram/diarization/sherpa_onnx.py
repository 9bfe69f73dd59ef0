"""Who spoke when by sherpa-onnx: pyannote's segmentation, an embedding of each voice, agglomerative clustering.

The networks are ONNX files of one's own choice (``models/catalogue.toml``). It computes on the CPU: its package on the
index of Python knows no other device. It wants all samples at once, twice: 0.5 GB for an hour of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stenogram.diarization import DIARIZERS
from stenogram.diarization.outside import OutsideDiarizer, choose
from stenogram.types import ModelFiles

WINDOW_SHIFT_RATIO = 0.5
"""Windows of 10 s begin every 5 s. Its default, 0.1, computes every moment ten times.

Measured with the built-in diarizer's networks in sherpa-onnx's format, on nine clips of 19 to 42 s: DER 0.145 at 0.5,
0.140 at 0.25, 0.106 at 0.1, which takes four times as long.
"""
THRESHOLD = 0.8
"""Cosine distance, of complete linkage, from which on two voices are two.

On the same clips each value from 0.5 to 0.8 gets the number of speakers right on 4 or 5; of a recording of six minutes
with five voices it hears five from 0.8 on, and nine at 0.6.
"""

_ROLES = {"segmentation": "pyannote-segmentation-3.0", "embedding": "wespeaker-resnet34"}


class SherpaOnnxDiarizer(OutsideDiarizer):
    """``OfflineSpeakerDiarization`` of sherpa-onnx."""

    name = "sherpa-onnx"
    module = "stenogram.diarization.sherpa_onnx_child"
    packages = ("stenogram", "numpy", "sherpa_onnx")

    def fault(self) -> str | None:
        """What is not installed."""
        row = DIARIZERS[self.name]
        if not row.installed:
            return f"sherpa-onnx is not installed. Get it: pip install 'stenogram[{row.extra}]'"
        absent = [model for role, model in _ROLES.items() if choose(self.name, role, self._means) is None]
        if absent:
            return f"it has no networks yet. Get them: stenogram models pull {' '.join(absent)}"
        return None

    def _models(self) -> Sequence[ModelFiles]:
        found = (choose(self.name, role, self._means) for role in _ROLES)
        return [files for files in found if files is not None]

    def _manner(self) -> Sequence[str]:
        return (f"shift {WINDOW_SHIFT_RATIO}", f"threshold {THRESHOLD}")

    def _setup(self) -> dict[str, Any]:
        paths = {role: path for files in reversed(self._models()) for role, path in files.paths.items()}
        return {role: str(paths[role]) for role in _ROLES} | {
            "threads": self._means.threads,
            "window_shift_ratio": WINDOW_SHIFT_RATIO,
            "threshold": THRESHOLD,
        }
