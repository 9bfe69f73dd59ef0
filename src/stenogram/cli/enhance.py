"""``stenogram enhance``: transcripts in, what a language model makes of them out."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from stenogram import config, errors, formats
from stenogram.app import App
from stenogram.cli import outputs
from stenogram.cli.editing import Edited, Editing, difference, printable
from stenogram.cli.exits import exit_code, worst
from stenogram.cli.inputs import STDIN, Names
from stenogram.cli.log import verbose_option
from stenogram.cli.options import LLM, options_of
from stenogram.cli.progress import clock
from stenogram.cli.transcribe import GRANULARITIES
from stenogram.config import Settings
from stenogram.enhancement import LINE_KINDS, EnhanceOptions
from stenogram.formats import reading
from stenogram.types import SubtitleOptions, Transcript

_SETTINGS = LLM | {"home", "cache_url", "cache_max_mb", "offline"}
DOCUMENT_FORMATS = ("text", "json")
"""What a summary, a title or chapters can be written as."""


@dataclass(frozen=True, slots=True)
class Output(outputs.Output):
    """What becomes of what a language model makes."""

    diff: bool
    """Print the changes instead of the text."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE...")
@options_of(EnhanceOptions)
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Write results here, named like a.clean.txt.",
)
@outputs.format_option
@click.option("--diff", is_flag=True, help="Print what was changed, with ids, instead of the text.")
@click.option("--accept", metavar="ID[,ID...]", help="Put only these changes into the text.")
@click.option("--revert", metavar="ID[,ID...]", help="Leave these changes out of the text.")
@click.option("--again", is_flag=True, help="Ask the model anew, whatever it answered before.")
@click.option("--check", is_flag=True, help="Only tell whether the language model can be used; needs no FILE.")
@click.option("--show/--no-show", default=None, help="Print lines with times as they come. [default: on a terminal]")
@outputs.quiet_option
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object per file on stdout.")
@verbose_option
@options_of(Settings, SubtitleOptions, names=_SETTINGS | {row.name for row in config.rows(SubtitleOptions)})
def enhance(files: tuple[Path, ...], **given: Any) -> int:
    """Have a language model clean up, translate or sum up transcripts.

    FILE is a transcript in verbose_json: of stenogram transcribe -f verbose_json, of OpenAI or WhisperX, or - for
    stdin. It is only read. A line that the model would change in its numbers, names or negations, or too much of,
    stays as it was transcribed. One file in one format goes to stdout. Marks on the screen: ~ changed, = kept.

    Exit code 0 when all is done, 1 when a file is no transcript, 6 when the language model cannot be used; of --check,
    0 when it can and 1 when it cannot.
    """
    settings = replace(config.read(Settings, {name: given[name] for name in _SETTINGS}), preload="")
    if given["check"]:
        return _check(settings, as_json=given["as_json"])
    if not files:
        raise click.MissingParameter(param_hint="'FILE...'", param_type="argument", ctx=click.get_current_context())
    options = config.read(EnhanceOptions, given)
    output = _output(given, options, len(files))
    if given["accept"] is not None and given["revert"] is not None:
        raise errors.OptionError(name="--accept", value=given["accept"], cause="give it or --revert, not both")
    accepted, reverted = (_ids(flag, given[flag], options, len(files)) for flag in ("accept", "revert"))
    job = _Job(options, output, accepted, reverted or frozenset(), fresh=given["again"])
    if output.folder is not None:
        outputs.make_folder(output.folder)
    with App.open(settings) as app:
        code = _enhance_all(app, job, files)
    sys.stdout.flush()  # here, where click still handles a reader that has left (``| head``)
    return code


@dataclass(frozen=True, slots=True)
class _Job:
    options: EnhanceOptions
    output: Output
    accepted: frozenset[int] | None
    """Ids of the only changes that are wanted; None: all but those reverted."""
    reverted: frozenset[int]
    fresh: bool

    def left_out(self, edited: Edited) -> frozenset[int]:
        """Ids of the changes that are not wanted. Raises ``OptionError`` for a change that there is not."""
        if self.accepted is None or edited.enhancement is None:
            return self.reverted
        known = frozenset(change.id for change in edited.enhancement.changes)
        if self.accepted - known:
            cause = "there is no such change; --diff lists them"
            raise errors.OptionError(name="--accept", value=min(self.accepted - known), cause=cause)
        return known - self.accepted


def _output(given: Mapping[str, Any], options: EnhanceOptions, count: int) -> Output:
    output = Output.of(given, several=count > 1 and not given["diff"], diff=given["diff"])
    unfit = [name for name in output.formats if name not in DOCUMENT_FORMATS]
    if options.kind not in LINE_KINDS and unfit:
        cause = f"{options.kind} can be written as {' or '.join(DOCUMENT_FORMATS)}"
        raise errors.OptionError(name="--format", value=unfit[0], cause=cause)
    if given["diff"] and options.kind != "clean":
        raise errors.OptionError(name="--diff", value="on", cause="only --kind clean makes changes")
    instead = given["diff"] or given["revert"] or given["accept"]
    return replace(output, lines=output.lines and not instead and options.kind in LINE_KINDS)


def _ids(flag: str, value: str | None, options: EnhanceOptions, count: int) -> frozenset[int] | None:
    if value is None:
        return None
    if options.kind != "clean" or count > 1:
        cause = "only --kind clean makes changes" if count == 1 else "each file has changes of its own; name one file"
        raise errors.OptionError(name=f"--{flag}", value=value, cause=cause)
    try:
        return frozenset(int(each) for each in value.split(","))
    except ValueError as error:
        raise errors.OptionError(name=f"--{flag}", value=value, cause='must be like "3,7"; --diff tells ids') from error


