"""Moonshine: small, fast speech recognition, run directly with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stenogram.engines.moonshine.encoder import FRAME, MAX_FRAMES, Encoder, padded_length
from stenogram.engines.moonshine.greedy import POSITIONS, Decoder, Row, check
from stenogram.engines.options import check as check_options
from stenogram.engines.options import settle
from stenogram.engines.runtime import native, runtime_version
from stenogram.engines.segments import build_segments, credibility
from stenogram.engines.tokens import Vocabulary, read_vocabulary
from stenogram.engines.words import align
from stenogram.errors import EngineError, ModelError
from stenogram.hardware import available_cpus
from stenogram.onnx.weights import Weights
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
    import numpy as np
    import numpy.typing as npt

NAME = "moonshine"
REVISION = "2"
"""Raised by hand whenever this module may give another text for the same samples."""
TOKENS_PER_S = 10.0
"""Token budget; the fastest of 310 chunks of the English dev clips writes 6.2 a second, and none reaches its budget."""
MIN_TOKENS = 12
MIN_SAMPLES = SAMPLE_RATE
"""Shorter chunks are padded with silence to this."""
LOUD, MAX_GAIN = 0.9, 10.0
"""Quieter chunks are raised to this peak, by 20 dB at most: word errors 12.4 % instead of 12.8 % on the English dev
clips, mean of three ways to chunk them (which differ by about 0.3 among themselves)."""
PADDINGS = ((0, 0), (FRAME // 2, 0), (SAMPLE_RATE // 4, 0), (SAMPLE_RATE // 2, SAMPLE_RATE // 2))
"""Careful decoding hears a chunk in several ways, silence before and after, in samples, and believes the likeliest:
word errors 11.1 % instead of 12.4 % on the English dev clips, were all chunks decoded so, at four times the cost."""


@dataclass(frozen=True, slots=True)
class MoonshineEngine:
    """Engine of the Moonshine models: English tiny, and its larger sisters of the same file layout."""

    @property
    def name(self) -> str:
        """Id in cache keys."""
        return NAME

    @property
    def version(self) -> str:
        """Our revision and onnxruntime's version: its kernels decide near ties."""
        return f"{REVISION}+{runtime_version()}"

    @property
    def supports(self) -> frozenset[str]:
        """Greedy decoding of one language: nothing optional."""
        return frozenset()

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """The files hold int8 weights."""
        return {"cpu": ("int8",)}

    def fault(self, device: Device) -> str | None:  # noqa: ARG002 - only the CPU is asked for
        """Whatever runs onnxruntime will do."""
        return None

    @property
    def chunking(self) -> ChunkOptions:
        """Measured on the English dev clips: 4 / 8 to 15 / 20 s differ by 0.6 % of words without a trend.

        Longer chunks cost more per second (attention), shorter ones are cut more often inside speech.
        """
        return ChunkOptions(target_s=8.0, max_s=15.0)

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory. Raises ``ModelError`` when the files do not fit."""
        return LoadedMoonshine(self, files, options)


class LoadedMoonshine:
    """One model in memory; sessions are shared by all threads, each run computes in its caller's thread."""

    def __init__(self, engine: MoonshineEngine, files: ModelFiles, options: LoadOptions) -> None:
        self._engine = engine
        self._files = files
        self.options = settle(engine, options)
        self._threads = options.cpu_threads or available_cpus()
        try:
            self._vocabulary = read_vocabulary(files.paths["tokenizer"])
            encoder, decoder = (Weights(files.paths[role]) for role in ("encoder", "decoder"))
            self._networks: tuple[Encoder, Decoder] | None = Encoder(encoder, decoder), Decoder(decoder)
        except KeyError as error:
            raise ModelError(model=files.name, cause=f"it lacks {error}, which Moonshine needs") from error
        except (OSError, ValueError) as error:
            raise ModelError(model=files.name, cause=error) from error

    @property
    def memory_bytes(self) -> int:
        """Growth of the resident set by loading, 3.2 times the files (measured: 140 MiB for tiny-en)."""
        return int(3.2 * sum(path.stat().st_size for path in self._files.paths.values()))

    @property
    def chunk_bytes(self) -> int:
        """Measured with tiny-en: 130 MiB for 8 chunks of up to 13 s; taken to grow with the weights."""
        return self.memory_bytes // 8

    @property
    def parallelism(self) -> int:
        """One call per core."""
        return self._threads

    @property
    def batch_size(self) -> int:
        """A decoding step costs 1.4 ms for one row, 0.53 a row for 8, 0.41 for 12 and no less for 16 (Zen 4)."""
        return 12

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode a batch greedily; silent chunks have no segments."""
        check_options(self._engine, self._files, options)
        with native(NAME):
            encoder, decoder = self._open()
            rows = [encode(encoder, chunk, stop) for chunk in chunks]
            decoder.greedy([row for row in rows if row], stop)
        return [
            transcript(chunk, self._vocabulary, row) if row else [] for chunk, row in zip(chunks, rows, strict=True)
        ]

    def transcribe_sequential(
        self,
        chunk: Chunk,
        options: TranscribeOptions,
        stop: Stop,
    ) -> list[Segment]:
        """Decode one chunk in several ways at once and keep the likeliest text that does not repeat itself."""
        check_options(self._engine, self._files, options)
        with native(NAME):
            encoder, decoder = self._open()
            rows = [encode(encoder, chunk, stop, padding) for padding in PADDINGS]
            heard = [row for row in rows if row]
            decoder.greedy(heard, stop)
        attempts = [
            transcript(chunk, self._vocabulary, row, before)
            for row, (before, _) in zip(rows, PADDINGS, strict=True)
            if row
        ]
        return max(attempts, key=lambda segments: credibility(segments, options), default=[])

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:  # noqa: ARG002 - the model cannot tell
        """The languages of the model, alike."""
        return {language: 1 / len(self._files.languages) for language in self._files.languages}

    def close(self) -> None:
        """Free the sessions."""
        self._networks = None

    def _open(self) -> tuple[Encoder, Decoder]:
        if self._networks is None:
            raise EngineError(engine=NAME, cause="the model was closed; load it again")
        return self._networks


def encode(encoder: Encoder, chunk: Chunk, stop: Stop, padding: tuple[int, int] = (0, 0)) -> Row | None:
    """Make a chunk ready for decoding, with ``padding`` samples of silence around it; None: it is silent."""
    import numpy as np

    check(stop)
    samples: npt.NDArray[np.float32] = np.nan_to_num(chunk.samples)
    if not samples.any():
        return None
    before, after = padding
    if before + len(samples) + after > MAX_FRAMES * FRAME:
        longest_s = MAX_FRAMES * FRAME // SAMPLE_RATE
        raise EngineError(engine=NAME, cause=f"a chunk of {chunk.duration:.0f} s; the longest are {longest_s} s")
    length = padded_length(max(before + len(samples) + after, MIN_SAMPLES))
    gain = min(max(LOUD / float(np.abs(samples).max()), 1.0), MAX_GAIN)
    samples = np.pad(samples * np.float32(gain), (before, length - before - len(samples)))
    budget = MIN_TOKENS + int(TOKENS_PER_S * length / SAMPLE_RATE)
    return Row(encoder.run(samples), min(budget, POSITIONS))


def transcript(chunk: Chunk, vocabulary: Vocabulary, row: Row, before: int = 0) -> list[Segment]:
    """The segments of a chunk decoded with ``before`` samples of silence before it.

    Words are aligned by what the decoder read while it wrote them.
    """
    import numpy as np

    pieces = vocabulary.words(row.ids)
    attention = np.array([np.mean(row.attention[piece.first : piece.last], axis=0) for piece in pieces])
    texts, lead_s = [piece.text for piece in pieces], before / SAMPLE_RATE
    words = align(texts, attention, FRAME / SAMPLE_RATE, chunk, lead_s=lead_s)
    return build_segments(chunk, pieces, words, row.ids, row.logprobs)
