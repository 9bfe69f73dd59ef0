"""What makes two answers of a language model the same: the keys of the cache. SHA-256, hex, over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from stenogram.enhancement import Message


def of_answer(identity: str, version: int, temperature: float, question: Sequence[Message]) -> str:
    """Key of the answer to a question."""
    facts = ["chat", identity, version, temperature, list(question)]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
