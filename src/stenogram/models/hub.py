"""The hub that holds most models, spoken to by its public HTTP protocol; mirrors of it speak the same.

A file is ``{hub}/{repo}/resolve/{revision}/{file}``. The hub answers with ``X-Repo-Commit``, and for large files with a
redirect to another host and ``X-Linked-Size`` and ``X-Linked-Etag``, the SHA-256; the ``ETag`` of a small file is its
git id (https://huggingface.co/docs/hub, and ``file_download.py`` of huggingface_hub).
"""

from __future__ import annotations

import http
import os
import re
import threading
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from stenogram.config import Settings
from stenogram.errors import OptionError
from stenogram.models import web
from stenogram.models.catalogue import File, Model

PUBLIC = "https://huggingface.co"

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Reported:
    """What the hub says of a file before it comes."""

    sha256: str | None = None
    sha1: str | None = None
    bytes: int | None = None
    commit: str | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Reported:
        """From the headers of the hub's own answer."""
        etag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"').lower()
        size = headers.get("X-Linked-Size") or ""
        commit = headers.get("X-Repo-Commit") or ""
        return cls(
            sha256=etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None,
            sha1=etag if re.fullmatch(r"[0-9a-f]{40}", etag) else None,
            bytes=int(size) if size.isdigit() else None,
            commit=commit if re.fullmatch(r"[0-9a-f]{40}", commit) else None,
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is fetched from."""

    url: str
    hub: bool
    """Whether this is the hub: its headers are believed, and it may be given the token."""

    @property
    def token(self) -> str | None:
        """``HF_TOKEN``, for the hub only and never over a connection that others can read."""
        parts = urlsplit(self.url)
        if not self.hub or (parts.scheme != "https" and parts.hostname not in _LOOPBACK):
            return None
        return os.environ.get("HF_TOKEN") or None


def endpoint(settings: Settings) -> str:
    """The hub's address: the setting, else ``HF_ENDPOINT``, else the public one. Raises ``OptionError``."""
    return _web(settings.hub_url or os.environ.get("HF_ENDPOINT") or PUBLIC, "STENOGRAM_HUB_URL")


def address(model: Model, file: File, settings: Settings) -> Address | None:
    """Where ``file`` of ``model`` is fetched from; None for a model that was imported. Raises ``OptionError``."""
    name = quote(file.name)
    if settings.models_url:
        return Address(f"{_web(settings.models_url, 'STENOGRAM_MODELS_URL')}/{quote(model.name)}/{name}", hub=False)
    if file.url:
        return Address(file.url, hub=False)
    if model.url:
        return Address(f"{model.url}/{name}", hub=False)
    if model.repo:
        return Address(f"{endpoint(settings)}/{model.repo}/resolve/{quote(model.revision, safe='')}/{name}", hub=True)
    return None


def answers(model: Model, settings: Settings, timeout_s: float = 4.0) -> bool:
    """Whether the place that ``model`` comes from answers within ``timeout_s``, whatever it says.

    The time is kept also while a name is looked up, which no socket timeout bounds.
    """
    place = None if settings.offline else address(model, model.files[0], settings)
    if place is None:
        return False
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(_knock(place, timeout_s)), daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found == [True]


def _knock(place: Address, timeout_s: float) -> bool:
    try:
        with web.opener().open(web.request(place.url, place.token, "HEAD"), timeout=timeout_s):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR  # above: a gateway without a server behind it
    except web.FAILURES:
        return False


def _web(url: str, setting: str) -> str:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise OptionError(name=setting, value=url, cause="must begin with https:// or http://")
    return url.rstrip("/")
