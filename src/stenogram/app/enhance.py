"""Use case: have a language model go over a transcript."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from stenogram.app.outcome import outcome
from stenogram.app.root import App
from stenogram.cache import ScopedCache
from stenogram.enhance import run
from stenogram.enhancement import Enhancement, EnhanceOptions, Line
from stenogram.protocols import Stop
from stenogram.types import Transcript


def stream(  # noqa: PLR0913 - what, how, and how it is followed
    app: App,
    transcript: Transcript,
    options: EnhanceOptions,
    stop: Stop = lambda: False,
    *,
    known: Mapping[int, Line] | None = None,
    scope: str | None = None,
    fresh: bool = False,
    progress: run.Progress = lambda _share: None,
) -> Generator[Line, None, Enhancement]:
    """Yield the lines of a transcript in order as they become final; the generator's value is the whole.

    ``known`` are lines that an earlier attempt told, by segment id: they stand, and are not given again. ``scope``
    says whose answers may be used again (None: those of all), ``fresh`` that none may. Closing the generator stops the
    model. Raises ``EnhancementError`` (``ChatUnavailable``, ``ChatRefused``, ``ChatNotInstalled``), ``ModelError``,
    ``OptionError``, ``Cancelled``; the transcript is as it was, and what was answered is in the cache.
    """
    settings = app.settings
    cache = app.cache if scope is None else ScopedCache(app.cache, scope)
    means = run.Means(app.chat(), cache, settings.llm_temperature, settings.llm_parallel, fresh)
    return run.enhance(means, transcript, options, stop=stop, known=known, progress=progress)


def enhance(
    app: App, transcript: Transcript, options: EnhanceOptions, progress: run.Progress = lambda _share: None
) -> Enhancement:
    """Have a language model go over a transcript; raises what ``stream`` raises."""
    return outcome(stream(app, transcript, options, progress=progress))
