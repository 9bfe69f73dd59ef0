"""The Python API: one call for one recording. For many recordings, keep an ``App`` open."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stenogram import config, events
from stenogram.app import diarize, enhance
from stenogram.app import transcribe as use_case
from stenogram.app.root import App
from stenogram.config import Settings
from stenogram.diarization.rename import check_person
from stenogram.enhancement import Enhancement, EnhanceOptions
from stenogram.errors import FileNotReadable, OptionError
from stenogram.pipeline.parts import Watch
from stenogram.types import (
    DecodeOptions,
    DiarizeOptions,
    KnownSpeaker,
    LoadOptions,
    RunOptions,
    Segment,
    TranscribeOptions,
    Transcript,
    VadOptions,
)

GROUPS = (Settings, DecodeOptions, VadOptions, TranscribeOptions, DiarizeOptions, LoadOptions)
"""Every option group of one recording, in the order in which they are shown."""
ENHANCE_GROUPS = (EnhanceOptions, Settings)
"""Every option group of clean-up."""
Speakers = Mapping[str, str | os.PathLike[str]]
"""Names of known speakers, and a recording of each."""


def transcribe(
    source: str | os.PathLike[str],
    *,
    app: App | None = None,
    listener: events.Listener = events.ignore,
    known_speakers: Speakers | None = None,
    **options: Any,
) -> Transcript:
    """Transcribe an audio or video file.

    Options are those of ``stenogram transcribe --help``, with underscores: ``language="en"``,
    ``channels="separate"``, ``home="/srv/stenogram"``; what is not given comes from the environment, then from
    the default. ``listener`` is called with each event. ``known_speakers`` names people by recordings of 2 to 10 s
    in which only they speak (``{"Ann": "ann.wav"}``), and has the speakers told apart. For many files open an ``App``
    once and hand it over: the weights stay loaded. Raises ``StenogramError``; nothing is printed.

    >>> import stenogram
    >>> stenogram.transcribe("talk.mp4").text                                                    # doctest: +SKIP
    'It was the best of times, ...'
    """
    settings, request = _prepare(Path(source), app, options, known_speakers or {})
    with nullcontext(app) if app else App.open(settings) as opened:
        return use_case.transcribe(opened, with_people(request, opened.settings), Watch(listener))


def stream(
    source: str | os.PathLike[str],
    *,
    app: App | None = None,
    listener: events.Listener = events.ignore,
    known_speakers: Speakers | None = None,
    **options: Any,
) -> Generator[Segment, None, Transcript]:
    """Yield the segments of a file in order, each as soon as it is final; as ``transcribe`` otherwise.

    Their speakers are not known yet; the transcript has them. Closing the iterator stops the work; what was finished
    stays in the cache. The value of the generator
    (``StopIteration.value``) is the transcript.
    """
    settings, request = _prepare(Path(source), app, options, known_speakers or {})
    with nullcontext(app) if app else App.open(settings) as opened:
        return (yield from use_case.stream(opened, with_people(request, opened.settings), Watch(listener)))


def enhance_transcript(
    transcript: Transcript,
    *,
    app: App | None = None,
    progress: Callable[[float], None] = lambda _share: None,
    **options: Any,
) -> Enhancement:
    """Have a language model clean a transcript up, translate it, or say what it is about; checked line by line.

    Options are those of ``stenogram enhance --help``, with underscores: ``kind="summary"``, ``target_language="de"``,
    ``llm_model="mistral:7b-instruct"``, ``llm_base_url=...``; what is not given comes from the environment, then from
    the default. The transcript stays as it is: ``Enhancement.changes`` say how the clean text differs, and
    ``apply_changes`` puts all or some of them in. ``progress`` takes the share that is through. Raises
    ``StenogramError``: ``ChatUnavailable`` where no model answers.

    >>> import stenogram
    >>> transcript = stenogram.transcribe("talk.mp4")                                            # doctest: +SKIP
    >>> found = stenogram.enhance_transcript(transcript)                                         # doctest: +SKIP
    >>> clean = stenogram.apply_changes(transcript, found.changes)                               # doctest: +SKIP
    >>> stenogram.enhance_transcript(transcript, kind="summary").document["summary"]             # doctest: +SKIP
    """
    _refuse_unknown(options, ENHANCE_GROUPS)
    if app is not None:
        _refuse_own(app, options)
    wish = config.read(EnhanceOptions, options)
    with nullcontext(app) if app else App.open(config.read(Settings, options)) as opened:
        return enhance.enhance(opened, transcript, wish, progress)


def _prepare(
    source: Path, app: App | None, options: Mapping[str, Any], known: Speakers
) -> tuple[Settings, use_case.Request]:
    if app is None:
        return read(source, options, known)
    _refuse_own(app, options, besides=("model", "profile"))
    return read(source, {"model": app.settings.model, "profile": app.settings.profile, **options}, known)


def read(
    source: Path,
    given: Mapping[str, Any],
    known_speakers: Speakers = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
) -> tuple[Settings, use_case.Request]:
    """Settings and request from options by name.

    Raises ``OptionError`` for an unknown name or a bad value, ``FileNotReadable`` for a known speaker without a file.
    """
    _refuse_unknown(given, GROUPS)
    environ = config.environment() if environ is None else environ
    settings = config.read(Settings, given, environ)
    run = RunOptions(
        config.read(DecodeOptions, given, environ),
        config.read(VadOptions, given, environ),
        config.read(TranscribeOptions, given, environ),
    )
    return settings, use_case.Request(
        source,
        settings.model,
        run,
        config.read(LoadOptions, given, environ),
        settings.profile,
        diarize=diarize.read(given, environ, known=bool(known_speakers)),
        known_speakers=_known(known_speakers),
    )


def _refuse_unknown(given: Mapping[str, Any], groups: Sequence[type]) -> None:
    known = [row.name for group in groups for row in config.rows(group)]
    for name in given.keys() - set(known):
        near = difflib.get_close_matches(name, known, n=1)
        cause = f"no such option; did you mean {near[0]}?" if near else "no such option"
        raise OptionError(name=name, value=given[name], cause=cause)


def _refuse_own(app: App, given: Mapping[str, Any], besides: Sequence[str] = ()) -> None:
    """What an open app was given cannot be given again."""
    for row in config.rows(type(app.settings)):
        if row.name in given and row.name not in besides:
            raise OptionError(name=row.name, value=given[row.name], cause="is the app's; give it to App.open")


def with_people(request: use_case.Request, settings: Settings) -> use_case.Request:
    """The request with the voices that are kept here, where people are to be recognised by them.

    Raises ``DatabaseError``.
    """
    if not request.diarize.recognize_speakers:
        return request
    from stenogram.app import speakers  # which opens a database: nobody else waits for that

    kept = speakers.known_here(settings)
    return replace(request, known_voices=kept.voices, warnings=kept.warnings)


def _known(speakers: Speakers) -> tuple[KnownSpeaker, ...]:
    found: dict[str, KnownSpeaker] = {}
    for given, source in speakers.items():
        name, path = check_person(given), Path(source)
        if name in found:
            raise OptionError(name="known_speakers", value=given, cause=f"{name} is there twice")
        if not path.is_file():
            cause = "it is a folder" if path.is_dir() else "there is no such file"
            raise FileNotReadable(path=path, cause=f"{cause} to know {name} by")
        found[name] = KnownSpeaker(name, path)
    return tuple(found.values())
