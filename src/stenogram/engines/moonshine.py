"""Moonshine: small, fast speech recognition, run directly with onnxruntime."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stenogram.engines import options as engine_options
from stenogram.engines.segments import build_segments
from stenogram.engines.tokens import Vocabulary, read_vocabulary
from stenogram.errors import Cancelled, EngineError, ModelError
from stenogram.protocols import Loaded, Stop
from stenogram.types import SAMPLE_RATE, Chunk, ChunkOptions, LoadOptions, ModelFiles, Segment, TranscribeOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]

NAME = "moonshine"
REVISION = "1"
"""Raised by hand whenever this module may give another text for the same samples."""
BOS, EOS = 1, 2
TOKENS_PER_S = 10.0
"""Token budget; the fastest of the English dev clips writes 7.4 a second."""
MIN_TOKENS = 12
MIN_SAMPLES = SAMPLE_RATE
"""Shorter chunks are padded with silence to this."""


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
        return f"{REVISION}+onnxruntime-{importlib.metadata.version('onnxruntime')}"

    @property
    def supports(self) -> frozenset[str]:
        """Greedy decoding of one language: nothing optional."""
        return frozenset()

    @property
    def chunking(self) -> ChunkOptions:
        """Cost per second grows with length, errors with cuts."""
        return ChunkOptions(target_s=8.0, max_s=15.0)

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory. Raises ``ModelError`` when the files do not fit."""
        return LoadedMoonshine(self, files, options)


class LoadedMoonshine:
    """One model in memory; sessions are shared by all threads, each run computes in its caller's thread."""

    def __init__(self, engine: MoonshineEngine, files: ModelFiles, options: LoadOptions) -> None:
        self._engine = engine
        self._files = files
        self._threads = options.cpu_threads or len(os.sched_getaffinity(0))
        try:
            self._vocabulary: Vocabulary = read_vocabulary(files.paths["tokenizer"])
            self._encoder: Any = open_session(files, "encoder")
            self._decoder: Any = open_session(files, "decoder")
        except KeyError as error:
            raise ModelError(model=files.name, cause=f"it has no file for the role {error}") from error
        except (OSError, ValueError) as error:
            raise ModelError(model=files.name, cause=error) from error
        self._cache = [value for value in self._decoder.get_inputs() if value.name.startswith("past_key_values.")]
        self._outputs = ["logits", *(value.name.replace("past_key_values", "present") for value in self._cache)]

    @property
    def memory_bytes(self) -> int:
        """Weights in memory: onnxruntime holds packed copies, 1.9 times the files (resident set at load, measured)."""
        return int(1.9 * sum(path.stat().st_size for path in self._files.paths.values()))

    @property
    def parallelism(self) -> int:
        """One call per core."""
        return self._threads

    @property
    def batch_size(self) -> int:
        """Chunks per call."""
        return 8

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode a batch greedily."""
        engine_options.check(self._engine, self._files, options)
        return [self._decode(chunk, stop) for chunk in chunks]

    def transcribe_sequential(
        self,
        chunk: Chunk,
        previous: Sequence[Segment],  # noqa: ARG002 - text does not condition this model
        options: TranscribeOptions,
        stop: Stop,
    ) -> list[Segment]:
        """Decode one chunk on its own."""
        return self.transcribe([chunk], options, stop)[0]

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:  # noqa: ARG002 - a model of one language
        """The languages of the model, alike."""
        return {language: 1 / len(self._files.languages) for language in self._files.languages}

    def close(self) -> None:
        """Free the sessions."""
        self._encoder = self._decoder = None

    def _decode(self, chunk: Chunk, stop: Stop) -> list[Segment]:
        import numpy as np

        if not chunk.samples.size or not np.any(chunk.samples):
            return []
        with native():
            ids, logprobs = self._greedy(chunk.samples, stop)
        return build_segments(chunk, self._vocabulary, ids, logprobs)

    def _greedy(self, samples: Array, stop: Stop) -> tuple[list[int], list[float]]:
        import numpy as np

        if self._decoder is None:
            raise EngineError(engine=NAME, cause="the model was closed")
        check(stop)
        samples = np.pad(np.nan_to_num(samples), (0, max(0, MIN_SAMPLES - len(samples))))[None]
        mask = np.ones(samples.shape, np.int64)
        hidden = self._encoder.run(None, {"input_values": samples, "attention_mask": mask})[0]
        feeds = {"encoder_attention_mask": mask, "encoder_hidden_states": hidden}
        feeds |= {value.name: np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32) for value in self._cache}
        ids: list[int] = [BOS]
        logprobs: list[float] = []
        for step in range(MIN_TOKENS + int(TOKENS_PER_S * samples.size / SAMPLE_RATE)):
            check(stop)
            feeds |= {"input_ids": np.array([ids[-1:]], np.int64), "use_cache_branch": np.array([step > 0])}
            logits, *present = self._decoder.run(self._outputs, feeds)
            for value, new in zip(self._cache, present, strict=True):
                if step == 0 or ".decoder." in value.name:
                    feeds[value.name] = new
            token, logprob = best(logits[0, -1])
            if token == EOS:
                break
            ids.append(token)
            logprobs.append(logprob)
            if loops(ids):
                break
        return ids[1:], logprobs


def best(logits: npt.NDArray[np.float32]) -> tuple[int, float]:
    """The most likely token and its log-probability."""
    import numpy as np

    token = int(logits.argmax())
    return token, -float(np.log(np.exp(logits - logits[token]).sum()))


def loops(ids: Sequence[int]) -> bool:
    """Whether the last 24 or more tokens are the same 1 to 12 tokens over and over, three times at least."""
    for period in range(1, 13):
        length = max(24, 3 * period)
        tail = ids[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return True
    return False


def check(stop: Stop) -> None:
    """Raise ``Cancelled`` when asked to stop."""
    if stop():
        raise Cancelled


@contextlib.contextmanager
def native() -> Iterator[None]:
    """Turn what onnxruntime raises into ``EngineError``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        yield
    except (state.Fail, state.InvalidArgument, state.RuntimeException, state.EPFail, MemoryError) as error:
        raise EngineError(engine=NAME, cause=error) from error


def open_session(files: ModelFiles, role: str) -> Any:
    """Load one graph for one thread per call. Raises ``ModelError`` when onnxruntime cannot read it."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(files.paths[role]), settings, providers=["CPUExecutionProvider"])
    except (state.Fail, state.InvalidArgument, state.InvalidProtobuf, state.NoSuchFile, RuntimeError) as error:
        raise ModelError(model=files.name, cause=error) from error
