"""Use case: transcribe one recording."""

from __future__ import annotations

import functools
import logging
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stenogram import events, languages
from stenogram.app import profile
from stenogram.app.known import diarization_of, voice_of
from stenogram.app.outcome import outcome
from stenogram.app.root import App
from stenogram.audio.survey import Survey, survey
from stenogram.cache import ScopedCache, workspace
from stenogram.config import Profile
from stenogram.engines.options import check, fallbacks, settle
from stenogram.formats import stored
from stenogram.models.choose import Choice
from stenogram.models.speed import expected_rtfx
from stenogram.performance import RUNS
from stenogram.pipeline import keys
from stenogram.pipeline.parts import Diarization, Parts, Recording, Watch
from stenogram.pipeline.run import transcribe as run
from stenogram.protocols import Cache, Engine
from stenogram.types import (
    DiarizeOptions,
    KnownSpeaker,
    KnownVoice,
    LoadOptions,
    ModelFiles,
    RunOptions,
    Segment,
    TranscribeOptions,
    Transcript,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one recording."""

    source: Path
    model: str = "auto"
    run: RunOptions = field(default_factory=RunOptions)
    load: LoadOptions = field(default_factory=LoadOptions)
    profile: Profile = "balanced"
    scope: str | None = None
    """Whose results may answer: None: those of all; else only what was found under the same name."""
    diarize: DiarizeOptions = field(default_factory=DiarizeOptions)
    known_speakers: tuple[KnownSpeaker, ...] = ()
    """People to be called by name, by a sample of their voices."""
    known_voices: tuple[KnownVoice, ...] = ()
    """The same, by what is known of their voices already."""
    warnings: tuple[str, ...] = ()
    """What the user should know of what is asked; told first, and kept in the transcript."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A request with everything decided that needs no look at the recording."""

    engine: Engine
    files: ModelFiles
    run: RunOptions
    load: LoadOptions
    choices: tuple[str, ...]
    warning: str | None = None
    """What the user should know of the choice of the model."""


def stream(app: App, request: Request, watch: Watch | None = None) -> Generator[Segment, None, Transcript]:
    """Yield the segments of a recording in order as they become final; the generator's value is the transcript.

    Raises ``InputError``, ``LanguageNotSupported``, ``ModelError``, ``OptionNotSupported``, ``EngineError``,
    ``DiarizationError``, ``StorageError``, ``Cancelled``.
    """
    resolved, watch = resolve(app, request), watch or Watch()
    cache = app.cache if request.scope is None else ScopedCache(app.cache, request.scope)
    with RUNS.run(watch.listener) as listener, workspace(app.settings.cache_dir) as folder:
        watch = replace(watch, listener=listener)
        recording = Recording.read(request.source, watch.stop)
        decision = _decide(app, request, resolved, _Look(app, cache, recording, folder, watch))
        options = profile.apply(decision.name, resolved.engine, resolved.run.transcribe)
        parts = Parts(
            decoder=app.decoder,
            open_vad=app.open_vad,
            engine=resolved.engine,
            files=resolved.files,
            options=resolved.load,
            lend=functools.partial(app.models.lend, resolved.files),
            cache=cache,
            fallbacks=fallbacks(resolved.engine, resolved.load),
            discard=functools.partial(app.models.unload, resolved.files.digest),
            free_bytes=app.free_bytes,
            choices=(*resolved.choices, f"profile {decision.name}: {decision.reason}"),
            diarization=_diarization(app, request, resolved, cache, watch),
        )
        for choice in parts.choices:
            log.info("%s", choice)
        warnings = (*request.warnings, *([resolved.warning] if resolved.warning else []))
        for warning in warnings:
            watch.listener(events.Warned(warning))
        transcript = yield from run(parts, recording, folder, replace(resolved.run, transcribe=options), watch)
    return replace(transcript, warnings=(*warnings, *transcript.warnings))


def transcribe(app: App, request: Request, watch: Watch | None = None) -> Transcript:
    """Transcribe a recording and return the whole; raises what ``stream`` raises."""
    return outcome(stream(app, request, watch))


def resolve(app: App, request: Request) -> Resolved:
    """The model for a request, and its options in their normal form; refuses what the model cannot do."""
    options = request.run.transcribe
    if options.language is not None:
        options = replace(options, language=languages.code_of(options.language))
    choice, engine = _chosen(app, request, options)
    files = choice.files
    load = settle(engine, request.load)
    choices = choice.reason, f"{load.compute_type} on {load.device}"
    return Resolved(engine, files, replace(request.run, transcribe=options), load, choices, choice.warning)


def validate(app: App, request: Request) -> tuple[Engine, ModelFiles]:
    """Refuse what the model cannot do, without asking whether this machine could: another one may do the work.

    Raises ``OptionNotSupported``, ``OptionError``, ``LanguageNotSupported``, ``ModelError``.
    """
    choice, engine = _chosen(app, request, request.run.transcribe)
    return engine, choice.files


def _chosen(app: App, request: Request, options: TranscribeOptions) -> tuple[Choice, Engine]:
    choice = app.model_for(request.model, options.language, replace(app.settings, profile=request.profile))
    engine = app.engine_named(choice.files.engine)
    check(engine, choice.files, options)
    return choice, engine


@dataclass(frozen=True, slots=True)
class _Look:
    """A first look at a recording, taken once for the same bytes."""

    app: App
    cache: Cache
    recording: Recording
    folder: Path
    watch: Watch

    def take(self, options: RunOptions) -> Survey:
        """What there is to see. Raises ``InputError``."""
        key = keys.of_survey(self.recording.digest, options)
        known = stored.read(Survey, self.cache.get("survey", key))
        if known is None:
            known = survey(self.app.decoder, self.recording.path, self.folder, options.decode, self.watch.stop)
            self.cache.put("survey", key, stored.write(known))
        return known


def _diarization(app: App, request: Request, resolved: Resolved, cache: Cache, watch: Watch) -> Diarization | None:
    if not request.diarize.diarize:
        return None
    known = [voice_of(app, speaker, cache, watch) for speaker in request.known_speakers]
    return diarization_of(app, request.diarize, resolved.load.device, cache, [*known, *request.known_voices])


def _decide(app: App, request: Request, resolved: Resolved, look: _Look) -> profile.Decision:
    if request.profile != "auto":
        return profile.Decision(profile.NAMES[request.profile], "asked for")
    return profile.decide(look.take(resolved.run), expected_rtfx(resolved.files, resolved.load, app.cores))
