"""Which language model a name means.

A chat model of the catalogue, or one that was imported, by name or alias; ``gguf:PATH`` or a path that ends in
``.gguf``: a file; everything else: what the endpoint calls it.
"""

from __future__ import annotations

from pathlib import Path

from stenogram.config import Settings
from stenogram.enhance.gguf import GgufChat, Weights, weights_at
from stenogram.errors import UnknownModel
from stenogram.models import catalogue, store
from stenogram.models.catalogue import Model
from stenogram.protocols import Chat

PREFIX, SUFFIX = "gguf:", ".gguf"


def open_chat(settings: Settings) -> Chat:
    """The language model of the settings. Nothing is loaded, hashed or connected yet."""
    model = known(settings)
    if model is not None:
        return GgufChat(model.name, lambda: _weights_of(model, settings), settings.idle_unload_s)
    path = path_in(settings.llm_model)
    if path is not None:
        return GgufChat(str(path), lambda: weights_at(path), settings.idle_unload_s)
    from stenogram.enhance.chat import OpenAIChat
    from stenogram.enhance.endpoint import Endpoint

    return OpenAIChat(Endpoint.of(settings))


def known(settings: Settings) -> Model | None:
    """The chat model of ours that has the name in the settings."""
    try:
        return catalogue.find(settings.llm_model, [model for model in store.known(settings) if model.kind == "chat"])
    except UnknownModel:
        return None


def path_in(name: str) -> Path | None:
    """The file that a name of a model is."""
    if name.startswith(PREFIX):
        return Path(name.removeprefix(PREFIX)).expanduser()
    return Path(name).expanduser() if name.lower().endswith(SUFFIX) else None


def _weights_of(model: Model, settings: Settings) -> Weights:
    files = store.files_of(model, settings)
    return Weights(files.paths["model"], files.digest)
