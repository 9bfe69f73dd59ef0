"""When text is cleaned up without being asked for each time (R24)."""

from __future__ import annotations

import re

from stenogram.enhancement import EnhanceWhen

SMALL = frozenset({"moonshine", "tiny", "base", "small"})
"""Models whose text is worth it, by a part of their names: ``whisper-base.en``, ``ggml-tiny-q5_1``."""


def reason_to_skip(when: EnhanceWhen, model: str) -> str | None:
    """Why the text of this model is left as it is; None: it is cleaned up."""
    if when == "always":
        return None
    if when == "never":
        return "Clean-up is off; it can be asked for at any time."
    if SMALL.intersection(re.split(r"[-./_]", model.lower())):
        return None
    return f"{model} writes clean text by itself; clean-up can be asked for at any time."
