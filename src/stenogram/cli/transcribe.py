"""``stenogram transcribe``: recordings in, files or text on the screen out."""

from __future__ import annotations

import functools
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from stenogram import config, errors, formats
from stenogram.app import App, api
from stenogram.app import enhance as language_model
from stenogram.app.doctor import log_facts
from stenogram.app.known import diarization_of, voice_of
from stenogram.app.transcribe import Request, resolve
from stenogram.app.transcribe import transcribe as transcribe_one
from stenogram.cache import workspace
from stenogram.cli.edits import Edits, stop_on_interrupt, summary
from stenogram.cli.exits import NOT_CLEAN, exit_code
from stenogram.cli.inputs import STDIN, Names, expand
from stenogram.cli.log import is_verbose, show_stats, verbose_option
from stenogram.cli.models import asking
from stenogram.cli.options import options_of
from stenogram.cli.outputs import formats_of, make_folder, write
from stenogram.cli.progress import Show, clock
from stenogram.config import Settings
from stenogram.enhance.run import text_of
from stenogram.enhancement import Enhancement, EnhanceOptions
from stenogram.formats import enhanced
from stenogram.models.choose import choose
from stenogram.pipeline.parts import Watch
from stenogram.types import SubtitleOptions, Transcript

GRANULARITIES: tuple[formats.Granularity, ...] = ("segment", "word")
"""Files hold everything; on the wire the client chooses."""
SPEAKERS_ONLY = ("diarized_json", "rttm")
"""Formats that say nothing without speakers."""


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of a transcript."""

    formats: tuple[str, ...]
    folder: Path | None
    """None: to stdout."""
    subtitles: SubtitleOptions
    quiet: bool
    as_json: bool
    lines: bool
    """Print each segment with its time as it comes."""
    clean: bool = False
    """Have a language model go over the text; the lines are printed as they come from there."""
    speakers: bool = False
    """Tell who speaks; that is known at the end, so the segments are printed then."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a recording."""

    transcript: Transcript
    """What is written."""
    original: Transcript
    """What was heard."""
    made: Enhancement | None = None
    """What the language model made of it."""
    error: errors.StenogramError | None = None
    """Why it made nothing of it."""
    clean_s: float = 0.0
    """How long that took."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("inputs", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o", "--output-dir", type=click.Path(path_type=Path), help="Write results here, named after the recordings."
)
@click.option(
    "-f",
    "--format",
    "formats_",
    multiple=True,
    metavar="NAME[,NAME...]",
    help=f"Output formats: {', '.join(formats.FORMATS)}. [default: text]",
)
@click.option(
    "--known",
    multiple=True,
    metavar="NAME=FILE",
    help="Call a speaker by name: FILE holds 2 to 10 s in which only this person speaks. For each one known.",
)
@click.option("--show/--no-show", default=None, help="Print the text with times as it comes. [default: on a terminal]")
@click.option(
    "--enhance", is_flag=True, help="Have a language model repair grammar and punctuation; what was said stays."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but results and errors.")
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
    output = _output(given, len(sources) + len(problems))
    options = {row.name: given[row.name] for group in api.GROUPS for row in config.rows(group)}
    _ask_for_speakers(options, output)
    settings, request = api.read(STDIN, options, _known(given["known"]))
    request = api.with_people(request, settings)
    output = replace(output, speakers=request.diarize.diarize)
    if output.folder is not None:
        make_folder(output.folder)
    log_facts(request.load)
    with App.open(settings) as app:
        app.model_for = functools.partial(choose, fetch=asking(settings))
        request = _checked(app, request)
        for problem in problems:
            _tell_failure(Path(str(problem.facts["path"])), problem, output)
        code = max([_transcribe_all(app, request, sources, output), *map(exit_code, problems)])
    if is_verbose():
        show_stats()
    sys.stdout.flush()  # here, where click still handles a reader that has left (``| head``)
    return code


def _output(given: dict[str, Any], count: int) -> Output:
    chosen = formats_of(given["formats_"])
    files = given["output_dir"] is not None or count > 1 or len(chosen) > 1
    show = given["show"] if given["show"] is not None else not chosen and sys.stdout.isatty()
    return Output(
        formats=chosen or ("text",),
        folder=(given["output_dir"] or Path()) if files else None,
        subtitles=config.read(SubtitleOptions, {row.name: given[row.name] for row in config.rows(SubtitleOptions)}),
        quiet=given["quiet"] or given["as_json"],
        as_json=given["as_json"],
        lines=show and not given["quiet"] and not given["as_json"],
        clean=given["enhance"],
    )


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
    worst = 0
    for source in sources:
        stem, renamed = names.stem(source)
        try:
            live = output.lines and not output.speakers and not output.clean
            with _readable(source, app.settings) as path, Show(str(source), output.quiet, live) as show:
                if renamed:
                    show.say(f"{source}: another recording has the name of its results; they are called {stem}")
                transcript = transcribe_one(app, replace(request, source=path), Watch(show))
            result = _cleaned(app, transcript, source, output) if output.clean else Result(transcript, transcript)
            _deliver(result, source, stem, output, show)
            if result.error is not None:
                worst = max(worst, _tell_unclean(source, result.error, output))
        except (errors.InputError, errors.EngineError, errors.DiarizationError, errors.StorageError) as error:
            worst = max(worst, exit_code(error))
            _tell_failure(source, error, output)
    return worst


def _cleaned(app: App, transcript: Transcript, source: Path, output: Output) -> Result:
    """The transcript after the language model; where that cannot be, or is interrupted, as it was."""
    with Edits(str(source), transcript, "clean", output.quiet, output.lines) as edits, stop_on_interrupt() as stop:
        try:
            coming = language_model.stream(app, transcript, EnhanceOptions(), stop, progress=edits.advance)
            made = edits.follow(coming)
        except errors.StenogramError as failure:
            error = failure
            edits.print_rest()
        else:
            return Result(text_of(transcript, made), transcript, made, clean_s=time.monotonic() - edits.began)
    if not isinstance(error, errors.Cancelled):
        transcript = replace(transcript, warnings=(*transcript.warnings, f"The text is not cleaned up. {error}"))
    return Result(transcript, transcript, error=error)


def _tell_unclean(source: Path, error: errors.StenogramError, output: Output) -> int:
    """Say why a transcript is as it was, once it is written. Raises ``Cancelled`` where that is what was wished."""
    if isinstance(error, errors.Cancelled):
        raise error
    if not output.as_json:
        click.echo(f"stenogram: {source}: the text is not cleaned up. {error}", err=True)
    return NOT_CLEAN


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


def _deliver(result: Result, source: Path, stem: str, output: Output, show: Show) -> None:
    transcript = result.transcript
    if output.lines and output.speakers and not output.clean:
        show.print(transcript.segments)
    bodies = {name: _body(result, name, stem, output) for name in output.formats}
    written = []
    if output.folder is not None:
        for name, body in bodies.items():
            path = output.folder / (stem + formats.format_named(name).suffix)
            write(path, body)
            written.append(path)
    elif not output.as_json and not (output.lines and output.formats == ("text",)):
        sys.stdout.write(bodies[output.formats[0]])
    if output.as_json:
        _print_json(source, result, bodies if output.folder is None else {}, written, show.took_s)
    elif not output.quiet:
        speed = "from the cache" if show.cached else f"{transcript.duration / show.took_s:.0f}x real time"
        found = "" if transcript.segments else "; no speech found"
        click.echo(f"{source}: {clock(transcript.duration)} in {show.took_s:.1f} s, {speed}{found}", err=True)
        if result.made is not None:
            click.echo(f"{source}: {summary(result.made, result.clean_s)}", err=True)
        for path in written:
            click.echo(f"  wrote {path}", err=True)


def _body(result: Result, name: str, stem: str, output: Output) -> str:
    if result.made is not None and name == "verbose_json":
        every = {change.id for change in result.made.changes}
        return enhanced.verbose_json(result.original, result.transcript, result.made, every, GRANULARITIES)
    return formats.render(result.transcript, name, output.subtitles, GRANULARITIES, stem)


def _print_json(source: Path, result: Result, bodies: dict[str, str], written: Sequence[Path], took_s: float) -> None:
    transcript = result.transcript
    facts: dict[str, Any] = {
        "file": str(source),
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
    if result.made is not None:
        facts["enhancement"] = enhanced.fields(result.made, {change.id for change in result.made.changes})
    elif result.error is not None:
        facts["enhancement"] = {"error": {"code": result.error.code, "message": str(result.error)}}
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
