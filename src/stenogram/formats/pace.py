"""How long a subtitle cue stands, so that it can be read and the next one is seen to be another.

The rules and their sources:

- A cue asks its reader for no more than so many characters a second (``max_cps``). Where it does, it stands on into
  the silence after it, but no longer than ``HANG_MS`` after the last word, nor than ``max_cue_s``. Netflix's style
  guides allow 17 characters a second in most languages, and 20 in English; the BBC 160 to 180 words a minute, which is
  about 15 characters a second.
- Where reading speed counts, no cue stands shorter than ``SHORTEST_MS`` if there is room: "5/6 second per subtitle
  event" (Netflix Timed Text Style Guide, General Requirements).
- Between two cues there is a gap (``min_gap_ms``; Netflix: two frames, 83 ms at 24 a second). The earlier one ends
  sooner for it, but is not cut shorter than ``SHORTEST_MS``: a missing gap is the lesser evil.

A cue never begins later than its first word.
"""

from __future__ import annotations

from stenogram.types import SubtitleOptions

SHORTEST_MS = 833
"""A cue is not cut shorter than this, and with ``max_cps`` it is lengthened to it where it can be: 5/6 s."""
HANG_MS = 1500
"""A cue does not stand longer than this after its last word (BBC Subtitle Guidelines, "match subtitle to pace")."""


def shown_until(spoken: tuple[int, int], following_ms: int, characters: int, options: SubtitleOptions) -> int:
    """When a cue goes, in milliseconds.

    ``spoken`` is when its first word begins and its last word ends, ``following_ms`` when the next cue comes or the
    recording is over. Where that is before its last word ends, people talk over each other, and the cue stays as it is.
    """
    start_ms, end_ms = spoken
    if following_ms < end_ms:
        return end_ms
    until_ms = end_ms
    if options.max_cps:
        wanted_ms = start_ms + max(reading_ms(characters, options), SHORTEST_MS)
        until_ms = max(end_ms, min(wanted_ms, end_ms + HANG_MS, start_ms + round(options.max_cue_s * 1000)))
    shortest_ms = min(end_ms, start_ms + SHORTEST_MS)
    return min(until_ms, max(following_ms - options.min_gap_ms, shortest_ms))


def reading_ms(characters: int, options: SubtitleOptions) -> int:
    """How long so many characters have to stand, in milliseconds; 0 where any speed will do."""
    return -int(-characters * 1000 // options.max_cps) if options.max_cps else 0
