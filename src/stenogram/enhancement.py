"""The nouns of clean-up: what a language model is asked for, and what came of it. Frozen values without I/O.

The transcript is the record and stays as it is. An enhancement lies beside it: per segment what the model wrote and
whether that may stand, and the difference as changes that can be taken or left one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from stenogram.types import option

EnhanceKind = Literal["clean", "translation", "summary", "title", "chapters"]
LINE_KINDS: tuple[EnhanceKind, ...] = ("clean", "translation")
"""Kinds that give every segment its text anew; the others say something of the whole."""
EnhanceWhen = Literal["auto", "always", "never"]
EnhanceStatus = Literal["pending", "processing", "completed", "failed", "skipped"]
"""R24's words: not begun, under way, done, failed or cancelled, and not wanted or not worth it."""

Doubt = Literal["missing", "empty", "remark", "numbers", "negation", "names", "too_much", "script", "cut", "refused"]
"""Why a line keeps its original: the model did not give it back, gave nothing, wrote something about it, changed
numbers, negations or names, changed too much of it, wrote another script, was cut off in the middle of it, or refused
the part that it is in."""


class Message(TypedDict):
    """One message of a chat, as the OpenAI API has it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class EnhanceOptions:
    """What a language model is to make of a transcript."""

    kind: EnhanceKind = option(
        "clean",
        "What to make: clean text, a translation, a summary, a title, or chapters.",
        env="STENOGRAM_ENHANCE_KIND",
    )
    target_language: str | None = option(
        None,
        "Language to write in, as ISO code or English name; unset: that of the recording (translation: English).",
        env="STENOGRAM_ENHANCE_LANGUAGE",
    )


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """What an answer cost; of several answers: in all."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None
    """Time to the first piece; of several answers: the mean."""
    answer_s: float = 0.0
    """Time from the question to the end of the answer."""
    cut: bool = False
    """The token limit ended it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One segment, and what became of it."""

    segment: int
    """Its id."""
    text: str
    """The text that stands: the edit, or the original where there is a doubt."""
    edit: str | None = None
    """What the model wrote; None: nothing that could be found."""
    doubt: Doubt | None = None
    """Why the original stays."""


@dataclass(frozen=True, slots=True)
class Change:
    """One stretch of a segment's text that was replaced; acceptable and revertible alone."""

    id: int
    """From 0, in the order of the transcript."""
    segment: int
    """Id of the segment."""
    at: int
    """Where ``before`` begins in the segment's text, in characters."""
    before: str
    """What was there; empty: something was put in."""
    after: str
    """What is there instead; empty: something was left out."""
    start: float
    """Time of the words it concerns; where nothing was there before, of the gap."""
    end: float


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What a language model made of a transcript, checked."""

    kind: EnhanceKind
    model: str
    """That wrote it."""
    prompt: int
    """Version of the prompt."""
    lines: tuple[Line, ...] = ()
    """One for each segment, in order; of the kinds in ``LINE_KINDS``."""
    changes: tuple[Change, ...] = ()
    """How a clean text differs from the original, in order."""
    document: Mapping[str, Any] | None = None
    """Of the other kinds, by the schema of the kind (``enhance.kinds``)."""
    language: str | None = None
    """ISO 639-1 code of the text."""
    usage: ChatUsage = field(default_factory=ChatUsage)
    cached: bool = False
    """Nothing had to be asked."""

    @property
    def text(self) -> str:
        """The whole text with every change, segments joined by spaces; empty for kinds that are no text."""
        return " ".join(line.text for line in self.lines if line.text)

    @property
    def kept(self) -> tuple[int, ...]:
        """Ids of the segments whose original stays although the model wrote something else, or nothing."""
        return tuple(line.segment for line in self.lines if line.doubt is not None)
