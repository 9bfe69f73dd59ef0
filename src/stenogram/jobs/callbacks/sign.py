"""Signatures by which a receiver knows that a callback is ours: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime


def headers(secret: str | None, callback_id: str, body: bytes, at: float) -> Mapping[str, str]:
    """``webhook-id``, and with a secret ``webhook-timestamp`` and ``webhook-signature`` of this try.

    ``secret`` is ``whsec_`` and base64, as the standard has it, or any other text, which is taken as it is.
    """
    if not secret:
        return {"webhook-id": callback_id}
    from standardwebhooks.webhooks import Webhook

    moment = datetime.fromtimestamp(int(at), UTC)
    return {
        "webhook-id": callback_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": Webhook(_key(secret)).sign(callback_id, moment, body.decode()),
    }


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_") + "==")
        except binascii.Error:
            return secret.encode()
    return secret.encode()
