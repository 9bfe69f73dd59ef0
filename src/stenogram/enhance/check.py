"""Does the language model answer, is it there, and does it run on the GPU? Asks quickly and never raises."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stenogram.config import Settings
from stenogram.enhance import choose
from stenogram.enhance.endpoint import Endpoint
from stenogram.errors import EnhancementError

if TYPE_CHECKING:
    import openai

TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class ChatState:
    """What is known of the language model now."""

    where: str
    """The endpoint's address, or the file's path or name."""
    model: str
    answers: bool
    """Whether the endpoint answers; of a file: whether it could be loaded."""
    has_model: bool | None = None
    """Whether it has the model; None: it does not tell."""
    on_gpu: bool | None = None
    """Whether the model is in GPU memory with all of its weights; None: it is not loaded, or nobody tells (only
    Ollama does)."""
    models: tuple[str, ...] = ()
    """Those it has."""
    cause: str | None = None
    """What is in the way; None: nothing."""
    advice: str | None = None
    """What to do about it."""

    @property
    def ready(self) -> bool:
        """Whether it can be asked, as far as is known."""
        return self.answers and self.has_model is not False


def check(settings: Settings, timeout_s: float = TIMEOUT_S) -> ChatState:
    """The state of the language model in the settings; ``timeout_s``: for each of at most two questions."""
    if choose.in_process(settings):
        chat = choose.open_chat(settings)
        fault = chat.fault()
        where = str(choose.path_in(settings.llm_model) or chat.model)
        return ChatState(where, chat.model, answers=fault is None, has_model=fault is None, on_gpu=False, cause=fault)
    endpoint = dataclasses.replace(Endpoint.of(settings), timeout_s=timeout_s)
    state = ChatState(endpoint.where, endpoint.model, answers=False)
    if endpoint.fault:
        return _with_error(state, endpoint.nonsense(endpoint.fault))
    return asyncio.run(_asked(endpoint, state))


async def _asked(endpoint: Endpoint, state: ChatState) -> ChatState:
    import openai

    async with endpoint.client() as client:
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                page = await client.models.list()
                models = tuple(str(model.id) for model in page.data)
        except openai.APIStatusError as error:
            state = dataclasses.replace(state, answers=error.status_code < 500)  # noqa: PLR2004
            return _with_error(state, endpoint.explain(error))
        except (openai.OpenAIError, TimeoutError) as error:
            return _with_error(state, endpoint.explain(error))
        except (ValueError, TypeError, AttributeError) as error:  # something else answers there
            return _with_error(state, endpoint.explain(ValueError(str(error))))
        state = dataclasses.replace(state, answers=True, models=models, has_model=_named(endpoint.model, models))
        if not state.has_model:
            return _with_error(state, endpoint.lacking())
        return dataclasses.replace(state, on_gpu=await _on_gpu(client, endpoint))


async def _on_gpu(client: openai.AsyncOpenAI, endpoint: Endpoint) -> bool | None:
    """What Ollama says of the models it has loaded (its API, ``GET /api/ps``); None: it is no Ollama."""
    import openai

    try:
        async with asyncio.timeout(endpoint.timeout_s):
            found: Any = await client.get(endpoint.beside("/api/ps"), cast_to=object)
        rows = [row for row in found["models"] if _named(endpoint.model, (row["name"],))]
        return rows[0]["size_vram"] >= rows[0]["size"] if rows else None
    except (openai.OpenAIError, TimeoutError, ValueError, TypeError, KeyError):
        return None


def _named(model: str, models: tuple[str, ...]) -> bool:
    """Whether it is among them; Ollama takes a name without a tag for its ``latest``."""
    return model in models or f"{model}:latest" in models


def _with_error(state: ChatState, error: EnhancementError) -> ChatState:
    return dataclasses.replace(state, cause=str(error.facts["cause"]), advice=str(error.facts["advice"]))
