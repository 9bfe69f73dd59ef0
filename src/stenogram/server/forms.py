"""Forms as routes receive and document them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio import CancelScope, to_thread
from fastapi import Request

from stenogram.job import Media
from stenogram.server.state import state_of
from stenogram.server.upload import Form, Limits, receive_form

FILE: Mapping[str, Any] = {"type": "string", "format": "binary", "description": "Any audio or video file"}
_MIB = 2**20


@dataclass(slots=True)
class Received:
    """A form, whose files are deleted again unless they are kept."""

    form: Form
    kept: frozenset[str] = frozenset()
    """Where those lie that are not to be deleted."""

    def get(self, name: str) -> str | None:
        """The last value of a field; None where it was not sent, or is empty."""
        return self.form.get(name)

    def all_of(self, name: str) -> list[str]:
        """Every value of a field, also of its spelling with brackets."""
        return self.form.all_of(name)

    def media(self, *names: str) -> list[Media]:
        """The files that came under these names."""
        return self.form.media(*names)

    def keep(self, recordings: Iterable[Media]) -> None:
        """These recordings belong to jobs now."""
        self.kept = frozenset(media.url for media in recordings)


@asynccontextmanager
async def receive(request: Request) -> AsyncIterator[Received]:
    """Take in the form of a request; what the block does not keep of its files is deleted."""
    house = state_of(request).house
    settings = house.server
    limits = Limits(settings.max_upload_mb * _MIB, settings.min_free_disk_mb * _MIB)
    received = Received(await receive_form(request, house.media, limits))
    try:
        yield received
    finally:
        for _, media in received.form.files:
            if media.url not in received.kept:
                with CancelScope(shield=True):
                    await to_thread.run_sync(house.media.delete, media.url)


def form_body(*, required: Sequence[str], **properties: Mapping[str, Any]) -> dict[str, Any]:
    """The documentation of a form (OpenAPI)."""
    schema = {"type": "object", "required": list(required), "properties": {k: dict(v) for k, v in properties.items()}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
