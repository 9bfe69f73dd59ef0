"""Known speakers as clients send them: names, and for each a few seconds of sound as a data URL.

Nothing is decoded here: what a sound is, and whether it is long enough, a worker finds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from stenogram.diarization.rename import MOST_NAME_CHARS, check_person
from stenogram.errors import OptionError, TooLarge
from stenogram.job import Reference
from stenogram.server.upload import Form

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
MOST = 4
"""As the OpenAI API has it."""
MOST_BYTES = 3 * 2**20
"""Of one reference: ten seconds of 24 bits in stereo at 48 kHz are less."""
_SHOWN_CHARS = 40

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    f"{NAMES}[]": {
        "type": "array",
        "items": {"type": "string", "maxLength": MOST_NAME_CHARS},
        "description": "Speakers to be called by name",
        "maxItems": MOST,
    },
    f"{REFERENCES}[]": {
        "type": "array",
        "items": {"type": "string"},
        "description": "For each of them 2 to 10 s of sound in which nobody else speaks: data:audio/wav;base64,...",
        "maxItems": MOST,
    },
}
"""The fields as OpenAPI documents them."""


def names_of(form: Form) -> list[str]:
    """The names of the known speakers. Raises ``OptionError``."""
    names = form.all_of(NAMES)
    if len(names) > MOST:
        raise _bad(NAMES, len(names), f"must be at most {MOST} names")
    found: list[str] = []
    for name in names:
        try:
            found.append(check_person(name))
        except OptionError as error:
            raise _bad(NAMES, ascii(name)[:_SHOWN_CHARS], str(error.facts["cause"])) from error
        if found[-1] in found[:-1]:
            raise _bad(NAMES, name, "is there twice")
    return found


def read(form: Form) -> tuple[Reference, ...]:
    """A reference for each name, or none at all. Raises ``OptionError``, ``TooLarge``."""
    names, urls = names_of(form), form.all_of(REFERENCES)
    if not urls:
        return ()
    if len(urls) != len(names):
        raise _bad(REFERENCES, len(urls), f"must be as many as {NAMES}, which are {len(names)}")
    return tuple(_reference(name, url) for name, url in zip(names, urls, strict=True))


def _reference(name: str, url: str) -> Reference:
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        raise _bad(REFERENCES, url[:_SHOWN_CHARS], "must be a data URL: data:audio/wav;base64,...")
    size = len(data) * 3 // 4
    if size > MOST_BYTES + 2:  # the padding
        limit = f"at most {MOST_BYTES / 2**20:g} MiB, and 2 to 10 s of sound"
        raise TooLarge(
            f"The reference recording of {name} is too large: {size / 2**20:.1f} MiB. It may have {limit}.",
            param=REFERENCES,
        )
    try:
        sound = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise _bad(REFERENCES, url[:_SHOWN_CHARS], f"is not base64: {error}") from error
    if not sound:
        raise _bad(REFERENCES, url[:_SHOWN_CHARS], "has no sound in it")
    return Reference(name, hashlib.sha256(sound).hexdigest(), sound)


def _bad(name: str, value: object, cause: str) -> OptionError:
    return OptionError(name=name, value=value, cause=cause, param=name)
