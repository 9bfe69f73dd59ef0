"""``stenogram enhance``: a language model goes over a transcript that is there already."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from stenogram import config, errors, formats
from stenogram.app import App
from stenogram.app import enhance as use_case
from stenogram.cli import edits
from stenogram.cli.exits import NOT_CLEAN, exit_code
from stenogram.cli.inputs import STDIN
from stenogram.cli.log import verbose_option
from stenogram.cli.options import LLM, options_of
from stenogram.cli.outputs import formats_of, make_folder, write
from stenogram.cli.progress import clock
from stenogram.config import Settings
from stenogram.enhance import diff
from stenogram.enhance.run import text_of
from stenogram.enhancement import LINE_KINDS, Enhancement, EnhanceOptions
from stenogram.formats import enhanced, verbose
from stenogram.formats.openai import encoded
from stenogram.types import SubtitleOptions, Transcript

_NAMES = LLM | {"home", "cache_url", "cache_max_mb", "offline"}
_DOCUMENT_FORMATS = ("text", "json")
_GRANULARITIES: tuple[formats.Granularity, ...] = ("segment", "word")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be made, and where it goes."""

    source: Path
    options: EnhanceOptions
    formats: tuple[str, ...]
    folder: Path | None
    subtitles: SubtitleOptions
    lines: bool
    quiet: bool
    as_json: bool
    diff: bool
    again: bool
    accept: frozenset[int] | None
    revert: frozenset[int] | None

    @property
    def reviews(self) -> bool:
        """It looks at changes, or chooses among them."""
        return self.diff or self.accept is not None or self.revert is not None


@dataclass(frozen=True, slots=True)
class _Result:
    original: Transcript
    transcript: Transcript
    """With what was accepted."""
    made: Enhancement
    accepted: frozenset[int]
    took_s: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", required=False, type=click.Path(path_type=Path), metavar="FILE")
@click.option("-o", "--output-dir", type=click.Path(path_type=Path), help="Write results here, named after FILE.")
@click.option(
    "-f",
    "--format",
    "formats_",
    multiple=True,
    metavar="NAME[,NAME...]",
    help=f"Output formats: {', '.join(formats.FORMATS)}; of a summary, a title and chapters: text, json. "
    "[default: text]",
)
@click.option("--diff", "as_diff", is_flag=True, help="Print the changes, before -> after, instead of the text.")
@click.option("--accept", metavar="ID[,ID...]", help="Put only these changes in; --diff shows their ids.")
@click.option("--revert", metavar="ID[,ID...]", help="Leave these changes out.")
@click.option("--again", is_flag=True, help="Ask the language model anew, whatever is known of its answers.")
@click.option("--check", is_flag=True, help="Only tell whether the language model answers; FILE may be left out.")
@click.option("--show/--no-show", default=None, help="Print the lines as they come. [default: on a terminal]")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but results and errors.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object on stdout.")
@verbose_option
@options_of(EnhanceOptions)
@options_of(Settings, names=_NAMES)
@options_of(SubtitleOptions)
def enhance(source: Path | None, **given: Any) -> int:
    """Clean a transcript up, translate it, or say what it is about, by a language model.

    FILE is a transcript in verbose_json, ours or another program's, or - for stdin. What was said stays: a line whose
    numbers, names, negations or sense would change is kept as it is. Of a file that was written with --enhance,
    --diff, --accept and --revert concern the changes it tells of, without asking again.
    """
    settings = config.read(Settings, given)
    if given["check"]:
        return _check(settings, as_json=given["as_json"])
    if source is None:
        raise click.UsageError("Missing argument 'FILE'.")
    wish = _wish(source, given)
    try:
        result = _result(wish, settings)
        _deliver(result, wish)
    except errors.StenogramError as error:
        if not wish.as_json or isinstance(error, errors.Cancelled):
            raise
        failure = {"code": error.code, "message": str(error)}
        click.echo(json.dumps({"file": str(source), "status": "failed", "error": failure}, ensure_ascii=False))
        return exit_code(error)
    sys.stdout.flush()  # here, where click still handles a reader that has left (``| head``)
    return 0


