"""Who is to tell the speakers of a recording apart, and whom of them we know."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from stenogram import diarization
from stenogram.app.root import App
from stenogram.audio.decode import check_readable
from stenogram.cache import workspace
from stenogram.diarization import BUILT_IN, DIARIZERS, voices
from stenogram.errors import BadReference, DiarizationError
from stenogram.formats import stored
from stenogram.pipeline import keys
from stenogram.pipeline.parts import Diarization, Watch
from stenogram.protocols import Cache, Diarizer, Stop
from stenogram.types import (
    SAMPLE_RATE,
    Audio,
    DecodeOptions,
    Device,
    DiarizeOptions,
    KnownSpeaker,
    KnownVoice,
    Span,
    SpeakerTurn,
    VadOptions,
)

log = logging.getLogger(__name__)

REFINES = "pyannote"
"""What goes over the speakers once more where it is installed and nobody else was asked for."""
_BLOCK = 30 * SAMPLE_RATE
REFERENCE_S = (2.0, 10.0)
"""Shortest and longest reference recording, as the OpenAI API says it."""


def diarization_of(
    app: App,
    options: DiarizeOptions,
    device: Device,
    cache: Cache,
    known: Sequence[KnownVoice] = (),
) -> Diarization:
    """What finds the speakers. Raises ``DiarizerNotInstalled``, ``DiarizationError``, ``OptionError``."""
    diarization.check(options)
    if options.diarization == "auto":
        found = [app.diarizer(BUILT_IN, device)]
        if DIARIZERS[REFINES].installed:
            heavy = app.diarizer(REFINES, device)
            fault = heavy.fault()
            if fault is None:
                found.append(heavy)
            else:
                log.info("speakers are not refined by %s: %s", REFINES, fault)
    else:
        found = [app.diarizer(options.diarization, device)]
        _refuse_faulty(found[0])

    def hear_voices(audio: Audio, turns: Sequence[SpeakerTurn], stop: Stop) -> tuple[KnownVoice, ...]:
        return voices.of_speakers(app.voices.embedding(), audio, turns, stop)

    return Diarization(options, tuple(each.using(cache) for each in found), hear_voices, tuple(known))


def _refuse_faulty(diarizer: Diarizer) -> None:
    fault = diarizer.fault()
    if fault is not None:
        raise DiarizationError(diarizer=diarizer.name, cause=fault)


def voice_of(app: App, speaker: KnownSpeaker, cache: Cache, watch: Watch) -> KnownVoice:
    """What a person's voice is like, by a reference recording. Raises ``BadReference``, other ``InputError``."""
    check_readable(speaker.source)
    key = keys.of_voice(keys.of_file(speaker.source, watch.stop), voices.EMBEDDING)
    known = stored.read(tuple[float, ...], cache.get("voice", key))
    if known is None:
        known = _hear(app, speaker.source, watch)
        cache.put("voice", key, stored.write(known))
    return KnownVoice(speaker.name, known)


def _hear(app: App, source: Path, watch: Watch) -> tuple[float, ...]:
    with workspace(app.settings.cache_dir) as folder:
        audio, speech = speech_of(app, source, folder, watch.stop)
        least_s, most_s = REFERENCE_S
        if not least_s <= round(audio.duration, 1) <= most_s:
            raise BadReference(path=source, cause=f"it is {audio.duration:.1f} s long")
        voice = voices.listen(app.voices.embedding(), audio, speech)
    if voice is None:
        raise BadReference(path=source, cause="next to nothing is spoken in it")
    return voice


def speech_of(app: App, source: Path, folder: Path, stop: Stop, most_s: float = math.inf) -> tuple[Audio, list[Span]]:
    """The sound of a recording in ``folder``, and the speech in it, as far as there are ``most_s`` of it.

    All channels are mixed. Raises ``InputError``, ``Cancelled``.
    """
    vad, speech, fed = app.open_vad(VadOptions()), list[Span](), 0
    for decoded in app.decoder.decode(source, folder, DecodeOptions(), stop):
        audio = decoded.audios[0]
        while fed < audio.sample_count and length_s(speech) < most_s:
            block = audio.window(fed, fed + _BLOCK)
            speech += vad.feed(block)
            fed += len(block)
        if length_s(speech) >= most_s:
            return audio, speech
    return audio, [*speech, *vad.finish()]


def length_s(speech: Sequence[Span]) -> float:
    """Seconds of speech."""
    return sum(span.end - span.start for span in speech)
