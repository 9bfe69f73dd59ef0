"""The one table from errors to HTTP, and the body that all of them have: that of the OpenAI API."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from stenogram import errors
from stenogram.accounts.errors import SignInFailed
from stenogram.errors import StenogramError, TooLarge
from stenogram.job import Job

log = logging.getLogger(__name__)

STATUS: Mapping[type[StenogramError], int] = {
    errors.NotAuthenticated: 401,
    SignInFailed: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.UnknownModel: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.TooManyRequests: 429,
    errors.StorageFull: 507,
    errors.DatabaseError: 503,
    errors.ModelNotInstalled: 400,
    errors.ModelError: 503,
    errors.StorageError: 503,
    errors.OutOfMemory: 503,
    errors.EngineError: 500,
    errors.DiarizerNotInstalled: 400,
    errors.DiarizationError: 500,
    errors.ChatUnavailable: 503,
    errors.ChatNotInstalled: 400,
    errors.EnhancementError: 500,
    errors.WorkerDied: 500,
    errors.InternalError: 500,
    errors.Cancelled: 409,
    errors.InputError: 400,
    errors.OptionError: 400,
    errors.LanguageNotSupported: 400,
    errors.RequestError: 400,
    StenogramError: 500,
}
"""Error -> status; the nearest class above counts."""

RETRY_AFTER_S = 5
"""What a client is told to wait when the server is short of something."""
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}


def status_of(error: StenogramError) -> int:
    """The status for an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def body_of(status: int, message: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """The body: all four keys, as OpenAI's clients want them."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")  # noqa: PLR2004 - classes of HTTP
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def headers_of(status: int, retry_after_s: float | None = None) -> dict[str, str]:
    """Whether and when to try again: OpenAI's clients would otherwise repeat what cannot succeed."""
    if status in (429, 503):
        return {"x-should-retry": "true", "retry-after": str(max(math.ceil(retry_after_s or RETRY_AFTER_S), 1))}
    headers = {"x-should-retry": "false"}
    if status == 401:  # noqa: PLR2004 - HTTP's number
        headers["www-authenticate"] = "Bearer"
    return headers


def failure_of(job: Job) -> StenogramError:
    """The error that a job ended with, as it was raised in the worker."""
    if job.state == "cancelled":
        return errors.Conflict(what=f"job {job.id}", cause="it was cancelled")
    kind = _by_code().get(job.error_code or "", errors.InternalError)
    return kind(job.error or "the job failed")


@functools.cache
def _by_code() -> dict[str, type[StenogramError]]:
    found, left = {}, [StenogramError]
    while left:
        kind = left.pop()
        found[kind.code] = kind
        left.extend(kind.__subclasses__())
    return found


def told_of(error: StenogramError) -> dict[str, Any]:
    """The body for an error, also where it comes too late for a status: in a stream."""
    code = {"unknown_model": "model_not_found", "not_authenticated": "invalid_api_key"}.get(error.code, error.code)
    param = error.facts.get("param") or _PARAMS.get(error.code)
    return body_of(status_of(error), str(error), code, str(param) if param else None)


def response_of(error: StenogramError) -> JSONResponse:
    """An error of ours as an answer."""
    status, wait_s = status_of(error), error.facts.get("retry_after_s")
    return JSONResponse(told_of(error), status, headers_of(status, wait_s if isinstance(wait_s, float | int) else None))


_CODES = {413: TooLarge.code}
"""Of errors that the framework, or what stands before it, raises."""
_PARAMS = {
    "unknown_model": "model",
    "model_not_installed": "model",
    "language_not_supported": "language",
    "callback_refused": "callback_url",
    "diarizer_not_installed": "diarization",
    "bad_reference": "known_speaker_references",
    **dict.fromkeys(
        (
            *("not_media", "empty_file", "no_audio", "damaged_media", "decoder_crashed"),
            *("too_long", "too_large", "too_little_speech"),
        ),
        "file",
    ),
}


_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_MEANINGS = {
    400: "What was sent cannot be",
    401: "Neither signed in nor a valid API key",
    403: "The caller, or the origin, may not",
    404: "No such thing, or not the caller's",
    405: "Not by this method",
    409: "Not in this state",
    413: "Too large",
    421: "The server does not go by this name",
    429: "Over a limit",
    500: "A fault of the server",
    503: "Not now; try again",
    507: "No space left",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/json": {"schema": _ERROR_SCHEMA}}}
    for status, meaning in _MEANINGS.items()
}
"""How failures are documented, for routers."""


def install(app: FastAPI) -> None:
    """Have every failure answered in this one form."""

    @app.exception_handler(StenogramError)
    async def ours(_request: Request, error: StenogramError) -> JSONResponse:
        if status_of(error) >= 500:  # noqa: PLR2004 - classes of HTTP
            log.warning("%s", error, extra={"code": error.code})
        return response_of(error)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        told = body_of(error.status_code, str(error.detail), _CODES.get(error.status_code))
        return JSONResponse(told, error.status_code, {**headers_of(error.status_code), **(error.headers or {})})

    @app.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:]) or None
        return JSONResponse(
            body_of(400, f"{param or 'the body'}: {first['msg']}", "option_error", param), 400, headers_of(400)
        )

    @app.exception_handler(Exception)
    async def fault(_request: Request, error: Exception) -> JSONResponse:
        log.error("a fault of the server", exc_info=error)
        message = "The server failed; its log has the reason."
        return JSONResponse(body_of(500, message, "internal_error"), 500, headers_of(500))
