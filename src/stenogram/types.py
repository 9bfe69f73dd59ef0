"""The nouns of the product: audio, speech, transcript, and the options of each stage.

Frozen values without I/O (``Audio`` reads its own sample file, by windows, and nothing else). Times are seconds as
float on the clock of the original file; sample counts are at ``SAMPLE_RATE``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Samples per second of all audio behind the decoder, Hz."""

Task = Literal["transcribe", "translate"]
Device = Literal["auto", "cpu", "cuda"]
ComputeType = Literal["default", "float32", "float16", "int8_float16", "int8"]
ChannelMode = Literal["mix", "separate"]
NAMELESS = re.compile(r"SPEAKER_[0-9]+")
"""What speakers are called who are not known; ``nameless`` makes one."""

DiarizerName = Literal["auto", "built-in", "pyannote", "sherpa-onnx"]


def option(  # noqa: PLR0913 - all that is known of an option
    default: Any,
    help: str,  # noqa: A002 - the field's own word for it
    *,
    low: float | None = None,
    high: float | None = None,
    feature: str | None = None,
    short: str | None = None,
    env: str | None = None,
    env_also: str | None = None,
) -> Any:
    """Declare one option: a dataclass field whose default and one-line help stand here and nowhere else.

    ``low`` and ``high`` bound a number (inclusive). ``feature`` names what an engine must support (``Engine.supports``)
    before the option may be set to anything but its default. ``short`` is another, shorter flag. ``env`` is the name of
    its variable where others have given it one (``DATABASE_URL``); by default it is made from the field's. ``env_also``
    is another program's name for it, which counts where ours is not set.
    """
    facts = {"help": help, "low": low, "high": high, "feature": feature, "short": short}
    facts |= {"env": env, "env_also": env_also}
    return field(default=default, metadata=facts)


# --- options ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a file becomes samples."""

    channels: ChannelMode = option("mix", "Mix all channels into one, or transcribe each channel on its own (calls).")
    max_duration_s: float = option(36 * 3600.0, "Refuse recordings longer than this, in seconds.", low=1)


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How speech is found; Silero's words and units."""

    vad_filter: bool = option(True, "Find speech first and transcribe only that; off: transcribe everything.")
    threshold: float = option(0.5, "Speech probability (0..1) at which speech begins.", low=0.01, high=0.99)
    min_speech_duration_ms: int = option(100, "Drop speech shorter than this, in milliseconds.", low=0)
    min_silence_duration_ms: int = option(500, "Silence of this length, in milliseconds, ends a passage.", low=32)
    speech_pad_ms: int = option(200, "Keep this much sound around speech, in milliseconds.", low=0, high=2000)


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """The shape of chunk an engine works best on; each engine declares its own (``Engine.chunking``)."""

    target_s: float
    """Close a chunk at the first pause after this length."""
    max_s: float
    """Never longer than this; where no pause comes, cut with ``overlap_s``."""
    overlap_s: float = 2.0
    """Sound repeated in the next chunk where a cut fell into speech."""
    step_s: float = 0.5
    """Chunk lengths are rounded up to a multiple of this, so that equal lengths can share a batch unpadded."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How weights are loaded; CTranslate2's words."""

    device: Device = option("auto", "Where to compute; auto: the GPU where the engine can really use it.")
    compute_type: ComputeType = option(
        "default", "Number type of the weights in memory; default: what suits model and device."
    )
    cpu_threads: int = option(0, "CPU threads for recognition; 0: all cores.", low=0, high=1024)


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How an engine decodes; Whisper's words. ``None``: the engine's own default."""

    language: str | None = option(
        None, "Language spoken, as ISO code or English name; unset: the model decides.", short="-l"
    )
    task: Task = option("transcribe", "transcribe, or translate into English.", feature="translate")
    sequential: bool = option(
        False, "Decode each passage on its own, the careful way: more accurate, several times slower."
    )
    beam_size: int | None = option(
        None, "Beams searched; 1 is greedy [Whisper: 5].", low=1, high=100, feature="beam_size"
    )
    use_beam_search: bool = option(True, "Off: decode greedily, whatever beam_size says.", feature="beam_size")
    best_of: int | None = option(
        None,
        "Samples drawn at temperatures above 0, of which the likeliest is kept [Whisper: 5].",
        low=1,
        high=100,
        feature="best_of",
    )
    temperature: float | None = option(
        None, "Sampling temperature of the first try; 0 samples nothing.", low=0, high=1, feature="temperature"
    )
    temperature_increment_on_fallback: float = option(
        0.2,
        "Added for each further try of a passage that came out doubtful, up to 1; 0: one try.",
        low=0,
        high=1,
        feature="temperature",
    )
    initial_prompt: str | None = option(None, "Text that sets style and spelling.", feature="initial_prompt")
    hotwords: str | None = option(None, "Words to favour, separated by commas.", feature="hotwords")
    word_timestamps: bool = option(True, "Give every word its time; off: segments only.")
    compression_ratio_threshold: float = option(
        2.4, "Text that compresses better than this repeats itself and is decoded again.", low=1
    )
    logprob_threshold: float = option(-1.0, "Mean log-probability below which a segment is decoded again.", high=0)
    no_speech_threshold: float = option(
        0.6, "Drop doubtful text where the share of silence under it is above this (0..1).", low=0, high=1
    )


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    """How speakers are told apart; pyannote's words."""

    diarize: bool = option(False, "Tell who speaks: give every word its speaker.")
    diarization: DiarizerName = option(
        "auto", "Who tells speakers apart; auto: the built-in networks, refined by pyannote where that is installed."
    )
    num_speakers: int | None = option(None, "So many people speak.", low=1, high=100, short="--speakers")
    min_speakers: int | None = option(None, "At least so many people speak.", low=1, high=100)
    max_speakers: int | None = option(None, "At most so many people speak.", low=1, high=100)
    recognize_speakers: bool = option(False, "Name the speakers whose voices are kept under `stenogram speakers`.")


