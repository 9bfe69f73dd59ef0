"""The engine ``whisper``: batches of windows on CTranslate2, and the careful way with falling back to sampling."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stenogram.audio.features import log_mel
from stenogram.engines.options import check, settle
from stenogram.engines.segments import compression_ratio
from stenogram.engines.whisper.fallback import Said, doubtful, silent, temperatures
from stenogram.engines.whisper.layout import Layout, lay_out, read_shape
from stenogram.engines.whisper.native import load_model, native
from stenogram.engines.whisper.passages import LEAST_REST_S, Passage, passages, speech_after
from stenogram.engines.whisper.vocabulary import WhisperVocabulary, read_vocabulary
from stenogram.engines.whisper.words import segments_of
from stenogram.errors import Cancelled, EngineError, LanguageNotSupported, ModelError, OptionNotSupported
from stenogram.hardware import available_cpus
from stenogram.protocols import Loaded, Stop
from stenogram.types import (
    SAMPLE_RATE,
    Chunk,
    ChunkOptions,
    ComputeType,
    Device,
    LoadOptions,
    ModelFiles,
    Segment,
    TranscribeOptions,
)

if TYPE_CHECKING:
    from ctranslate2 import StorageView

NAME = "whisper"
REVISION = "2"
"""Raised by hand whenever this package may give another text for the same samples."""
BEAM_SIZE, BEST_OF = 5, 5
FIRST_TIME_INDEX = 50
"""The first word begins within 1 s (in steps of 20 ms), as openai-whisper has it."""
MOST_PROMPT = 223
"""Half of the decoder's 448 positions, less the token before the prompt."""
SHORTEST_S = 0.1
"""A chunk shorter than this holds no word."""
POLLS_S = (0.0005, 0.02)
"""Shortest and longest time between two looks whether to stop, while the library decodes."""


