"""What a reasoning model thinks aloud is no part of its answer."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"
"""What nearly all of them put around it (DeepSeek-R1, Qwen 3, Magistral and others)."""


class Thought:
    """Leaves thoughts at the beginning of an answer out, piece by piece.

    Only there: what comes later may be something that somebody said.
    """

    def __init__(self, *, thinking: bool = False) -> None:
        """``thinking``: the answer begins in the middle of a thought, since the question has opened it."""
        self._thinking = thinking
        self._answering = False
        self._held = ""

    @property
    def thinking(self) -> bool:
        """Whether it is in the middle of a thought."""
        return self._thinking

    def take(self, piece: str) -> str:
        """What of the answer is certain with this piece; may be empty."""
        if self._answering:
            return piece
        self._held += piece
        if self._thinking:
            _, closed, rest = self._held.partition(CLOSE)
            if not closed:
                self._held = self._held[-len(CLOSE) :]
                return ""
            self._thinking, self._held = False, rest
        begun = self._held.lstrip()
        if begun.startswith(OPEN):
            self._thinking, self._held = True, begun[len(OPEN) :]
            return self.take("")
        if OPEN.startswith(begun):  # also where there is nothing yet
            return ""
        self._answering, self._held = True, ""
        return begun

    def end(self) -> str:
        """What was held back for the beginning of a thought and is none."""
        return "" if self._thinking or self._answering else self._held.strip()
