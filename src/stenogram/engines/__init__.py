"""One module per speech-recognition library, behind ``protocols.Engine``.

``ENGINES`` is the table by name; an engine's module is imported when it is chosen, its library when it loads weights.
"""

from __future__ import annotations

import importlib

from stenogram.errors import EngineError
from stenogram.protocols import Engine

ENGINES = {"moonshine": "stenogram.engines.moonshine:MoonshineEngine"}


def find(name: str) -> Engine:
    """Make the engine of that name. Raises ``EngineError`` when there is none."""
    if name not in ENGINES:
        raise EngineError(engine=name, cause=f"there is no such engine; there are: {', '.join(sorted(ENGINES))}")
    module, attribute = ENGINES[name].split(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine
