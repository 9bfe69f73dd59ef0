"""Who spoke when by pyannote.audio 4, on PyTorch: speaker-diarization-community-1, or a pipeline laid out like it.

Its files come from the models folder and nothing from anywhere else. Overlapping turns are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stenogram.diarization import DIARIZERS
from stenogram.diarization.outside import OutsideDiarizer, choose
from stenogram.types import ModelFiles

MODEL = "pyannote-speaker-diarization-community-1"
_PAGE = "https://huggingface.co/pyannote/speaker-diarization-community-1"


class PyannoteDiarizer(OutsideDiarizer):
    """A ``SpeakerDiarization`` pipeline of pyannote.audio."""

    name = "pyannote"
    module = "stenogram.diarization.pyannote_child"
    packages = ("stenogram", "numpy", "torch")

    def fault(self) -> str | None:
        """What is not installed."""
        row = DIARIZERS[self.name]
        if not row.installed:
            return f"pyannote.audio is not installed. Get it: pip install 'stenogram[{row.extra}]'"
        if not self._models():
            return (
                f"its model is not here. Accept its conditions at {_PAGE}, set HF_TOKEN to a token of yours, then: "
                f"stenogram models pull {MODEL}"
            )
        return None

    def _models(self) -> Sequence[ModelFiles]:
        found = choose(self.name, "config", self._means)
        return [] if found is None else [found]

    def _manner(self) -> Sequence[str]:
        return (self._means.device,)

    def _setup(self) -> dict[str, Any]:
        [files] = self._models()
        return {
            "folder": str(files.paths["config"].parent),
            "device": self._means.device,
            "threads": self._means.threads,
        }

    def _environment(self) -> Mapping[str, str]:
        """Nothing is told to anybody, and nothing fetched.

        The names are those of ``pyannote/audio/telemetry/metrics.py`` (4.0.7) and ``huggingface_hub/constants.py``.
        """
        return {"PYANNOTE_METRICS_ENABLED": "0", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
