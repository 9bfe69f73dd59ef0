"""``/api/v1/llm``: whether the language model that cleans text up is there (R24)."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from stenogram.enhance.check import check
from stenogram.server.auth import Reader
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of
from stenogram.store.claims import as_json

router = APIRouter(prefix="/api/v1/llm", tags=["enhancement"], responses=ANSWERS)


@router.get("")
async def state(request: Request, _caller: Reader) -> dict[str, Any]:
    """Whether the endpoint answers, has the model, and (Ollama) runs it on the GPU."""
    found: dict[str, Any] = as_json(await to_thread.run_sync(check, state_of(request).house.settings))
    return found
