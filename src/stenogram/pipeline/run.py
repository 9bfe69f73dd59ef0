"""The chain: one recording in, segments out as they are ready, a transcript at the end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from stenogram import events
from stenogram.audio.decode import check_readable
from stenogram.formats import stored
from stenogram.pipeline import keys
from stenogram.pipeline.drive import Drive
from stenogram.pipeline.parts import Parts, Source, Watch
from stenogram.types import RunOptions, Segment, Transcript


def transcribe(
    parts: Parts, source: Path, folder: Path, options: RunOptions, watch: Watch
) -> Generator[Segment, None, Transcript]:
    """Transcribe one recording; yields segments in order as they become final, returns the whole.

    ``folder`` takes the decoded samples (230 MB an hour and channel); it is the caller's to remove. Every finished
    chunk is in the cache before it is announced, so a run that was stopped or killed goes on where it was.
    Raises ``InputError``, ``EngineError``, ``Cancelled``.
    """
    check_readable(source)
    version = _version(source)
    file_digest = keys.of_file(source, watch.stop)
    model = keys.Model(parts.engine, parts.files, parts.options)
    key = keys.of_transcript(file_digest, options, model)
    known = stored.read(Transcript, parts.cache.get("transcript", key))
    if known is not None:
        watch.listener(events.StageCached("transcript", key, known.duration))
        for warning in known.warnings:
            watch.listener(events.Warned(warning))
        for segment in known.segments:
            watch.listener(events.SegmentReady(segment))
            yield segment
        return known
    speech_key, language_key = keys.of_speech(file_digest, options), keys.of_language(file_digest, options, model)

    def unchanged() -> bool:
        return _version(source) == version

    run = Drive(parts, options, watch, Source(source, speech_key, language_key, unchanged))
    try:
        for segment in run.drive(folder):
            watch.listener(events.SegmentReady(segment))
            yield segment
    finally:
        run.close()
    transcript = run.transcript()
    if unchanged():
        if not run.smaller:
            parts.cache.put("transcript", key, stored.write(transcript))
        return transcript
    warning = "the file changed while it was read; transcribe it again when it is complete"
    watch.listener(events.Warned(warning))
    return replace(transcript, warnings=(*transcript.warnings, warning))


def _version(source: Path) -> tuple[int, int] | None:
    """Size and time of change: whether the file is still the one that was hashed."""
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