@dataclass(frozen=True, slots=True)
class SubtitleOptions:
    """How text is laid out for readers: the lines and the pace of subtitles, names and times."""

    max_line_chars: int = option(42, "Most characters in one subtitle line.", low=10, high=500)
    max_lines: int = option(2, "Most lines in one subtitle cue.", low=1, high=10)
    max_cue_s: float = option(7.0, "Longest time one subtitle cue stands, in seconds.", low=1)
    max_cps: float = option(0.0, "Most characters in a second of a subtitle cue, where silence allows; 0: any.", low=0)
    min_gap_ms: int = option(0, "Least time between two subtitle cues, in milliseconds.", low=0, high=5000)
    speaker_names: bool = option(True, "Say who speaks, where that is known, in formats for readers.")
    timestamps: bool = option(False, "Put a time before each paragraph of text and of Word documents.")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All that decides what text a recording gets, one group per stage; the basis of cache keys."""

    decode: DecodeOptions = field(default_factory=DecodeOptions)
    vad: VadOptions = field(default_factory=VadOptions)
    transcribe: TranscribeOptions = field(default_factory=TranscribeOptions)


# --- audio and speech ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audio:
    """One channel of decoded sound: float32 mono samples at ``SAMPLE_RATE`` in a raw file, read by windows.

    The file may still grow while it is decoded; ``sample_count`` is what this value may read.
    """

    path: Path
    sample_count: int
    channel: int | None = None
    """Index of the channel in the source, or None for the mix."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLE_RATE

    def window(self, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` (sample indexes, clipped to the recording), shape ``[n]``, a copy in memory."""
        import numpy as np

        start, end = max(start, 0), min(end, self.sample_count)
        if end <= start:
            return np.empty(0, np.float32)
        return np.fromfile(self.path, np.float32, end - start, offset=start * 4)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of speech (only time)."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording as far as it is decoded."""

    audio: Audio
    speech: tuple[Span, ...]
    """The speech found so far, in order; a span is here once its end is known."""
    heard_s: float
    """All speech that begins before this time is in ``speech``."""
    finished: bool
    """This is the whole recording."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples handed to an engine: one dense window of speech."""

    index: int
    """Place in the order of the recording, from 0."""
    start: float
    """Time of the first sample in the recording."""
    samples: Samples
    """float32 ``[n]``; the tail past ``duration`` is padding."""
    duration: float
    """Seconds of the recording in ``samples``, without padding."""
    spans: tuple[Span, ...] = ()
    """Speech inside, on the clock of the recording."""
    overlap: float = 0.0
    """Seconds at the start that the previous chunk also holds (a cut inside speech)."""
    channel: int | None = None

    @property
    def end(self) -> float:
        """Time of the end in the recording."""
        return self.start + self.duration

    def digest(self) -> str:
        """SHA-256 of the samples, hex."""
        return hashlib.sha256(self.samples.data).hexdigest()


# --- transcript ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time; ``word`` carries its punctuation and no spaces."""

    word: str
    start: float
    end: float
    probability: float | None = None
    interpolated: bool = False
    """True where the time was fitted between known ones, not aligned by the model."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A passage of transcript; fields as in the OpenAI API."""

    id: int
    start: float
    end: float
    text: str
    """Without surrounding spaces."""
    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    speaker: str | None = None
    channel: int | None = None
    retried: bool = False
    """Decoded again on its own, because the first text looked invented (``pipeline.guard`` has the rules)."""
    suspect: bool = False
    """Kept although the guard still doubts it."""


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """A stretch in which one speaker speaks."""

    start: float
    end: float
    speaker: str


def nameless(number: int) -> str:
    """What the speaker of that number is called as long as nobody knows them, from 0: ``SPEAKER_00``."""
    return f"SPEAKER_{number:02d}"


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """What a person's voice is like."""

    name: str
    voice: tuple[float, ...]
    """The embedding of ``diarization.voices``: 256 values, length 1."""


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """A person to be recognised in one recording."""

    name: str
    source: Path
    """A recording of 2 to 10 s in which only this person speaks."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who spoke when in one recording."""

    turns: tuple[SpeakerTurn, ...]
    """In order of time; turns of two speakers may overlap."""
    diarizer: str
    """Who found it."""
    voices: tuple[KnownVoice, ...] | None = None
    """The voice of each speaker who could be heard alone for long enough; None: nobody asked for them."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one recording."""

    segments: tuple[Segment, ...]
    duration: float
    """Length of the recording, seconds."""
    language: str | None = None
    """ISO 639-1 code."""
    task: Task = "transcribe"
    model: str = ""
    engine: str = ""
    warnings: tuple[str, ...] = ()
    """What the user should know: damaged input, doubtful language, dropped text."""
    language_probability: float | None = None
    """How sure the model was of the language, 0..1; None where it was asked for or is the model's only one."""
    choices: tuple[str, ...] = ()
    """What was chosen for this recording, and why: model, profile, device, number type."""
    turns: tuple[SpeakerTurn, ...] = ()
    """Who spoke when, where that was asked for; turns of two speakers may overlap."""
    diarizer: str = ""
    """Who told the speakers apart; empty: nobody was asked."""

    @property
    def text(self) -> str:
        """The whole text, segments joined by spaces."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for segment in self.segments for word in segment.words)


# --- models ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """An installed model: where its files are and what it is."""

    name: str
    engine: str
    languages: tuple[str, ...]
    """ISO 639-1 codes it speaks; ``("*",)``: all that Whisper knows."""
    paths: Mapping[str, Path]
    """Role in the engine's words (``"encoder"``) -> file."""
    digest: str
    """One SHA-256 over the digests of all files, hex: the model's identity in cache keys."""

    @property
    def only_language(self) -> str | None:
        """The language of a model that speaks one only."""
        return self.languages[0] if len(self.languages) == 1 and self.languages != ("*",) else None

    def speaks(self, language: str) -> bool:
        """Whether the model knows the language (ISO 639-1)."""
        return "*" in self.languages or language in self.languages
