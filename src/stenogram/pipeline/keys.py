"""What makes two results the same: the keys of the cache. SHA-256, hex, over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from stenogram.errors import Cancelled, FileNotReadable
from stenogram.protocols import Diarizer, Engine, Stop
from stenogram.types import Chunk, DiarizeOptions, LoadOptions, ModelFiles, RunOptions, TranscribeOptions

RULES = 3
"""Raise by one whenever decode, VAD, chunking, guard or joining change what text comes out."""

TURNS = 1
"""Raise by one whenever the rules change by which turns are smoothed, voices heard, or cross-talk is found."""

_READ_BYTES = 2**20


def of_file(path: Path, stop: Stop) -> str:
    """SHA-256 of the bytes of a file, hex. Raises ``FileNotReadable``, and ``Cancelled`` when ``stop`` says so."""
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_READ_BYTES):
                if stop():
                    raise Cancelled
                digest.update(block)
    except OSError as error:
        raise FileNotReadable(path=path, cause=error.strerror or str(error)) from error
    return digest.hexdigest()


def of_survey(file_digest: str, options: RunOptions) -> str:
    """Key of a first look at a file."""
    return _digest("survey", file_digest, asdict(options.decode))


def of_speech(file_digest: str, options: RunOptions) -> str:
    """Key of the speech found in a file."""
    return _digest("speech", file_digest, asdict(options.decode), asdict(options.vad))


@dataclass(frozen=True, slots=True)
class Model:
    """What decodes: an engine, its weights, and how they are loaded (settled)."""

    engine: Engine
    files: ModelFiles
    load: LoadOptions

    def facts(self) -> tuple[Any, ...]:
        """All of it that may change the text; the number of threads does not."""
        shape = astuple(self.engine.chunking)
        where = self.load.device, self.load.compute_type
        return self.engine.name, self.engine.version, shape, self.files.digest, *where


def of_transcript(file_digest: str, options: RunOptions, model: Model) -> str:
    """Key of a whole transcript: the file's bytes and everything that decides its text."""
    return _digest("transcript", file_digest, asdict(options), *model.facts())


def of_language(file_digest: str, options: RunOptions, model: Model) -> str:
    """Key of the language heard in a recording."""
    where = asdict(options.decode), asdict(options.vad)
    return _digest("language", file_digest, *where, *model.facts())


def of_speakers(file_digest: str, options: RunOptions, diarizer: Diarizer, diarize: DiarizeOptions) -> str:
    """Key of who speaks when in a recording."""
    where = asdict(options.decode), asdict(options.vad)
    numbers = diarize.num_speakers, diarize.min_speakers, diarize.max_speakers
    return _digest("speakers", file_digest, *where, diarizer.name, diarizer.version, numbers, TURNS)


def of_voice(file_digest: str, network: str) -> str:
    """Key of what the voice in a reference recording is like."""
    return _digest("voice", file_digest, network, TURNS)


def of_channels(transcript_key: str) -> str:
    """Key of a transcript whose channels are its speakers."""
    return _digest("channels", transcript_key, TURNS)


def of_chunk(chunk: Chunk, options: TranscribeOptions, model: Model) -> str:
    """Key of the segments of one chunk: its samples, not its place, so that equal sound is decoded once."""
    speech = [(round(span.start - chunk.start, 4), round(span.end - chunk.start, 4)) for span in chunk.spans]
    return _digest("chunk", chunk.digest(), chunk.duration, speech, asdict(options), *model.facts())


def _digest(*parts: Any) -> str:
    text = json.dumps([RULES, *parts], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
