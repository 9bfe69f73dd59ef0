"""What verbose_json says of the language model that went over a transcript: enough to have the original back."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from stenogram.enhancement import Enhancement
from stenogram.formats import openai
from stenogram.types import Transcript


def enhancement_object(
    original: Transcript, written: Transcript, enhancement: Enhancement, reverted: Collection[int] = ()
) -> dict[str, Any]:
    """The object ``enhancement`` of a body whose text is that of ``written``.

    ``reverted`` are the ids of changes that ``written`` is without. ``original`` holds the segments that differ, with
    their words, as ``formats.reading`` puts them back.
    """
    usage = dataclasses.asdict(enhancement.usage)
    body: dict[str, Any] = {
        "kind": enhancement.kind,
        "model": enhancement.model,
        "prompt": enhancement.prompt,
        "language": enhancement.language,
        "cached": enhancement.cached,
        "usage": {name: round(value, 3) if isinstance(value, float) else value for name, value in usage.items()},
        "changes": [
            dataclasses.asdict(change) | {"start": openai.seconds(change.start), "end": openai.seconds(change.end)}
            for change in enhancement.changes
        ],
        "reverted": sorted(reverted),
        "kept": [
            {"segment": line.segment, "doubt": line.doubt, "edit": line.edit}
            for line in enhancement.lines
            if line.doubt is not None
        ],
    }
    if enhancement.document is not None:
        body["document"] = dict(enhancement.document)
    body["original"] = {
        "language": original.language,
        "segments": [
            openai.segment_object(before) | {"words": [openai.word_object(word) for word in before.words]}
            for before, after in zip(original.segments, written.segments, strict=True)
            if before != after
        ],
    }
    return body
