"""Several parts at once, each in a thread, and what they make in one stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from stenogram.errors import Cancelled
from stenogram.protocols import Stop

_POLL_S = 0.1

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def side_by_side(
    pieces: Sequence[Piece], work: Callable[[Piece], Iterable[Made]], parallel: int, stop: Stop, over: threading.Event
) -> Generator[Made, None, None]:
    """What ``work`` makes of each piece, as it comes; ``parallel`` at once, begun in order.

    The first error ends it. ``over`` is set when no more is wanted: whoever works should give up then, and is waited
    for. Raises what ``work`` raises, and ``Cancelled``.
    """
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    failed = threading.Event()
    left = len(pieces)
    pool = ThreadPoolExecutor(max(parallel, 1), thread_name_prefix="stenogram-part")
    try:
        for piece in pieces:
            pool.submit(_do, work, piece, inbox, failed)
        while left:
            made = _next(inbox, stop)
            if isinstance(made, BaseException):
                raise made
            if made is _ENDED:
                left -= 1
            else:
                yield made
    finally:
        over.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _do(
    work: Callable[[Piece], Iterable[Made]], piece: Piece, inbox: queue.SimpleQueue[Any], failed: threading.Event
) -> None:
    if failed.is_set():
        return
    try:
        for made in work(piece):
            inbox.put(made)
        inbox.put(_ENDED)
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
        failed.set()
        inbox.put(error)


def _next(inbox: queue.SimpleQueue[Any], stop: Stop) -> Any:
    while True:
        if stop():
            raise Cancelled
        try:
            return inbox.get(timeout=_POLL_S)
        except queue.Empty:
            continue


_ENDED = object()
"""A piece is through."""
