"""The engine ``openai-whisper``: batches by the library's own decoding, the careful way by its own ``transcribe``."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from stenogram.engines.openai_whisper.faults import cuda_fault, native
from stenogram.engines.options import check, settle
from stenogram.engines.tokens import Vocabulary
from stenogram.engines.whisper.engine import check_stop, goes_on, heard, numbered, tail
from stenogram.engines.whisper.passages import Passage, passages
from stenogram.engines.whisper.vocabulary import WhisperVocabulary
from stenogram.engines.whisper.words import segments_of
from stenogram.errors import EngineError, LanguageNotSupported, ModelError, OptionNotSupported
from stenogram.hardware import available_cpus
from stenogram.protocols import Loaded, Stop
from stenogram.types import (
    Chunk,
    ChunkOptions,
    ComputeType,
    Device,
    LoadOptions,
    ModelFiles,
    Segment,
    TranscribeOptions,
)

NAME = "openai-whisper"
REVISION = "1"
"""Raised by hand whenever this package may give another text for the same samples."""
BEAM_SIZE, BEST_OF = 5, 5
FRAMES_PER_S = 50
"""Frames of the encoder's output."""
SEEKS_PER_S = 100
"""The library's ``seek`` counts columns of the spectrogram."""
DIGITS = 4
"""Decimals of what is told of a text: further ones change with the company in a batch."""


