"""Three seconds of a real recording, through the whole chain."""

from __future__ import annotations

import tempfile
import time
import wave
from dataclasses import replace
from pathlib import Path

from stenogram.app.doctor.finding import Finding
from stenogram.app.root import App
from stenogram.app.transcribe import Request, transcribe
from stenogram.audio.decode import Decoder
from stenogram.bundled import asset
from stenogram.cache import open_cache
from stenogram.config import Settings
from stenogram.errors import StenogramError
from stenogram.types import LoadOptions, RunOptions, TranscribeOptions

LENGTH_S = 3
KNOWN = "tried"
"""Said in those seconds: "Ever tried. Ever failed."."""


def examine(settings: Settings, load: LoadOptions) -> Finding:
    """Decode, find speech and recognise as a transcription would, with nothing taken from the cache."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = _transcribe(Path(folder), settings, load)
    except StenogramError as error:
        return Finding("test", "fault", f"{type(error).__name__}: {error}")
    except OSError as error:
        return Finding("test", "fault", f"{error}", "Is there room in the folder for temporary files?")
    took_s = time.monotonic() - began
    if KNOWN not in text.lower():
        return Finding("test", "fault", f"“{KNOWN}” was said, “{text}” was heard", "Check the models: --verify")
    return Finding("test", "good", f"{LENGTH_S} s of speech in {took_s:.1f} s, loading included: “{text}”")


def _transcribe(folder: Path, settings: Settings, load: LoadOptions) -> str:
    source = folder / "speech.wav"
    with wave.open(str(asset("assets/beckett.wav"))) as whole, wave.open(str(source), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(LENGTH_S * whole.getframerate()))
    cache = open_cache(replace(settings, home=str(folder), cache_url=None))
    options = RunOptions(transcribe=TranscribeOptions(language="en"))
    with App(settings, cache, Decoder()) as app:
        return transcribe(app, Request(source, settings.model, options, load)).text
