"""Use case: look at all that transcription needs, and say what is wrong and what helps.

``examine`` for ``stenogram doctor``; ``log_facts`` writes the part about the machine to the log at a start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from stenogram import config
from stenogram.app.doctor import machine, parts, places, trial
from stenogram.app.doctor.finding import Finding, State
from stenogram.config import Settings
from stenogram.types import LoadOptions

__all__ = ["Finding", "State", "examine", "log_facts"]

log = logging.getLogger(__name__)


def examine(environ: Mapping[str, str] | None = None, *, verify: bool = False, test: bool = False) -> Iterator[Finding]:
    """Look at everything, and tell each finding as it is made.

    ``verify`` reads the models' files whole instead of comparing sizes and times; ``test`` transcribes three seconds.
    ``environ`` is the environment over the ``.env`` file unless given. Raises ``OptionError`` for an unreadable file.
    """
    environ = config.environment() if environ is None else environ
    settings, load = places.read(Settings, environ), places.load_options(environ)
    yield from machine.examine(load)
    yield from parts.examine_engines()
    yield from parts.examine_diarizers(settings)
    yield from parts.examine_models(settings, verify=verify)
    yield parts.examine_chat(settings)
    yield parts.examine_gguf()
    yield from places.examine_folders(settings)
    yield from places.examine_settings(environ)
    if test:
        yield trial.examine(settings, load)


def log_facts(load: LoadOptions) -> None:
    """Log what this machine has (R14): costs nothing unless somebody listens."""
    if log.isEnabledFor(logging.INFO):
        for finding in machine.examine(load):
            log.info("%s: %s", finding.topic, finding.text)
