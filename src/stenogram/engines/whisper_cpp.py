"""The engine ``whisper.cpp``: ggml files, also quantised ones, through pywhispercpp (extra ``whisper-cpp``)."""

from __future__ import annotations

import atexit
import importlib.metadata
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stenogram.audio.features import WINDOW_S
from stenogram.engines.options import check, settle
from stenogram.engines.segments import compression_ratio
from stenogram.engines.tokens import Vocabulary
from stenogram.engines.words import place
from stenogram.errors import (
    Cancelled,
    EngineError,
    LanguageNotSupported,
    ModelError,
    OptionNotSupported,
    OutOfMemory,
)
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
    Word,
)

NAME = "whisper.cpp"
REVISION = "1"
"""Raised by hand whenever this module may give another text for the same samples."""
BEAM_SIZE, BEST_OF = 5, 5
LEAST_THREADS, MOST_THREADS = 4, 12
MAGIC = 0x67676D6C
SHORTEST_S = 0.1
"""A chunk shorter than this holds no word; the library itself refuses less than that."""
CENTISECOND = 0.01
PRESETS: Mapping[str, TranscribeOptions] = {
    "fast": TranscribeOptions(beam_size=1, temperature_increment_on_fallback=0.0),
    "default": TranscribeOptions(beam_size=BEAM_SIZE),
    "high_quality": TranscribeOptions(beam_size=BEAM_SIZE, best_of=BEST_OF, sequential=True),
}
"""What whisper.cpp's users know by these names: greedy; beams; beams, and sampling where a passage is doubtful. The
profiles ``fast``, ``balanced`` and ``quality`` do the same."""


