"""What is asked for of speakers, on the command line, in Python and in forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stenogram import config, diarization
from stenogram.diarization import NUMBERS
from stenogram.errors import OptionError
from stenogram.types import DiarizeOptions


def read(given: Mapping[str, Any], environ: Mapping[str, str], *, known: bool) -> DiarizeOptions:
    """The options of one recording: what was ``given`` by name, else the environment, else the default.

    Who says how many speak, who tells them apart, or who they are (``known``), wants them told apart. Raises
    ``OptionError``, also where that is said and ``diarize`` is off in words.
    """
    if any(given.get(name) is not None for name in NUMBERS):  # what is said now is not to contradict a habit
        habits = {row.env for row in config.rows(DiarizeOptions) if row.name in NUMBERS}
        environ = {name: value for name, value in environ.items() if name not in habits}
    options = config.read(DiarizeOptions, given, environ)
    default = DiarizeOptions()
    said = [
        each.name
        for each in dataclasses.fields(options)
        if given.get(each.name) is not None and getattr(options, each.name) != getattr(default, each.name)
    ]
    if (said or known) and not options.diarize:
        if given.get("diarize") is not None:
            about = said[0] if said else "known_speaker_names"
            cause = "says something of speakers, who are not told apart while this is off"
            raise OptionError(name="diarize", value="off", cause=f"{about} {cause}", param="diarize")
        options = replace(options, diarize=True)
    diarization.check(options)
    return options if options.diarize else default
