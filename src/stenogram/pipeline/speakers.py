"""Who speaks, found beside the text: a thread of its own hears the recording while the engine writes it down.

The text without speakers, and the turns, are cached apart; joining the two costs next to nothing and is done anew. So
another number of speakers, another diarizer or other known voices need no new recognition. Where each channel is to be
transcribed on its own and there are several, each channel is a speaker, and no diarizer is asked.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stenogram import events
from stenogram.diarization import NUMBERS, channels, voices
from stenogram.diarization.assign import assign
from stenogram.diarization.rename import rename_speakers
from stenogram.diarization.turns import numbered, smooth
from stenogram.errors import Cancelled, DiarizationError, EngineError, StorageError
from stenogram.formats import stored
from stenogram.pipeline import keys
from stenogram.pipeline.parts import Diarization, Parts, Recording, Watch
from stenogram.pipeline.threads import POLL_S, Threads
from stenogram.protocols import Diarizer
from stenogram.types import KnownVoice, RunOptions, Sound, Speakers, SpeakerTurn, Transcript

CHANNELS = "channels"
"""Who told the speakers apart where each has a channel."""


class _Ear:
    """Hands a growing recording to a diarizer: always the newest state of it."""

    def __init__(self, stopped: threading.Event) -> None:
        self._changed = threading.Condition()
        self._sound: Sound | None = None
        self._stopped = stopped

    def put(self, sound: Sound) -> None:
        with self._changed:
            self._sound = sound
            self._changed.notify_all()

    def sounds(self) -> Iterator[Sound]:
        """Each new state, the last one last. Raises ``Cancelled``."""
        given: Sound | None = None
        while given is None or not given.finished:
            with self._changed:
                while self._sound is given:
                    self._changed.wait(POLL_S)
                    if self._stopped.is_set():
                        raise Cancelled
                given = self._sound
            if given is not None:
                yield given


@dataclass(slots=True)
class Finder:
    """Who speaks in one recording. Its methods belong to the driving thread, but for ``hear``."""

    parts: Parts
    diarization: Diarization
    recording: Recording
    options: RunOptions
    watch: Watch
    sounds: tuple[Sound, ...] = ()
    """The channels, as far as they are heard."""
    stopped: threading.Event = field(default_factory=threading.Event)
    inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    threads: Threads = field(init=False)
    ear: _Ear = field(init=False)
    progress_s: float = 0.0
    told_s: float = 0.0
    started: bool = False
    busy_s: float = 0.0

    def __post_init__(self) -> None:
        self.ear = _Ear(self.stopped)
        self.threads = Threads(self.inbox, self.stopped.set)

    # --- the thread of the front end ---

    def hear(self, sounds: tuple[Sound, ...]) -> None:
        """Take each channel as far as it is heard; with the first, the diarizer sets to work."""
        self.sounds = sounds
        if len(sounds) > 1:
            return
        if not self.threads.begun:
            self.threads.start(self._find)
        self.ear.put(sounds[0])

    # --- the driving thread ---

    def tick(self) -> None:
        """Tell how far it is."""
        if not self.threads.begun:
            return
        if not self.started:
            self.started = True
            self.watch.listener(events.StageStarted("diarize"))
        if self.progress_s > self.told_s:
            self.told_s = self.progress_s
            sound = self.sounds[0] if self.sounds else None
            total_s = sound.audio.duration if sound and sound.finished else None
            self.watch.listener(events.StageProgress("diarize", self.told_s, total_s))

    def finish(self, transcript: Transcript, folder: Path, key: str | None) -> Transcript:
        """The transcript with its speakers.

        ``key`` is that of the transcript in the cache, None where it is not to be kept. Raises ``DiarizationError``,
        ``EngineError``, ``StorageError``, ``Cancelled``, and what decoding raises.
        """
        if self.options.decode.channels == "separate" and key is not None:
            known = stored.read(Transcript, self.parts.cache.get("channels", keys.of_channels(key)))
            if known is not None:
                return self._by_channel(transcript, known, folder, key)
        speakers = self._known(self.diarization.diarizers[-1]) if not self.threads.begun else None
        if speakers is not None:
            self.watch.listener(events.StageCached("diarize", speakers.diarizer, transcript.duration))
            return self._joined(transcript, speakers)
        if not self.sounds:
            self._decode(folder)
        if len(self.sounds) > 1:
            return self._by_channel(transcript, None, folder, key)
        speakers, warnings = self._wait()
        return self._joined(replace(transcript, warnings=(*transcript.warnings, *warnings)), speakers)

    def close(self) -> None:
        """Stop the thread."""
        self.threads.close()

    @property
    def needed(self) -> bool:
        """Whether anything is to be found that is not known from an earlier run."""
        return self._known(self.diarization.diarizers[-1]) is None

    def _wait(self) -> tuple[Speakers, list[str]]:
        warnings: list[str] = []
        while True:
            if self.watch.stop():
                raise Cancelled
            self.tick()
            try:
                message = self.inbox.get(timeout=POLL_S)
            except queue.Empty:
                continue
            match message:
                case BaseException():
                    raise message
                case str():
                    warnings.append(message)
                    self.watch.listener(events.Warned(message))
                case (Speakers() as speakers, bool() as last):
                    if last:
                        self.watch.listener(events.StageFinished("diarize", self.busy_s))
                        return speakers, warnings
                    self.watch.listener(events.SpeakersFound(speakers))

    def _joined(self, transcript: Transcript, speakers: Speakers) -> Transcript:
        """Words get their speakers, and speakers the names of those who are known."""
        names = voices.recognize(speakers.voices or (), self.diarization.known)
        turns = tuple(replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in speakers.turns)
        segments = tuple(assign(transcript.segments, turns))
        return self._told(replace(transcript, segments=segments, turns=turns, diarizer=speakers.diarizer))

    def _told(self, transcript: Transcript) -> Transcript:
        self.watch.listener(events.SpeakersFound(Speakers(transcript.turns, transcript.diarizer)))
        return transcript

    def _by_channel(
        self, transcript: Transcript, known: Transcript | None, folder: Path, key: str | None
    ) -> Transcript:
        """Each channel is a speaker, who may be known; what leaks from one into another is written once."""
        if known is not None:
            self.watch.listener(events.StageCached("diarize", CHANNELS, transcript.duration))
        if not self.sounds and (known is None or self.diarization.known):
            self._decode(folder)
        if known is None:
            self.watch.listener(events.StageStarted("diarize"))
            began = time.thread_time()
            known = self._parted(transcript)
            self.watch.listener(events.StageFinished("diarize", time.thread_time() - began))
            if key is not None:
                self.parts.cache.put("channels", keys.of_channels(key), stored.write(known))
        warnings = [warning for warning in known.warnings if warning not in transcript.warnings]
        options = self.diarization.options
        if any(getattr(options, name) for name in NUMBERS):
            warnings.append("Each channel is one speaker here: the number of speakers asked for does not count.")
        for warning in warnings:
            self.watch.listener(events.Warned(warning))
        warnings = [*transcript.warnings, *warnings]
        known = replace(known, choices=transcript.choices, warnings=tuple(warnings))
        return self._told(rename_speakers(known, self._names_of_channels(known)))

    def _parted(self, transcript: Transcript) -> Transcript:
        kept, warnings = channels.drop_crosstalk(transcript.segments, [sound.audio for sound in self.sounds])
        segments = channels.label_channels(kept)
        return replace(
            transcript,
            segments=tuple(segments),
            turns=tuple(channels.turns_of(segments)),
            diarizer=CHANNELS,
            warnings=(*transcript.warnings, *warnings),
        )

    def _names_of_channels(self, transcript: Transcript) -> Mapping[str, str]:
        """Label -> name of those on the channels whose voices are known."""
        if not self.diarization.known:
            return {}
        audios = {sound.audio.channel: sound.audio for sound in self.sounds}
        heard: list[KnownVoice] = []
        for label, channel in {(each.speaker, each.channel) for each in transcript.segments}:
            turns = [turn for turn in transcript.turns if turn.speaker == label]
            if label is not None and turns:
                heard += self.diarization.hear_voices(audios[channel], turns, self.watch.stop)
        return voices.recognize(heard, self.diarization.known)

    def _decode(self, folder: Path) -> None:
        """Hear the recording once more: its text was known, its speakers are not."""
        front = self.parts.front_end(self.recording, self.options)
        for heard in front.listen(self.recording.path, folder, self.watch.stop):
            self.hear(heard.sounds)
            self.tick()

    def _key(self, diarizer: Diarizer) -> str:
        return keys.of_speakers(self.recording.digest, self.options, diarizer, self.diarization.options)

    def _known(self, diarizer: Diarizer) -> Speakers | None:
        """What an earlier run found, if it is all that is wanted now."""
        known = self._stored(diarizer)
        wanting = known is not None and known.voices is None and self.diarization.known
        return None if wanting else known

    def _stored(self, diarizer: Diarizer) -> Speakers | None:
        return stored.read(Speakers, self.parts.cache.get("speakers", self._key(diarizer)))

    # --- a thread of its own ---

    def _find(self) -> None:
        first, *others = self.diarization.diarizers
        found = self._found_by(first, self.ear.sounds())
        for other in others:
            self.inbox.put((found, False))
            found = self._refined(found, other)
        self.inbox.put((found, True))

    def _found_by(self, diarizer: Diarizer, sounds: Iterator[Sound]) -> Speakers:
        known = self._stored(diarizer)
        last: list[Sound] = []

        def watched() -> Iterator[Sound]:
            for sound in sounds:
                last[:] = [sound]
                yield sound

        began = time.monotonic()
        if known is None:
            turns = diarizer.diarize(watched(), self.diarization.options, self._reach, self.stopped.is_set)
            own = numbered(smooth(_inside(turns, last[0].audio.duration)))
            found = Speakers(own, diarizer.name)
        else:
            for _ in watched():  # what follows needs the whole recording
                pass
            found = known
        if self.diarization.known and found.voices is None:
            found = replace(found, voices=self.diarization.hear_voices(last[0].audio, found.turns, self.stopped.is_set))
        self.busy_s += time.monotonic() - began
        if found is not known and self.recording.unchanged():
            self.parts.cache.put("speakers", self._key(diarizer), stored.write(found))
        return found

    def _refined(self, found: Speakers, diarizer: Diarizer) -> Speakers:
        """What a heavier diarizer finds; where it fails, what there was."""
        try:
            return self._found_by(diarizer, iter([self.sounds[0]]))
        except Cancelled:
            raise
        except (DiarizationError, EngineError, StorageError) as error:
            self.inbox.put(f"{error} The speakers are those that {found.diarizer} told apart.")
            return found

    def _reach(self, done_s: float) -> None:
        self.progress_s = max(done_s, self.progress_s)


def _inside(turns: list[SpeakerTurn], duration: float) -> list[SpeakerTurn]:
    """Turns cut to the recording; what lies outside of it is none."""
    cut = (replace(turn, start=max(turn.start, 0.0), end=min(turn.end, duration)) for turn in turns)
    return [turn for turn in cut if turn.end > turn.start]
