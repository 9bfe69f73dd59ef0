"""The chain: one recording in, segments out as they are ready, a transcript at the end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from stenogram import events
from stenogram.formats import stored
from stenogram.pipeline import keys
from stenogram.pipeline.drive import Drive
from stenogram.pipeline.parts import Parts, Recording, Watch
from stenogram.types import RunOptions, Segment, Transcript


def transcribe(
    parts: Parts, recording: Recording, folder: Path, options: RunOptions, watch: Watch
) -> Generator[Segment, None, Transcript]:
    """Transcribe one recording; yields segments in order as they become final, returns the whole.

    ``folder`` takes the decoded samples (230 MB an hour and channel); it is the caller's to remove. Every finished
    chunk is in the cache before it is announced, so a run that was stopped or killed goes on where it was.
    Raises ``InputError``, ``EngineError``, ``Cancelled``.
    """
    model = keys.Model(parts.engine, parts.files, parts.options)
    key = keys.of_transcript(recording.digest, options, model)
    known = stored.read(Transcript, parts.cache.get("transcript", key))
    if known is not None:
        watch.listener(events.StageCached("transcript", key, known.duration))
        for warning in known.warnings:
            watch.listener(events.Warned(warning))
        for segment in known.segments:
            watch.listener(events.SegmentReady(segment))
            yield segment
        return replace(known, choices=parts.choices)
    run = Drive(parts, recording, options, watch)
    try:
        for segment in run.drive(folder):
            watch.listener(events.SegmentReady(segment))
            yield segment
    finally:
        run.close()
    transcript = run.transcript()
    if recording.unchanged():
        if not run.smaller:
            parts.cache.put("transcript", key, stored.write(transcript))
        return transcript
    warning = "the file changed while it was read; transcribe it again when it is complete"
    watch.listener(events.Warned(warning))
    return replace(transcript, warnings=(*transcript.warnings, warning))
