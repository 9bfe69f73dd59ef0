"""What a person's voice is like, and who of the people we know it is."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from stenogram.diarization.fbank import fbank
from stenogram.diarization.networks import FBANK_STEP, VERSION, EmbeddingNetwork
from stenogram.errors import Cancelled
from stenogram.protocols import Stop
from stenogram.types import SAMPLE_RATE, Audio, KnownVoice, Span, SpeakerTurn

if TYPE_CHECKING:
    from stenogram.types import Samples

EMBEDDING = f"wespeaker-resnet34.{VERSION}"
"""Which network a voice is from; voices of another one are not to be compared with it."""
LIKE = 0.45
"""Two voices at least this alike (cosine) are one person's. Of 489 pairs of clips of one person 1.6 % are less alike,
of 10,836 pairs of two people 0.06 % are more (clips of 2 to 20 s, several languages, devices and years)."""
ENOUGH_S = 20.0
"""More sound of one person makes a voice no surer."""
LEAST_S = 1.0
"""Less sound of one person says nothing of the voice."""
_PIECE = 10 * SAMPLE_RATE


def listen(
    network: EmbeddingNetwork, audio: Audio, speech: Sequence[Span], stop: Stop = lambda: False
) -> tuple[float, ...] | None:
    """The voice in these stretches of a recording; None where they are shorter than ``LEAST_S``.

    The longest count, up to ``ENOUGH_S`` in all. 256 values of length 1, rounded so that they are the same wherever
    they are kept. Raises ``Cancelled``.
    """
    sounds, left_s = [], ENOUGH_S
    for span in sorted(speech, key=lambda span: span.start - span.end):
        length_s = min(span.end - span.start, left_s)
        sounds.append(audio.window(round(span.start * SAMPLE_RATE), round((span.start + length_s) * SAMPLE_RATE)))
        left_s -= length_s
        if left_s <= 0:
            break
    return _voice(network, sounds, stop)


def _voice(
    network: EmbeddingNetwork, sounds: Sequence[Samples], stop: Stop = lambda: False
) -> tuple[float, ...] | None:
    import numpy as np

    pieces = []
    for sound in sounds:
        for start in range(0, len(sound), _PIECE):
            if stop():
                raise Cancelled
            features = fbank(sound[start : start + _PIECE])
            if len(features) >= FBANK_STEP:
                pieces.append(network.columns(features - features.mean(0)))
    if sum(len(sound) for sound in sounds) < LEAST_S * SAMPLE_RATE or not pieces:
        return None
    columns = np.concatenate(pieces)
    voice = network.voices(columns, np.ones((1, len(columns)), np.float32))[0]
    return tuple(round(value, 5) for value in voice.tolist())


def of_speakers(
    network: EmbeddingNetwork, audio: Audio, turns: Sequence[SpeakerTurn], stop: Stop = lambda: False
) -> tuple[KnownVoice, ...]:
    """The voice of each speaker who speaks alone for long enough, by label. Raises ``Cancelled``."""
    alone: dict[str, list[Span]] = defaultdict(list)
    for span, speaker in _alone(turns):
        alone[speaker].append(span)
    found = ((speaker, listen(network, audio, spans, stop)) for speaker, spans in sorted(alone.items()))
    return tuple(KnownVoice(speaker, voice) for speaker, voice in found if voice is not None)


def _alone(turns: Sequence[SpeakerTurn]) -> list[tuple[Span, str]]:
    """Where exactly one person speaks."""
    edges = sorted({time for turn in turns for time in (turn.start, turn.end)})
    begun = sorted(turns, key=lambda turn: turn.start)
    found: list[tuple[Span, str]] = []
    open_turns: list[SpeakerTurn] = []
    for start, end in pairwise(edges):
        while begun and begun[0].start <= start:
            open_turns.append(begun.pop(0))
        open_turns = [turn for turn in open_turns if turn.end > start]
        if len({turn.speaker for turn in open_turns}) == 1:
            found.append((Span(start, end), open_turns[0].speaker))
    return found


def recognize(voices: Sequence[KnownVoice], known: Sequence[KnownVoice]) -> Mapping[str, str]:
    """Label -> name of the person whose voice it is, for those who are alike enough; each person is one label at most.

    A person may be known by several voices (``known`` names may repeat): the one most alike counts. The pairs are
    chosen so that they are most alike all together (the assignment problem).
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    if not voices or not known:
        return {}
    names = sorted({person.name for person in known})
    likeness = np.full((len(voices), len(names)), -1.0)
    for person in known:
        column = names.index(person.name)
        cosines = np.array([voice.voice for voice in voices]) @ np.array(person.voice)
        likeness[:, column] = np.maximum(likeness[:, column], cosines)
    likeness[likeness < LIKE] = -1.0
    pairs = zip(*linear_sum_assignment(-likeness), strict=True)
    return {voices[row].name: names[column] for row, column in pairs if likeness[row, column] >= LIKE}


def digest(known: Sequence[KnownVoice]) -> str:
    """SHA-256 of known voices, hex."""
    facts = sorted((person.name, person.voice) for person in known)
    return hashlib.sha256(repr(facts).encode()).hexdigest()
