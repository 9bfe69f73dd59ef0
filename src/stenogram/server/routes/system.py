"""``/api/v1/system``: what this service is made of and how it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from stenogram.app.doctor.machine import examine
from stenogram.cache.shared import without_secrets
from stenogram.job import Caller
from stenogram.server.auth import Reader
from stenogram.server.board import as_json
from stenogram.server.errors import ANSWERS
from stenogram.server.state import State, state_of
from stenogram.types import LoadOptions

router = APIRouter(prefix="/api/v1/system", tags=["system"], responses=ANSWERS)

_SECRET = ("db_pass", "callback_secret", "database_url", "llm_api_key")


class SystemView(BaseModel):
    """The service."""

    state: dict[str, Any] = Field(description="As the dashboard shows it")
    machine: dict[str, str] = Field(description="CPU, memory, GPUs, CUDA")
    database: str = Field(description="Without its password", examples=["sqlite:////srv/stenogram/stenogram.db"])
    media: str
    media_free_bytes: int | None
    settings: dict[str, Any] = Field(description="In force; secrets are left out")


@router.get("")
async def system(request: Request, caller: Reader) -> SystemView:
    """How the service is, and what it is made of."""
    return await to_thread.run_sync(_view, state_of(request), caller)


def _view(state: State, caller: Caller) -> SystemView:
    house = state.house
    settings = {**asdict(house.settings), **asdict(house.server)}
    shown = {name: value for name, value in settings.items() if name not in _SECRET}
    return SystemView(
        state=as_json(state.board.snapshot, caller),
        machine={finding.topic: finding.text for finding in examine(LoadOptions())},
        database=house.db.url,
        media=without_secrets(house.server.media_url or str(house.settings.data_dir / "media")),
        media_free_bytes=house.media.free_bytes(),
        settings={name: _shown(name, value) for name, value in shown.items()},
    )


def _shown(name: str, value: Any) -> Any:
    return without_secrets(value) if isinstance(value, str) and name.endswith("_url") else value
