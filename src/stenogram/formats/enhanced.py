"""What a language model made of a transcript, as JSON from which the transcript can be had again as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from stenogram.enhancement import Enhancement
from stenogram.formats import openai
from stenogram.formats.openai import SEGMENTS, Granularity
from stenogram.types import Transcript


def verbose_json(
    original: Transcript,
    clean: Transcript,
    made: Enhancement,
    accepted: Collection[int],
    granularities: Collection[Granularity] = SEGMENTS,
) -> str:
    """The verbose_json of the ``clean`` transcript, with an object ``enhancement`` on top.

    It is ``fields``, with ``original``: the segments of the original that are not as they were, each with its words;
    and ``original_language``.
    """
    replaced = [was for was, now in zip(original.segments, clean.segments, strict=True) if was != now]
    body = openai.verbose(clean, granularities)
    body["enhancement"] = fields(made, accepted) | {
        "original_language": original.language,
        "original": [
            openai.segment_fields(segment) | {"words": [openai.word_fields(word) for word in segment.words]}
            for segment in replaced
        ],
    }
    return openai.encoded(body)


def fields(made: Enhancement, accepted: Collection[int]) -> dict[str, Any]:
    """Who made it, each change and whether it is ``accepted``, each line that kept its original, and the cost."""
    found: dict[str, Any] = {
        "kind": made.kind,
        "model": made.model,
        "prompt": made.prompt,
        "language": made.language,
        "cached": made.cached,
        "changes": [
            dataclasses.asdict(change)
            | {"start": round(change.start, 3), "end": round(change.end, 3), "accepted": change.id in accepted}
            for change in made.changes
        ],
        "kept": [
            {"segment": line.segment, "reason": line.doubt, "edit": line.edit}
            for line in made.lines
            if line.doubt is not None
        ],
        "usage": dataclasses.asdict(made.usage),
    }
    if made.document is not None:
        found["document"] = dict(made.document)
    return found
