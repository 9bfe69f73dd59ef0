"""The built-in diarizer: two small networks on windows of sound, and one clustering over the whole recording.

The recording, less its silence, is heard in windows of 10 s every 2 s. In each, the segmentation network tells up to
three local speakers apart, and the embedding network says what the voice of each is like (``windows``). Windows are
heard while the recording is still being decoded, and what was heard is in the cache, block by block. At the end the
voices of the whole recording are clustered (``clustering``), and where windows overlap, they vote (``vote``).

What it costs, measured on one thread: 26 ms for the segmentation of a window, 21 ms for the voices of a second of
sound: 34 ms for a second of speech.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from stenogram.diarization import BUILT_IN, Means, clustering, vote
from stenogram.diarization import windows as hearing
from stenogram.diarization.dense import Dense
from stenogram.diarization.fbank import FRAME as FBANK_FRAME
from stenogram.diarization.fbank import HOP, fbank
from stenogram.diarization.networks import VERSION, WINDOW, Networks
from stenogram.diarization.windows import COLUMN_SAMPLES, Window
from stenogram.errors import Cancelled
from stenogram.formats import stored
from stenogram.protocols import Cache, Stop
from stenogram.types import SAMPLE_RATE, DiarizeOptions, Sound, SpeakerTurn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stenogram.types import Samples

    Floats = npt.NDArray[np.float32]

STEP = 2 * SAMPLE_RATE
"""Samples from the start of a window to that of the next."""
BLOCK = 30
"""Windows that are heard, and kept in the cache, together."""
PIECE = WINDOW
"""Samples the embedding network hears at a time; the mean of their filter bank is subtracted."""
_NICENESS = 10
"""Of its threads beside 0 of the engine's: a tenth of the time where both want the same core."""
RULES = 1
"""Raise by one whenever what is heard in a block changes."""


class BuiltInDiarizer:
    """Needs nothing but what every installation has."""

    name = BUILT_IN
    version = f"{RULES}.{VERSION}.{clustering.RULES}"

    def __init__(self, means: Means, networks: Networks | None = None) -> None:
        self._means = means
        self._networks = networks or Networks()

    def fault(self) -> str | None:
        """It works everywhere; a damaged wheel is told when it is loaded."""
        return None

    def using(self, cache: Cache) -> BuiltInDiarizer:
        """The same networks, another cache."""
        return BuiltInDiarizer(replace(self._means, cache=cache), self._networks)

    def diarize(
        self, sound: Iterable[Sound], options: DiarizeOptions, progress: Callable[[float], None], stop: Stop
    ) -> list[SpeakerTurn]:
        """Raises ``ModelError`` when the wheel that carries the networks is damaged, ``Cancelled``."""
        windows: list[Window] = []
        dense = Dense((), (), (0,))
        with ThreadPoolExecutor(max(self._means.threads, 1), "stenogram-diarize", _give_way) as threads:
            listener = _Listener(self._networks, self._means, threads, stop)
            for so_far in sound:
                if stop():  # also where all that was heard is in the cache
                    raise Cancelled
                dense = Dense.of(so_far.speech, so_far.audio.sample_count, finished=so_far.finished)
                for heard in listener.listen(dense, so_far, len(windows)):
                    windows += heard
                    progress(_reached(dense, len(windows), so_far))
        return vote.turns(windows, dense, options, STEP)

    def close(self) -> None:
        """Forget the networks."""
        self._networks.forget()


def _give_way() -> None:
    """Let the engine's threads go first where the two share cores: people wait for the text.

    Linux alone knows the niceness of a thread; elsewhere the two share alike.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _reached(dense: Dense, windows: int, so_far: Sound) -> float:
    """Seconds of the recording that are heard."""
    spans = dense.spans(0, min((windows - 1) * STEP + WINDOW, len(dense)))
    return spans[-1].end if spans else so_far.heard_s


class _Listener:
    """Hears one recording, block by block."""

    def __init__(
        self,
        networks: Networks,
        means: Means,
        threads: ThreadPoolExecutor,
        stop: Stop,
    ) -> None:
        self._segmentation, self._embedding = networks.segmentation(), networks.embedding()
        self._means, self._threads, self._stop = means, threads, stop

    def listen(self, dense: Dense, sound: Sound, known: int) -> Iterator[list[Window]]:
        """The windows after the ``known`` ones, as far as there is enough sound for whole blocks, or to its end."""
        while len(dense) > known * STEP:
            last = known + BLOCK - 1
            if len(dense) < last * STEP + WINDOW:
                if not sound.finished:
                    return
                last = max(-(-(len(dense) - WINDOW) // STEP), known)
            if known and (known - 1) * STEP + WINDOW >= len(dense):
                return  # the windows so far reach the end
            samples = dense.window(sound.audio, known * STEP, last * STEP + WINDOW)
            heard = [_moved(window, known) for window in self._block(samples, last - known + 1)]
            known = last + 1
            yield heard

    def _block(self, samples: Samples, count: int) -> list[Window]:
        digest = hashlib.sha256(samples.data).hexdigest()
        key = hashlib.sha256(f"voices {RULES} {VERSION} {count} {digest}".encode()).hexdigest()
        known = stored.read(list[Window], self._means.cache.get("voices", key))
        if known is not None:
            return known
        heard = self._hear(samples, count)
        self._means.cache.put("voices", key, stored.write(heard))
        return heard

    def _hear(self, samples: Samples, count: int) -> list[Window]:
        import numpy as np

        pieces = self._threads.map(self._columns, [samples[at : at + PIECE] for at in range(0, len(samples), PIECE)])
        starts = [place * STEP for place in range(count)]
        probabilities = self._threads.map(self._segment, [samples[start : start + WINDOW] for start in starts])
        columns = np.concatenate(list(pieces))
        own = [columns[start // COLUMN_SAMPLES : (start + WINDOW) // COLUMN_SAMPLES] for start in starts]
        hear = functools.partial(hearing.hear, self._embedding)
        return list(self._threads.map(hear, range(count), probabilities, own))

    def _segment(self, window: Samples) -> Floats:
        self._check()
        return self._segmentation.probabilities(window[None])[0]  # type: ignore[no-any-return]

    def _columns(self, piece: Samples) -> Floats:
        """Columns of a piece of sound, one for each 80 ms."""
        import numpy as np

        self._check()
        features = fbank(np.pad(piece, (0, FBANK_FRAME - HOP)))[: len(piece) // HOP]
        return self._embedding.columns(features - features.mean(0))

    def _check(self) -> None:
        if self._stop():
            raise Cancelled


def _moved(window: Window, windows: int) -> Window:
    return replace(window, runs=tuple(replace(run, window=run.window + windows) for run in window.runs))