def _check(settings: Settings, *, as_json: bool) -> int:
    from stenogram.enhance.check import check

    state = check(settings)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(state) | {"ready": state.ready}, ensure_ascii=False))
    elif state.ready:
        placed = {True: ", in GPU memory", False: ", on the CPU", None: ""}[state.on_gpu]
        click.echo(f"{state.model} at {state.where}: ready{placed}")
    else:
        click.echo(f"{state.model} at {state.where}: {state.cause}. {state.advice or ''}".rstrip())
    return 0 if state.ready else NOT_CLEAN


def _wish(source: Path, given: dict[str, Any]) -> _Wish:
    """Raises ``OptionError`` for options that do not go together."""
    options = config.read(EnhanceOptions, given)
    chosen = formats_of(given["formats_"])
    files = given["output_dir"] is not None or len(chosen) > 1
    shown = given["show"] if given["show"] is not None else not chosen and sys.stdout.isatty()
    silent = given["quiet"] or given["as_json"] or given["as_diff"]
    wish = _Wish(
        source=source,
        options=options,
        formats=chosen or ("text",),
        folder=(given["output_dir"] or Path()) if files else None,
        subtitles=config.read(SubtitleOptions, given),
        lines=shown and not silent and options.kind in LINE_KINDS,
        quiet=given["quiet"] or given["as_json"],
        as_json=given["as_json"],
        diff=given["as_diff"],
        again=given["again"],
        accept=_ids("--accept", given["accept"]),
        revert=_ids("--revert", given["revert"]),
    )
    if wish.reviews and options.kind != "clean":
        name = "--diff" if wish.diff else "--accept" if wish.accept is not None else "--revert"
        raise errors.OptionError(name=name, value=options.kind, cause="only clean text is made of changes")
    if wish.accept is not None and wish.revert is not None:
        raise errors.OptionError(name="--accept", value=given["accept"], cause="give it or --revert, not both")
    if options.kind not in LINE_KINDS and (other := [name for name in wish.formats if name not in _DOCUMENT_FORMATS]):
        cause = f"a {options.kind} has no times; there are: {', '.join(_DOCUMENT_FORMATS)}"
        raise errors.OptionError(name="--format", value=other[0], cause=cause)
    if wish.folder is not None:
        make_folder(wish.folder)
    # A chosen part of the changes is known when all of them are.
    return replace(wish, lines=wish.lines and not wish.reviews)


def _ids(flag: str, given: str | None) -> frozenset[int] | None:
    if given is None:
        return None
    try:
        return frozenset(int(number) for number in given.split(",") if number.strip())
    except ValueError as error:
        raise errors.OptionError(name=flag, value=given, cause="must be like 3,7: ids as --diff shows them") from error


def _result(wish: _Wish, settings: Settings) -> _Result:
    found = _read(wish.source)
    began = time.monotonic()
    told = found.enhancement
    if told is not None and told.kind == "clean" and wish.reviews and not wish.again:
        made, reverted = replace(told, cached=True), found.reverted
    else:
        made, reverted = _made(found.transcript, wish, settings), frozenset[int]()
    accepted = _accepted(made, wish, reverted)
    if made.kind == "clean":
        transcript = diff.apply(found.transcript, [change for change in made.changes if change.id in accepted])
    else:
        transcript = text_of(found.transcript, made)
    return _Result(found.transcript, transcript, made, accepted, time.monotonic() - began)


def _made(transcript: Transcript, wish: _Wish, settings: Settings) -> Enhancement:
    name, kind = str(wish.source), wish.options.kind
    with (
        App.open(replace(settings, preload="")) as app,
        edits.Edits(name, transcript, kind, wish.quiet, wish.lines) as shown,
    ):
        return shown.follow(use_case.stream(app, transcript, wish.options, fresh=wish.again, progress=shown.advance))


