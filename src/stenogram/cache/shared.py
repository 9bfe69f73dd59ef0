"""The cache that several machines share: the local folder first, written through to any fsspec URL."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from stenogram.cache.entry import pack, place, unpack
from stenogram.cache.local import CacheInfo, LocalCache
from stenogram.config import Settings
from stenogram.errors import OptionError

log = logging.getLogger(__name__)

T = TypeVar("T")

_SETTING = "STENOGRAM_CACHE_URL"
_PAUSE_S = 60.0
"""After a failure the shared store is left alone for so long: one timeout a minute, not one for each chunk."""
_ON_THIS_MACHINE = ("file", "local", "memory")


def open_cache(settings: Settings) -> LocalCache | SharedCache:
    """The cache of these settings. Raises ``OptionError`` when the shared URL cannot be served by what is installed."""
    local = LocalCache(settings.cache_dir, settings.cache_max_mb * 2**20)
    if not settings.cache_url:
        return local
    if settings.offline and _protocol(settings.cache_url) not in _ON_THIS_MACHINE:
        log.warning("offline: the shared cache %s is not used", without_secrets(settings.cache_url))
        return local
    return SharedCache(local, settings.cache_url)


class SharedCache:
    """``local`` first; what it lacks is looked for at ``url`` and copied to it; what is put goes to both.

    Entries are the same bytes in both places, so a folder on a file server serves as well as a bucket. An unreachable
    or full shared store is logged and left alone for ``pause_s``; the run goes on with the local one. Nothing is ever
    evicted from the shared store: its owner sets its expiry.
    """

    def __init__(self, local: LocalCache, url: str, pause_s: float = _PAUSE_S) -> None:
        import fsspec

        self.local = local
        self.url = url
        try:
            fsspec.get_filesystem_class(_protocol(url))
        except ImportError as error:
            raise OptionError(name=_SETTING, value=without_secrets(url), cause=_advice(_protocol(url))) from error
        except ValueError as error:
            known = f"{_protocol(url)}: is no kind of store; use file://, s3://, gs:// or another one fsspec knows"
            raise OptionError(name=_SETTING, value=without_secrets(url), cause=known) from error
        self._pause_s = pause_s
        self._retry_at = 0.0

    def get(self, kind: str, key: str) -> bytes | None:
        """The stored bytes, from the nearest place that has them, or None."""
        value = self.local.get(kind, key)
        if value is not None:
            return value
        entry = self._attempt(lambda store, root: _read(store, f"{root}/{place(kind, key)}"))
        # A damaged entry may be one that is being written: it is not removed, the next put overwrites it.
        value = None if entry is None else unpack(kind, key, entry)
        if value is not None:
            self.local.put(kind, key, value)
        return value

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Store in both places; a failure of either is logged, not raised."""
        self.local.put(kind, key, value)
        self._attempt(lambda store, root: _write(store, f"{root}/{place(kind, key)}", pack(kind, key, value)))

    def info(self) -> CacheInfo:
        """What the local part holds, and the URL of the shared one."""
        return dataclasses.replace(self.local.info(), url=without_secrets(self.url))

    def clear(self, kind: str | None = None) -> int:
        """Clear the local part only (gives the bytes freed): the shared store belongs to every machine."""
        return self.local.clear(kind)

    def _attempt(self, action: Callable[[Any, str], T]) -> T | None:
        """Do ``action`` with the store and its root path; None where the store does not serve."""
        from fsspec.core import url_to_fs

        if time.monotonic() < self._retry_at:
            return None
        try:
            store, root = url_to_fs(self.url)  # fsspec keeps the instance
            return action(store, root.rstrip("/"))
        except Exception as error:  # noqa: BLE001 - each store's driver raises its own kinds; a cache never fails a run
            self._retry_at = time.monotonic() + self._pause_s
            log.warning(
                "the shared cache %s does not answer: %s: %s. The run goes on with the local one; next try in %.0f s.",
                without_secrets(self.url),
                type(error).__name__,
                error,
                self._pause_s,
            )
            return None


def without_secrets(url: str) -> str:
    """``url`` without user, password and query, for logs and messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _protocol(url: str) -> str:
    from fsspec.core import split_protocol

    return split_protocol(url)[0] or "file"


def _advice(protocol: str) -> str:
    from fsspec.registry import known_implementations

    package = known_implementations[protocol]["class"].partition(".")[0]
    return f"{protocol}:// needs a package that is not installed. Install it: pip install {package}"


def _read(store: Any, path: str) -> bytes | None:
    try:
        return bytes(store.cat_file(path))
    except FileNotFoundError:
        return None


def _write(store: Any, path: str, entry: bytes) -> None:
    try:
        store.pipe_file(path, entry)
    except FileNotFoundError:  # stores with real folders want them made first
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        store.pipe_file(path, entry)
