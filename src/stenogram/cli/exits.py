"""Exit codes, for scripts.

0 all done; 1 a recording could not be transcribed (the others were); 2 wrong usage or option; 3 a model or language is
missing; 4 a folder cannot be written; 5 anything else of ours; 6 a language model could not clean a text up, which is
there as it was transcribed; 130 stopped by Ctrl-C. Of several failures the highest counts, and 6 only where there is no
other.
"""

from __future__ import annotations

from collections.abc import Iterable

from stenogram import errors

EXIT_CODES: tuple[tuple[type[errors.StenogramError], int], ...] = (
    (errors.Cancelled, 130),
    (errors.InputError, 1),
    (errors.OptionError, 2),
    (errors.LanguageNotSupported, 3),
    (errors.ModelError, 3),
    (errors.StorageError, 4),
    (errors.EnhancementError, 6),
    (errors.StenogramError, 5),
)


def exit_code(error: errors.StenogramError) -> int:
    """The exit code for an error."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def worst(codes: Iterable[int]) -> int:
    """The exit code for several recordings."""
    mildest = dict(EXIT_CODES)[errors.EnhancementError]
    return max(codes, key=lambda code: 0.5 if code == mildest else code, default=0)
