"""Who speaks in a transcript: counted, called otherwise, made one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stenogram.errors import NotFound, OptionError
from stenogram.types import NAMELESS, Segment, SpeakerTurn, Transcript, Word

MOST_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class SpeakerShare:
    """What one speaker has of a transcript."""

    speaker: str
    seconds: float
    """Time in which they speak, also under others' speech."""
    words: int
    segments: int


def rename_speakers(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """The transcript with some of its speakers called otherwise.

    All names change at once, so that two may be swapped. Speakers who get one name become one: their turns are united
    where they touch or overlap. No word, text or time changes. Raises ``NotFound`` for somebody who does not speak in
    it, ``OptionError`` for a name that cannot be.

    >>> rename_speakers(transcript, {"SPEAKER_00": "Ann", "SPEAKER_01": "Ben"})                     # doctest: +SKIP
    """
    present = speakers_of(transcript)
    for speaker in names:
        if speaker not in present:
            raise unknown(speaker, present)
    new = {speaker: check_name(names[speaker]) if speaker in names else speaker for speaker in present}
    called = list(new.values())
    united = {name for name in called if called.count(name) > 1}
    return replace(
        transcript,
        segments=tuple(_renamed_segment(segment, new) for segment in transcript.segments),
        turns=_renamed_turns(transcript.turns, new, united),
    )


def speakers_of(transcript: Transcript) -> tuple[str, ...]:
    """Everybody who speaks in a transcript, in the order in which they begin."""
    first: dict[str, float] = {}
    for part in _parts(transcript):
        if part.speaker is not None:
            first[part.speaker] = min(part.start, first.get(part.speaker, part.start))
    return tuple(sorted(first, key=lambda speaker: first[speaker]))


def shares(transcript: Transcript) -> tuple[SpeakerShare, ...]:
    """What each speaker has of a transcript, in the order in which they begin."""
    return tuple(
        SpeakerShare(
            speaker,
            seconds=round(_spoken_s(transcript, speaker), 3),
            words=sum(word.speaker == speaker for word in transcript.words),
            segments=sum(segment.speaker == speaker for segment in transcript.segments),
        )
        for speaker in speakers_of(transcript)
    )


def check_name(name: str) -> str:
    """A speaker's name in its normal form: white space is one space. Raises ``OptionError`` for one that cannot be."""
    normal = " ".join(name.split())
    if not normal:
        cause = "a speaker must be called something"
    elif len(normal) > MOST_NAME_CHARS:
        cause = f"must not be longer than {MOST_NAME_CHARS} characters"
    elif not normal.isprintable():
        cause = "must hold no control characters"
    else:
        return normal
    raise OptionError(name="name", value=name[: MOST_NAME_CHARS + 1], cause=cause, param="name")


def check_person(name: str) -> str:
    """The name of somebody who is known, as ``check_name``; it must not be one that is made up for strangers."""
    normal = check_name(name)
    if NAMELESS.fullmatch(normal):
        cause = "is what speakers are called who are not known; choose another name"
        raise OptionError(name="name", value=name, cause=cause, param="name")
    return normal


def unknown(speaker: str, present: Iterable[str]) -> NotFound:
    """The error for somebody who does not speak in a transcript."""
    there = ", ".join(present)
    advice = f"There are: {there}." if there else "No speakers were told apart in it."
    shown = speaker if speaker.isprintable() else ascii(speaker)  # half a character cannot be sent back
    return NotFound(f"No speaker {shown[:MOST_NAME_CHARS]}. {advice}")


def _parts(transcript: Transcript) -> Iterable[SpeakerTurn | Segment | Word]:
    yield from transcript.turns
    yield from transcript.segments
    yield from transcript.words


def _spoken_s(transcript: Transcript, speaker: str) -> float:
    """By the turns; by the segments where there are none."""
    parts: Iterable[SpeakerTurn | Segment] = transcript.turns or transcript.segments
    turns = (SpeakerTurn(part.start, part.end, speaker) for part in parts if part.speaker == speaker)
    return sum(turn.end - turn.start for turn in _unite(turns))


def _renamed_segment(segment: Segment, names: Mapping[str, str]) -> Segment:
    words = tuple(replace(word, speaker=_renamed(word.speaker, names)) for word in segment.words)
    return replace(segment, speaker=_renamed(segment.speaker, names), words=words)


def _renamed(speaker: str | None, names: Mapping[str, str]) -> str | None:
    return None if speaker is None else names[speaker]


def _renamed_turns(
    turns: Iterable[SpeakerTurn], names: Mapping[str, str], united: Iterable[str]
) -> tuple[SpeakerTurn, ...]:
    found = [replace(turn, speaker=names[turn.speaker]) for turn in turns]
    for name in united:
        others = [turn for turn in found if turn.speaker != name]
        found = sorted([*others, *_unite(turn for turn in found if turn.speaker == name)], key=_order)
    return tuple(found)


def _unite(turns: Iterable[SpeakerTurn]) -> list[SpeakerTurn]:
    """Turns of one speaker, of which none touches another."""
    found: list[SpeakerTurn] = []
    for turn in sorted(turns, key=_order):
        if found and turn.start <= found[-1].end:
            found[-1] = replace(found[-1], end=max(found[-1].end, turn.end))
        else:
            found.append(turn)
    return found


def _order(turn: SpeakerTurn) -> float:
    return turn.start
