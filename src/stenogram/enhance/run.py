"""A transcript through a language model: cut in parts, several asked at once, checked line by line, merged in order.

Work: the model's own, some 1.4 tokens in and out per word; ours is reading its answer once and comparing each line's
words, milliseconds per thousand words. Bytes: some 12 per word each way over the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from stenogram.enhance import diff, documents, guard, keys, parts, prompt
from stenogram.enhance.abreast import side_by_side
from stenogram.enhance.documents import DOCUMENTS, Answer
from stenogram.enhancement import LINE_KINDS, ChatUsage, EnhanceKind, Enhancement, EnhanceOptions, Line, Message
from stenogram.errors import ChatRefused, ChatUnavailable, EnhancementError, OptionError
from stenogram.formats import stored
from stenogram.languages import code_of
from stenogram.protocols import Cache, Chat, Stop
from stenogram.types import Segment, Transcript

_MOST_REFUSALS = 3
"""So many parts may be refused before any is answered."""
_TRIES = 2
"""So often is a model asked for a document before it is said that it cannot do it."""

Progress = Callable[[float], None]
"""Takes the share that is through, 0..1."""


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to work with."""

    chat: Chat
    cache: Cache
    temperature: float = 0.3
    parallel: int = 2
    """Parts asked about at once."""
    fresh: bool = False
    """Ask, whatever the cache knows."""


@dataclass(slots=True)
class _Bill:
    """What the answers cost; several threads write it."""

    usages: list[ChatUsage] = field(default_factory=list)

    def total(self) -> ChatUsage:
        """All of it."""
        firsts = [usage.first_token_s for usage in self.usages if usage.first_token_s is not None]
        return ChatUsage(
            prompt_tokens=sum(usage.prompt_tokens for usage in self.usages),
            completion_tokens=sum(usage.completion_tokens for usage in self.usages),
            first_token_s=sum(firsts) / len(firsts) if firsts else None,
            answer_s=sum(usage.answer_s for usage in self.usages),
            cut=any(usage.cut for usage in self.usages),
        )


def enhance(
    means: Means,
    transcript: Transcript,
    options: EnhanceOptions,
    *,
    stop: Stop = lambda: False,
    known: Mapping[int, Line] | None = None,
    progress: Progress = lambda _share: None,
) -> Generator[Line, None, Enhancement]:
    """Yield the lines in order, each as soon as it and all before it are final; the value is the whole.

    ``known`` are lines that were told before, by segment: they stand, and are not given again. Kinds that say
    something of the whole yield no lines. Raises ``EnhancementError``, ``OptionError`` for an unknown language,
    ``Cancelled``.
    """
    run = _Run(means, transcript, options.kind, target_of(options), stop)
    if len({segment.id for segment in transcript.segments}) < len(transcript.segments):
        raise EnhancementError(model=means.chat.model, cause="two segments of the transcript have the same id")
    if options.kind not in LINE_KINDS:
        document = run.document(progress)
        return run.enhancement((), document)
    lines = yield from run.lines(known or {}, progress)
    return run.enhancement(lines, None)


def target_of(options: EnhanceOptions) -> str | None:
    """The language to write in, as ISO 639-1 code; None: that of the recording, in which a clean text always stays.

    Raises ``OptionError``.
    """
    if options.target_language is None:
        return None
    if options.kind == "clean":
        cause = "a clean text stays in the language of the recording; ask for a translation"
        raise OptionError(name="target_language", value=options.target_language, cause=cause, param="target_language")
    return code_of(options.target_language)