def _enhance_all(app: App, job: _Job, files: Sequence[Path]) -> int:
    """Every file in turn; one that fails is told and does not stop the others."""
    output = job.output
    suffixes = {formats.format_named(name).suffix for name in output.formats}
    names = Names() if output.folder is None else Names.sparing(files, output.folder, suffixes)
    codes = []
    for file in files:
        stem, _ = names.stem(_bare(file, job.options.kind))
        editing = Editing("stdin" if file == STDIN else str(file), output.quiet, output.lines, job.options.kind)
        try:
            transcript = _read(file)
            edited = editing.edit(app, transcript, job.options, fresh=job.fresh)
            _deliver(replace(edited, reverted=job.left_out(edited)), file, stem, output)
        except (errors.InputError, errors.EnhancementError, errors.StorageError) as error:
            codes.append(exit_code(error))
            _tell_failure(file, error, output)
    return worst(codes)


def _bare(file: Path, kind: str) -> Path:
    """A file whose stem is that of the results: ``talk.verbose.json`` becomes ``talk.clean``."""
    if file == STDIN:
        return Path(f"stdin.{kind}.json")
    endings = sorted((known.suffix for known in formats.FORMATS.values()), key=len, reverse=True)
    ending = next((each for each in endings if file.name.casefold().endswith(each)), file.suffix)
    return file.with_name(f"{file.name[: len(file.name) - len(ending)]}.{kind}.json")


def _read(file: Path) -> Transcript:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise errors.FileNotReadable(path=file, cause=error.strerror or error) from error
    return reading.read(data, Path("stdin") if file == STDIN else file)


def _deliver(edited: Edited, file: Path, stem: str, output: Output) -> None:
    bodies = _bodies(edited, stem, output)
    written = []
    if output.folder is not None:
        for name, body in bodies.items():
            path = output.folder / (stem + formats.format_named(name).suffix)
            outputs.write(path, body)
            written.append(path)
    if output.as_json:
        _print_json(edited, file, bodies if output.folder is None else {}, written)
        return
    if output.diff and edited.enhancement is not None:
        sys.stdout.writelines(f"{difference(change)}\n" for change in edited.enhancement.changes)
    elif output.folder is None and not (output.lines and output.formats == ("text",)):
        outputs.print_body(bodies[output.formats[0]])
    if not output.quiet:
        click.echo(f"{file}: {edited.summary()}", err=True)
        for path in written:
            click.echo(f"  wrote {path}", err=True)


def _bodies(edited: Edited, stem: str, output: Output) -> Mapping[str, str | bytes]:
    document = edited.enhancement.document if edited.enhancement else None
    if document is not None:
        as_json = json.dumps(document, ensure_ascii=False) + "\n"
        return {name: as_json if name == "json" else readable(document) for name in output.formats}
    written, told = edited.written, edited.told
    recording = formats.Recording(stem, created_at=time.time())
    return {
        name: formats.render(written, name, output.subtitles, GRANULARITIES, recording, told) for name in output.formats
    }


def readable(document: Mapping[str, Any]) -> str:
    """A summary with what is to be done, a title, or chapters with their times, as text."""
    if "chapters" in document:
        rows = [f"{clock(chapter['start'])}  {chapter['title']}" for chapter in document["chapters"]]
    elif "title" in document:
        rows = [document["title"]]
    else:
        items = document["action_items"]
        tasks = [f"- {item['task']}" + (f" ({item['owner']})" if item["owner"] else "") for item in items]
        rows = [document["summary"], *(["", "To do:", *tasks] if tasks else [])]
    return "".join(f"{printable(row)}\n" for row in rows)


def _print_json(edited: Edited, file: Path, bodies: Mapping[str, str | bytes], written: Sequence[Path]) -> None:
    made = edited.enhancement
    if made is None:
        return
    facts: dict[str, Any] = {
        "file": str(file),
        "status": "succeeded",
        "elapsed": round(edited.took_s, 3),
        "language": made.language,
    }
    if made.document is None:
        facts["text"] = edited.written.text
    facts |= {"enhancement": edited.told, "outputs": [str(path) for path in written]}
    for name, body in bodies.items() if made.document is None else ():
        if name != "text":
            facts[name] = json.loads(body) if name.endswith("json") else body
    click.echo(json.dumps(facts, ensure_ascii=False))


def _tell_failure(file: Path, error: errors.StenogramError, output: Output) -> None:
    if output.as_json:
        failure = {"code": error.code, "message": str(error)}
        click.echo(json.dumps({"file": str(file), "status": "failed", "error": failure}, ensure_ascii=False))
    else:
        click.echo(f"stenogram: {error}", err=True)


def _check(settings: Settings, *, as_json: bool) -> int:
    from stenogram.enhance.check import check

    state = check(settings)
    if as_json:
        click.echo(json.dumps({"ready": state.ready, **dataclasses.asdict(state)}, ensure_ascii=False))
        return 0 if state.ready else 1
    known = {True: "yes", False: "no", None: "not known"}
    rows = {
        "where": state.where,
        "model": state.model,
        "answers": known[state.answers],
        "has it": known[state.has_model],
        "on GPU": known[state.on_gpu],
    }
    for name, value in rows.items():
        click.echo(f"{name:<8} {value}")
    if state.cause:
        click.echo(f"stenogram: {' '.join(filter(None, [f'{state.cause}.', state.advice]))}", err=True)
    return 0 if state.ready else 1
