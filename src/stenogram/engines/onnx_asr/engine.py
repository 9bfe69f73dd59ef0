"""The engine on the library onnx-asr, and its models in memory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stenogram.engines.onnx_asr.family import frame_s, identify, open_model, read_config, read_ids
from stenogram.engines.onnx_asr.transcript import Heard, write
from stenogram.engines.options import check, settle
from stenogram.engines.runtime import native, runtime_version
from stenogram.engines.segments import credibility
from stenogram.errors import Cancelled, DeviceNotUsable, EngineError, ModelError, OptionError, OptionNotSupported
from stenogram.hardware import available_cpus
from stenogram.onnx.session import cuda_fault, session_options
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

    Samples = npt.NDArray[np.float32]

NAME = "onnx-asr"
REVISION = "1"
"""Raised by hand whenever this package may give another text for the same samples."""
PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
MIN_SAMPLES = SAMPLE_RATE // 2
"""Shorter chunks are padded with silence to this: features are normalised over the chunk, and need some."""
LEADS = (0, SAMPLE_RATE // 50, SAMPLE_RATE // 25)
"""Careful decoding hears a chunk with so many samples of silence before it, and believes the likeliest text: its sound
falls otherwise into the frames of 30 to 80 ms, and a short word missed once may be heard."""
MEMORY_PER_BYTE, SESSIONS_BYTES = 1.6, 15 << 20
"""Growth of the resident set by loading: so much for each byte of the files, and the libraries. Measured with made-up
networks of 67 to 260 MB, float32 and int8: 1.1 to 1.9 for each byte."""
MODEL_FAULTS = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
"""What the library raises about files that do not fit."""


@dataclass(frozen=True, slots=True)
class OnnxAsrEngine:
    """Engine of the models that onnx-asr knows; ``family`` tells which files make which."""

    @property
    def name(self) -> str:
        """Id in cache keys."""
        return NAME

    @property
    def version(self) -> str:
        """Our revision, and the libraries' versions."""
        return f"{REVISION}+onnx-asr-{importlib.metadata.version('onnx-asr')}+{runtime_version()}"

    @property
    def supports(self) -> frozenset[str]:
        """Greedy decoding; of the families, only Canary translates, and the others refuse it."""
        return frozenset({"translate"})

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """Whatever the files hold: another number type is another model of the catalogue."""
        return {"cpu": ("default",), "cuda": ("default",)}

    def fault(self, device: Device) -> str | None:
        """Why onnxruntime cannot compute there."""
        return cuda_fault() if device == "cuda" else None

    @property
    def chunking(self) -> ChunkOptions:
        """GigaAM is made for 25 s at most, the other families for 30 s and more: the shortest of them decides.

        The longer a chunk, the more a model knows of what is spoken about.
        """
        return ChunkOptions(target_s=12.0, max_s=24.0)

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory. Raises ``ModelError`` when the files do not fit, ``DeviceNotUsable``."""
        return LoadedOnnxAsr(self, files, options)


STOP: ContextVar[Stop] = ContextVar("STOP", default=lambda: False)
"""What the call that is under way in this thread asks."""


def ask() -> None:
    """Raise ``Cancelled`` if this thread's call is to stop."""
    if STOP.get()():
        raise Cancelled