@dataclass(frozen=True, slots=True)
class OpenAIWhisperEngine:
    """Engine of OpenAI's own checkpoints, on PyTorch."""

    @property
    def name(self) -> str:
        """Id in cache keys."""
        return NAME

    @property
    def version(self) -> str:
        """Our revision and the libraries'."""
        libraries = ("openai-whisper", "torch")
        return "+".join([REVISION, *(f"{library}-{importlib.metadata.version(library)}" for library in libraries)])

    @property
    def supports(self) -> frozenset[str]:
        """All but hotwords, which the library does not know."""
        return frozenset({"translate", "language_detection", "beam_size", "best_of", "temperature", "initial_prompt"})

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """float16 on a GPU only, as in the library."""
        return {"cpu": ("float32",), "cuda": ("float16", "float32")}

    @property
    def chunking(self) -> ChunkOptions:
        """Windows of 30 s, filled as far as pauses allow: each costs the same, however much is in it."""
        return ChunkOptions(target_s=25.0, max_s=29.5, overlap_s=2.0, step_s=0.5)

    def fault(self, device: Device) -> str | None:
        """Why PyTorch cannot compute there."""
        return cuda_fault() if device == "cuda" else None

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory."""
        return LoadedOpenAIWhisper(self, files, settle(self, options))


class LoadedOpenAIWhisper:
    """One model in memory. The library keeps a decoder's state in hooks on the network: one call at a time."""

    def __init__(self, engine: OpenAIWhisperEngine, files: ModelFiles, options: LoadOptions) -> None:
        from stenogram.engines.openai_whisper import checkpoint, network

        self._engine, self._files, self.options = engine, files, options
        self._library: Any = network
        self._lock = threading.Lock()
        self._threads = options.cpu_threads or available_cpus()
        try:
            with native(options.device):
                loaded = checkpoint.read_network(files.paths["model"])
                self._network: Any = network.ready(loaded, options.device, options.compute_type)
        except KeyError as error:
            raise ModelError(model=files.name, cause=f"it lacks the file {error}, which Whisper needs") from error
        except (OSError, ValueError) as error:
            raise ModelError(model=files.name, cause=error) from error
        self._vocabulary = vocabulary_of(network.tokenizer_of(self._network, None), files.paths["model"])

    @property
    def memory_bytes(self) -> int:
        """Weights and buffers."""
        return int(self._library.size_bytes(self._open()))

    @property
    def chunk_bytes(self) -> int:
        """Keys and values of all layers for each beam, activations of one encoder layer, and scores of all tokens."""
        dims = self._open().dims
        number = 2 if self.options.compute_type == "float16" else 4
        states = dims.n_text_layer * 2 * (dims.n_audio_ctx + dims.n_text_ctx) * dims.n_text_state
        activations = 12 * dims.n_audio_ctx * dims.n_audio_state
        return int(number * (BEAM_SIZE * states + activations) + BEAM_SIZE * 4 * 4 * dims.n_vocab)

    @property
    def parallelism(self) -> int:
        """One."""
        return 1

    @property
    def batch_size(self) -> int:
        """Windows that are decoded together."""
        return 16 if self.options.device == "cuda" else 4

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode a batch; a window that the model left early goes on from there in a further one."""
        self._check(options)
        found: list[list[Segment]] = [[] for _ in chunks]
        rows = [(place, chunk) for place, chunk in enumerate(chunks) if heard(chunk)]
        while rows:
            with self._working(stop) as network:
                encoded = self._library.encode(network, [chunk.samples for _, chunk in rows])
                rest: list[tuple[int, Chunk]] = []
                for language, members in self._by_language(network, encoded, options).items():
                    results = self._library.decode(network, encoded[members], **decoding(language, options))
                    for member, result in zip(members, results, strict=True):
                        place, chunk = rows[member]
                        special = self._vocabulary.first_special, self._vocabulary.first_time
                        parsed, resume = passages(result.tokens, *special, chunk.duration)
                        facts = facts_of(vars(result), chunk)
                        found[place] += self._segments(chunk, parsed, (encoded[member], language, facts), options)
                        if resume is not None and goes_on(chunk, resume):
                            rest.append((place, tail(chunk, resume)))
            rows = sorted(rest, key=lambda row: row[0])
        return [numbered(segments) for segments in found]

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """Decode one chunk by the library's ``transcribe``: it samples at rising temperatures while in doubt."""
        self._check(options)
        if not heard(chunk):
            return []
        found: list[Segment] = []
        with self._working(stop) as network:
            encoded = self._library.encode(network, [chunk.samples])
            language = next(iter(self._by_language(network, encoded, options)))
            said = self._library.transcribe_whole(network, chunk.samples, **careful(language, options))
            for seek, members in groupby(said, key=lambda segment: int(segment["seek"])):
                segments = [segment for segment in members if segment["tokens"]]
                if not segments:
                    continue
                begin = seek / SEEKS_PER_S
                window = tail(chunk, begin) if seek else chunk
                if seek:
                    encoded = self._library.encode(network, [window.samples])
                facts = facts_of(segments[0], chunk)
                parsed = [self._passage(segment, begin, window.duration) for segment in segments]
                found += self._segments(window, parsed, (encoded[0], language, facts), options)
        return numbered(found)

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """Probabilities over the languages of the model."""
        with self._working(lambda: False) as network:
            if not network.is_multilingual:
                return {"en": 1.0}
            found = self._library.detect(network, self._library.encode(network, [chunk.samples]))[0]
        known = {language: chance for language, chance in found.items() if self._files.speaks(language)}
        total = sum(known.values()) or 1.0
        return {language: chance / total for language, chance in known.items()}

    def close(self) -> None:
        """Free the weights, and what PyTorch keeps for them on the GPU."""
        with self._lock:
            if self._network is not None:
                self._network = None
                gc.collect()  # modules refer to each other in circles
                if self.options.device == "cuda":
                    import torch

                    torch.cuda.empty_cache()

    def _open(self) -> Any:
        if self._network is None:
            raise EngineError(engine=NAME, cause="the model was closed; load it again")
        return self._network

    @contextlib.contextmanager
    def _working(self, stop: Stop) -> Iterator[Any]:
        """The network, for this thread alone, asking whether to stop before every layer and step."""
        import torch

        while not self._lock.acquire(timeout=0.1):
            check_stop(stop)
        try:
            network = self._open()
            check_stop(stop)
            if self.options.device == "cpu":
                torch.set_num_threads(self._threads)  # counts for the calling thread
            with native(self.options.device), self._library.asked(network, lambda: check_stop(stop)):
                yield network
        finally:
            self._lock.release()

    def _check(self, options: TranscribeOptions) -> None:
        network = self._open()
        check(self._engine, self._files, options)
        if options.task == "translate" and not network.is_multilingual:
            raise OptionNotSupported(engine=f"{NAME} with the model {self._files.name}", option="task translate")
        if options.language is not None and options.language not in (self._vocabulary.languages or {"en": 0}):
            advice = f"The model {self._files.name} does not know it."
            raise LanguageNotSupported(language=options.language, advice=advice)

    def _by_language(self, network: Any, encoded: Any, options: TranscribeOptions) -> dict[str, list[int]]:
        """Rows of a batch by language: the one asked for, the model's only one, or what it hears in each."""
        only = options.language or self._files.only_language or (None if network.is_multilingual else "en")
        if only is not None:
            return {only: list(range(len(encoded)))}
        found: dict[str, list[int]] = {}
        for row, chances in enumerate(self._library.detect(network, encoded)):
            spoken = [language for language in chances if self._files.speaks(language)]
            found.setdefault(max(spoken, key=lambda language: chances[language]), []).append(row)
        return found

    def _segments(
        self, chunk: Chunk, parsed: Sequence[Passage], how: tuple[Any, str, Segment], options: TranscribeOptions
    ) -> list[Segment]:
        """The passages of a window as segments, words timed."""
        encoded, language, facts = how
        ids = [token for passage in parsed for token in passage.ids]
        alignment = None
        if ids and options.word_timestamps:
            tokenizer = self._library.tokenizer_of(self._network, language, options.task)
            frames = min(round(chunk.duration * FRAMES_PER_S), int(encoded.shape[0]))
            alignment = self._library.align(self._network, encoded, tokenizer, ids, frames)
        return segments_of(chunk, parsed, self._vocabulary, language, (alignment, facts))

    def _passage(self, segment: Mapping[str, Any], begin: float, window_s: float) -> Passage:
        """One segment of the library, on the clock of its window."""
        ids = tuple(token for token in segment["tokens"] if token < self._vocabulary.first_special)
        start = min(max(segment["start"] - begin, 0.0), window_s)
        return Passage(start, min(max(segment["end"] - begin, start), window_s), ids)


