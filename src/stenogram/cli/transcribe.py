"""``stenogram transcribe``: recordings in, files or text on the screen out."""

from __future__ import annotations

import functools
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from stenogram import config, errors, formats
from stenogram.app import App, api
from stenogram.app.doctor import log_facts
from stenogram.app.known import diarization_of, voice_of
from stenogram.app.transcribe import Request, resolve
from stenogram.app.transcribe import transcribe as transcribe_one
from stenogram.cache import workspace
from stenogram.cli import outputs
from stenogram.cli.editing import Edited, Editing
from stenogram.cli.exits import exit_code, worst
from stenogram.cli.inputs import STDIN, Names, expand
from stenogram.cli.log import is_verbose, show_stats, verbose_option
from stenogram.cli.models import asking
from stenogram.cli.options import options_of
from stenogram.cli.progress import Show, clock
from stenogram.config import Settings
from stenogram.enhancement import EnhanceOptions
from stenogram.models.choose import choose
from stenogram.pipeline.parts import Watch
from stenogram.types import SubtitleOptions

GRANULARITIES: tuple[formats.Granularity, ...] = ("segment", "word")
"""Files hold everything; on the wire the client chooses."""
SPEAKERS_ONLY = ("diarized_json", "rttm")
"""Formats that say nothing without speakers."""


@dataclass(frozen=True, slots=True)
class Output(outputs.Output):
    """What becomes of a transcript."""

    speakers: bool = False
    """Tell who speaks; that is known at the end, so the segments are printed then."""
    enhance: bool = False
    """Have a language model go over the text; what it gives back is printed then."""