@dataclass(frozen=True, slots=True)
class WhisperEngine:
    """Engine of Whisper models converted for CTranslate2."""

    @property
    def name(self) -> str:
        """Id in cache keys."""
        return NAME

    @property
    def version(self) -> str:
        """Our revision and the libraries': kernels decide near ties, the tokenizer how a prompt is told."""
        versions = [f"{name}-{importlib.metadata.version(name)}" for name in ("ctranslate2", "tokenizers")]
        return "+".join([REVISION, *versions])

    @property
    def supports(self) -> frozenset[str]:
        """All options there are."""
        return frozenset(
            {"translate", "language_detection", "beam_size", "best_of", "temperature", "initial_prompt", "hotwords"}
        )

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """R23's, by device."""
        return {"cpu": ("int8", "float32"), "cuda": ("int8_float16", "float16", "int8", "float32")}

    @property
    def chunking(self) -> ChunkOptions:
        """Windows of 30 s, filled as far as pauses allow: each costs the same, however much is in it."""
        return ChunkOptions(target_s=25.0, max_s=29.5, overlap_s=2.0, step_s=0.5)

    def fault(self, device: Device) -> str | None:
        """Why CTranslate2 cannot compute there."""
        if device != "cuda":
            return None
        import ctranslate2

        try:
            if not ctranslate2.get_cuda_device_count():
                return "CTranslate2 finds no NVIDIA GPU"
            known = ctranslate2.get_supported_compute_types("cuda")
        except (RuntimeError, ValueError) as error:
            return str(error)
        return None if known else "CTranslate2 knows no number type for this GPU"

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory."""
        return LoadedWhisper(self, files, settle(self, options))


@dataclass(frozen=True, slots=True)
class Way:
    """How a batch is decoded."""

    language: str
    start: tuple[int, ...]
    """The tokens that tell the model what to do."""
    prompt: tuple[int, ...]
    """Text before the window, as the model is told."""
    generate: Mapping[str, Any]
    temperature: float = 0.0


class LoadedWhisper:
    """One model in memory; ``parallelism`` threads may decode at once."""

    def __init__(self, engine: WhisperEngine, files: ModelFiles, options: LoadOptions) -> None:
        self._engine, self._files, self.options = engine, files, options
        try:
            self._shape = read_shape(files.paths["model"])
            self._vocabulary: WhisperVocabulary = read_vocabulary(files.paths["tokenizer"])
        except KeyError as error:
            raise ModelError(model=files.name, cause=f"it lacks the file {error}, which Whisper needs") from error
        except (OSError, ValueError) as error:
            raise ModelError(model=files.name, cause=error) from error
        self._layout: Layout = lay_out(available_cpus(), self._shape.width, options)
        self._model: Any = load_model(files, options, self._layout)
        self._n_mels: int = self._model.n_mels
        # by the size of the vocabulary: tokenizers of English-only models list all languages as well
        self._languages = self._vocabulary.languages if self._model.is_multilingual else {}

    @property
    def memory_bytes(self) -> int:
        """Numbers in the weights times their size."""
        return self._shape.memory_bytes(self.options.compute_type)

    @property
    def chunk_bytes(self) -> int:
        """Scores of one attention layer, and the decoder's keys and values of one window."""
        return self._shape.chunk_bytes(self.options.device)

    @property
    def parallelism(self) -> int:
        """Workers of the library."""
        return self._layout.workers

    @property
    def batch_size(self) -> int:
        """Windows that are decoded together."""
        return self._layout.batch_size

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode a batch; a window that the model left early goes on from there in a further one."""
        self._check(options)
        found: list[list[Segment]] = [[] for _ in chunks]
        rows = [(place, chunk) for place, chunk in enumerate(chunks) if heard(chunk)]
        while rows:
            encoded = self._encode([chunk for _, chunk in rows], stop)
            rest: list[tuple[int, Chunk]] = []
            for language, members in self._by_language([chunk for _, chunk in rows], encoded, options).items():
                way = self._way(language, options, float(options.temperature or 0.0))
                some = [rows[member] for member in members]
                part = encoded if len(members) == len(rows) else _rows(encoded, members)
                said = self._generate(part, way, len(some), stop)
                parsed = [self._passages(one, chunk) for one, (_, chunk) in zip(said, some, strict=True)]
                self._collect(found, some, said, [p for p, _ in parsed], (part, way, options))
                rest += [
                    (place, tail(chunk, resume))
                    for (place, chunk), (_, resume) in zip(some, parsed, strict=True)
                    if resume is not None and goes_on(chunk, resume)
                ]
            rows = sorted(rest, key=lambda row: row[0])
        return [numbered(segments) for segments in found]

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """Decode one chunk by openai-whisper's rules: sample at rising temperatures while the text is doubtful."""
        self._check(options)
        found: list[Segment] = []
        here: Chunk | None = chunk
        while here is not None and heard(here):
            encoded = self._encode([here], stop)
            language = next(iter(self._by_language([here], encoded, options)))
            said, way = self._best(encoded, language, options, stop)
            if silent(said, options):
                break
            parsed, resume = self._passages(said, here)
            segments: list[list[Segment]] = [[]]
            self._collect(segments, [(0, here)], [said], [parsed], (encoded, way, options))
            found += segments[0]
            here = tail(here, resume) if resume is not None and goes_on(here, resume) else None
        return numbered(found)

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """Probabilities over the languages of the model."""
        model = self._open()
        if not self._languages:
            return {"en": 1.0}
        with native(self.options.device):
            found = model.detect_language(self._encode([chunk], lambda: False))[0]
        known = {token[2:-2]: probability for token, probability in found if self._files.speaks(token[2:-2])}
        total = sum(known.values()) or 1.0
        return {language: probability / total for language, probability in known.items()}

    def close(self) -> None:
        """Free the weights."""
        self._model = None

    def _open(self) -> Any:
        if self._model is None:
            raise EngineError(engine=NAME, cause="the model was closed; load it again")
        return self._model

    def _check(self, options: TranscribeOptions) -> None:
        self._open()
        check(self._engine, self._files, options)
        languages = self._languages
        if options.task == "translate" and not languages:
            raise OptionNotSupported(engine=f"{NAME} with the model {self._files.name}", option="task translate")
        if options.language is not None and options.language not in (languages or {"en": 0}):
            advice = f"The model {self._files.name} does not know it."
            raise LanguageNotSupported(language=options.language, advice=advice)

    def _encode(self, chunks: Sequence[Chunk], stop: Stop) -> StorageView:
        """Windows to the encoder's output: one by one on a CPU, where batches gain nothing."""
        import ctranslate2
        import numpy as np

        model, mels = self._open(), []
        with native(self.options.device):
            if self.options.device == "cuda":
                for chunk in chunks:
                    check_stop(stop)
                    mels.append(log_mel(np.nan_to_num(chunk.samples), self._n_mels))
                check_stop(stop)
                return model.encode(ctranslate2.StorageView.from_array(np.stack(mels)))
            outputs = []
            for chunk in chunks:
                check_stop(stop)
                mel = log_mel(np.nan_to_num(chunk.samples), self._n_mels)
                outputs.append(np.array(model.encode(ctranslate2.StorageView.from_array(mel[None]))))
            return ctranslate2.StorageView.from_array(np.concatenate(outputs))

    def _by_language(
        self, chunks: Sequence[Chunk], encoded: StorageView, options: TranscribeOptions
    ) -> dict[str, list[int]]:
        """Rows of a batch by language: the one asked for, the model's only one, or what it hears in each."""
        only = options.language or self._files.only_language or (None if self._languages else "en")
        if only is not None:
            return {only: list(range(len(chunks)))}
        with native(self.options.device):
            heard_in = self._open().detect_language(encoded)
        found: dict[str, list[int]] = {}
        for row, ranking in enumerate(heard_in):
            spoken = (token[2:-2] for token, _ in ranking if self._files.speaks(token[2:-2]))
            language = next(spoken, None)
            if language is None:
                cause = f"its weights know none of its languages: {', '.join(self._files.languages)}"
                raise ModelError(model=self._files.name, cause=cause)
            found.setdefault(language, []).append(row)
        return found

    def _way(self, language: str, options: TranscribeOptions, temperature: float) -> Way:
        if temperature > 0:
            best_of = options.best_of or BEST_OF
            how = {"beam_size": 1, "num_hypotheses": best_of, "sampling_topk": 0, "sampling_temperature": temperature}
        else:
            how = {"beam_size": (options.beam_size or BEAM_SIZE) if options.use_beam_search else 1}
        prompt: list[int] = []
        for text in (options.hotwords, options.initial_prompt):
            if text and text.strip():
                prompt += self._vocabulary.encode(" " + text.strip())
        if prompt:
            prompt = [self._vocabulary.special["<|startofprev|>"], *prompt[-MOST_PROMPT:]]
        start = self._vocabulary.start(language, options.task, multilingual=bool(self._languages))
        return Way(language, tuple(start), tuple(prompt), how, temperature)

    def _generate(self, encoded: StorageView, way: Way, count: int, stop: Stop) -> list[Said]:
        """Decode windows that are encoded."""
        check_stop(stop)
        with native(self.options.device):
            waiting = self._open().generate(
                encoded,
                [[*way.prompt, *way.start]] * count,
                asynchronous=True,
                return_scores=True,
                return_no_speech_prob=True,
                max_initial_timestamp_index=FIRST_TIME_INDEX,
                **way.generate,
            )
            pause_s = POLLS_S[0]
            while not all(result.done() for result in waiting):
                check_stop(stop)
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.2, POLLS_S[1])
            results = [result.result() for result in waiting]
        return [self._said(result) for result in results]

    def _said(self, result: Any) -> Said:
        ids = list(result.sequences_ids[0])
        # the score is the mean over the tokens; openai-whisper counts the end as one more
        avg_logprob = float(result.scores[0]) * len(ids) / (len(ids) + 1)
        text = self._vocabulary.text.text([token for token in ids if token < self._vocabulary.first_special])
        return Said(ids, avg_logprob, float(result.no_speech_prob), compression_ratio(text))

    def _best(self, encoded: StorageView, language: str, options: TranscribeOptions, stop: Stop) -> tuple[Said, Way]:
        """Try temperatures in turn until a text is not doubtful; the last one stands whatever it is."""
        for temperature in temperatures(options):
            way = self._way(language, options, temperature)
            said = self._generate(encoded, way, 1, stop)[0]
            if not doubtful(said, options):
                break
        return said, way

    def _passages(self, said: Said, chunk: Chunk) -> tuple[list[Passage], float | None]:
        return passages(said.ids, self._vocabulary.first_special, self._vocabulary.first_time, chunk.duration)

    def _collect(
        self,
        found: list[list[Segment]],
        rows: Sequence[tuple[int, Chunk]],
        said: Sequence[Said],
        parsed: Sequence[Sequence[Passage]],
        how: tuple[StorageView, Way, TranscribeOptions],
    ) -> None:
        """Add the segments of each row; their words are aligned together."""
        encoded, way, options = how
        alignments = self._align(encoded, way, [chunk for _, chunk in rows], parsed) if options.word_timestamps else []
        for number, ((place, chunk), one) in enumerate(zip(rows, said, strict=True)):
            facts = Segment(
                id=0,
                start=0.0,
                end=0.0,
                text="",
                temperature=way.temperature,
                avg_logprob=one.avg_logprob,
                compression_ratio=one.compression_ratio,
                no_speech_prob=one.no_speech_prob,
                channel=chunk.channel,
            )
            alignment = alignments[number] if alignments else None
            found[place] += segments_of(chunk, parsed[number], self._vocabulary, way.language, (alignment, facts))

    def _align(
        self, encoded: StorageView, way: Way, chunks: Sequence[Chunk], parsed: Sequence[Sequence[Passage]]
    ) -> list[Any]:
        """When each text token of each window was said, by the decoder's attention."""
        texts = [[token for passage in row for token in passage.ids] for row in parsed]
        frames = [max(2, min(3000, round(chunk.duration * 100))) for chunk in chunks]
        with native(self.options.device):
            results: list[Any] = self._open().align(encoded, list(way.start), texts, frames)
        return results


