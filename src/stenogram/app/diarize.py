"""What is asked for of speakers: read, and refused where it cannot be."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stenogram import config, diarization
from stenogram.app.house import House
from stenogram.diarization import BUILT_IN, Means
from stenogram.errors import OptionError
from stenogram.store import workers
from stenogram.types import DiarizeOptions


def read(given: Mapping[str, Any], environ: Mapping[str, str], *, known: bool) -> DiarizeOptions:
    """The options of one recording: what was ``given`` by name, else the environment, else the default.

    Who says how many speak, who tells them apart, or who they are (``known``), wants them told apart. Raises
    ``OptionError``, also where that is said and ``diarize`` is off in words.
    """
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
    return options


def check(house: House, options: DiarizeOptions) -> None:
    """Refuse a diarizer that no worker has. It can only be told while all of them are this machine's.

    Raises ``DiarizerNotInstalled``, ``OptionError``.
    """
    if options.diarization in ("auto", BUILT_IN):
        return
    here = socket.gethostname()
    with house.db.read() as connection:
        if any(each.host != here for each in workers.all_of(connection) if each.state in workers.ALIVE):
            return
    diarizer = diarization.find(options.diarization, Means(house.settings, house.app.cache))
    fault = diarizer.fault()
    if fault is not None:
        raise OptionError(name="diarization", value=options.diarization, cause=fault, param="diarization")
