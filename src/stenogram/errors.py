"""Every error a user can meet, but for those of who asks (``accounts.errors``). Catch ``StenogramError`` for all.

``code`` is stable, messages may improve.

StenogramError              error
├── InputError              input_error           the recording cannot be used
│   ├── FileNotReadable     file_not_readable     absent, a folder, or no permission
│   ├── EmptyFile           empty_file            0 bytes
│   ├── NotMedia            not_media             text, an image, a playlist, an unknown format
│   ├── NoAudio             no_audio              a video without sound, a track without samples
│   ├── DamagedMedia        damaged_media         broken so early that nothing could be decoded
│   ├── TooLong             too_long              longer than the limit
│   ├── BadReference        bad_reference         no voice can be learnt from it
│   ├── TooLittleSpeech     too_little_speech     not enough to know a voice by
│   ├── NotTranscript       not_transcript        a file that should hold a transcript and does not
│   └── DecoderCrashed      decoder_crashed       the decoder's process died or hung on this file
├── OptionError             option_error          a setting that cannot be
│   ├── OptionNotSupported  option_not_supported  the engine cannot do what was asked
│   └── UnknownFormat       unknown_format        no such output format
├── LanguageNotSupported    language_not_supported  no installed model speaks it
├── ModelError              model_error           a model cannot be used
│   ├── UnknownModel        unknown_model         not in the catalogue
│   ├── ModelNotInstalled   model_not_installed   known, its files are not here
│   ├── ModelDamaged        model_damaged         a file differs from its recorded SHA-256
│   └── DownloadFailed      download_failed       the files could not be fetched
├── EngineError             engine_error          recognition itself failed
│   ├── EngineNotInstalled  engine_not_installed  its library is an extra that is not here
│   ├── DeviceNotUsable     device_not_usable     the GPU cannot be used, with the reason
│   └── OutOfMemory         out_of_memory         neither a smaller batch nor smaller weights helped
├── DiarizationError        diarization_error     speakers could not be told apart
│   └── DiarizerNotInstalled  diarizer_not_installed  its library is an extra that is not here
├── EnhancementError        enhancement_error     a language model could not do its part
│   ├── ChatNotInstalled    chat_not_installed    its library is an extra that is not here
│   ├── ChatUnavailable     chat_unavailable      the endpoint does not answer
│   └── ChatRefused         chat_refused          it answers, but not to this: no such model, no right, nonsense
├── StorageError            storage_error         a folder cannot be written
│   └── StorageFull         storage_full          no space is left
├── DatabaseError           database_error        the database refuses
│   ├── DatabaseUnavailable database_unavailable  it does not answer
│   └── SchemaOutdated      schema_outdated       its tables are not those of this version
├── RequestError            request_error         what a client sent cannot be
│   ├── TooLarge            too_large             more bytes than the limit
│   ├── NotFound            not_found             no such thing, or not the caller's
│   ├── Conflict            conflict              not in this state
│   │   └── VersionConflict version_conflict      somebody else edited it meanwhile
│   ├── CallbackRefused     callback_refused      an address that callbacks may not reach
│   ├── NotAuthenticated    not_authenticated     neither signed in nor a good key
│   ├── NotAllowed          not_allowed           the key may not do this, or the origin may not ask it
│   └── TooManyRequests     too_many_requests     over a limit; later it will do
├── WorkerDied              worker_died           the recording brought down its worker again and again
├── InternalError           internal_error        a fault of this program
└── Cancelled               cancelled             stopped on request

The first paragraph of a class docstring is its message; names in braces are filled from the keyword arguments.
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class StenogramError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, **facts: object) -> None:
        """Fill the class's message with ``facts``, or take ``message`` as it is."""
        if message is None:
            template = (inspect.getdoc(type(self)) or self.code).split("\n\n")[0].replace("\n", " ")
            message = template.format(**facts)
        self.facts = facts
        super().__init__(message)


class InputError(StenogramError):
    """{path}: the recording cannot be used: {cause}."""

    code = "input_error"


class FileNotReadable(InputError):
    """{path}: cannot be read: {cause}."""

    code = "file_not_readable"


class EmptyFile(InputError):
    """{path}: the file is empty (0 bytes). Was the recording or the download finished?"""

    code = "empty_file"


class NotMedia(InputError):
    """{path}: not an audio or video file: {cause}."""

    code = "not_media"


class NoAudio(InputError):
    """{path}: no sound in it: {cause}."""

    code = "no_audio"


class DamagedMedia(InputError):
    """{path}: damaged, nothing could be decoded: {cause}."""

    code = "damaged_media"


class TooLong(InputError):
    """{path}: longer than the limit of {limit_s:.0f} s. Raise --max-duration-s, or cut the recording."""

    code = "too_long"


class BadReference(InputError):
    """{path}: {cause}. A reference recording has 2 to 10 s in which only the known speaker speaks."""

    code = "bad_reference"


class TooLittleSpeech(InputError):
    """{path}: {heard_s:.1f} s of speech in it; to know a voice by, {least_s:.0f} s of one person are needed."""

    code = "too_little_speech"


class NotTranscript(InputError):
    """{path}: not a transcript: {cause}. Wanted is verbose_json: stenogram transcribe FILE -f verbose_json"""

    code = "not_transcript"