def decoding(language: str, options: TranscribeOptions) -> dict[str, Any]:
    """What the library's ``DecodingOptions`` are told for one try."""
    temperature = float(options.temperature or 0.0)
    how: dict[str, Any] = {"language": language, "task": options.task, "temperature": temperature}
    how["prompt"] = options.initial_prompt
    if temperature > 0:
        return how | {"best_of": options.best_of or BEST_OF}
    return how | {"beam_size": beams(options)}


def careful(language: str, options: TranscribeOptions) -> dict[str, Any]:
    """What the library's ``transcribe`` is told."""
    step = options.temperature_increment_on_fallback
    temperatures = [float(options.temperature or 0.0)]
    while step > 0 and temperatures[-1] + step <= 1.0 + 1e-6:
        temperatures.append(min(temperatures[-1] + step, 1.0))
    return {
        "language": language,
        "task": options.task,
        "temperature": tuple(temperatures),
        "beam_size": beams(options),
        "best_of": options.best_of or BEST_OF,
        "initial_prompt": options.initial_prompt,
        "carry_initial_prompt": True,  # style and spelling are those of all windows
        "condition_on_previous_text": False,  # that is how Whisper begins to loop
        "compression_ratio_threshold": options.compression_ratio_threshold,
        "logprob_threshold": options.logprob_threshold,
        "no_speech_threshold": options.no_speech_threshold,
    }


def beams(options: TranscribeOptions) -> int | None:
    """Beams to search; None: greedy."""
    count = (options.beam_size or BEAM_SIZE) if options.use_beam_search else 1
    return count if count > 1 else None


def facts_of(result: Mapping[str, Any], chunk: Chunk) -> Segment:
    """What the library tells of a window, for all its segments."""
    return Segment(
        id=0,
        start=0.0,
        end=0.0,
        text="",
        temperature=round(float(result["temperature"]), DIGITS),
        avg_logprob=min(round(float(result["avg_logprob"]), DIGITS), 0.0),
        compression_ratio=float(result["compression_ratio"]),
        no_speech_prob=round(float(result["no_speech_prob"]), DIGITS),
        channel=chunk.channel,
    )


def vocabulary_of(tokenizer: Any, path: Path) -> WhisperVocabulary:
    """The library's vocabulary, as the engine ``whisper`` reads it."""
    pieces = [tokenizer.encoding.decode_single_token_bytes(token) for token in range(tokenizer.eot)]
    return WhisperVocabulary(path, Vocabulary(tuple(pieces)), dict(tokenizer.special_tokens))
