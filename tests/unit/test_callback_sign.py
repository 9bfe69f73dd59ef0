"""Signatures that any library of Standard Webhooks accepts."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from stenogram.errors import OptionError
from stenogram.jobs.callbacks.sign import Signer, key_of

BODY = json.dumps({"text": "Привет, größe 你好"}, ensure_ascii=False).encode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the standard's own example


def test_the_receivers_library_accepts_it() -> None:
    headers = Signer(SECRET).headers("msg_1", BODY, time.time())

    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)


def test_it_is_the_example_of_the_standard() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, the example that its libraries test."""
    headers = Signer(SECRET).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330.9)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_another_body_id_or_time_is_not_accepted() -> None:
    at = time.time()
    headers = Signer(SECRET).headers("msg_1", BODY, at)
    for changed, body in (
        (headers, BODY + b" "),
        (headers | {"webhook-id": "msg_2"}, BODY),
        (headers | {"webhook-timestamp": str(int(at) + 1)}, BODY),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, changed)


def test_a_secret_in_plain_text_signs_with_its_bytes() -> None:
    headers = Signer("correct horse ü").headers("msg_1", BODY, time.time())
    secret = base64.b64encode("correct horse ü".encode()).decode()

    Webhook(secret).verify(BODY, headers)


@pytest.mark.parametrize("secret", ["whsec_YWI=", "whsec_YWI"])
def test_base64_may_lack_its_padding(secret: str) -> None:
    assert key_of(secret) == b"ab"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_a", "whsec_==", "whsec_ü"])
def test_a_secret_that_cannot_sign_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(OptionError, match="STENOGRAM_CALLBACK_SECRET") as caught:
        Signer(secret)

    assert "not base64!" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_there_is_still_the_id(secret: str | None) -> None:
    """So that a receiver can tell a repeat."""
    assert Signer(secret).headers("msg_1", BODY, time.time()) == {"webhook-id": "msg_1"}