class DecoderCrashed(InputError):
    """{path}: the decoder could not finish this file: {cause}."""

    code = "decoder_crashed"


class OptionError(StenogramError):
    """{name} = {value!r}: {cause}."""

    code = "option_error"


class OptionNotSupported(OptionError):
    """The engine {engine} does not support {option}. Leave it out, or choose a model of another engine."""

    code = "option_not_supported"


class UnknownFormat(OptionError):
    """No output format {format!r}. There are: {known}."""

    code = "unknown_format"


class LanguageNotSupported(StenogramError):
    """No installed model speaks {language}. {advice}"""

    code = "language_not_supported"


class ModelError(StenogramError):
    """The model {model} cannot be used: {cause}."""

    code = "model_error"


class UnknownModel(ModelError):
    """No model {model!r} in the catalogue. There are: {known}."""

    code = "unknown_model"


class ModelNotInstalled(ModelError):
    """The model {model} is not installed. {advice}"""

    code = "model_not_installed"


class ModelDamaged(ModelError):
    """The model {model} is damaged: {path} differs from its recorded SHA-256. {advice}"""

    code = "model_damaged"


class DownloadFailed(ModelError):
    """The model {model} could not be fetched: {cause}."""

    code = "download_failed"


class EngineError(StenogramError):
    """The engine {engine} failed: {cause}."""

    code = "engine_error"


class EngineNotInstalled(EngineError):
    """The engine {engine} is not installed. Get it: pip install 'stenogram[{extra}]'"""

    code = "engine_not_installed"


class DeviceNotUsable(EngineError):
    """The engine {engine} cannot compute on {device}: {cause}. Use --device cpu, or see: stenogram doctor"""

    code = "device_not_usable"


class OutOfMemory(EngineError):
    """The engine {engine} ran out of memory ({device}): {cause}. Choose a smaller model, or free memory."""

    code = "out_of_memory"


class DiarizationError(StenogramError):
    """Speakers could not be told apart ({diarizer}): {cause}."""

    code = "diarization_error"


class DiarizerNotInstalled(DiarizationError):
    """The diarizer {diarizer} is not installed. Get it: pip install 'stenogram[{extra}]'"""

    code = "diarizer_not_installed"


class EnhancementError(StenogramError):
    """The language model {model} could not do its part: {cause}."""

    code = "enhancement_error"


class ChatNotInstalled(EnhancementError):
    """{model}: GGUF files need a library that is not installed. Install it with: pip install 'stenogram[llama-cpp]'."""

    code = "chat_not_installed"


class ChatUnavailable(EnhancementError):
    """The language model at {where} does not answer: {cause}. {advice}"""

    code = "chat_unavailable"


class ChatRefused(EnhancementError):
    """The language model at {where} refuses: {cause}. {advice}"""

    code = "chat_refused"


class StorageError(StenogramError):
    """{path} cannot be written: {cause}."""

    code = "storage_error"


class StorageFull(StorageError):
    """{path}: no space left: {cause}. Free some, or set STENOGRAM_MEDIA_URL or STENOGRAM_HOME to another disk."""

    code = "storage_full"


class DatabaseError(StenogramError):
    """The database refuses: {cause}."""

    code = "database_error"


class DatabaseUnavailable(DatabaseError):
    """The database does not answer ({where}): {cause}. The service goes on by itself when it is back."""

    code = "database_unavailable"


class SchemaOutdated(DatabaseError):
    """The tables of the database are not those of this version: {cause}. Run: stenogram db upgrade"""

    code = "schema_outdated"


class RequestError(StenogramError):
    """{cause}."""

    code = "request_error"


class TooLarge(RequestError):
    """{what} is larger than the limit: {size} against {limit}. The operator can raise it: {setting}."""

    code = "too_large"


class NotFound(RequestError):
    """No {what} {id}."""

    code = "not_found"


class Conflict(RequestError):
    """{what}: {cause}."""

    code = "conflict"


class VersionConflict(Conflict):
    """The transcript was edited elsewhere: it is at version {head}, and this edit was made of version {base}.

    {cause}
    """

    code = "version_conflict"


class CallbackRefused(RequestError):
    """Callbacks may not go to {url}: {cause}. The operator can allow it: STENOGRAM_CALLBACK_ALLOW."""

    code = "callback_refused"


class NotAuthenticated(RequestError):
    """Sign in, or send a valid API key: Authorization: Bearer KEY. The operator makes one: stenogram keys create"""

    code = "not_authenticated"


class NotAllowed(RequestError):
    """Not allowed: {cause}."""

    code = "not_allowed"


class TooManyRequests(RequestError):
    """Too many requests: {cause}. Try again in {retry_after_s:.0f} s."""

    code = "too_many_requests"


class WorkerDied(StenogramError):
    """{crashes} workers died over this recording without getting any further, so it is not tried again. {cause}"""

    code = "worker_died"


class InternalError(StenogramError):
    """The job failed for a fault of this program: {cause}. The log has more; please report it."""

    code = "internal_error"


class Cancelled(StenogramError):
    """Stopped on request. What was finished is kept: the same command goes on from there."""

    code = "cancelled"
