"""Use cases: people whose voices are known, so that they are called by name in every recording.

What is kept of a voice is biometric data. Nothing is kept, and nobody recognised, unless somebody asks for it; what is
removed is gone from the tables, and on SQLite overwritten in the file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stenogram import config
from stenogram.accounts import audit
from stenogram.app.known import length_s, speech_of
from stenogram.app.root import App
from stenogram.audio.decode import check_readable
from stenogram.cache import workspace
from stenogram.config import ServerSettings, Settings
from stenogram.diarization import voices
from stenogram.diarization.rename import check_person
from stenogram.errors import Conflict, NotFound, TooLittleSpeech
from stenogram.job import Caller
from stenogram.pipeline import keys
from stenogram.protocols import Stop
from stenogram.store import schema, speakers
from stenogram.store.database import Database
from stenogram.store.speakers import Speaker, Voice
from stenogram.types import Audio, KnownVoice, Span

LEAST_S = 2.0
"""Less speech than this tells too little of a voice."""
MOST_S = 30.0
"""More speech than this tells hardly more: what follows is not looked at."""
PAUSE_S = 0.5
"""A pause of this length is left out."""


VoiceOf = Callable[[Audio, Sequence[Span]], tuple[float, ...] | None]
"""The voice in stretches of a recording, as ``diarization.voices.listen`` hears it."""


@dataclass(frozen=True, slots=True)
class Known:
    """The voices to recognise people by."""

    voices: tuple[KnownVoice, ...]
    """One for each sample: a person may have several."""
    warnings: tuple[str, ...] = ()
    """What the user should know."""


def open_listener(app: App) -> VoiceOf:
    """What hears voices. Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
    return functools.partial(voices.listen, app.voices.embedding())


def hear(app: App, source: Path, voice_of: VoiceOf, stop: Stop = lambda: False) -> Voice:
    """How the person in a recording sounds, by the first ``MOST_S`` of speech in it.

    Raises ``TooLittleSpeech`` for less than ``LEAST_S``, other ``InputError``, ``StorageError``, ``Cancelled``.
    """
    check_readable(source)
    sample = keys.of_file(source, stop)
    with workspace(app.settings.cache_dir) as folder:
        audio, speech = speech_of(app, source, folder, stop, MOST_S)
        heard_s = min(length_s(speech), MOST_S)
        values = voice_of(audio, _joined(speech)) if heard_s >= LEAST_S else None
    if values is None:
        raise TooLittleSpeech(path=source, heard_s=heard_s, least_s=LEAST_S)
    return Voice(values, voices.EMBEDDING, sample, round(heard_s, 3))


def _joined(speech: Sequence[Span]) -> list[Span]:
    """Speech without the pauses between sentences, but with those between words, as it is heard in turns."""
    found: list[Span] = []
    left_s = MOST_S
    for span in speech:
        end = min(span.end, span.start + left_s)
        left_s -= end - span.start
        if found and span.start - found[-1].end < PAUSE_S:
            found[-1] = Span(found[-1].start, end)
        elif end > span.start:
            found.append(Span(span.start, end))
    return found


def add(db: Database, owner: str | None, name: str, heard: Sequence[Voice]) -> Speaker:
    """Know a person by these voices too; the same recordings again change nothing. Raises ``OptionError``."""
    name = check_person(name)
    with db.write() as tx:
        found = speakers.find(tx.connection, speakers.put(tx, owner, name, heard))
    if found is None:  # it was put in a moment ago, in this transaction
        raise NotFound(what="speaker", id=name)
    return found


def listing(db: Database, caller: Caller) -> list[Speaker]:
    """The people whom the caller may see, by name."""
    with db.read() as connection:
        return speakers.listing(connection, caller.owner, everybody=caller.admin)


def find(db: Database, caller: Caller, speaker_id: str) -> Speaker:
    """Raises ``NotFound``, also for a speaker of another owner."""
    with db.read() as connection:
        found = speakers.find(connection, speaker_id)
    if found is None or not caller.owns(found.owner):
        raise NotFound(what="speaker", id=speaker_id)
    return found


def find_named(db: Database, owner: str | None, name: str) -> Speaker:
    """The owner's speaker of this name. Raises ``NotFound``."""
    with db.read() as connection:
        found = speakers.find_named(connection, owner, " ".join(name.split()))
    if found is None:
        raise NotFound(what="speaker", id=name)
    return found


def rename(db: Database, speaker: Speaker, name: str) -> Speaker:
    """Call a person otherwise. Raises ``OptionError``, ``Conflict`` where there is another one of this name."""
    name = check_person(name)
    with db.write() as tx:
        other = speakers.find_named(tx.connection, speaker.owner, name)
        if other is not None and other.id != speaker.id:
            raise Conflict(what=f"speaker {name}", cause="there is one of this name; remove one of the two first")
        speakers.rename(tx, speaker.id, name)
        found = speakers.find(tx.connection, speaker.id)
    if found is None:
        raise NotFound(what="speaker", id=speaker.id)
    return found


def remove(db: Database, chosen: Sequence[Speaker], caller: Caller | None = None) -> None:
    """Forget people and their voices for good; ``caller``: who wants it, None: the command line."""
    name = audit.COMMAND_LINE if caller is None else ""
    with db.write() as tx:
        for speaker in chosen:
            speakers.remove(tx, speaker.id)
            audit.note(tx, caller, "speaker_deleted", speaker.id, name=name, owner=speaker.owner)
    db.forget_log()


def known_of(db: Database, owner: str | None) -> Known:
    """The voices that an owner keeps, as far as they can be compared with what is heard now."""
    with db.read() as connection:
        found = speakers.listing(connection, owner)
    kept = tuple(
        KnownVoice(each.name, voice.values)
        for each in found
        for voice in each.voices
        if voice.network == voices.EMBEDDING
    )
    left_out = [each.name for each in found if is_outdated(each)]
    warnings = [] if found else ["No voices are kept to recognise people by. Add some: stenogram speakers add"]
    if left_out:
        told = ", ".join(left_out)
        warnings.append(f"Not recognised, for an older version heard their voices; add their recordings anew: {told}.")
    return Known(kept, tuple(warnings))


def known_here(settings: Settings) -> Known:
    """The voices that are nobody's in particular, in the database of this machine's settings."""
    with schema.opened(settings, config.read(ServerSettings)) as db:
        return known_of(db, None)


def is_outdated(speaker: Speaker) -> bool:
    """Whether nothing of a person can be compared with what is heard now."""
    return all(voice.network != voices.EMBEDDING for voice in speaker.voices)
