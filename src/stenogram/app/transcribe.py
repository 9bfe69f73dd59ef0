"""Use case: transcribe one recording."""

from __future__ import annotations

import functools
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stenogram import languages
from stenogram.app.root import App
from stenogram.cache import workspace
from stenogram.engines.options import check, fallbacks, settle
from stenogram.performance import RUNS
from stenogram.pipeline.parts import Parts, Watch
from stenogram.pipeline.run import transcribe as run
from stenogram.types import LoadOptions, ModelFiles, RunOptions, Segment, Transcript


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one recording."""

    source: Path
    model: str = "auto"
    run: RunOptions = field(default_factory=RunOptions)
    load: LoadOptions = field(default_factory=LoadOptions)


def stream(app: App, request: Request, watch: Watch | None = None) -> Generator[Segment, None, Transcript]:
    """Yield the segments of a recording in order as they become final; the generator's value is the transcript.

    Raises ``InputError``, ``LanguageNotSupported``, ``ModelError``, ``OptionNotSupported``, ``EngineError``,
    ``StorageError``, ``Cancelled``.
    """
    options, files, load = resolve(app, request)
    parts = Parts(
        decoder=app.decoder,
        open_vad=app.open_vad,
        engine=app.engine_named(files.engine),
        files=files,
        options=load,
        lend=functools.partial(app.lend, files),
        fallbacks=fallbacks(app.engine_named(files.engine), load),
        cache=app.cache,
        free_bytes=app.free_bytes,
    )
    watch = watch or Watch()
    with workspace(app.settings.cache_dir) as folder, RUNS.run(watch.listener) as listener:
        return (yield from run(parts, request.source, folder, options, replace(watch, listener=listener)))


def transcribe(app: App, request: Request, watch: Watch | None = None) -> Transcript:
    """Transcribe a recording and return the whole; raises what ``stream`` raises."""
    segments = stream(app, request, watch)
    while True:
        try:
            next(segments)
        except StopIteration as finished:
            transcript: Transcript = finished.value
            return transcript


def resolve(app: App, request: Request) -> tuple[RunOptions, ModelFiles, LoadOptions]:
    """The model for a request, and its options in their normal form; refuses what the model cannot do."""
    options = request.run.transcribe
    if options.language is not None:
        options = replace(options, language=languages.code_of(options.language))
    files = app.model_for(request.model, options.language, app.settings)
    engine = app.engine_named(files.engine)
    check(engine, files, options)
    return replace(request.run, transcribe=options), files, settle(engine, request.load)