def check_stop(stop: Stop) -> None:
    """Raise ``Cancelled`` when it is time to."""
    if stop():
        raise Cancelled


def heard(chunk: Chunk) -> bool:
    """Whether there is any sound in a chunk that is long enough for a word."""
    import numpy as np

    return chunk.duration >= SHORTEST_S and bool(np.nan_to_num(chunk.samples).any())


def goes_on(chunk: Chunk, resume_s: float) -> bool:
    """Whether enough speech is left after the time at which the model stopped."""
    return resume_s > 0 and speech_after(chunk, chunk.start + resume_s) >= LEAST_REST_S


def tail(chunk: Chunk, resume_s: float) -> Chunk:
    """The rest of a chunk after a time on its own clock."""
    first = round(resume_s * SAMPLE_RATE)
    return replace(
        chunk,
        start=chunk.start + first / SAMPLE_RATE,
        samples=chunk.samples[first:],
        duration=chunk.duration - first / SAMPLE_RATE,
    )


def numbered(segments: Sequence[Segment]) -> list[Segment]:
    """The same with ids from 0."""
    return [replace(segment, id=number) for number, segment in enumerate(segments)]


def _rows(encoded: StorageView, members: Sequence[int]) -> StorageView:
    """Some rows of a batch."""
    import ctranslate2
    import numpy as np

    if encoded.device == "cuda":
        encoded = encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.array(encoded)[list(members)]))
