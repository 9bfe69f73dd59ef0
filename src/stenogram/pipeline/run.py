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
from stenogram.pipeline.speakers import Finder
from stenogram.types import RunOptions, Segment, Transcript


def transcribe(
    parts: Parts, recording: Recording, folder: Path, options: RunOptions, watch: Watch
) -> Generator[Segment, None, Transcript]:
    """Transcribe one recording; yields segments in order as they become final, returns the whole.

    Who speaks is known only at the end: the segments of the transcript have speakers, and begin anew where those
    change; the ones that are yielded do not. ``folder`` takes the decoded samples (230 MB an hour and channel); it is
    the caller's to remove. Every finished chunk is in the cache before it is announced, so a run that was stopped or
    killed goes on where it was. Raises ``InputError``, ``EngineError``, ``DiarizationError``, ``Cancelled``.
    """
    wordless = parts.diarization is not None and not options.transcribe.word_timestamps
    if wordless:  # they are needed to tell who said what
        options = replace(options, transcribe=replace(options.transcribe, word_timestamps=True))
    key = keys.of_transcript(recording.digest, options, keys.Model(parts.engine, parts.files, parts.options))
    finder = Finder(parts, parts.diarization, recording, options, watch) if parts.diarization else None
    try:
        transcript, kept = (yield from _known(parts, key, watch, wordless=wordless)), True
        if transcript is None:
            run = Drive(parts, recording, options, watch)
            if finder is not None and finder.needed:
                run.tap, run.tick = finder.hear, finder.tick
            transcript, kept = yield from _recognised(run, folder, key, wordless=wordless)
        if finder is not None:
            transcript = finder.finish(transcript, folder, key if kept else None)
    finally:
        if finder is not None:
            finder.close()
    if not wordless:
        return transcript
    return replace(transcript, segments=tuple(replace(segment, words=()) for segment in transcript.segments))


def _known(parts: Parts, key: str, watch: Watch, *, wordless: bool) -> Generator[Segment, None, Transcript | None]:
    """What an earlier run found in the same bytes."""
    known = stored.read(Transcript, parts.cache.get("transcript", key))
    if known is None:
        return None
    watch.listener(events.StageCached("transcript", key, known.duration))
    for warning in known.warnings:
        watch.listener(events.Warned(warning))
    for segment in known.segments:
        yield _told(segment, watch, wordless=wordless)
    return replace(known, choices=parts.choices)


def _recognised(
    run: Drive, folder: Path, key: str, *, wordless: bool
) -> Generator[Segment, None, tuple[Transcript, bool]]:
    """The transcript, and whether it is what was asked for: only then it is in the cache."""
    try:
        for segment in run.drive(folder):
            yield _told(segment, run.watch, wordless=wordless)
    finally:
        run.close()
    transcript = run.transcript()
    if not run.recording.unchanged():
        warning = "the file changed while it was read; transcribe it again when it is complete"
        run.watch.listener(events.Warned(warning))
        return replace(transcript, warnings=(*transcript.warnings, warning)), False
    if not run.smaller:
        run.parts.cache.put("transcript", key, stored.write(transcript))
    return transcript, not run.smaller


def _told(segment: Segment, watch: Watch, *, wordless: bool) -> Segment:
    told = replace(segment, words=()) if wordless else segment
    watch.listener(events.SegmentReady(told))
    return told