@dataclass(frozen=True, slots=True)
class Result:
    """A recording's transcript, on its way out."""

    source: Path
    stem: str
    """What its files are called."""
    edited: Edited
    show: Show
    """What is known of how it was made."""
    failure: errors.StenogramError | None = None
    """Why no language model has been over it, although that was wished."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("inputs", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o", "--output-dir", type=click.Path(path_type=Path), help="Write results here, named after the recordings."
)
@outputs.format_option
@click.option(
    "--known",
    multiple=True,
    metavar="NAME=FILE",
    help="Call a speaker by name: FILE holds 2 to 10 s in which only this person speaks. For each one known.",
)
@click.option(
    "--enhance",
    is_flag=True,
    help="Have a language model clean the text up, by the --llm options; where it cannot, the text stays as it is.",
)
@click.option("--show/--no-show", default=None, help="Print the text with times as it comes. [default: on a terminal]")
@outputs.quiet_option
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object per recording on stdout.")
@verbose_option
@options_of(*api.GROUPS, SubtitleOptions)
def transcribe(inputs: tuple[str, ...], **given: Any) -> int:
    """Turn recordings into text, subtitles or JSON.

    FILE is any audio or video file, a folder, a glob, or - for stdin. One recording in one format goes to stdout;
    with --output-dir, or with several (then in the working folder), results become files named after the recordings.
    Interrupted work goes on where it was: run the same command again.
    """
    sources, problems = expand(inputs)
    output = Output.of(given, several=len(sources) + len(problems) > 1, enhance=given["enhance"])
    options = {row.name: given[row.name] for group in api.GROUPS for row in config.rows(group)}
    _ask_for_speakers(options, output)
    settings, request = api.read(STDIN, options, _known(given["known"]))
    request = api.with_people(request, settings)
    output = replace(output, speakers=request.diarize.diarize)
    if output.folder is not None:
        outputs.make_folder(output.folder)
    log_facts(request.load)
    with App.open(settings) as app:
        app.model_for = functools.partial(choose, fetch=asking(settings))
        request = _checked(app, request)
        for problem in problems:
            _tell_failure(Path(str(problem.facts["path"])), problem, output)
        code = worst([_transcribe_all(app, request, sources, output), *map(exit_code, problems)])
    if is_verbose():
        show_stats()
    sys.stdout.flush()  # here, where click still handles a reader that has left (``| head``)
    return code


def _ask_for_speakers(options: dict[str, Any], output: Output) -> None:
    """A format that tells of speakers wants them told apart. Raises ``OptionError`` where that was said to be off."""
    telling = [name for name in output.formats if name in SPEAKERS_ONLY]
    if telling and options["diarize"] is None:
        options["diarize"] = True
    elif telling and not options["diarize"]:
        cause = f"the format {telling[0]} tells who speaks; leave out one of the two"
        raise errors.OptionError(name="--no-diarize", value="on", cause=cause)


def _checked(app: App, request: Request) -> Request:
    """A wrong option, or a recording by which nobody can be known, fails once, before any work."""
    resolved = resolve(app, request)
    if not request.diarize.diarize:
        return request
    diarization_of(app, request.diarize, resolved.load.device, app.cache)
    known = tuple(voice_of(app, speaker, app.cache, Watch()) for speaker in request.known_speakers)
    return replace(request, known_speakers=(), known_voices=(*known, *request.known_voices))


def _known(values: Sequence[str]) -> dict[str, Path]:
    """The recordings by which speakers are known, by name. Raises ``OptionError``."""
    found: dict[str, Path] = {}
    for value in values:
        name, separator, path = (part.strip() for part in value.partition("="))
        if not separator or not name or not path:
            raise errors.OptionError(name="--known", value=value, cause='must be like "Ann=ann.wav"')
        if name in found:
            raise errors.OptionError(name="--known", value=value, cause=f"{name} is there twice")
        found[name] = Path(path)
    return found


def _transcribe_all(app: App, request: Request, sources: Sequence[Path], output: Output) -> int:
    """Every recording in turn; one that fails is told and does not stop the others."""
    suffixes = {formats.format_named(name).suffix for name in output.formats}
    names = Names() if output.folder is None else Names.sparing(sources, output.folder, suffixes)
    codes = []
    for source in sources:
        stem, renamed = names.stem(source)
        try:
            live = output.lines and not output.speakers and not output.enhance
            with _readable(source, app.settings) as path, Show(str(source), output.quiet, live) as show:
                if renamed:
                    show.say(f"{source}: another recording has the name of its results; they are called {stem}")
                transcript = transcribe_one(app, replace(request, source=path), Watch(show))
            made = Result(source, stem, Edited(transcript), show)
            codes.append(_clean_up(app, made, output) if output.enhance else 0)
            if not output.enhance:
                _deliver(made, output)
        except (errors.InputError, errors.EngineError, errors.DiarizationError, errors.StorageError) as error:
            codes.append(exit_code(error))
            _tell_failure(source, error, output)
    return worst(codes)


def _clean_up(app: App, made: Result, output: Output) -> int:
    """Deliver the text as a language model gives it back; as it was, where that fails or is stopped."""
    editing = Editing(_name(made.source), output.quiet, output.lines)
    try:
        edited = editing.edit(app, made.edited.original, EnhanceOptions())
    except (errors.EnhancementError, errors.ModelError) as error:
        if not output.as_json:
            end = "" if str(error).endswith(".") else "."
            click.echo(
                f"stenogram: {_name(made.source)} is not cleaned up, its text is as transcribed. {error}{end} "
                "Then run the same command again: only this is left to do.",
                err=True,
            )
        _deliver(replace(made, failure=error), output)
        return exit_code(error)
    except BaseException:  # Ctrl-C among them
        if not output.quiet:
            click.echo(f"{_name(made.source)} is not cleaned up, its text is as transcribed.", err=True)
        _deliver(made, output)
        raise
    _deliver(replace(made, edited=edited), output)
    return 0


def _name(source: Path) -> str:
    return "stdin" if source == STDIN else str(source)


@contextmanager
def _readable(source: Path, settings: Settings) -> Iterator[Path]:
    """The recording as a file: stdin is spooled to where the next start finds it, should this process be killed."""
    if source != STDIN:
        yield source
        return
    with workspace(settings.cache_dir) as folder:
        spool = folder / "stdin"
        try:
            with spool.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 2**20)
        except OSError as error:
            cause = f"{error.strerror or error}. Standard input is kept there; set STENOGRAM_HOME to another folder"
            raise errors.StorageError(path=folder.parent, cause=cause) from error
        yield spool


def _deliver(made: Result, output: Output) -> None:
    source, show, transcript = made.source, made.show, made.edited.written
    told = made.edited.told
    if output.lines and told is None and (output.speakers or output.enhance):
        show.print(transcript.segments)
    recording = formats.Recording(made.stem, None if source == STDIN else source.name, time.time())
    bodies = {
        name: formats.render(transcript, name, output.subtitles, GRANULARITIES, recording, told)
        for name in output.formats
    }
    written = []
    if output.folder is not None:
        for name, body in bodies.items():
            path = output.folder / (made.stem + formats.format_named(name).suffix)
            outputs.write(path, body)
            written.append(path)
    elif not output.as_json and not (output.lines and output.formats == ("text",)):
        outputs.print_body(bodies[output.formats[0]])
    if output.as_json:
        _print_json(made, bodies if output.folder is None else {}, written)
    elif not output.quiet:
        speed = "from the cache" if show.cached else f"{transcript.duration / show.took_s:.0f}x real time"
        found = "" if transcript.segments else "; no speech found"
        click.echo(f"{source}: {clock(transcript.duration)} in {show.took_s:.1f} s, {speed}{found}", err=True)
        if told is not None:
            click.echo(f"{source}: {made.edited.summary()}", err=True)
        for path in written:
            click.echo(f"  wrote {path}", err=True)


def _print_json(made: Result, bodies: Mapping[str, str | bytes], written: Sequence[Path]) -> None:
    transcript, took_s, enhancement = made.edited.written, made.show.took_s, made.edited.enhancement
    facts = {
        "file": str(made.source),
        "status": "succeeded",
        "duration": round(transcript.duration, 3),
        "elapsed": round(took_s, 3),
        "rtfx": round(transcript.duration / took_s, 1) if took_s else None,
        "language": transcript.language,
        "model": transcript.model,
        "choices": list(transcript.choices),
        "text": transcript.text,
        "warnings": list(transcript.warnings),
        "outputs": [str(path) for path in written],
    }
    if transcript.diarizer:
        facts["diarizer"] = transcript.diarizer
        facts["speakers"] = list(dict.fromkeys(turn.speaker for turn in transcript.turns))
    if enhancement is not None:
        elapsed = round(made.edited.took_s, 3)
        facts["enhancement"] = {"status": "completed", "elapsed": elapsed, **(made.edited.told or {})}
    elif made.failure is not None:
        failure = {"code": made.failure.code, "message": str(made.failure)}
        facts["enhancement"] = {"status": "failed", "error": failure}
    for name, body in bodies.items():
        if name != "text":
            facts[name] = json.loads(body) if name.endswith("json") else body
    click.echo(json.dumps(facts, ensure_ascii=False))


def _tell_failure(source: Path, error: errors.StenogramError, output: Output) -> None:
    message = str(error) if source != STDIN else str(error).replace(str(error.facts.get("path")), "stdin")
    if output.as_json:
        failure = {"code": error.code, "message": message}
        click.echo(json.dumps({"file": str(source), "status": "failed", "error": failure}, ensure_ascii=False))
    else:
        click.echo(f"stenogram: {message}", err=True)