class Asking:
    """A session of onnxruntime that asks whether to stop before each run: the library decodes step by step."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> Any:
        """Compute once."""
        ask()
        return self._session.run(outputs, inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class LoadedOnnxAsr:
    """One model in memory; sessions are shared by all threads, each run computes in its caller's thread.

    Chunks are decoded one by one. In a batch, the padding and the quantisation of activations would make a chunk's
    text depend on its batch mates, and Canary would write on after a chunk's end until the longest is done; and a
    transducer's steps, where most calls go, are not batched by the library at all.
    """

    def __init__(self, engine: OnnxAsrEngine, files: ModelFiles, options: LoadOptions) -> None:
        self._engine = engine
        self._files = files
        self.options = settle(engine, options)
        self._threads = options.cpu_threads or available_cpus()
        try:
            with native(NAME, self.options.device):
                config = read_config(files.paths)
                self._family = identify(files.paths, config)
                self._ids = read_ids(files.paths, config)
                self._frame_s = frame_s(self._family, config)
                self._model: Any = self._open()
                self._resample = self._open_resampler()
                self._try()
        except MODEL_FAULTS as error:
            raise ModelError(model=files.name, cause=_told(error)) from error
        except EngineError as error:
            if type(error) is not EngineError:  # DeviceNotUsable, OutOfMemory: not the files' fault
                raise
            raise ModelError(model=files.name, cause=_told(error.__cause__ or error)) from error

    @property
    def memory_bytes(self) -> int:
        """Weights, and onnxruntime's copies of some in the order its kernels read."""
        return int(MEMORY_PER_BYTE * sum(path.stat().st_size for path in self._files.paths.values())) + SESSIONS_BYTES

    @property
    def chunk_bytes(self) -> int:
        """Bound for 24 s: the first convolutions of Parakeet and GigaAM hold 80 to 120 MB, twice at a time."""
        return 256 << 20

    @property
    def parallelism(self) -> int:
        """One call per core: on two, 1.25 times as fast as one call of two threads (a made-up network of 130 MB)."""
        return self._threads

    @property
    def batch_size(self) -> int:
        """Chunks are decoded one by one: a batch would gain nothing."""
        return 1

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode chunk by chunk, greedily; silent chunks have no segments."""
        prompt = self._prompt(options)
        return [self._transcribe(chunk, prompt, stop) for chunk in chunks]

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """Decode one chunk in several ways and keep the likeliest text that does not repeat itself."""
        prompt = self._prompt(options)
        attempts = [self._transcribe(chunk, prompt, stop, lead) for lead in LEADS]
        return max(attempts, key=lambda segments: credibility(segments, options))

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:  # noqa: ARG002 - the models cannot tell
        """The languages of the model, alike: those of several answer in the one they hear, and do not name it."""
        return {language: 1 / len(self._files.languages) for language in self._files.languages}

    def close(self) -> None:
        """Free the sessions."""
        self._model = self._resample = None

    def _open(self) -> Any:
        """The library's model, each of its sessions one that can be stopped."""
        import onnxruntime

        providers = PROVIDERS[self.options.device]
        model = open_model(self._family, self._files.paths, {"sess_options": session_options(), "providers": providers})
        sessions = {name: part for name, part in vars(model).items() if isinstance(part, onnxruntime.InferenceSession)}
        for name, session in sessions.items():
            if session.get_providers()[0] != providers[0]:
                raise DeviceNotUsable(engine=NAME, device=self.options.device, cause="onnxruntime fell back to the CPU")
            setattr(model, name, Asking(session))
        return model

    def _open_resampler(self) -> Any:
        if self._family.sample_rate == SAMPLE_RATE:
            return None
        from onnx_asr.preprocessors.resampler import Resampler

        settings = {"sess_options": session_options(), "providers": PROVIDERS["cpu"]}
        return Resampler(self._family.sample_rate, settings)  # type: ignore[arg-type]

    def _try(self) -> None:
        """Decode a moment of noise: files that do not belong together show it here, not in the user's recording."""
        import numpy as np

        if self._family.prompted and (
            lacking := [code for code in self._files.languages if f"<|{code}|>" not in self._ids]
        ):
            raise ValueError(f"its vocabulary does not have the languages {', '.join(lacking)}")
        noise = np.random.default_rng(0).standard_normal(MIN_SAMPLES).astype(np.float32)
        self._hear(noise * np.float32(0.01), self._prompt(TranscribeOptions(language=self._files.languages[0])))

    def _prompt(self, options: TranscribeOptions) -> dict[str, str]:
        """The languages heard and written, for the family that is told them.

        Parakeet of several languages hears for itself which one is spoken: a language asked for is only checked.
        """
        check(self._engine, self._files, options)
        if not self._family.prompted:
            if options.task == "translate":
                raise OptionNotSupported(engine=f"{NAME} ({self._family.title})", option="task")
            return {}
        language = options.language or self._files.only_language
        if language is None:
            cause = f"{self._files.name} must be told which language is spoken ({', '.join(self._files.languages)})"
            raise OptionError(name="language", value=None, cause=cause)
        return {"language": language, "target_language": "en" if options.task == "translate" else language}

    def _transcribe(self, chunk: Chunk, prompt: Mapping[str, str], stop: Stop, lead: int = 0) -> list[Segment]:
        """One chunk, with ``lead`` samples of silence before it."""
        import numpy as np

        before = STOP.set(stop)
        try:
            ask()
            if self._model is None:
                raise EngineError(engine=NAME, cause="the model was closed; load it again")
            samples: Samples = np.nan_to_num(chunk.samples)
            if not samples.any():
                return []
            try:
                with native(NAME, self.options.device):
                    heard = self._hear(np.pad(samples, (lead, 0)), prompt)
            except MODEL_FAULTS as error:
                raise EngineError(engine=NAME, cause=_told(error)) from error
            return write(chunk, heard, self._ids, ask, lead_s=lead / SAMPLE_RATE)
        finally:
            STOP.reset(before)

    def _hear(self, samples: Samples, prompt: Mapping[str, str]) -> Heard:
        """Let the library decode; times on the clock of ``samples``."""
        import numpy as np

        samples = np.pad(samples, (0, max(MIN_SAMPLES - len(samples), 0)))[None]
        lengths = np.array([samples.shape[1]], np.int64)
        if self._resample is not None:
            samples, lengths = self._resample(samples, lengths, SAMPLE_RATE)
        (result,) = self._model.recognize_batch(samples, lengths, need_logprobs=True, **prompt)
        tokens = tuple(result.tokens)
        times = result.timestamps if self._family.timed else None
        return Heard(
            tokens,
            _fitted(result.logprobs, len(tokens)),
            None if times is None else tuple(time + self._frame_s / 2 for time in times),
        )


def _fitted(logprobs: Sequence[float], count: int) -> tuple[float, ...]:
    """One log-probability per token: Canary gives some for tokens that write nothing; then each gets the mean."""
    if len(logprobs) != count:
        logprobs = [sum(logprobs) / max(len(logprobs), 1)] * count
    return tuple(min(float(value), 0.0) for value in logprobs)


def _told(error: BaseException) -> str:
    """What a fault of the library says; a bare assertion says nothing."""
    return str(error) or f"its parts do not fit together ({type(error).__name__})"
