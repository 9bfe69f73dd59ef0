"""Passwords: which may be, and their hashes by Argon2id.

Parameters: the second recommended option of RFC 9106, section 4 (3 passes over 64 MiB, 4 lanes), which is also well
above the least that OWASP's Password Storage Cheat Sheet asks for (2 passes over 19 MiB, 1 lane). A hash names its own,
so that those of another version are still understood, and made anew when their owner signs in.
"""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING

from stenogram.accounts.errors import WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_CHARS = 8
"""NIST SP 800-63B (revision 3, section 5.1.1.2); more is better, and rules on the kind of characters are not."""
MOST_BYTES = 1024
"""In UTF-8: enough for any sentence, and nobody can have a megabyte hashed."""
AT_ONCE = 2
"""Hashes computed at once: each takes as much memory as the parameters say."""
_CLEAR_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None of which looks like another."""


class Passwords:
    """Hashes and checks passwords; safe to use from several threads, of which some then wait for others."""

    def __init__(self, passes: int = 3, memory_kib: int = 65_536, lanes: int = 4) -> None:
        self._parameters = (passes, memory_kib, lanes)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = _hash_of_nothing(passes, memory_kib, lanes)

    def hash(self, password: str) -> str:
        """The hash to store."""
        with self._turns:
            return self._hasher().hash(_prepared(password))

    def check(self, stored: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; without any (None) it is not, and finding that out takes as long."""
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._turns:
            try:
                return self._hasher().verify(stored if stored is not None else self._nobodys, _prepared(password))
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters."""
        return self._hasher().check_needs_rehash(stored)

    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        passes, memory_kib, lanes = self._parameters
        return PasswordHasher(passes, memory_kib, lanes)


def require_good(password: str, avoided: Collection[str] = ()) -> None:
    """Raise ``WeakPassword`` for one that is too short, too long, or one of the words to be ``avoided``."""
    text = unicodedata.normalize("NFKC", password)
    if len(text) < LEAST_CHARS:
        raise WeakPassword(cause=f"it has {len(text)} characters, and {LEAST_CHARS} are needed", param="password")
    if len(_prepared(password)) > MOST_BYTES:
        raise WeakPassword(cause=f"it is longer than {MOST_BYTES} bytes", param="password")
    if text.casefold() in {word.casefold() for word in avoided} or len(set(text)) == 1:
        raise WeakPassword(cause="it is too easy to guess", param="password")


def invented() -> str:
    """A password of 78 random bits that can be read out, for somebody who will choose their own."""
    return "-".join("".join(secrets.choice(_CLEAR_LETTERS) for _ in range(4)) for _ in range(4))


def _prepared(password: str) -> bytes:
    """NFKC: the same characters typed on another system may come composed otherwise (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")


def _hash_of_nothing(passes: int, memory_kib: int, lanes: int) -> str:
    """A hash that no password has, of these parameters: the salt and the hash are random."""
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"
