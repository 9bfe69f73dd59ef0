"""Signatures by which a receiver knows that a callback is ours: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from stenogram.errors import OptionError

_PREFIX = "whsec_"


class Signer:
    """Makes the headers of Standard Webhooks.

    ``secret`` is ``whsec_`` and base64, as the standard has it, or any other text, whose bytes are the key; None or
    empty: nothing is signed. Raises ``OptionError``.
    """

    def __init__(self, secret: str | None) -> None:
        self._key = key_of(secret) if secret else None

    def headers(self, callback_id: str, body: bytes, at: float) -> dict[str, str]:
        """``webhook-id``, and with a secret ``webhook-timestamp`` and ``webhook-signature`` of a try at ``at``."""
        if self._key is None:
            return {"webhook-id": callback_id}
        from standardwebhooks.webhooks import Webhook

        moment = datetime.fromtimestamp(int(at), UTC)
        return {
            "webhook-id": callback_id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": Webhook(self._key).sign(callback_id, moment, body.decode()),
        }


def key_of(secret: str) -> bytes:
    """The bytes that sign. Raises ``OptionError`` where ``whsec_`` is not followed by base64."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    text = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        cause = "base64 must follow whsec_; or use another text without that beginning"
        raise OptionError(name="STENOGRAM_CALLBACK_SECRET", value=_PREFIX + "...", cause=cause)
    return key
