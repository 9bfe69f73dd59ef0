"""The seams: what can be replaced. Implementations pass the contract suites in ``tests/contract``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from stenogram.enhancement import ChatUsage, Message
from stenogram.job import Lane
from stenogram.types import (
    Chunk,
    ChunkOptions,
    ComputeType,
    Device,
    DiarizeOptions,
    LoadOptions,
    ModelFiles,
    Segment,
    Sound,
    SpeakerTurn,
    TranscribeOptions,
)

Stop = Callable[[], bool]
"""Asked often; True: give up soon by raising ``errors.Cancelled``."""


class Loaded(Protocol):
    """Weights in memory. Safe to call from ``parallelism`` threads at once."""

    @property
    def memory_bytes(self) -> int:
        """What the weights hold in memory, measured."""
        ...

    @property
    def chunk_bytes(self) -> int:
        """What one more chunk of the longest kind in a batch takes while it is computed, measured or bounded."""
        ...

    @property
    def options(self) -> LoadOptions:
        """How it was loaded, every ``auto`` and ``default`` decided."""
        ...

    @property
    def parallelism(self) -> int:
        """How many ``transcribe`` calls may run at once; threads inside each are the engine's to lay out."""
        ...

    @property
    def batch_size(self) -> int:
        """Chunks per ``transcribe`` call that suit this engine on this machine."""
        ...

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Decode one batch: for each chunk, in order, its segments (times of the recording, ids from 0).

        Lengths may differ; the text of a chunk does not depend on its batch mates. Raises ``OutOfMemory`` when a
        smaller batch may succeed; the weights are usable after it.
        """
        ...

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """Decode one chunk on its own, the careful way (what the guard asks for when the batch looks wrong)."""
        ...

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """ISO 639-1 code -> probability; an engine of one language answers ``{that: 1.0}``."""
        ...

    def close(self) -> None:
        """Free the memory; idempotent."""
        ...


class Engine(Protocol):
    """One per library; cheap and stateless, imports its library in ``load`` only."""

    @property
    def name(self) -> str:
        """Stable id, part of cache keys."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same samples may give another text; part of cache keys."""
        ...

    @property
    def supports(self) -> frozenset[str]:
        """Features (see ``types.option``) it can do; anything else raises ``OptionNotSupported``."""
        ...

    @property
    def compute_types(self) -> Mapping[Device, tuple[ComputeType, ...]]:
        """Number types it can compute in, by device, the one to take by default first; also which devices it knows."""
        ...

    @property
    def chunking(self) -> ChunkOptions:
        """The chunks it works best on."""
        ...

    def fault(self, device: Device) -> str | None:
        """Why the library cannot compute there on this machine; None: it can. May import the library."""
        ...

    def load(self, files: ModelFiles, options: LoadOptions) -> Loaded:
        """Bring the weights into memory; ``options`` are settled (``engines.options.settle``).

        Raises ``ModelError`` when the files do not fit, ``EngineNotInstalled``, ``DeviceNotUsable``, ``OutOfMemory``.
        """
        ...


class Cache(Protocol):
    """Content-addressed results; safe with several threads and processes."""

    def get(self, kind: str, key: str) -> bytes | None:
        """The stored bytes, or None. Never raises for a damaged or vanished entry: that is a miss."""
        ...

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Store durably before returning. A full disk is logged, not raised: the work is not lost for a cache."""
        ...


class Diarizer(Protocol):
    """Tells who speaks when. Safe to call from several threads; loads its networks when it is first asked."""

    @property
    def name(self) -> str:
        """Stable id, part of cache keys."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same samples may give other turns (networks included); part of cache keys."""
        ...

    def fault(self) -> str | None:
        """Why it cannot be used on this machine and what to do about it; None: it can. Imports nothing heavy."""
        ...

    def using(self, cache: Cache) -> Diarizer:
        """The same one with the same networks in memory, which keeps what it finds on the way in this cache.

        It need not be closed. One that keeps nothing gives itself.
        """
        ...

    def diarize(
        self, sound: Iterable[Sound], options: DiarizeOptions, progress: Callable[[float], None], stop: Stop
    ) -> list[SpeakerTurn]:
        """The turns of one recording, on its clock, in any order and under any labels; overlapping ones are kept.

        ``sound`` gives the recording as it grows, and last of all the whole of it; between two the call may block.
        ``progress`` takes the seconds of the recording that are through. Of ``options``, the numbers of speakers count;
        they do not contradict each other (``diarization.check``). Raises ``DiarizationError``, ``OutOfMemory``,
        ``Cancelled``.
        """
        ...

    def close(self) -> None:
        """Free the memory; idempotent."""
        ...


class Chat(Protocol):
    """A language model that answers. Safe to call from several threads; connects, or loads, when it is first asked."""

    @property
    def model(self) -> str:
        """What users call it."""
        ...

    @property
    def identity(self) -> str:
        """Changes whenever the same question may get another answer; part of cache keys.

        The endpoint's name of the model, or the digest of its file; where it runs does not count.
        """
        ...

    @property
    def context_tokens(self) -> int | None:
        """Tokens that question and answer may have together; None: not known."""
        ...

    def fault(self) -> str | None:
        """Why it cannot be used and what to do about it, without asking over the network; None: nothing is known."""
        ...

    def answer(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float,
        stop: Stop,
        schema: Mapping[str, Any] | None = None,
    ) -> Generator[str, None, ChatUsage]:
        """Yield the answer piece by piece as it comes; the generator's value is what it cost.

        ``schema`` is a JSON schema that the answer is to keep to, as far as the model can be held to it. ``stop`` is
        asked all the time; when it says so, and when the generator is closed, the model stops too. Raises
        ``ChatUnavailable``, ``ChatRefused``, ``ChatNotInstalled``, ``ModelError``, ``OutOfMemory``, ``Cancelled``.
        """
        ...

    def close(self) -> None:
        """Close connections, free the memory; answers under way end with ``Cancelled``. Idempotent."""
        ...


class Transaction(Protocol):
    """An open transaction on the database."""

    @property
    def connection(self) -> Any:
        """SQLAlchemy's ``Connection``."""
        ...

    def wake(self, topic: str) -> None:
        """Tell the listeners of a topic once this is committed."""
        ...


class JobQueue(Protocol):
    """Delivers the ids of jobs to workers, at least once. What a job is, and its state, stands in the table of jobs.

    So does its lane: each is delivered to the workers of its own lane alone.
    """

    def submit(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """Have a job delivered once the transaction is committed.

        Higher ``rank`` first, and never two of the same ``lock`` at a time.
        """
        ...

    def release(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """Have a job delivered again that a worker had taken up which is gone."""
        ...

    def recover(self, transaction: Transaction) -> None:
        """Find jobs that wait and would never be delivered; called now and then."""
        ...

    def work(self, handler: Callable[[str], None], stop: threading.Event, lane: Lane = "speech") -> None:
        """Call ``handler`` with the id of each job of a lane, one at a time, until ``stop``; for a thread of its own.

        A database that is gone is waited for. What the handler raises ends the work.
        """
        ...