def thread_count(cpus: int) -> int:
    """Half the CPUs, at least 4 and at most 12, and never more than there are (R13)."""
    return min(max(cpus // 2, LEAST_THREADS), MOST_THREADS, cpus)


@dataclass(frozen=True, slots=True)
class WhisperCppEngine:
    """Engine of Whisper models in ggml's format."""

    @property
    def name(self) -> str:
        """Id in cache keys."""
        return NAME

    @property
    def version(self) -> str:
        """Our revision and the library's."""
        return f"{REVISION}+pywhispercpp-{importlib.metadata.version('pywhispercpp')}"

    @property
    def supports(self) -> frozenset[str]:
        """All but hotwords, which the library does not know."""
        return frozenset({"translate", "language_detection", "beam_size", "best_of", "temperature", "initial_prompt"})

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """The file decides: f16, q8_0, q5_0 ..."""
        return {"cpu": ("default",)}

    @property
    def chunking(self) -> ChunkOptions:
        """Windows of 30 s, filled as far as pauses allow."""
        return ChunkOptions(target_s=25.0, max_s=29.5, overlap_s=2.0, step_s=0.5)

    def fault(self, device: Device) -> str | None:  # noqa: ARG002 - only the CPU is asked for
        """Whatever loads the library will do."""
        return None

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory."""
        return LoadedWhisperCpp(self, files, settle(self, options))


class LoadedWhisperCpp:
    """One model in memory. The library keeps its state with the weights: one call at a time, several threads in it."""

    def __init__(self, engine: WhisperCppEngine, files: ModelFiles, options: LoadOptions) -> None:
        self._engine, self._files, self.options = engine, files, options
        try:
            self._path = files.paths["model"]
            check_file(self._path)
        except KeyError as error:
            raise ModelError(model=files.name, cause=f"it lacks the file {error}, which whisper.cpp needs") from error
        except (OSError, ValueError) as error:
            raise ModelError(model=files.name, cause=error) from error
        self._threads = options.cpu_threads or thread_count(available_cpus())
        self._lock = threading.Lock()
        self._library = quiet_library()
        self._context: Any = open_context(self._library, files.name, self._path)
        self._vocabulary = Vocabulary(
            tuple(
                self._library.whisper_token_to_bytes(self._context, token)
                for token in range(self._library.whisper_token_eot(self._context))
            )
        )

    @property
    def memory_bytes(self) -> int:
        """The file, and the library's buffers: a third of it more (measured on tiny and base shapes)."""
        return self._path.stat().st_size * 4 // 3

    @property
    def chunk_bytes(self) -> int:
        """Nothing: the buffers are made with the context, and one window is decoded at a time."""
        return 0

    @property
    def parallelism(self) -> int:
        """One."""
        return 1

    @property
    def batch_size(self) -> int:
        """The library has no batches."""
        return 1

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode windows in turn, each with one try."""
        self._check(options)
        return [self._decode(chunk, options, 0.0, stop) for chunk in chunks]

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """Decode a window; the library samples at rising temperatures while the text is doubtful."""
        self._check(options)
        return self._decode(chunk, options, options.temperature_increment_on_fallback, stop)

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """Probabilities over the languages of the model."""
        import numpy as np

        if self._files.only_language:
            return {self._files.only_language: 1.0}
        library = self._library
        with self._lock:
            context = self._open()
            samples = padded(chunk)
            library.whisper_pcm_to_mel(context, samples, len(samples), self._threads)
            found = np.zeros(library.whisper_lang_max_id() + 1, np.float32)
            library.whisper_lang_auto_detect(context, 0, self._threads, found)
        known = {library.whisper_lang_str(number): float(chance) for number, chance in enumerate(found)}
        known = {language: chance for language, chance in known.items() if self._files.speaks(language)}
        total = sum(known.values()) or 1.0
        return {language: chance / total for language, chance in known.items()}

    def close(self) -> None:
        """Free the weights."""
        with self._lock:
            if self._context is not None:
                self._library.whisper_free(self._context)
                self._context = None

    def _open(self) -> Any:
        if self._context is None:
            raise EngineError(engine=NAME, cause="the model was closed; load it again")
        return self._context

    def _check(self, options: TranscribeOptions) -> None:
        context = self._open()
        check(self._engine, self._files, options)
        multilingual = bool(self._library.whisper_is_multilingual(context))
        if options.task == "translate" and not multilingual:
            raise OptionNotSupported(engine=f"{NAME} with the model {self._files.name}", option="task translate")
        if options.language is not None and self._library.whisper_lang_id(options.language) < 0:
            advice = f"The model {self._files.name} does not know it."
            raise LanguageNotSupported(language=options.language, advice=advice)

    def _decode(self, chunk: Chunk, options: TranscribeOptions, temperature_step: float, stop: Stop) -> list[Segment]:
        import numpy as np

        if stop():
            raise Cancelled
        if chunk.duration < SHORTEST_S or not np.nan_to_num(chunk.samples).any():
            return []
        language = options.language or max((found := self.detect_language(chunk)), key=lambda code: found[code])
        samples, asked = padded(chunk), False

        def abort() -> bool:
            nonlocal asked
            asked = asked or stop()
            return asked

        params = self._params(options, language, temperature_step)
        params.set_abort_callback(abort)
        with self._lock:
            context = self._open()
            status = self._library.whisper_full(context, params, samples, len(samples))
            if asked:
                raise Cancelled
            if status != 0:
                raise EngineError(engine=NAME, cause=f"the library gave up with status {status}")
            return self._segments(context, chunk, options)

    def _params(self, options: TranscribeOptions, language: str, temperature_step: float) -> Any:
        library = self._library
        beams = (options.beam_size or BEAM_SIZE) if options.use_beam_search else 1
        strategy = library.WHISPER_SAMPLING_BEAM_SEARCH if beams > 1 else library.WHISPER_SAMPLING_GREEDY
        params = library.whisper_full_default_params(strategy)
        if beams > 1:
            params.beam_search = {"beam_size": beams, "patience": -1.0}
        params.greedy = {"best_of": options.best_of or BEST_OF}
        params.n_threads = self._threads
        params.language = language
        params.translate = options.task == "translate"
        params.initial_prompt = f" {options.initial_prompt.strip()}" if options.initial_prompt else ""
        params.temperature = float(options.temperature or 0.0)
        params.temperature_inc = temperature_step
        params.logprob_thold = options.logprob_threshold
        params.no_speech_thold = options.no_speech_threshold
        params.no_context = True  # nothing conditions on what came before: that is how Whisper begins to loop
        params.token_timestamps = True
        params.print_progress = params.print_realtime = params.print_timestamps = params.print_special = False
        return params

    def _segments(self, context: Any, chunk: Chunk, options: TranscribeOptions) -> list[Segment]:
        """What the library found; words get the times of their tokens, without the pauses at their borders."""
        library, end = self._library, self._library.whisper_token_eot(context)
        tokens: list[tuple[int, Any]] = []
        for number in range(library.whisper_full_n_segments(context)):
            count = library.whisper_full_n_tokens(context, number)
            data = [library.whisper_full_get_token_data(context, number, place) for place in range(count)]
            tokens += [(number, one) for one in data if one.id < end]
        ids = [one.id for _, one in tokens]
        pieces = [piece for piece in self._vocabulary.words(ids) if tokens[piece.first][1].t0 * CENTISECOND < WINDOW_S]
        if not pieces:
            return []
        borders = rising(
            [tokens[piece.first][1].t0 // 2 for piece in pieces] + [tokens[pieces[-1].last - 1][1].t1 // 2]
        )
        words = place([piece.text for piece in pieces], borders, chunk)
        ratio = compression_ratio(" ".join(piece.text for piece in pieces))
        groups: dict[int, list[int]] = {}
        for index, piece in enumerate(pieces):
            groups.setdefault(tokens[piece.first][0], []).append(index)
        segments: list[Segment] = []
        for number, members in groups.items():
            own = tokens[pieces[members[0]].first : pieces[members[-1]].last]
            rated = [
                rate(words[index], [tokens[at][1].p for at in range(pieces[index].first, pieces[index].last)])
                for index in members
            ]
            start, end = rated[0].start, rated[-1].end
            if not options.word_timestamps:  # nobody wants the words: the model's own times, then
                start = chunk.start + library.whisper_full_get_segment_t0(context, number) * CENTISECOND
                end = min(chunk.start + library.whisper_full_get_segment_t1(context, number) * CENTISECOND, chunk.end)
            segments.append(
                Segment(
                    id=len(segments),
                    start=start,
                    end=end,
                    text=" ".join(word.word for word in rated),
                    words=tuple(rated),
                    tokens=tuple(one.id for _, one in own),
                    avg_logprob=min(sum(one.plog for _, one in own) / len(own), 0.0),
                    compression_ratio=ratio,
                    channel=chunk.channel,
                )
            )
        return segments


def rate(word: Word, chances: Sequence[float]) -> Word:
    """The word with the mean probability of its tokens."""
    return Word(word.word, word.start, word.end, round(sum(chances) / len(chances), 4), word.interpolated)


def rising(borders: Sequence[int]) -> list[int]:
    """The same, none before the one it follows."""
    result: list[int] = []
    for border in borders:
        result.append(max(border, result[-1]) if result else max(border, 0))
    return result


def padded(chunk: Chunk) -> Any:
    """The samples, without what is no number, at most 30 s and at least one: the library wants that much."""
    import numpy as np

    samples = np.nan_to_num(chunk.samples[: WINDOW_S * SAMPLE_RATE])
    return np.ascontiguousarray(np.pad(samples, (0, max(0, SAMPLE_RATE - len(samples)))), np.float32)


def check_file(path: Path) -> None:
    """Walk through a ggml file: the library may end the process over a damaged one.

    Raises ``OSError``, ``ValueError``.
    """
    size = path.stat().st_size
    with path.open("rb") as file:

        def read(layout: str) -> tuple[int, ...]:
            data = file.read(struct.calcsize(layout))
            if len(data) < struct.calcsize(layout):
                raise ValueError(f"{path.name} is cut off")
            return struct.unpack(layout, data)

        if size < struct.calcsize("<I") or read("<I")[0] != MAGIC:
            raise ValueError(f"{path.name} is no ggml file")
        read("<11i")
        bands, bins = read("<2i")
        file.seek(4 * bands * bins, 1)
        for _ in range(read("<i")[0]):
            length = read("<i")[0]
            if not 0 <= length < size:
                raise ValueError(f"{path.name} is damaged")
            file.seek(length, 1)
        while file.tell() < size:
            dimensions, length, kind = read("<3i")
            if not (0 < dimensions <= 4 and 0 < length < 256 and kind in BLOCKS):  # noqa: PLR2004 - ggml's limits
                raise ValueError(f"{path.name} is damaged")
            numbers = 1
            for extent in read(f"<{dimensions}i"):
                numbers *= extent
            block, block_bytes = BLOCKS[kind]
            file.seek(length + numbers // block * block_bytes, 1)
        if file.tell() != size:
            raise ValueError(f"{path.name} is cut off")


BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
}
"""ggml's type of a tensor -> numbers in a block and bytes of it: f32, f16, q4_0 ... q5_1, q8_0, q2_K ... q6_K."""


def quiet_library() -> Any:
    """The library, told to keep its log to itself; it must not call us when Python has ended."""
    import _pywhispercpp as library

    library.whisper_log_set(_forget)
    atexit.register(library.whisper_log_set, None)
    return library


def _forget(*_message: object) -> None:
    """What the library logs of every file and call is of no use to anyone."""


def open_context(library: Any, model: str, path: Path) -> Any:
    """Load the weights. Raises ``ModelError``, ``OutOfMemory``."""
    params = library.whisper_context_default_params()
    params.use_gpu = False
    try:
        context = library.whisper_init_from_file_with_params(str(path), params)
    except MemoryError as error:
        raise OutOfMemory(engine=NAME, device="cpu", cause="the weights did not fit") from error
    except RuntimeError as error:
        raise ModelError(model=model, cause=error) from error
    if context is None:
        raise ModelError(model=model, cause=f"whisper.cpp cannot read {path.name}")
    return context
