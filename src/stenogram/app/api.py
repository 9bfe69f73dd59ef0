"""The Python API: one call for one recording. For many recordings, keep an ``App`` open."""

from __future__ import annotations

import difflib
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from stenogram import config, events
from stenogram.app import transcribe as use_case
from stenogram.app.root import App
from stenogram.config import Settings
from stenogram.errors import OptionError
from stenogram.pipeline.run import Watch
from stenogram.types import DecodeOptions, LoadOptions, RunOptions, Segment, TranscribeOptions, Transcript, VadOptions

GROUPS = (Settings, DecodeOptions, VadOptions, TranscribeOptions, LoadOptions)
"""Every option group of one recording, in the order in which they are shown."""


def transcribe(
    source: str | os.PathLike[str], *, listener: events.Listener = events.ignore, **options: Any
) -> Transcript:
    """Transcribe an audio or video file.

    Options are those of ``stenogram transcribe --help``, with underscores: ``language="en"``,
    ``channels="separate"``, ``home="/srv/stenogram"``; what is not given comes from the environment, then from
    the default. ``listener`` is called with each event. Raises ``StenogramError``; nothing is printed.

    >>> import stenogram
    >>> stenogram.transcribe("talk.mp4").text                                                    # doctest: +SKIP
    'It was the best of times, ...'
    """
    settings, request = read(Path(source), options)
    with App.open(settings) as app:
        return use_case.transcribe(app, request, Watch(listener))


def stream(
    source: str | os.PathLike[str], *, listener: events.Listener = events.ignore, **options: Any
) -> Generator[Segment, None, None]:
    """Yield the segments of a file in order, each as soon as it is final; as ``transcribe`` otherwise.

    Closing the iterator stops the work; what was finished stays in the cache.
    """
    settings, request = read(Path(source), options)
    with App.open(settings) as app:
        yield from use_case.stream(app, request, Watch(listener))


def read(
    source: Path, given: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> tuple[Settings, use_case.Request]:
    """Settings and request from options by name. Raises ``OptionError`` for an unknown name or a bad value."""
    known = [row.name for group in GROUPS for row in config.rows(group)]
    for name in given.keys() - set(known):
        near = difflib.get_close_matches(name, known, n=1)
        cause = f"no such option; did you mean {near[0]}?" if near else "no such option"
        raise OptionError(name=name, value=given[name], cause=cause)
    environ = config.environment() if environ is None else environ
    settings = config.read(Settings, given, environ)
    run = RunOptions(
        config.read(DecodeOptions, given, environ),
        config.read(VadOptions, given, environ),
        config.read(TranscribeOptions, given, environ),
    )
    return settings, use_case.Request(source, settings.model, run, config.read(LoadOptions, given, environ))