def _accepted(made: Enhancement, wish: _Wish, reverted: frozenset[int]) -> frozenset[int]:
    known = frozenset(change.id for change in made.changes)
    for flag, ids in (("--accept", wish.accept), ("--revert", wish.revert)):
        if ids is not None and ids - known:
            cause = f"there are the changes 0 to {len(known) - 1}" if known else "there are no changes"
            raise errors.OptionError(name=flag, value=min(ids - known), cause=cause)
    return wish.accept if wish.accept is not None else known - reverted - (wish.revert or frozenset())


def _read(source: Path) -> verbose.Found:
    """The transcript in a file. Raises ``FileNotReadable``, ``NotTranscript``."""
    if source == STDIN:
        return verbose.read(sys.stdin.buffer.read(), "stdin")
    try:
        body = source.read_bytes()
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise errors.FileNotReadable(path=source, cause=cause) from error
    return verbose.read(body, str(source))


# --- what comes out --------------------------------------------------------------------------------------------------


def _deliver(result: _Result, wish: _Wish) -> None:
    bodies = {name: _body(result, name, wish) for name in wish.formats}
    written = []
    if wish.folder is not None:
        for name, body in bodies.items():
            path = wish.folder / (_stem(wish.source, result.made) + formats.format_named(name).suffix)
            write(path, body)
            written.append(path)
    if wish.as_json:
        _print_json(result, wish, bodies if wish.folder is None else {}, written)
        return
    if wish.diff:
        _print_diff(result)
    elif wish.folder is None and not (wish.lines and wish.formats == ("text",)):
        sys.stdout.write(bodies[wish.formats[0]])
    if not wish.quiet:
        click.echo(f"{wish.source}: {edits.summary(result.made, result.took_s)}", err=True)
        for path in written:
            click.echo(f"  wrote {path}", err=True)


def _body(result: _Result, name: str, wish: _Wish) -> str:
    if result.made.document is not None:
        document = dict(result.made.document)
        return encoded(document) if name == "json" else _readable(document)
    if name == "verbose_json":
        return enhanced.verbose_json(result.original, result.transcript, result.made, result.accepted, _GRANULARITIES)
    return formats.render(result.transcript, name, wish.subtitles, _GRANULARITIES, _base(wish.source))


def _readable(document: dict[str, Any]) -> str:
    """A document for the eye: what it says, items with dashes, chapters with their times."""
    lines = [document[name] for name in ("title", "summary") if name in document]
    items = document.get("action_items", ())
    if items:
        lines += ["", "To do:"]
    lines += [f"- {item['task']}" + (f" ({item['owner']})" if item["owner"] else "") for item in items]
    lines += [f"{clock(chapter['start'])} {chapter['title']}" for chapter in document.get("chapters", ())]
    return "".join(f"{line}\n" for line in lines)


def _print_diff(result: _Result) -> None:
    for change in result.made.changes:
        click.echo(edits.changed(change, accepted=change.id in result.accepted))
    starts = {segment.id: segment.start for segment in result.original.segments}
    for line in result.made.lines:
        if line.doubt is not None:
            click.echo(edits.kept(line, starts[line.segment]))


def _print_json(result: _Result, wish: _Wish, bodies: dict[str, str], written: Collection[Path]) -> None:
    facts: dict[str, Any] = {
        "file": str(wish.source),
        "status": "succeeded",
        "elapsed": round(result.took_s, 3),
        **enhanced.fields(result.made, result.accepted),
        "outputs": [str(path) for path in written],
    }
    if result.made.document is None:
        facts["text"] = result.transcript.text
    for name, body in bodies.items():
        if name != "text" and result.made.document is None:
            facts[name] = json.loads(body) if name.endswith("json") else body
    click.echo(json.dumps(facts, ensure_ascii=False))


def _stem(source: Path, made: Enhancement) -> str:
    """``talk.clean``, ``talk.de``, ``talk.summary``: the files of the recording itself stay as they are."""
    return f"{_base(source)}.{made.language if made.kind == 'translation' else made.kind}"


def _base(source: Path) -> str:
    if source == STDIN:
        return "stdin"
    name = source.name
    for ending in (".json", ".verbose", ".clean"):
        name = name.removesuffix(ending) or name
    return name