@dataclass(slots=True)
class _Run:
    means: Means
    transcript: Transcript
    kind: EnhanceKind
    target: str | None
    stop: Stop
    bill: _Bill = field(default_factory=_Bill)
    over: threading.Event = field(default_factory=threading.Event)
    answered: bool = False
    """Any part was."""
    refusals: list[tuple[ChatRefused, tuple[Segment, ...]]] = field(default_factory=list)
    """Parts that were not, and the lines they hold."""

    @property
    def language(self) -> str | None:
        """Of the text that comes out, ISO 639-1."""
        spoken = "en" if self.transcript.task == "translate" else self.transcript.language
        return (self.target or "en") if self.kind == "translation" else self.target or spoken

    def enhancement(self, lines: Sequence[Line], document: Mapping[str, Any] | None) -> Enhancement:
        """All that came of it."""
        return Enhancement(
            kind=self.kind,
            model=self.means.chat.model,
            prompt=prompt.VERSION if self.kind in LINE_KINDS else documents.VERSION,
            lines=tuple(lines),
            changes=diff.changes(self.transcript.segments, lines) if self.kind == "clean" else (),
            document=document,
            language=self.language,
            usage=self.bill.total(),
            cached=not self.bill.usages,
        )

    # --- lines ---

    def lines(self, known: Mapping[int, Line], progress: Progress) -> Generator[Line, None, list[Line]]:
        """Every segment's line; those that are not known are given as they come."""
        segments = self.transcript.segments
        found = {segment.id: Line(segment.id, segment.text) for segment in segments if not segment.text.strip()}
        asked = [segment for segment in segments if segment.id not in found]
        found |= known
        limit = parts.part_bytes(parts.PART_BYTES, self.means.chat.context_tokens)
        # cut as if nothing were known, so that parts answered before are found in the cache
        whole = parts.split([prompt.numbered(1, each.text) for each in asked], limit)
        left = ([asked[place] for place in places if asked[place].id not in found] for places in whole)
        pieces = [piece for piece in left if piece]
        final: list[Line] = []
        with closing(self._side_by_side(pieces, self._part)) as coming:
            while True:
                while len(final) < len(segments) and segments[len(final)].id in found:
                    line = found[segments[len(final)].id]
                    final.append(line)
                    if line.segment not in known:
                        yield line
                progress(len(final) / len(segments) if segments else 1.0)
                if len(final) == len(segments):
                    return final
                made: Line | None = next(coming, None)
                if made is not None:
                    found[made.segment] = made
                else:
                    found |= self._refused_lines()

    def _refused_lines(self) -> dict[int, Line]:
        """What is left when all parts are through. Raises ``ChatRefused`` where not one was answered."""
        if not self.answered:
            raise self.refusals[0][0]
        return {each.id: Line(each.id, each.text, None, "refused") for _, left in self.refusals for each in left}

    def _part(self, segments: Sequence[Segment]) -> Iterator[Line]:
        """The lines of a part, in the order of the answer; then those that are missing.

        An answer that breaks off is asked for once more. A part that is refused is left for the end: it may be too long
        where others are not. When the first ones are all refused, that lies in no part.
        """
        left = dict(enumerate(segments, 1))
        for again in (True, False):
            begun = len(left)
            try:
                yield from self._answered(segments, left)
            except ChatUnavailable:
                if again and len(left) < begun:
                    continue
                raise
            except ChatRefused as refusal:
                self.refusals.append((refusal, tuple(left.values())))
                if not self.answered and len(self.refusals) >= _MOST_REFUSALS:
                    raise
            else:
                self.answered = True
            return

    def _answered(self, segments: Sequence[Segment], left: dict[int, Segment]) -> Iterator[Line]:
        """The lines of those that are ``left``, which they are taken from."""
        texts = [segment.text for segment in segments]
        question = prompt.messages(self.kind, texts, self.transcript.language, self.target)
        reader = prompt.Reader()
        limit = parts.token_limit(texts, translated=self.kind == "translation")
        answer = self._answer(question, limit, prompt.VERSION)
        while True:
            try:
                ready = list(reader.feed(next(answer)))
            except StopIteration as ended:
                cut: bool = ended.value
                break
            for line in ready:
                if line.number in left:
                    yield self._checked(left.pop(line.number), line)
        for last in reader.finish():
            if last.number in left:
                segment = left.pop(last.number)
                yield Line(segment.id, segment.text, last.text, "cut") if cut else self._checked(segment, last)
        for segment in left.values():
            yield Line(segment.id, segment.text, None, "cut" if cut else "missing")

    def _checked(self, segment: Segment, line: prompt.Answered) -> Line:
        if line.remark:
            return Line(segment.id, segment.text, line.text, "remark")
        if self.kind == "translation":
            doubt = guard.doubt_of_translation(segment.text, line.text, self.language or "en")
        else:
            doubt = guard.doubt(segment.text, line.text, self.transcript.language)
        return Line(segment.id, line.text if doubt is None else segment.text, line.text, doubt)

    # --- documents ---

    def document(self, progress: Progress) -> dict[str, Any]:
        """What the model says of the whole."""
        segments = [segment for segment in self.transcript.segments if segment.text.strip()]
        if not segments:
            raise EnhancementError(model=self.means.chat.model, cause="nothing was said in the recording")
        limit = parts.part_bytes(parts.DOCUMENT_BYTES, self.means.chat.context_tokens)
        said = [documents.said(segment) for segment in segments]
        pieces = [[segments[place] for place in places] for places in parts.split(said, limit)]
        answers: dict[int, Answer] = {}
        with closing(self._side_by_side(list(enumerate(pieces)), self._said_of)) as coming:
            for place, answer in coming:
                answers[place] = answer
                progress(len(answers) / (len(pieces) + 1))
        found = [answers[place] for place in sorted(answers)]
        while len(found) > 1 and DOCUMENTS[self.kind].join is not None:
            found = [self._joined(group) for group in documents.groups(found, limit)]
        progress(1.0)
        return documents.as_document(found, segments)

    def _joined(self, answers: Sequence[Answer]) -> Answer:
        if len(answers) == 1:
            return answers[0]
        return self._asked_for(documents.joining(self.kind, answers, self.language))

    def _said_of(self, piece: tuple[int, Sequence[Segment]]) -> Iterator[tuple[int, Answer]]:
        place, segments = piece
        yield place, self._asked_for(documents.question(self.kind, segments, self.language))

    def _asked_for(self, question: Sequence[Message]) -> Answer:
        schema, causes = documents.schema_of(self.kind), []
        for _ in range(_TRIES):
            text, cut = _whole(self._answer(question, documents.ANSWER_TOKENS, documents.VERSION, schema, self._reads))
            try:
                return documents.read(self.kind, text)
            except ValueError as error:
                causes.append(error)
        cause = f"its answer is longer than {documents.ANSWER_TOKENS} tokens" if cut else causes[-1]
        raise EnhancementError(model=self.means.chat.model, cause=cause) from causes[-1]

    def _reads(self, text: str) -> bool:
        try:
            documents.read(self.kind, text)
        except ValueError:
            return False
        return True

    # --- asking ---

    def _answer(
        self,
        question: Sequence[Message],
        max_tokens: int,
        version: int,
        schema: Mapping[str, Any] | None = None,
        fits: Callable[[str], bool] = lambda _text: True,
    ) -> Generator[str, None, bool]:
        """The pieces of an answer, from the cache where it is known; the value: whether the limit cut it off.

        What does not fit is of no use, and asked for anew the next time.
        """
        means = self.means
        key = keys.of_answer(means.chat.identity, version, means.temperature, question)
        known = None if means.fresh else stored.read(str, means.cache.get("chat", key))
        if known is not None and fits(known):
            yield known
            return False
        told: list[str] = []
        coming = means.chat.answer(
            question, max_tokens=max_tokens, temperature=means.temperature, stop=self._stopped, schema=schema
        )
        with closing(coming):
            while True:
                try:
                    piece = next(coming)
                except StopIteration as ended:
                    usage: ChatUsage = ended.value
                    break
                told.append(piece)
                yield piece
        self.bill.usages.append(usage)
        if not usage.cut and fits(text := "".join(told)):
            means.cache.put("chat", key, stored.write(text))
        return usage.cut

    def _stopped(self) -> bool:
        return self.over.is_set() or self.stop()

    def _side_by_side(self, pieces: Sequence[Any], work: Callable[[Any], Iterator[Any]]) -> Generator[Any, None, None]:
        try:
            yield from side_by_side(pieces, work, self.means.parallel, self.stop, self.over)
        finally:
            self.over.clear()


def _whole(answer: Generator[str, None, bool]) -> tuple[str, bool]:
    """An answer in one piece, and whether it was cut off."""
    told: list[str] = []
    while True:
        try:
            told.append(next(answer))
        except StopIteration as ended:
            return "".join(told), ended.value


def text_of(transcript: Transcript, enhancement: Enhancement) -> Transcript:
    """The transcript with what was made of it: clean text keeps word times, a translation has none.

    The kinds that are no text give the transcript as it is.
    """
    if enhancement.kind == "clean":
        return diff.apply(transcript, enhancement.changes)
    if enhancement.kind != "translation":
        return transcript
    texts = {line.segment: line.text for line in enhancement.lines}
    segments = tuple(
        replace(segment, text=texts.get(segment.id, segment.text), words=(), tokens=())
        for segment in transcript.segments
    )
    return replace(transcript, segments=segments, language=enhancement.language)
