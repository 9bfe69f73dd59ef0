"""``/api/v1/llm``: whether the language model that cleans text up is there (R24)."""

from __future__ import annotations

import dataclasses

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from stenogram.enhance.check import check
from stenogram.server.auth import Reader
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of

_THREADS = 2
"""An endpoint that is silent holds a thread for seconds: not those on which everybody else waits."""
_asking: RunVar[CapacityLimiter] = RunVar("_asking")
router = APIRouter(prefix="/api/v1/llm", tags=["enhancement"], responses=ANSWERS)


class LlmView(BaseModel):
    """What is known of the language model now."""

    ready: bool = Field(description="Whether it can be asked, as far as is known")
    where: str = Field(description="The endpoint's address, or the file's path or name")
    model: str = Field(examples=["mistral:7b-instruct"])
    answers: bool = Field(description="Whether the endpoint answers")
    has_model: bool | None = Field(description="Whether it has the model; null: it does not tell")
    on_gpu: bool | None = Field(description="Whether the model is in GPU memory; null: not loaded, or nobody tells")
    models: list[str] = Field(description="Those it has")
    cause: str | None = Field(description="What is in the way")
    advice: str | None = Field(description="What to do about it")


@router.get("")
async def state(request: Request, _caller: Reader) -> LlmView:
    """Whether the language model answers, is there, and (Ollama) runs on the GPU; asked now."""
    limiter = _asking.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_THREADS)
        _asking.set(limiter)
    found = await to_thread.run_sync(check, state_of(request).house.settings, limiter=limiter)
    return LlmView(ready=found.ready, **dataclasses.asdict(found))
