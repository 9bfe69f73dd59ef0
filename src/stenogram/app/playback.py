"""Use cases: the recording of a job to listen to, as it came or as a copy that every browser plays, and its outline.

Whose job it is has been asked before (``app.jobs.find``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from stenogram.app.house import House
from stenogram.audio import sniff
from stenogram.audio.peaks import VERSION, peaks_of
from stenogram.cache import ScopedCache, workspace
from stenogram.errors import FileNotReadable, NotFound
from stenogram.job import Job, Media
from stenogram.media import copy_of
from stenogram.protocols import Cache, Stop
from stenogram.store import jobs
from stenogram.types import Audio, DecodeOptions

_KIND = "peaks"


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, or its playable copy, in the media store."""

    url: str
    size: int
    """Bytes."""
    media_type: str
    etag: str
    """Names the content; with quotes."""
    filename: str


def find(house: House, job: Job) -> Sound:
    """The recording of a job, as it came. Raises ``NotFound`` where it was deleted."""
    media = _kept(job)
    try:
        size = house.media.size(media.url)
        head = house.media.read(media.url, 0, min(size, sniff.PREFIX_BYTES))
    except FileNotReadable as error:
        raise gone(job) from error
    return Sound(media.url, size, sniff.media_type(head), f'"{media.digest}"', media.filename)


def find_copy(house: House, job: Job) -> Sound | None:
    """The copy that every browser plays; None while it was not made. Raises ``NotFound``."""
    media = _kept(job)
    url = copy_of(media.url)
    try:
        size = house.media.size(url)
    except FileNotReadable:
        return None
    stem = media.filename.rpartition(".")[0] or media.filename
    return Sound(url, size, "audio/mpeg", f'"{media.digest}-mp3"', f"{stem}.mp3")


def make_copy(house: House, job: Job, stop: Stop) -> None:
    """Make the copy that every browser plays; it goes when the recording goes. The outline is kept, too.

    Raises ``NotFound`` where the recording was deleted, ``InputError``, ``StorageError``, ``Cancelled``.
    """
    media = _kept(job)
    cache, key = _outline(house, job, media.digest)
    with _decoded(house, job, media, stop) as audio:
        if cache.get(_KIND, key) is None:
            cache.put(_KIND, key, peaks_of(audio))
        try:
            house.media.add_copy(media.url, lambda path: house.app.decoder.encode(audio, path, stop))
        except FileNotReadable as error:  # it was deleted meanwhile
            raise gone(job) from error


def find_peaks(house: House, job: Job) -> bytes | None:
    """The outline of a job's recording (``audio.peaks``); None where it must be made yet.

    Raises ``NotFound`` where it was not made before the recording was deleted.
    """
    with house.db.read() as connection:
        digest = jobs.media_digest(connection, job.id)
    if digest is None:
        raise gone(job)
    cache, key = _outline(house, job, digest)
    found = cache.get(_KIND, key)
    if found is None:
        _kept(job)
    return found


def make_peaks(house: House, job: Job, stop: Stop) -> bytes:
    """Make and keep the outline of a job's recording. Raises as ``make_copy`` does."""
    media = _kept(job)
    cache, key = _outline(house, job, media.digest)
    with _decoded(house, job, media, stop) as audio:
        found = peaks_of(audio)
    cache.put(_KIND, key, found)
    return found


def _kept(job: Job) -> Media:
    if job.media is None:
        raise gone(job)
    return job.media


def gone(job: Job) -> NotFound:
    """The error for a recording that was deleted."""
    return NotFound(f"The recording of job {job.id} was deleted. Its transcript is still here.")


def _outline(house: House, job: Job, digest: str) -> tuple[Cache, str]:
    """Where the outline of a recording is kept."""
    cache: Cache = house.app.cache
    if house.server.cache_scope == "owner":
        cache = ScopedCache(cache, job.owner or "")
    return cache, hashlib.sha256(f"{digest} {VERSION}".encode()).hexdigest()


@contextmanager
def _decoded(house: House, job: Job, media: Media, stop: Stop) -> Iterator[Audio]:
    """The samples of a recording, in a folder of their own for the block."""
    asked = job.options.get("run", {}).get("decode", {}).get("max_duration_s")
    options = DecodeOptions() if asked is None else replace(DecodeOptions(), max_duration_s=asked)
    with workspace(house.settings.cache_dir) as folder:
        with _lent(house, job, media) as path:
            *_, decoded = house.app.decoder.decode(path, folder, options, stop)
        yield decoded.audios[0]


@contextmanager
def _lent(house: House, job: Job, media: Media) -> Iterator[Path]:
    try:
        with house.media.local(media.url) as path:
            yield path
    except FileNotReadable as error:
        raise gone(job) from error
