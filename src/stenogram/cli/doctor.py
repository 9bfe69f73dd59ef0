"""``stenogram doctor``: what this machine has, what is missing, and what helps."""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap

import click

from stenogram.app.doctor import Finding, State, examine

MARKS: dict[State, tuple[str, str]] = {
    "good": ("ok", "green"),
    "note": ("note", "cyan"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "red"),
}
TOPIC_WIDTH, MARK_WIDTH = 10, 9
WIDEST = 100


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verify", is_flag=True, help="Read all models whole and compare their SHA-256.")
@click.option("--test", is_flag=True, help="Transcribe three seconds of speech.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object on stdout.")
def doctor(verify: bool, test: bool, as_json: bool) -> int:
    """Check this machine, the engines, models, folders and settings; say what helps where something is wrong.

    Exit code 0 when recordings can be transcribed, 1 when a fault would stop the work.
    """
    findings = []
    for finding in examine(verify=verify, test=test):
        findings.append(finding)
        if not as_json:
            _show(finding)
    good = all(finding.state != "fault" for finding in findings)
    if as_json:
        facts = {"good": good, "findings": [dataclasses.asdict(finding) for finding in findings]}
        click.echo(json.dumps(facts, ensure_ascii=False))
    elif good:
        click.echo("Recordings can be transcribed.")
    else:
        click.echo("Work would stop: see what is marked FAULT.")
    return 0 if good else 1


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.state]
    indent = TOPIC_WIDTH + MARK_WIDTH
    room = max(min(shutil.get_terminal_size().columns, WIDEST) - indent - 1, 20)
    lines = textwrap.wrap(finding.text, room, break_on_hyphens=False) or [""]
    if finding.advice:
        advice = textwrap.wrap(finding.advice, room - 2, break_on_hyphens=False)
        lines += ["> " + advice[0], *("  " + line for line in advice[1:])]
    click.echo(f"{finding.topic:<{TOPIC_WIDTH}}{click.style(f'{mark:<{MARK_WIDTH}}', fg=colour)}{lines[0]}")
    for line in lines[1:]:
        click.echo(" " * indent + line)
