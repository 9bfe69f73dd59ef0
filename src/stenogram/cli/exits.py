"""Exit codes, for scripts.

0 all done; 1 a recording could not be transcribed (the others were); 2 wrong usage or option; 3 a model or language is
missing; 4 a folder cannot be written; 5 anything else of ours; 6 the language model could not do its part (what
``transcribe --enhance`` was to clean up is written as it was); 130 stopped by Ctrl-C. Of several failures the highest
counts.
"""

from __future__ import annotations

from stenogram import errors

NOT_CLEAN = 6

EXIT_CODES: tuple[tuple[type[errors.StenogramError], int], ...] = (
    (errors.Cancelled, 130),
    (errors.InputError, 1),
    (errors.OptionError, 2),
    (errors.LanguageNotSupported, 3),
    (errors.ModelError, 3),
    (errors.StorageError, 4),
    (errors.EnhancementError, NOT_CLEAN),
    (errors.StenogramError, 5),
)


def exit_code(error: errors.StenogramError) -> int:
    """The exit code for an error."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
