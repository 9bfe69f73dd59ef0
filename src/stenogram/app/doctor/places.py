"""Settings, folders, disk and cache: where work is done and kept."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from stenogram import config
from stenogram.app import api
from stenogram.app.doctor.finding import GIB, Finding, State, size
from stenogram.cache import open_cache
from stenogram.config import ENV_PREFIX, Settings
from stenogram.errors import OptionError, StenogramError
from stenogram.types import LoadOptions, SubtitleOptions

GROUPS = (*api.GROUPS, SubtitleOptions)
NO_ROOM_BYTES = 100 * 2**20
LITTLE_ROOM_BYTES = GIB
"""An hour of sound takes 230 MB while it is transcribed."""

T = TypeVar("T")


def read(group: type[T], environ: Mapping[str, str]) -> T:
    """A group of options from the environment, or its defaults where that is at fault (``examine_settings`` tells)."""
    try:
        return config.read(group, environ=environ)
    except OptionError:
        return group()


def examine_settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that no setting knows, and values that cannot be."""
    known = {row.env for group in GROUPS for row in config.rows(group)}
    good = True
    for name in sorted(name for name in environ if name.startswith(ENV_PREFIX) and name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"Did you mean {near[0]}?" if near else "Unset it; what there is: docs/reference/settings.md"
        good = False
        yield Finding("settings", "warning", f"{name}: no setting has that name; it changes nothing", advice)
    for group in GROUPS:
        try:
            config.read(group, environ=environ)
        except OptionError as error:
            good = False
            yield Finding("settings", "fault", str(error), "Correct it in the environment or in the file .env")
    if good:
        count = sum(bool(environ.get(name)) for name in known)
        yield Finding("settings", "good", f"{count} set by {ENV_PREFIX}* variables, the others by default")
    if environ.get("DATABASE_URL"):
        yield Finding("database", "note", "DATABASE_URL is set; not used by this version")


def load_options(environ: Mapping[str, str]) -> LoadOptions:
    """How weights would be loaded."""
    return read(LoadOptions, environ)


def examine_folders(settings: Settings) -> Iterator[Finding]:
    """Whether models and results can be written, and the room there is."""
    yield _folder("models", settings.models_dir, needed=False)
    yield _folder("work and cache", settings.cache_dir, needed=True)
    try:
        facts = open_cache(settings).info()
    except (StenogramError, OSError) as error:
        yield Finding("cache", "warning", f"it cannot be read: {error}", "Without it nothing is known from before.")
        return
    shared = f"; shared: {facts.url}" if facts.url else ""
    text = f"{facts.entries} results, {size(facts.bytes)} of {size(facts.max_bytes)}{shared}"
    yield Finding("cache", "good", text)


def _folder(purpose: str, folder: Path, *, needed: bool) -> Finding:
    """``needed``: nothing can be transcribed without it."""
    bad: State = "fault" if needed else "warning"
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    cause = _refusal(place)
    if cause is not None:
        advice = f"Make {place} writable, or set STENOGRAM_HOME to another folder."
        return Finding("folder", bad, f"{purpose} in {folder}: cannot be written: {cause}", advice)
    free_bytes = shutil.disk_usage(place).free
    text = f"{purpose} in {folder}: writable, {size(free_bytes)} free"
    if free_bytes < LITTLE_ROOM_BYTES:
        state: State = bad if free_bytes < NO_ROOM_BYTES else "warning"
        return Finding("folder", state, text, "Make room, or set STENOGRAM_HOME to a folder on another disk.")
    return Finding("folder", "good", text)


def _refusal(place: Path) -> str | None:
    """Why nothing can be written there; found by writing. A folder that is to be made in it is not made."""
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return error.strerror or str(error)
