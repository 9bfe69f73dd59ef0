"""The document of a transcript on the wire: compact, and written straight to bytes, for a long one has 30,000 words."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from msgspec import UNSET, Meta, UnsetType

from stenogram.app.documents import Document, Saved
from stenogram.app.enhancing import Standing
from stenogram.enhance.edit import Edit, Passage
from stenogram.errors import OptionError, RequestError, TooLarge
from stenogram.server.guard import OWN_LIMIT
from stenogram.store.versions import Version
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

MOST_BODY_BYTES = 16 * 2**20
MOST_EDITS = 10_000
MOST_PASSAGES = 20_000
"""In all edits of a request."""
MOST_WRITTEN_CHARS = 2_000_000
"""In all edits of a request: thirty hours of speech. Nobody else can write while words are fitted to it."""
_GZIP_LEVEL = 1
_GZIP_FROM_BYTES = 4096

_Word = tuple[str, float, float, float | None, int]


class _Passage(msgspec.Struct):
    text: str
    speaker: str | UnsetType | None = UNSET
    words: list[_Word] | None = None
    start: float | None = None
    end: float | None = None
    suspect: bool = False


class _Edit(msgspec.Struct):
    replace: list[int]
    by: list[_Passage]
    after: int | None = None


class _Edits(msgspec.Struct):
    base: Annotated[int, Meta(ge=0)]
    edits: Annotated[list[_Edit], Meta(min_length=1, max_length=MOST_EDITS)]


async def body_of(request: Request) -> bytes:
    """The body of a request that edits. Raises ``TooLarge``."""
    request.scope["state"][OWN_LIMIT] = True
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise TooLarge(f"The request is larger than {MOST_BODY_BYTES // 2**20} MiB; save in smaller steps.")
    return bytes(body)


def edits_of(body: bytes) -> tuple[int, list[Edit]]:
    """The version that was edited, and the edits. Raises ``RequestError``, ``OptionError``."""
    try:
        wish = msgspec.json.decode(body, type=_Edits)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        param = where.strip("`").removeprefix("$").lstrip(".") or None
        raise OptionError(f"{param or 'the body'}: {what}", param=param) from error
    except msgspec.DecodeError as error:
        raise RequestError(cause=f"the body is not JSON: {error}") from error
    if sum(len(each.by) for each in wish.edits) > MOST_PASSAGES:
        raise TooLarge(f"A request can write {MOST_PASSAGES} segments; save in smaller steps.", param="edits")
    if sum(len(passage.text) for each in wish.edits for passage in each.by) > MOST_WRITTEN_CHARS:
        raise TooLarge(f"A request can write {MOST_WRITTEN_CHARS} characters; save in smaller steps.", param="edits")
    return wish.base, [_edit_of(each) for each in wish.edits]


def _edit_of(wish: _Edit) -> Edit:
    return Edit(tuple(wish.replace), tuple(_passage_of(passage) for passage in wish.by), wish.after)


def _passage_of(wish: _Passage) -> Passage:
    words = None
    if wish.words is not None:
        words = tuple(Word(word, start, end, sure, bool(fitted)) for word, start, end, sure, fitted in wish.words)
    return Passage(
        text=wish.text,
        speaker=None if wish.speaker is UNSET else wish.speaker,
        keep_speaker=wish.speaker is UNSET,
        words=words,
        start=wish.start,
        end=wish.end,
        suspect=wish.suspect,
    )


def document_json(document: Document, standing: Standing) -> bytes:
    """A document as clients see it."""
    job, transcript, names = document.job, document.transcript, document.names
    return msgspec.json.encode(
        {
            "job_id": job.id,
            "title": job.title,
            "filename": job.filename,
            "state": job.state,
            "version": document.version,
            "head": document.head.number if document.head is not None else 0,
            "edited_at": document.head.saved_at if document.head is not None else None,
            "language": transcript.language,
            "duration": transcript.duration,
            "model": transcript.model,
            "engine": transcript.engine,
            "warnings": transcript.warnings,
            "speakers": speakers_json(transcript, names),
            "turns": turns_json(transcript, names),
            "has_media": job.media is not None,
            "llm_enhancement_status": standing.status,
            "llm_enhancement_reason": standing.reason,
            "segments": [segment_json(segment, names) for segment in transcript.segments],
        }
    )


def saved_json(saved: Saved, edits: Iterable[Edit]) -> bytes:
    """What came of edits, as clients see it."""
    return msgspec.json.encode(
        {
            "version": saved.version.number,
            "saved_at": saved.version.saved_at,
            "others": saved.others,
            "edits": [
                {"replace": wish.replace, "by": [segment_json(segment, saved.names) for segment in made]}
                for wish, made in zip(edits, saved.edited.made, strict=True)
            ],
            "speakers": speakers_json(saved.edited.transcript, saved.names),
        }
    )


def speakers_json(transcript: Transcript, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Everybody who speaks, each label once, in the order in which they begin."""
    parts: list[Segment | SpeakerTurn] = [*transcript.segments, *transcript.turns]
    parts.sort(key=lambda part: part.start)
    labels = dict.fromkeys(part.speaker for part in parts if part.speaker is not None)
    return [{"label": label, "name": names.get(label, label)} for label in labels]


def turns_json(transcript: Transcript, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Who speaks when."""
    return [
        {"start": turn.start, "end": turn.end, "speaker": names.get(turn.speaker, turn.speaker)}
        for turn in transcript.turns
    ]


def segment_json(segment: Segment, names: Mapping[str, str]) -> dict[str, Any]:
    """A segment; its words as ``[word, start, end, probability, interpolated]``."""
    return {
        "id": segment.id,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "speaker": None if segment.speaker is None else names.get(segment.speaker, segment.speaker),
        "words": [
            (word.word, word.start, word.end, word.probability, int(word.interpolated)) for word in segment.words
        ],
        "suspect": segment.suspect,
    }


def version_json(version: Version) -> dict[str, Any]:
    """A version."""
    return {name: getattr(version, name) for name in Version.__dataclass_fields__}


def answer(request: Request, body: bytes) -> Response:
    """JSON as an answer, compressed where the client can take it."""
    headers = {"cache-control": "no-store", "vary": "accept-encoding"}
    if len(body) >= _GZIP_FROM_BYTES and takes_gzip(request.headers.get("accept-encoding", "")):
        body, headers["content-encoding"] = gzip.compress(body, _GZIP_LEVEL), "gzip"
    return Response(body, media_type="application/json", headers=headers)


def takes_gzip(accepted: str) -> bool:
    """Whether a client says that it takes gzip."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
